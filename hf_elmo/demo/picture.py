# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The pictures of the page as one PNG, by matplotlib."""

import os
from pathlib import Path

from hf_elmo.demo.page import COLOURS
from hf_elmo.demo.study import Study, WordStudy

MARKERS = ("o", "s", "^", "D")  # as on the page
COLUMNS = 5


def can_draw() -> bool:
    """Whether matplotlib is there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def draw(study: Study, path: Path) -> None:
    """Write a panel for each word; the file appears complete or not at all.

    Of many words one layer is drawn (the page has all of them), of a single one every layer that knows context.
    """
    from matplotlib.figure import Figure

    alone = len(study.words) == 1
    layers = list(range(1, len(study.layers))) if alone else [study.shown_layer]
    panels = [[(word, layer) for word in group.words.values() for layer in layers] for group in study.groups]
    columns = min(COLUMNS, max(map(len, panels)))
    rows = [-(-len(each) // columns) for each in panels]
    width, height = 2.6 * columns, 2.6 * sum(rows) + 0.8
    figure = Figure(figsize=(width, height))
    # Places by hand: matplotlib takes many seconds to find them for so many panels.
    figure.subplots_adjust(0.3 / width, 0.4 / height, 1 - 0.1 / width, 1 - 0.9 / height, wspace=0.15, hspace=0.45)
    figure.suptitle(f"One word, different uses: {study.model}", y=1 - 0.2 / height)
    above = 0
    for group, words, used in zip(study.groups, panels, rows, strict=True):
        for number, (word, layer) in enumerate(words):
            axes = figure.add_subplot(sum(rows), columns, above * columns + number + 1)
            _panel(axes, word, layer, study.layers[layer])
            if number == 0:
                axes.text(0, 1.17, group.name, transform=axes.transAxes, fontsize=12, fontweight="bold", va="bottom")
        above += used
    part = path.with_name(path.name + ".part")
    try:
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _panel(axes, word: WordStudy, layer: int, name: str) -> None:
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
    if word.senses:
        axes.legend(fontsize=7, framealpha=0.5)
