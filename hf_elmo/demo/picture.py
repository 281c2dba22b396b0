# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The pictures of the page as one PNG, by matplotlib."""

import os
from pathlib import Path

from hf_elmo.demo.page import COLOURS
from hf_elmo.demo.study import Study, WordStudy

MARKERS = ("o", "s", "^", "D")  # as on the page
MOST_COLUMNS = 6


def can_draw() -> bool:
    """Whether matplotlib is there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def draw(study: Study, path: Path) -> None:
    """Write a panel for each word and each layer that knows context; the file appears complete or not at all."""
    from matplotlib.figure import Figure

    layers = range(1, len(study.layers))
    panels = [(word, layer) for word in study.words.values() for layer in layers]
    columns = len(layers) * max(1, min(MOST_COLUMNS // len(layers), len(study.words)))
    rows = -(-len(panels) // columns)
    width, height = 3.0 * columns, 3.0 * rows + 0.6
    figure = Figure(figsize=(width, height))
    # Places by hand: matplotlib takes many seconds to find them for thirty panels.
    figure.subplots_adjust(0.5 / width, 0.5 / height, 1 - 0.1 / width, 1 - 0.8 / height, wspace=0.2, hspace=0.3)
    figure.suptitle(f"One word in several senses: {study.model}", y=1 - 0.2 / height)
    for number, (word, layer) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, number)
        _panel(axes, word, layer, study.layers[layer], with_legend=layer == 1)
    part = path.with_name(path.name + ".part")
    try:
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _panel(axes, word: WordStudy, layer: int, name: str, with_legend: bool) -> None:
    points, shares = word.planes[layer]
    for index, sense in enumerate(word.senses or [None]):
        mine = [place for place, each in enumerate(word.occurrences) if each.sense == sense]
        style = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "label": sense}
        axes.scatter(points[mine, 0], points[mine, 1], s=30, **style)
    for number, (x, y) in enumerate(points, start=1):
        axes.annotate(str(number), (x, y), (4, 4), textcoords="offset points", fontsize=7)
    axes.margins(0.15)
    axes.set_title(f"{word.word}, {name}", fontsize=10)
    axes.set_xlabel(f"component 1 ({shares[0]:.0%} of the variance)", fontsize=7)
    axes.set_ylabel(f"component 2 ({shares[1]:.0%} of the variance)", fontsize=7)
    axes.set_xticks([])  # the numbers of a plane that was turned mean nothing
    axes.set_yticks([])
    if with_legend and word.senses:
        axes.legend(fontsize=7, frameon=False)
