# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A small comparison with planted figures: cell files on disk, and sections whose values name them."""

import json
import random
from pathlib import Path

MODELS = {"elmo": "elmo-x", "bert": "bert-x", "static": "vectors-x"}
FACTS = {
    "command": "hf-elmo compare elmo-x bert-x vectors-x",
    "contenders": [{"name": name, "kind": kind} for kind, name in MODELS.items()],
    "seeds": [1, 2],
}


def table(name, columns, rows, unit="%", better=True, plot=None, title=None):
    """A table as an experiment gives it."""
    return {
        "id": name,
        "title": title or f"Table {name}",
        "unit": unit,
        "higher_is_better": better,
        "columns": list(columns),
        "rows": rows,
        "plot": plot,
    }


def row(kind, values, cells, label=None, group=None, spread=None):
    """A row of a model of a kind; `values` by column, with a spread as interval on both sides."""
    found = {}
    for column, value in values.items():
        interval = None if spread is None else [value - spread, value + spread]
        found[column] = {"value": value, "sd": None, "interval": interval, "n": 7, "cells": list(cells)}
    return {"label": label or MODELS[kind], "contender": MODELS[kind], "group": group, "values": found}


def section(experiment, *tables, tests=(), notes=()):
    """A section as `summarize` gives it."""
    title = f"Section {experiment}"
    return {
        "experiment": experiment,
        "title": title,
        "tables": list(tables),
        "tests": list(tests),
        "notes": list(notes),
    }


def write_cell(folder: Path, experiment: str, name: str) -> str:
    """A cell file with what leads back to its making; returns its id."""
    path = folder / "cells" / experiment / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "experiment": experiment,
        "key": [["seed", 1]],
        "result": {},
        "command": FACTS["command"],
        "versions": {"torch": "2"},
    }
    path.write_text(json.dumps(content))
    return name


def comparison(folder: Path) -> list[dict]:
    """Sections with all kinds of pictures, figures drawn at random, their cells on disk."""
    draw = random.Random(5).uniform
    ids = {kind: [write_cell(folder, "sample", f"{kind}-{seed}") for seed in (1, 2)] for kind in MODELS}

    def rows(columns, low, high, spread=None):
        return [row(kind, {name: draw(low, high) for name in columns}, ids[kind], spread=spread) for kind in MODELS]

    tasks, spokes = ("WikiGold", "WNUT 17"), ("unchanged", "typos", "case", "accents", "numbers")
    lengths = ("8", "128", "2048")
    bars = table("quality-ner", tasks, rows(tasks, 20, 70, 3), "F1, %", plot={"kind": "bars", "x": list(tasks)})
    for each in bars["rows"]:
        each["group"] = "frozen"
    radar = table("robustness-mr-3", spokes, rows(spokes, 40, 90), plot={"kind": "radar", "x": list(spokes)})
    lines = table(
        "cost-encoder-batch-8",
        lengths,
        rows(lengths, 2000, 90000),
        "words/s",
        plot={"kind": "lines", "x": "words of a sentence", "log_x": True, "log_y": True},
    )
    plain = table("polysemy-cosines", ("same", "other"), rows(("same", "other"), 0, 1), "cosine", None)
    tests = [
        {"table": "quality-ner", "column": name, "group": "frozen", "a": "elmo-x", "b": "vectors-x"}
        | {"p": 0.001, "p_holm": 0.0021, "difference": 4.25, "significant": True, "cells": ["elmo-1"]}
        for name in tasks
    ]
    return [
        section("quality", bars, tests=tests, notes=["3 seeds & more <than> 2."]),
        section("robustness", radar, lines),
        section("polysemy", plain),
    ]
