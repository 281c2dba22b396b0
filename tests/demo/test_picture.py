# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The PNG shows what the page shows."""

import numpy as np
import pytest
from demo_studies import GRAMMAR, SENSES, one_word, study_of
from planted_senses import Planted

from hf_elmo.demo import picture


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Gives the figure that is made of a study."""
    figure = pytest.importorskip("matplotlib.figure")
    figures = []

    def save(self, path, **_):
        figures.append(self)
        path.write_bytes(b"")

    monkeypatch.setattr(figure.Figure, "savefig", save)

    def drawn(study):
        picture.draw(study, tmp_path / "demo.png")
        assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]
        return figures[-1]

    return drawn


def check_panel(axes, word, layer):
    points, shares = word.planes[layer]
    shown = np.concatenate([np.asarray(marks.get_offsets()) for marks in axes.collections])
    np.testing.assert_allclose(shown, points)  # the sentences of a sense stand together
    assert [marks.get_label() for marks in axes.collections] == word.senses
    assert [text.get_text() for text in axes.get_legend().get_texts()] == word.senses
    assert axes.get_xlabel() == f"component 1 ({shares[0]:.0%} of the variance)"
    assert axes.get_ylabel() == f"component 2 ({shares[1]:.0%} of the variance)"
    assert [text.get_text() for text in axes.texts][:8] == list("12345678")


def test_each_word_of_both_groups_has_a_panel_of_the_best_layer(draw, box_groups):
    words = {GRAMMAR: ["play", "water"], SENSES: ["bank", "match", "play"]}
    chosen = {name: {word: box_groups[name][word] for word in names} for name, names in words.items()}
    study = study_of(Planted((0.0, 9.0, 9.0)), chosen)
    figure = draw(study)
    titles = [f"{word}, layer 2" for names in words.values() for word in names]
    assert [axes.get_title() for axes in figure.axes] == titles
    for axes, word in zip(figure.axes, study.words, strict=True):
        check_panel(axes, word, 2)
    rows = [axes.get_subplotspec().rowspan.start for axes in figure.axes]
    assert rows == [0, 0, 1, 1, 1]
    assert [axes.texts[-1].get_text() for axes in (figure.axes[0], figure.axes[2])] == [GRAMMAR, SENSES]


def test_a_single_word_has_a_panel_of_each_layer(draw, box_groups):
    study = one_word(Planted((1.0, 2.0, 1.0)), "bank", box_groups[SENSES]["bank"])
    figure = draw(study)
    assert [axes.get_title() for axes in figure.axes] == ["bank, layer 1", "bank, layer 2", "bank, mix"]
    for layer, axes in enumerate(figure.axes, start=1):
        check_panel(axes, study.words[0], layer)
