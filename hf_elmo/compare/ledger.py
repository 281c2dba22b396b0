# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The ledger of claims: what is said of ELMo, BERT and static vectors, and what the tables of a report say to it.

A claim is a set of comparisons of figures, each of which counts for it, against it, or stays open. Whether two figures
differ is told by the paired test of the experiment where there is one (Holm, 5 %), else by intervals that do not meet, else by
two standard deviations of their difference over seeds; of costs, by a margin of 10 %. A claim is *supported* if two thirds of its comparisons count
for it and none against it, *not supported here* if none counts for it or more against it than for it, *mixed* otherwise, and
*not measured* without a comparison. Where a claim has several parts, each weighs the same, however many comparisons it has.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hf_elmo.compare.formatting import in_both, is_significant, texts

MARGIN = 1.1  # between costs; repeated timings of one machine differ by less
SUPPORTED = Fraction(2, 3)  # of the comparisons
VERDICTS = ("supported", "mixed", "not supported here", "not measured")
PLANTED = ("shuffled:", "copy:")  # contenders that are there to test the comparison

Row = Mapping[str, Any]
Table = Mapping[str, Any]
Columns = Callable[[str], bool]


def any_column(column: str) -> bool:
    """Every column is wanted."""
    return True


@dataclass(frozen=True)
class Comparison:
    """Two figures of which a claim says that the first is the better one.

    Attributes:
        measure: what was measured, in English and Chinese.
        claimed, other: {"label", "value", "cells"}.
        p: of a test of their difference, None without one.
        by: "test", "intervals", "deviations", "margin" or "bound": what decided.
        outcome: "for", "against" or "open".
        places: where the figures stand: table id, row label and column of each.
        part: of the claim that it belongs to; empty where a claim has one.
    """

    measure: Mapping[str, str]
    claimed: Mapping[str, Any]
    other: Mapping[str, Any]
    p: float | None
    by: str
    outcome: str
    places: tuple[tuple[str, str, str], ...]
    part: str = ""


@dataclass(frozen=True)
class Claim:
    """One claim; its words, what would change at full size and published figures are in texts/claims.json.

    Attributes:
        id: its name there.
        compare: figures of a report -> the comparisons that decide on it.
    """

    id: str
    compare: Callable[["Figures"], Iterator[Comparison]]


class Figures:
    """The tables and tests of a report, looked up by the ids of tables and the kinds of models.

    Args:
        sections: of the report.
        contenders: facts of each, with "name" and "kind" ("elmo", "bert" or "static").
    """

    def __init__(self, sections: Sequence[Mapping[str, Any]], contenders: Sequence[Mapping[str, Any]]):
        self.kinds = {each["name"]: each["kind"] for each in contenders if not each["name"].startswith(PLANTED)}
        self._tables = {table["id"]: (table, section) for section in sections for table in section["tables"]}

    def tables(self, prefix: str) -> list[Table]:
        """Tables whose ids begin so, in the order of the report."""
        return [table for name, (table, _) in self._tables.items() if name.startswith(prefix)]

    def rows(self, table: Table, kind: str) -> list[Row]:
        """Rows of the models of a kind."""
        return [row for row in table["rows"] if self.kinds.get(row["contender"]) == kind]

    def test_of(self, table: Table, column: str, one: Row, other: Row) -> Mapping[str, Any] | None:
        """The experiment's test of the difference between two rows in a column; None if it did none.

        A test names rows by their labels, or contenders, then with the rows' group; one that names no table or column is
        about the first of its section.
        """
        _, section = self._tables[table["id"]]
        first = section["tables"][0]
        for test in section["tests"]:
            sides = {test.get("a"), test.get("b")}
            named = sides in ({one["label"], other["label"]}, {one["contender"], other["contender"]})
            same_group = test.get("group") in (None, one["group"])
            if not (named and same_group) or test.get("p_holm", test.get("p")) is None:
                continue
            if test.get("table", first["id"]) == table["id"] and test.get("column", first["columns"][0]) == column:
                return test
        return None

    def between(
        self, table: Table, column: str, claimed: Row, other: Row, costs: bool = False
    ) -> Iterator[Comparison]:
        """The comparison of two rows in a column, if both have a figure there.

        Args:
            costs: judge by the margin, not by tests and intervals.
        """
        first, second = claimed["values"].get(column), other["values"].get(column)
        if claimed is other or first is None or second is None or table["higher_is_better"] is None:
            return
        sign = 1 if table["higher_is_better"] else -1
        difference = sign * (first["value"] - second["value"])
        test = None if costs else self.test_of(table, column, claimed, other)
        p = None if test is None else float(test.get("p_holm", test["p"]))
        if costs:
            by, apart = "margin", _apart(first["value"], second["value"])
        elif test is not None:
            by, apart = "test", is_significant(test)
        elif first["interval"] and second["interval"]:
            by, apart = "intervals", not _meet(first["interval"], second["interval"])
        elif first["sd"] is not None and second["sd"] is not None:
            by, apart = "deviations", abs(difference) > 2 * (first["sd"] ** 2 + second["sd"] ** 2) ** 0.5
        else:
            by, apart = "nothing", False
        outcome = "open" if not apart or difference == 0 else "for" if difference > 0 else "against"
        yield Comparison(
            measure_of(table, column),
            {"label": claimed["label"], "value": first["value"], "cells": first["cells"]},
            {"label": other["label"], "value": second["value"], "cells": second["cells"]},
            p,
            by,
            outcome,
            tuple((table["id"], row["label"], column) for row in (claimed, other)),
        )

    def along(self, table: Table, row: Row, claimed: str, other: str) -> Iterator[Comparison]:
        """The comparison of a row's figure in one column with that in another, by their intervals."""
        first, second = row["values"].get(claimed), row["values"].get(other)
        if first is None or second is None or table["higher_is_better"] is None:
            return
        apart = bool(first["interval"] and second["interval"]) and not _meet(first["interval"], second["interval"])
        ahead = (first["value"] > second["value"]) == table["higher_is_better"]
        yield Comparison(
            measure_of(table, f"{claimed} / {other}"),
            {"label": f"{row['label']}, {claimed}", "value": first["value"], "cells": first["cells"]},
            {"label": f"{row['label']}, {other}", "value": second["value"], "cells": second["cells"]},
            None,
            "intervals",
            "open" if not apart else "for" if ahead else "against",
            ((table["id"], row["label"], claimed), (table["id"], row["label"], other)),
        )

    def kinds_between(
        self,
        prefix: str,
        claimed: str,
        other: str,
        columns: Columns = any_column,
        groups: Collection[str] | None = None,
        but: Collection[str] = (),
        costs: bool = False,
    ) -> Iterator[Comparison]:
        """All models of one kind against all of another in every table and column that is wanted, like with like.

        Args:
            prefix: of the tables' ids.
            groups, but: of rows: only these, and not these; only rows of the same group are compared.
            costs: see `between`.
        """
        for table in self.tables(prefix):
            for column in filter(columns, table["columns"]):
                for one in self.rows(table, claimed):
                    if (groups is not None and one["group"] not in groups) or one["group"] in but:
                        continue
                    for two in self.rows(table, other):
                        if one["group"] == two["group"]:
                            yield from self.between(table, column, one, two, costs)

    def best_between(self, prefix: str, claimed: str, other: str, column: str) -> Iterator[Comparison]:
        """The best layer of each model of one kind against the best of each of another, in tables with a row a layer."""
        for table in self.tables(prefix):
            for one in self._best(table, claimed, column):
                for two in self._best(table, other, column):
                    yield from self.between(table, column, one, two)

    def _best(self, table: Table, kind: str, column: str) -> list[Row]:
        best: dict[str, Row] = {}
        sign = 1 if table["higher_is_better"] else -1
        for row in self.rows(table, kind):
            value = row["values"].get(column)
            if value is None:
                continue
            held = best.get(row["contender"])
            if held is None or sign * value["value"] > sign * held["values"][column]["value"]:
                best[row["contender"]] = row
        return list(best.values())


