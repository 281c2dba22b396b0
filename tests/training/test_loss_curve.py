# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The picture of the losses is well-formed, has every point where it belongs, and says what the figures are."""

import json
import math
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from hf_elmo.training.loss_curve import draw_losses, main

SVG = "{http://www.w3.org/2000/svg}"


def results(history, model="elmo", held_out=None) -> dict:
    run = {"settings": {"model": model}, "steps": 3000, "words_read": 1234567}
    return {"run": run, "metrics": {"held_out": held_out or {}}, "history": history}


def entry(step, **losses) -> dict:
    return {"step": step, "learning_rate": 0.1, "gradient_norm": 1.0, "words_per_second": 5.0, **losses}


ELMO = [
    entry(1, loss=9.5, forward_loss=10.0, backward_loss=9.0),
    entry(1500, loss=5.5, forward_loss=5.0, backward_loss=6.0),
    {"step": 1500, "perplexity": 99.0, "forward_perplexity": math.exp(5.5), "backward_perplexity": math.exp(6.5)},
    entry(3000, loss=4.25, forward_loss=4.0, backward_loss=4.5),
]


def curves(svg: str) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for line in ElementTree.fromstring(svg).iter(f"{SVG}polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        found[line.find(f"{SVG}title").text] = points
    for dot in ElementTree.fromstring(svg).iter(f"{SVG}circle"):
        if (title := dot.find(f"{SVG}title")) is not None:
            found.setdefault(title.text, []).append((float(dot.get("cx")), float(dot.get("cy"))))
    return found


def scale(svg: str):
    """Update and loss of a place, read off the labels of the ticks as an eye does."""
    labels = [one for one in ElementTree.fromstring(svg).iter(f"{SVG}text") if one.text.replace(",", "")[:1].isdigit()]
    columns = [one for one in labels if one.get("text-anchor") == "middle" and one.get("transform") is None]
    rows = [one for one in labels if one.get("text-anchor") == "end"]

    def reader(ticks, axis, offset):
        ends = [(float(t.get(axis)) + offset, float(t.text.replace(",", ""))) for t in (ticks[0], ticks[-1])]
        (p, a), (q, b) = ends
        return lambda place: a + (place - p) * (b - a) / (q - p)

    return reader(columns, "x", 0), reader(rows, "y", -4)


def test_every_point_is_where_the_ticks_say():
    svg = draw_losses(results(ELMO))
    step_at, loss_at = scale(svg)
    found = {name: [(step_at(x), loss_at(y)) for x, y in points] for name, points in curves(svg).items()}
    expected = {
        "forward loss": [(1, 10.0), (1500, 5.0), (3000, 4.0)],
        "backward loss": [(1, 9.0), (1500, 6.0), (3000, 4.5)],
        "held-out forward loss": [(1500, 5.5)],
        "held-out backward loss": [(1500, 6.5)],
    }
    assert found.keys() == expected.keys()
    for name, points in expected.items():
        assert [x for x, _ in found[name]] == pytest.approx([step for step, _ in points], abs=0.1)
        assert [y for _, y in found[name]] == pytest.approx([loss for _, loss in points], abs=1e-3)


def test_labels_legend_and_caption_are_there():
    svg = draw_losses(results(ELMO, held_out={"perplexity": 87.5672, "carried_state_perplexity": 105.4}))
    texts = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"updates", "loss (nats)", "forward loss", "backward loss", "held-out forward loss"} <= set(texts)
    assert "elmo: 3,000 updates, 1,234,567 words read" in texts
    assert "Held-out text: perplexity 87.567, carried state perplexity 105.4" in texts


@pytest.mark.parametrize(
    ("losses", "names"),
    [
        ({"loss": 7.0, "masked_loss": 6.3, "next_sentence_loss": 0.7}, ["masked loss", "next sentence loss"]),
        ({"sampled_loss": 3.0, "sampled_forward_loss": 3.0}, ["sampled forward loss"]),
        ({"loss": 3.0}, ["loss"]),
    ],
)
def test_sums_are_left_out_where_their_parts_are_there(losses, names):
    assert list(curves(draw_losses(results([entry(5, **losses)])))) == names


def test_long_captions_break_and_strange_names_are_escaped():
    held_out = {f"figure_of_this_<name>_{number}": number + 0.5 for number in range(20)}
    texts = [
        one.text for one in ElementTree.fromstring(draw_losses(results(ELMO, held_out=held_out))).iter(f"{SVG}text")
    ]
    told = " ".join(text for text in texts if "figure of this" in text)
    assert all(f"figure of this <name> {number} {number}.5" in told for number in range(20))
    assert max(map(len, texts)) <= 110


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"history": []}', "these are no results of hf-elmo pretrain"),
        ("[]", "these are no results of hf-elmo pretrain"),
        (json.dumps(results([])), "the history holds no loss"),
        ("{", "Expecting property name"),
    ],
)
def test_other_files_are_refused_in_one_line(content, text, tmp_path, capsys):
    (tmp_path / "results.json").write_text(content)
    assert main([str(tmp_path / "results.json"), str(tmp_path / "loss.svg")]) == 1
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.slow
def test_the_command_draws_without_matplotlib(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(results(ELMO)))
    code = (
        "import sys\nsys.modules['matplotlib'] = None\nfrom hf_elmo.training.loss_curve import main\n"
        "raise SystemExit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "results.json"), str(tmp_path / "loss.svg")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "loss.svg").read_text() == draw_losses(results(ELMO))
    assert main(["one"]) == 2
