# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Rows of the table "ELMo or BERT?": speeds of the benchmarks, and every table of `hf-elmo compare` once it was run; and
what that comparison says to common claims."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hf_elmo.compare.formatting import in_both, texts
from hf_elmo.compare.ledger import MARGIN

from .facts import Texts
from .numbers import Number, Results, rounded, shown

ROWS = Path(__file__).resolve().parent / "comparisons.yaml"
CHINESE = ROWS.with_name("names.zh.yaml")
REPORT = "comparison/report.json"
OVER_ALL = ("all", "overall", "mean", "average")  # first words of a column over all others
UNCHANGED = "unchanged"
COSINE = "cosine"
MOST_COLUMNS = 6
_TIMED = re.compile(
    r"Timed on (?P<device>.+?) with (?P<threads>\d+) thread"
)  # in a note of hf_elmo.compare.cost_tables
_NUMBER = re.compile(r"[\d.,]+(-\d+)? ?%?")
# Tables whose point another table makes: a card is read, the report is looked things up in.
BEYOND_A_CARD = (
    "cost-words-in",
    "cost-memory",
    "cost-score",
    "cost-seconds",
    "examples-needed",
    "integration",
    "polysemy",
)


@dataclass(frozen=True)
class Row:
    """One measured question to an ELMo and a BERT.

    Attributes:
        question: what was measured, and between which models.
        elmo, bert: the two values.
        higher_is_better: whether the larger one wins.
        unit: of both.
        source: file, as Markdown.
        intervals: of the two values, each (low, high), where the result has them: of the report's figures, or the slowest
            and fastest runs.
    """

    question: Texts
    elmo: Number
    bert: Number
    higher_is_better: bool
    unit: Texts
    source: str
    intervals: tuple[tuple[float, float], tuple[float, float]] | None = None

    @property
    def winner(self) -> str:
        """Who wins: "elmo", "bert", or "none" if their intervals overlap or, without intervals, they are too close."""
        if self.intervals is not None:
            (low, high), (other_low, other_high) = self.intervals
            if low <= other_high and other_low <= high:
                return "none"
        less, more = sorted(abs(number.value) for number in (self.elmo, self.bert))
        if self.elmo.value == self.bert.value or (self.intervals is None and 0 < less and more / less < MARGIN):
            return "none"
        return "elmo" if (self.elmo.value > self.bert.value) == self.higher_is_better else "bert"

    def cell(self, side: str) -> str:
        """A value as it stands in the table, bold if it wins."""
        number, index = (self.elmo, 0) if side == "elmo" else (self.bert, 1)
        size = abs(number.value)
        whole = float(size).is_integer()
        digits = 0 if size >= 100 or (whole and self.intervals is None) else 1 if size >= 10 else 2 if size >= 2 else 3
        text = rounded(number, digits)
        if self.intervals is not None:
            text += shown(" ({:,.{digits}f}–{:,.{digits}f})".format(*self.intervals[index], digits=digits))
        return f"**{text}**" if self.winner == side else text


def comparison_rows(results: Results, path: Path = ROWS) -> list[Row]:
    """Rows of the comparison's report, if there is one, and of the benchmarks; a benchmark that was not run has none.

    Raises:
        OSError, ValueError: a file is there but lacks what a row names.
    """
    rows = report_rows(results) if results.has(REPORT) else []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if results.has(entry["file"]):
            rows.append(_speed_row(results, entry))
    return rows


def _speed_row(results: Results, entry: Mapping[str, Any]) -> Row:
    """Words per second of the median run, and of the slowest and the fastest."""
    file, speeds, ranges = entry["file"], [], []
    for side in ("elmo", "bert"):
        speed = results.number(file, f"{entry[side]}.words_per_second")
        median, least, most = (
            results.number(file, f"{entry[side]}.{name}").value for name in ("median", "min", "max")
        )
        speeds.append(speed)
        ranges.append((speed.value * median / most, speed.value * median / least))
    question, unit, source = entry["question"], entry["unit"], f"`{file}`"
    return Row(question, speeds[0], speeds[1], entry["higher_is_better"], unit, source, (ranges[0], ranges[1]))


def report_rows(results: Results) -> list[Row]:
    """Rows for each table of report.json that ranks an ELMo and a BERT: the columns of `telling_columns`, each side's best row.

    Where a contender has several rows (its layers, frozen and tuned), both sides show their best: the question then says
    so. Tables without an order of better and worse, and those of `BEYOND_A_CARD`, are left out.

    Raises:
        ValueError: the report names no ELMo or no BERT.
    """
    report = results.read(REPORT)
    contenders = report.get("facts", {}).get("contenders", [])
    names = {kind: [item["name"] for item in contenders if item.get("kind") == kind] for kind in ("elmo", "bert")}
    if not names["elmo"] or not names["bert"]:
        raise ValueError(f"{results.folder / REPORT} compares no ELMo with a BERT: its facts name no such contenders")
    sides = {kind: next((name for name in found if ":" not in name), found[0]) for kind, found in names.items()}
    rows = []
    for section in report["sections"]:
        for table in section["tables"]:
            if table.get("higher_is_better") is not None and not table["id"].startswith(BEYOND_A_CARD):
                rows += [row for column in telling_columns(table) for row in _row_of_column(table, column, sides)]
    return rows