def measure_of(table: Table, column: str) -> dict[str, str]:
    """What a column of a table holds, in both languages."""
    return {language: f"{title}: {column}" for language, title in in_both(table, "tables").items()}


def below(table: Table, column: str, row: Row, bound: float) -> Iterator[Comparison]:
    """The comparison of a figure with a bound that it should not exceed."""
    value = row["values"].get(column)
    if value is not None:
        outcome = "for" if value["value"] <= bound else "against"
        figure = {"label": row["label"], "value": value["value"], "cells": value["cells"]}
        limit = {"label": "bound", "value": float(bound), "cells": []}
        place = ((table["id"], row["label"], column),)
        yield Comparison(measure_of(table, column), figure, limit, None, "bound", outcome, place)


def part_of(part: str, comparisons: Iterable[Comparison]) -> Iterator[Comparison]:
    """The comparisons as those of one part of a claim, see `decide`."""
    return (replace(one, part=part) for one in comparisons)


def decide(comparisons: Sequence[Comparison]) -> str:
    """The verdict of a claim's comparisons: what counts is the mean over its parts of the shares of each."""
    if not comparisons:
        return "not measured"
    parts: dict[str, list[str]] = {}
    for one in comparisons:
        parts.setdefault(one.part, []).append(one.outcome)
    # Exact fractions: equal shares for and against must be equal.
    pro, contra = (
        sum(Fraction(outcomes.count(name), len(outcomes)) for outcomes in parts.values()) / len(parts)
        for name in ("for", "against")
    )
    if pro >= SUPPORTED and contra == 0:
        return "supported"
    return "not supported here" if pro == 0 or contra > pro else "mixed"


def ledger_of(sections: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ledger of a report, a dictionary for each claim in the order of `hf_elmo.compare.claims.CLAIMS`.

    Args:
        sections: as `hf_elmo.compare.report.content_of` completes them.
        facts: with "contenders".
    Returns:
        For each claim "id", "claim", "verdict", "rule", "comparisons", "counts", "full_size" and "published".
    """
    from hf_elmo.compare.claims import CLAIMS

    figures = Figures(sections, facts.get("contenders", []))
    entries = []
    for claim in CLAIMS:
        comparisons = list(claim.compare(figures))
        outcomes = [one.outcome for one in comparisons]
        words = texts("claims")[claim.id]
        entries.append(
            {
                "id": claim.id,
                "claim": words["claim"],
                "verdict": decide(comparisons),
                "counts": {name: outcomes.count(name) for name in ("for", "against", "open")},
                "rule": words["rule"],
                "comparisons": [_as_dict(one) for one in comparisons],
                "full_size": words["full_size"],
                "published": words["published"],
            }
        )
    return entries


def _as_dict(comparison: Comparison) -> dict[str, Any]:
    return {**vars(comparison), "places": [list(place) for place in comparison.places]}


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _apart(one: float, other: float) -> bool:
    low, high = sorted((abs(one), abs(other)))
    return high > 0 and (low == 0 or high / low >= MARGIN)
