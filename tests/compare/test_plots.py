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


def test_bars_on_a_logarithmic_axis_leave_the_names_beside_them_free():
    rows = [row("a", {"tagging": 2700.0, "pretraining": 1246.0}), row("b", {"tagging": 1_200_000.0})]
    picture = plots.draw(table(["tagging", "pretraining"], rows, unit="words/s", log_x=True), {})
    names = re.findall(r'<text[^>]* x="([\d.]+)"[^>]*>(?:tagging|pretraining)<', picture)
    bars = re.findall(r'<path d="((?:M[^M]*z)+)"', picture)
    corners = [float(x) for bar in bars for x in re.findall(r"[ML](-?[\d.]+) ", bar)]
    assert len(names) == 2 and len(corners) == 4 * (3 + 2)  # bars, and marks of the legend under the names
    assert sum(x > max(map(float, names)) for x in corners) >= 4 * 3 and min(corners) > 0
    assert "1,000" in words_of(picture) and "100" not in words_of(picture)


def test_names_in_two_lines_beside_single_bars_do_not_meet():
    rows = [row(f"a model of a long name, number {number}", {"x": 1.0 + number}) for number in range(9)]
    picture = plots.draw(table(["x"], rows), {})
    places = [float(y) for y in re.findall(r'<text[^>]* transform="translate\([\d.]+ ([\d.]+)\)">', picture)]
    within = places[1] - places[0]
    assert len(places) == 18 and within > plots.STYLE["font.size"]
    assert min(b - a for a, b in zip(places, places[1:], strict=False)) > within - 0.2


def test_the_last_number_of_an_axis_is_not_cut():
    values = {"word vectors": (9.0, 10.0, 5.0), "training a tagger": (16.0, 17.0, 13.0)}
    rows = [row(f"model-{n}", {name: of[n] for name, of in values.items()}) for n in range(3)]
    picture = plots.draw(table(list(values), rows), {})
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', picture)[1])
    ticks = [(text, float(x)) for x, text in re.findall(r'<text[^>]* x="([\d.]+)"[^>]*>([\d.]+)<', picture)]
    assert len(ticks) > 3
    assert all(x + len(text) * plots.STYLE["font.size"] * 0.6 / 2 < width for text, x in ticks)


def test_a_short_logarithmic_axis_has_more_than_one_number():
    columns = ["8", "32", "128", "512"]
    rows = [row("a", dict(zip(columns, (15.9, 10.6, 9.1, 18.3), strict=True)))]
    words = words_of(plots.draw(table(columns, rows, "lines", x="words", log_x=True, log_y=True), {}))
    assert len({word for word in words if re.fullmatch(r"[\d.]+", word)} - set(columns)) >= 2


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
