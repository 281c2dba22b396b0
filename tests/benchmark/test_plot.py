# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Pictures of result files."""

import json
import sys

import pytest

from hf_elmo import benchmark


def ratio(median: float) -> dict:
    return {"of": "allennlp-equivalent", "median": median, "lowest": median * 0.9, "highest": median * 1.2}


def result(tmp_path, name: str, cells: list[dict], cpu: str = "a processor"):
    path = tmp_path / name
    metrics = {f"{number}": cell for number, cell in enumerate(cells)}
    path.write_text(json.dumps({"machine": {"cpu": cpu}, "metrics": metrics}))
    return path


def cell(batch_size: int, **changes) -> dict:
    sides = {"allennlp-equivalent": {}, "ours": {"ratio": ratio(4.3)}, "bert": {"ratio": ratio(1.7)}, "lstm-ours": {}}
    return {"size": "small", "batch_size": batch_size, "order": "corpus", "threads": 1, "sides": sides, **changes}


def draw(paths, output) -> int:
    return benchmark.main(["plot", *map(str, paths), "--output", str(output)])


def test_a_picture_shows_every_side_and_its_ratio(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    encoder = result(tmp_path, "encoder.json", [cell(1), cell(32), cell(32, order="bucketed", threads=2)])
    step = cell(8)
    del step["order"]
    training = result(tmp_path, "training.json", [step])
    assert draw([encoder, training], tmp_path / "speed.svg") == 0
    picture = (tmp_path / "speed.svg").read_text()
    for text in ("small, corpus order", "small, bucketed order, 2 threads", "small, training step", "batch 32"):
        assert f">{text}<" in picture
    assert ">ours<" in picture and ">bert<" in picture and ">4.3<" in picture and ">1.7<" in picture
    assert ">lstm-ours<" not in picture  # a stage has no ratio to the whole
    assert "picture written to" in capsys.readouterr().err
    assert draw([encoder, training], tmp_path / "again.svg") == 0
    assert (tmp_path / "again.svg").read_text() == picture
    assert draw([encoder], tmp_path / "speed.png") == 0
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.part"))


def test_machines_are_told_apart(tmp_path):
    pytest.importorskip("matplotlib")
    paths = [result(tmp_path, f"{cpu}.json", [cell(1)], cpu) for cpu in ("Xeon", "Epyc")]
    assert draw(paths, tmp_path / "speed.svg") == 0
    picture = (tmp_path / "speed.svg").read_text()
    assert ">Xeon<" in picture and ">Epyc<" in picture


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert draw([result(tmp_path, "encoder.json", [cell(1)])], tmp_path / "speed.svg") == 1
    assert capsys.readouterr().err == "error: drawing needs matplotlib: pip install 'hf-elmo[plot]'\n"


@pytest.mark.parametrize(
    "cells, output, message",
    [
        ([cell(1)], "speed.jpg", "--output must end in .svg or .png, got speed.jpg"),
        ([{"value": 3}], "speed.svg", "holds nothing to draw; needed is a result of encoder or training"),
        ([cell(1), cell(1)], "speed.svg", "both hold small, corpus order, batch 1"),
        (None, "speed.svg", "is no result file of hf-elmo benchmark"),
    ],
)
def test_what_cannot_be_drawn_is_refused(cells, output, message, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = result(tmp_path, "result.json", cells or [])
    if cells is None:
        path.write_text("[]")
    assert draw([path], tmp_path / output) == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not (tmp_path / output).exists()
