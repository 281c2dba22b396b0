# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Pictures say what their tables say: numbers as they are, names whole, baselines that are left out named."""

import re

import pytest

from hf_elmo.compare import plots

pytest.importorskip("matplotlib")
TRANSFER = "F1 of spans of persons, places, organisations, %"
SHARE = "share of the words that can change which do"


def row(label, values, contender=True):
    cells = {
        name: {"value": value, "sd": None, "interval": None, "n": None, "cells": []} for name, value in values.items()
    }
    return {"label": label, "contender": label if contender else None, "group": None, "values": cells}


def table(columns, rows, kind="bars", unit="%", **plot):
    plot = {"kind": kind, **plot}
    return {"id": "t", "title": "T", "unit": unit, "columns": columns, "rows": rows, "plot": plot}


def words_of(picture):
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def test_numbers_and_names_are_written_as_they_are():
    columns = ["0.25", "0.75", "1.25"]
    rows = [row("a; b 1 M 2", dict(zip(columns, (1.123, 2.345, 3.456), strict=True)))]
    words = words_of(plots.draw(table(columns, rows, "lines", x="steps"), {}))
    assert {"0.25", "0.75", "1.25", "a; b 1 M 2"} <= set(words)


def test_ticks_at_quarters_are_not_rounded():
    rows = [row("a", {"x": 1.8}), row("b", {"x": 0.7})]
    words = words_of(plots.draw(table(["x"], rows), {}))
    ticks = [float(word) for word in words if re.fullmatch(r"\d+(\.\d+)?", word)]
    steps = {round(b - a, 6) for a, b in zip(ticks, ticks[1:], strict=False)}
    assert 0.25 in ticks and len(steps) == 1


def test_places_are_written_with_one_digit():
    picture = plots.draw(table(["x"], [row("a", {"x": 1.5}), row("b", {"x": 0.7})]), {})
    assert not re.search(r"\d\.\d{2,}", re.sub(r">[^<]*<", "><", picture))


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_long_names_of_axes_are_broken(kind):
    columns = ["1", "2", "3"]
    rows = [row(name, dict.fromkeys(columns, 40.0)) for name in ("a", "b")]
    words = words_of(plots.draw(table(columns, rows, kind, TRANSFER, x=SHARE if kind == "lines" else columns), {}))
    assert TRANSFER not in words and TRANSFER in " ".join(words)
    assert max(map(len, words)) <= plots.UNDER_LINES


def test_a_baseline_far_below_is_in_no_picture_and_is_named():
    rows = [row("elmo", {"x": 90.0, "y": 80.0}), row("bert", {"x": 92.0, "y": 84.0})]
    near, far = row("near", {"x": 50.0, "y": 41.0}, False), row("far", {"x": 60.0, "y": 39.0}, False)
    whole = table(["x", "y"], [*rows, near, far], x=["x", "y"])
    assert plots.far_below(whole) == ["far"]
    words = words_of(plots.draw(whole, {}))
    assert "near" in words and "far" not in words


def test_what_is_a_contender_or_not_drawn_or_alone_stays():
    rows = [row("elmo", {"x": 90.0, "y": 80.0}), row("weak", {"x": 9.0, "y": 8.0})]
    assert plots.far_below(table(["x", "y"], rows)) == []
    baseline = row("base", {"x": 80.0, "y": 1.0}, False)
    assert plots.far_below(table(["x", "y"], [rows[0], baseline], x=["x"])) == []
    assert plots.far_below(table(["x", "y"], [rows[0], baseline], log_x=True)) == []
    assert plots.far_below(table(["x", "y"], [baseline, row("tiny", {"x": 0.1}, False)])) == []
