# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The report of a comparison: report.json with everything, and the same as Markdown and as a page, made of it alone."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.measuring import code_version, machine, packages
from hf_elmo.benchmark.results import write_atomically
from hf_elmo.compare.ledger import ledger_of
from hf_elmo.compare.markdown import markdown
from hf_elmo.compare.page import page

FORMAT = 1
MADE_BY = ("command", "device", "commit", "dirty", "torch", "processor", "cores")
DIGITS = 6  # of a figure; the cells hold all


def write_report(folder: Path, sections: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> dict[str, Path]:
    """Write report.json, report.md, report.zh.md and report.html, each whole or not at all.

    Args:
        folder: of the comparison; the files of its cells lie in `cells/`.
        sections: what the experiments' `summarize` gave.
        facts: what holds for all: command, contenders (name, kind, ...), seeds, settings, what was left out.
    Returns:
        The files by name: "json", "md", "md_zh", "html".
    Raises:
        ValueError: a table or a value lacks what a report needs; names it.
        OSError: a file cannot be written.
    """
    report = content_of(folder, sections, facts)
    written = {
        "json": (
            folder / "report.json",
            json.dumps(report, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n",
        ),
        "md": (folder / "report.md", markdown(report, "en")),
        "md_zh": (folder / "report.zh.md", markdown(report, "zh")),
        "html": (folder / "report.html", page(report)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in written.values():
        write_atomically(path, text)
    return {name: path for name, (path, _) in written.items()}


def content_of(folder: Path, sections: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Content of report.json: facts, how its cells were made, ledger and sections, the file of every cell, values without.

    Raises:
        ValueError: a table or a value lacks what a report needs; names it.
    """
    made = {"code": code_version(), "versions": packages(), "machine": machine()}
    checked = [_section(section) for section in sections]
    seen: set[str] = set()
    for section in checked:
        for table in section["tables"]:
            if table["id"] in seen:
                raise ValueError(f"two tables have the id {table['id']!r}; give each its own")
            seen.add(table["id"])
    files = {path.stem: path.relative_to(folder).as_posix() for path in sorted(folder.glob("cells/*/*.json"))}
    named = {cell for section in checked for _, value in figures_of(section) for cell in value["cells"]}
    untraced = [
        place
        for section in checked
        for place, value in figures_of(section)
        if not value["cells"] or any(cell not in files for cell in value["cells"])
    ]
    return {
        "format": FORMAT,
        "facts": {**facts, **{name: value for name, value in made.items() if name not in facts}},
        "made_by": made_by(folder / files[cell] for cell in sorted(named) if cell in files),
        "ledger": ledger_of(checked, facts),
        "sections": checked,
        "cells": {cell: files[cell] for cell in sorted(named) if cell in files},
        "untraced": untraced,
    }


def made_by(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """How cells were made, most frequent first, each way once, with the number of its cells.

    Args:
        paths: files of the cells that figures of the report name.
    Returns:
        {"command", "device", "commit", "dirty", "torch", "processor", "cores", "cells"}; None for what a file does not tell.
    """
    counts: Counter[tuple] = Counter()
    for path in paths:
        try:
            cell = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue  # damaged in the meantime
        code, machine_of = cell.get("code") or {}, cell.get("machine") or {}
        way: tuple[Any, ...] = (cell.get("command"), cell.get("device"), code.get("commit"), code.get("dirty"))
        way += ((cell.get("versions") or {}).get("torch"), machine_of.get("cpu"), machine_of.get("cores"))
        counts[way] += 1
    ways = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return [dict(zip((*MADE_BY, "cells"), (*way, count), strict=True)) for way, count in ways]


def figures_of(section: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every measured value of a section, and its place: table, row and column."""
    for table in section["tables"]:
        for row in table["rows"]:
            for column, value in row["values"].items():
                if value is not None:
                    yield f"{table['id']}, {row['label']}, {column}", value


def rounded(number: float) -> float:
    """A number with six digits; whole numbers as they are."""
    return number if isinstance(number, int) else float(f"{number:.{DIGITS}g}")


def _section(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section with every field a reader relies on."""
    return {
        "experiment": section["experiment"],
        "title": section.get("title") or section["experiment"],
        "tables": [_table(table) for table in section.get("tables", [])],
        "tests": [
            {name: rounded(value) if isinstance(value, float) else value for name, value in test.items()}
            for test in section.get("tests", [])
        ],
        "notes": list(section.get("notes", [])),
    }


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    missing = [name for name in ("id", "title", "columns", "rows") if name not in table]
    if missing:
        raise ValueError(f"table {table.get('id', '?')} lacks {', '.join(missing)}")
    columns = [str(column) for column in table["columns"]]
    return {
        **table,
        "unit": table.get("unit") or "",
        "higher_is_better": table.get("higher_is_better"),
        "columns": columns,
        "rows": [_row(row, table["id"], columns) for row in table["rows"]],
        "plot": table.get("plot"),
    }


def _row(row: Mapping[str, Any], table: str, columns: Sequence[str]) -> dict[str, Any]:
    values = {}
    for column, cell in row["values"].items():
        place = f"table {table}, row {row['label']}, column {column}"
        if str(column) not in columns:
            raise ValueError(f"{place}: the table has no such column, it has {', '.join(columns)}")
        values[str(column)] = None if cell is None or cell.get("value") is None else _value(cell, place)
    return {**row, "contender": row.get("contender"), "group": row.get("group"), "values": values}


def _value(cell: Mapping[str, Any], place: str) -> dict[str, Any] | None:
    numbers = {name: cell.get(name) for name in ("value", "sd", "n")}
    for name, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ValueError(f"{place}: {name} must be a number, got {type(number).__name__}")
    if not math.isfinite(cell["value"]):
        return None  # JSON has no such number, and a report nothing to show
    interval = cell.get("interval")
    return {
        **{name: None if number is None else rounded(number) for name, number in numbers.items()},
        "interval": None if interval is None else [rounded(float(bound)) for bound in interval],
        "cells": [str(cell_id) for cell_id in cell.get("cells", [])],
    }
