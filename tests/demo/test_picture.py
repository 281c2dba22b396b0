# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The PNG shows what the page shows."""

import numpy as np
import pytest
from planted_senses import Planted

from hf_elmo.demo import picture
from hf_elmo.demo.study import make_study
from hf_elmo.demo.texts import Sentence


@pytest.fixture
def drawn(box_words, tmp_path, monkeypatch):
    """A study of two words and the figure made of it."""
    figure = pytest.importorskip("matplotlib.figure")
    figures = []

    def save(self, path, **_):
        figures.append(self)
        path.write_bytes(b"")

    monkeypatch.setattr(figure.Figure, "savefig", save)
    words = {word: box_words[word] for word in ("bank", "match")}
    study = make_study(Planted((1.0, 2.0, 1.0)), words, "bank", [Sentence("A bank .", ["A", "bank", "."], None)])
    picture.draw(study, tmp_path / "demo.png")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]
    return study, figures[0]


def test_each_word_and_layer_has_a_panel_with_its_points(drawn):
    study, figure = drawn
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{word}, {layer}" for word in study.words for layer in study.layers[1:]]
    for axes in figure.axes:
        word, layer = axes.get_title().split(", ")
        points, shares = study.words[word].planes[study.layers.index(layer)]
        shown = np.concatenate([np.asarray(marks.get_offsets()) for marks in axes.collections])
        np.testing.assert_allclose(shown, points)  # the sentences of a sense stand together
        assert [marks.get_label() for marks in axes.collections] == study.words[word].senses
        assert axes.get_xlabel() == f"component 1 ({shares[0]:.0%} of the variance)"
        assert axes.get_ylabel() == f"component 2 ({shares[1]:.0%} of the variance)"
        assert [text.get_text() for text in axes.texts] == list("12345678")


def test_the_senses_are_named_once_for_each_word(drawn):
    legends = [axes.get_legend() for axes in drawn[1].axes]
    names = [[text.get_text() for text in legend.get_texts()] for legend in legends if legend is not None]
    assert names == [["money", "river"], ["game", "fire"]]
