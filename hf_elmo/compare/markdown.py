# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A report as Markdown: the ledger of claims, then every table, in English or Chinese."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hf_elmo.compare.formatting import (
    best_of,
    decimals_of,
    flat,
    in_both,
    keys_of,
    p_written,
    texts,
    way_told,
    written,
)


def markdown(report: Mapping[str, Any], language: str = "en") -> str:
    """The report in a language, the same text for the same report.

    Args:
        report: content of report.json.
        language: "en" or "zh"; names of models, columns and notes stay as they are.
    """
    return "\n".join(_lines(report, language)).rstrip() + "\n"


def _lines(report: Mapping[str, Any], language: str) -> Iterator[str]:
    text = {name: pair[language] for name, pair in texts("page").items()}
    yield f"# {text['title']}\n"
    yield f"{text['lead']} {text['spread']}\n"
    if report["untraced"]:
        yield f"**{text['untraced']}** {'; '.join(report['untraced'])}\n"
    if report["ledger"]:
        yield from _ledger(report["ledger"], text, language)
    for section in report["sections"]:
        yield f"## {in_both(section, 'sections')[language]}\n"
        for table in section["tables"]:
            yield from _table(table, text, language)
        if section["tests"]:
            yield f"<details><summary>{text['tests']}</summary>\n"
            keys = keys_of(section["tests"])
            yield from grid(keys, [[_shown(test.get(key), key) for key in keys] for test in section["tests"]])
            yield "</details>\n"
        for note in section["notes"]:
            yield f"{note}\n"
    yield f"## {text['facts']}\n"
    ways = [[way_told(way), f"`{way['command']}`", str(way["cells"])] for way in report["made_by"]]
    yield from grid([text["way"], text["command"], text["cells"]], ways)
    yield f"{text['facts_of_report']}\n"
    for name, value in report["facts"].items():
        yield f"- {text.get(name, name)}: {flat(value) or text['none']}"


def _ledger(ledger: Sequence[Mapping[str, Any]], text: Mapping[str, str], language: str) -> Iterator[str]:
    yield f"## {text['ledger']}\n"
    yield f"{text['ledger_lead']}\n"
    outcomes = ("for", "against", "open")
    rows = [
        [
            entry["claim"][language],
            f"**{text[entry['verdict']]}**",
            *(str(entry["counts"][name]) if entry["comparisons"] else "" for name in outcomes),
        ]
        for entry in ledger
    ]
    yield from grid([text["claim"], text["verdict"], *(text[name] for name in outcomes)], rows)
    for entry in ledger:
        yield f"### {entry['claim'][language]} — {text[entry['verdict']]}\n"
        yield f"{text['rule']}: {entry['rule'][language]}\n"
        columns = [text[name] for name in ("measure", "claimed", "other", "p", "outcome")]
        rows = [
            [
                one["measure"][language],
                *(f"{one[side]['label']} {written(one[side]['value'])}" for side in ("claimed", "other")),
                p_written(one["p"]),
                text[one["outcome"]],
            ]
            for one in entry["comparisons"]
        ]
        if rows:
            yield from grid(columns, rows)
        yield f"{text['full_size']}: {entry['full_size'][language]}\n"
        for line in entry["published"]:
            yield f"- {text['published']}: {line['text'][language]} ({line['source']})"
        yield ""


def _table(table: Mapping[str, Any], text: Mapping[str, str], language: str) -> Iterator[str]:
    better = {True: f"; {text['better_more']}", False: f"; {text['better_less']}"}.get(table["higher_is_better"], "")
    yield f"### {in_both(table, 'tables')[language]} ({in_both(table, 'units', 'unit')[language]}{better})\n"
    decimals, best = decimals_of(table), best_of(table)
    rows = []
    for row in table["rows"]:
        cells = [row["values"].get(column) for column in table["columns"]]
        shown = [_cell(cell, decimals) for cell in cells]
        for place, (column, cell) in enumerate(zip(table["columns"], cells, strict=True)):
            if cell is not None and cell["value"] is not None and cell["value"] in best.get(column, ()):
                shown[place] = f"**{shown[place]}**"
        rows.append([row["label"], *shown])
    yield from grid([text["row"], *table["columns"]], rows)


def _cell(cell: Mapping[str, Any] | None, decimals: int) -> str:
    if cell is None or cell["value"] is None:
        return "–"
    shown = written(cell["value"], decimals)
    if cell["sd"] is not None:
        shown += f" ± {written(cell['sd'], decimals)}"
    if cell["interval"]:
        low, high = (written(bound, decimals) for bound in cell["interval"])
        shown += f" [{low}, {high}]"
    return shown


def _shown(value: Any, key: str) -> str:
    if value is None:
        return ""
    if key in ("p", "p_holm"):
        return p_written(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return written(value) if isinstance(value, int | float) else flat(value)


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table and an empty one; bars inside of cells are escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    yield line(columns)
    yield "|" + "|".join([" --- ", *(" ---: " for _ in columns[1:])]) + "|"
    for row in rows:
        yield line(row)
    yield ""