def telling_columns(table: Mapping[str, Any]) -> list[str]:
    """The columns of a table that a card has room for.

    Of columns that are numbers (lengths, shares of words) the first and the last; of others the one over all, if it stands
    first, else all of them up to `MOST_COLUMNS`. A table of more columns, and one whose scores are compared with those of
    an unchanged text, is summed up by another table of the report. Tables of cosines have none: that vectors move little
    is no quality of its own, and the layer without context would always be the best row.
    """
    columns = list(table["columns"])
    if not columns or UNCHANGED in columns or str(table.get("unit") or "").startswith(COSINE):
        return []
    if all(_NUMBER.fullmatch(column) for column in columns):
        return list(dict.fromkeys([columns[0], columns[-1]]))
    if columns[0].split()[0] in OVER_ALL:
        return columns[:1]
    return columns if len(columns) <= MOST_COLUMNS else []


def claims(results: Results) -> list[dict[str, Any]]:
    """Common claims with the verdict of the comparison's report, and how many of its comparisons counted for and against.

    Claims that nothing was measured for are left out; without a report there are none.
    """
    if not results.has(REPORT):
        return []
    return [
        {
            "claim": {language: shown(text) for language, text in entry["claim"].items()},
            "verdict": texts("page")[entry["verdict"]],
            "counts": {
                name: Number(count, frozenset({f"{REPORT}: ledger, {entry['id']}, {name}"}))
                for name, count in entry["counts"].items()
            },
        }
        for entry in results.read(REPORT)["ledger"]
        if sum(entry["counts"].values())
    ]


def timed(results: Results) -> dict[str, Any] | None:
    """What the report's costs were timed on, "device" and "threads", from the notes of its section on cost; None if it has
    no such section or tells nothing of it."""
    if not results.has(REPORT):
        return None
    for section in results.read(REPORT)["sections"]:
        for note in section["notes"] if section["experiment"] == "cost" else ():
            if found := _TIMED.search(note):
                threads = Number(int(found["threads"]), frozenset({f"{REPORT}: cost, notes"}))
                return {"device": shown(found["device"]), "threads": threads}
    return None


@cache
def _chinese_names() -> dict[str, str]:
    return yaml.safe_load(CHINESE.read_text(encoding="utf-8"))


def _named(name: str) -> Texts:
    """A column or row label of the report in both languages; names of data and models stay as they are."""
    return {"en": shown(name), "zh": shown(_chinese_names().get(name, name))}


def _row_of_column(table: Mapping[str, Any], column: str, sides: Mapping[str, str]) -> list[Row]:
    higher = table["higher_is_better"]
    best, several = {}, False
    for side, name in sides.items():
        found = [row for row in table["rows"] if row.get("contender") == name and row["values"].get(column)]
        if not found:
            return []
        several |= len(found) > 1
        best[side] = _best(found, column, higher)
    figures = {side: row["values"][column] for side, row in best.items()}
    numbers = {
        side: Number(figures[side]["value"], frozenset({f"{REPORT}: {table['id']}, {best[side]['label']}, {column}"}))
        for side in sides
    }
    if not higher and not all(number.value for number in numbers.values()):
        return []  # a cost below what could be measured
    bounds = [_bounds(figures[side]) for side in ("elmo", "bert")]
    titles = in_both(table, "tables")
    # "elmo-mini-en, lstm1" is told as "lstm1": the table's head names the two models
    labels = [best[side]["label"].removeprefix(sides[side]).lstrip(", ") for side in ("elmo", "bert")]
    best_rows = [_named(label or "as it comes") for label in labels] if several and any(labels) else []
    told = {language: " / ".join(names[language] for names in best_rows) for language in ("en", "zh")}
    columns = _named(column)
    question = {
        "en": f"{shown(titles['en'])}: {columns['en']}" + (f" (best rows: {told['en']})" if best_rows else ""),
        "zh": f"{shown(titles['zh'])}：{columns['zh']}" + (f"（各取最好的一行：{told['zh']}）" if best_rows else ""),
    }
    units = in_both(table, "units", "unit") if table.get("unit") else {"en": "", "zh": ""}
    return [
        Row(
            question,
            numbers["elmo"],
            numbers["bert"],
            higher,
            {language: shown(unit) for language, unit in units.items()},
            f"`{REPORT}`",
            None if None in bounds else tuple((low, high) for low, high in filter(None, bounds)),  # type: ignore[arg-type]
        )
    ]


def _bounds(figure: Mapping[str, Any]) -> Sequence[float] | None:
    """The interval of a figure, else two standard deviations over its seeds."""
    if figure.get("interval") is not None:
        return figure["interval"]
    spread = figure.get("sd")
    return None if spread is None else (figure["value"] - 2 * spread, figure["value"] + 2 * spread)


def _best(rows: Sequence[Mapping[str, Any]], column: str, higher: bool) -> Mapping[str, Any]:
    return (max if higher else min)(rows, key=lambda row: row["values"][column]["value"])
