# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""How figures of a report are written, on the page and in Markdown alike, and its texts in English and Chinese."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

SIGNIFICANT = 0.05
SMALLEST_P = 0.0001
TEXTS = Path(__file__).resolve().parent / "texts"


@cache
def texts(name: str) -> dict[str, Any]:
    """A file of texts/, read once."""
    return json.loads((TEXTS / f"{name}.json").read_text(encoding="utf-8"))


def in_both(thing: Mapping[str, Any], kind: str, field: str = "title") -> dict[str, str]:
    """A title or unit in English, as the report has it, and in Chinese, as far as texts/titles.zh.json knows it.

    Args:
        thing: a section, or a table.
        kind: "sections", "tables" (found by their ids) or "units" (found by themselves).
        field: where the English stands.
    """
    english = thing[field]
    key = {"sections": thing.get("experiment"), "tables": thing.get("id"), "units": english}[kind]
    return {"en": english, "zh": texts("titles.zh")[kind].get(key, english)}


def flat(value: Any) -> str:
    """A fact in one line: lists with commas, dictionaries as name and value."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {flat(one)}" for name, one in value.items() if one not in (None, [], {}, ""))
    if isinstance(value, list | tuple):
        return ("; " if any(isinstance(one, Mapping) for one in value) else ", ").join(map(flat, value))
    return str(value)


TEST_FIELDS = ("table", "column", "group", "what", "a", "b", "difference", "p_holm", "significant")


def keys_of(tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader is shown of tests, as far as they say it; report.json has the rest."""
    shown = [key for key in TEST_FIELDS if any(test.get(key) is not None for test in tests)]
    return shown if "p_holm" in shown else [*shown, "p"]


def is_significant(test: Mapping[str, Any]) -> bool:
    """What the experiment says of its test; else by the adjusted p, or the plain one, at 5 %."""
    p = test.get("p_holm", test.get("p"))
    return bool(test.get("significant", p is not None and p < SIGNIFICANT))


def tests_told(tests: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """How many tests found a difference, in both languages."""
    counts = {"tests": len(tests), "significant": sum(map(is_significant, tests))}
    return {language: pattern.format(**counts) for language, pattern in texts("page")["tests_told"].items()}


def decimals_of(table: Mapping[str, Any]) -> int:
    """Digits behind the point, the same in a whole table: about three that count in its largest value."""
    values = [abs(cell["value"]) for cell in values_of(table)]
    values = [value for value in values if math.isfinite(value)]
    return decimals_for(max(values, default=0.0))


def decimals_for(largest: float) -> int:
    """Digits behind the point of numbers up to `largest`."""
    return 0 if largest >= 1000 else 1 if largest >= 10 else 2 if largest >= 2 else 3


def values_of(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All figures of a table that were measured."""
    for row in table["rows"]:
        for cell in row["values"].values():
            if cell is not None and cell.get("value") is not None:
                yield cell


def written(number: float | int, decimals: int | None = None) -> str:
    """A number for people, with so many digits behind the point."""
    if isinstance(number, int) and decimals is None:
        return f"{number:,}"
    if not math.isfinite(number):
        return "–"
    digits = decimals_for(abs(number)) if decimals is None else decimals
    text = f"{number:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def p_written(p: float | None) -> str:
    """A p value with four digits; one too small for them as below the least."""
    return "" if p is None else f"<{SMALLEST_P:.4f}" if p < SMALLEST_P else f"{p:.4f}"


def grouped(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Comparisons of a claim by the id of the table, and in it by the column, where the first figure stands."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for one in comparisons:
        table, _, column = one["places"][0]
        found.setdefault(table, {}).setdefault(column, []).append(one)
    return found


def way_told(way: Mapping[str, Any]) -> str:
    """How cells were made, one line for people: all but the command and the number of cells."""
    commit = way["commit"] and f"{way['commit'][:12]}{' with changes' if way['dirty'] else ''}"
    cores = way["cores"] and f"{way['cores']} cores"
    parts = (way["device"], way["processor"], cores, way["torch"] and f"torch {way['torch']}", commit)
    return ", ".join(part for part in parts if part)


def best_of(table: Mapping[str, Any]) -> dict[str, set[float]]:
    """The best value of each column, where more or less is better and more than one row was measured."""
    better = table.get("higher_is_better")
    if better is None:
        return {}
    best = {}
    for column in table["columns"]:
        cells = [row["values"].get(column) for row in table["rows"]]
        values = [cell["value"] for cell in cells if cell is not None and cell.get("value") is not None]
        if len(values) > 1:
            best[column] = {max(values) if better else min(values)}
    return best
