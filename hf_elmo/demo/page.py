# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The study as one page: HTML that is also XML, with pictures drawn here as SVG; nothing is loaded from elsewhere."""

from collections.abc import Iterator
from html import escape

import numpy as np

from hf_elmo.demo.layout import CLOSING
from hf_elmo.demo.study import Detail, Group, Study, WordStudy
from hf_elmo.demo.verdict import about_floor, about_group, headline

# Told apart by colour-blind readers too (Okabe and Ito), and by their shapes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
SHAPES = ("circle", "square", "triangle", "diamond")

# Of one picture, in its own units.
SIDE, LEFT, BOTTOM, TOP, RIGHT = 320.0, 34.0, 34.0, 26.0, 12.0
MARGIN = 0.12  # of the range of the points, free on each side

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #b8b8b8; --dim: #595959; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --paper: #16181b; --line: #55595e; --dim: #a8adb3; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin: 2rem 0 .25rem; }
h3 { font-size: 1rem; margin: 1rem 0 0; }
h2::first-letter { text-transform: uppercase; } .headline { font-size: 1.15rem; font-weight: 600; }
.verdict { padding-left: 1.2rem; }
details { margin: .25rem 0; border-top: 1px solid var(--line); } summary { padding: .4rem 0; cursor: pointer; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); margin-top: 1.25rem; }
figure { margin: 0; max-width: 26rem; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; } svg .title { font-size: 13px; font-weight: 600; }
svg .axis { fill: var(--dim); } svg .frame { fill: none; stroke: var(--line); }
svg .zero { stroke: var(--line); stroke-dasharray: 2 3; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: .25rem 0; padding: 0; list-style: none; }
.legend svg { display: inline-block; width: .9rem; height: .9rem; vertical-align: -.1rem; margin-right: .35rem; }
@media (max-width: 30rem) { table { font-size: .7rem; } th, td { padding: .2rem .15rem; } }
ol { margin: .5rem 0; padding-left: 2rem; } .note { color: var(--dim); }
"""


def page(study: Study) -> str:
    """The whole page, the same text for the same study."""
    title = f"One word, different uses: {study.model}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            '<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>",
            f"<body><h1>{escape(title)}</h1>",
            f'<p class="headline">{escape(headline(study))}</p>',
            "<p>Each point is the vector of one word in one sentence, seen in the plane in which these vectors differ most "
            "(principal component analysis). Where the colours lie apart, the model tells the uses apart.</p>",
            f"<p>{escape(about_floor(study))} So it is not drawn where all sentences have one spelling.</p>",
            *(line for group in study.groups for line in _group(study, group)),
            *(line for detail in study.details for line in _look_ups(study, detail)),
            "</body></html>",
            "",
        ]
    )


def _group(study: Study, group: Group) -> Iterator[str]:
    """Its verdict, its table, and its words: one layer of each in sight, the others and the sentences to unfold."""
    yield f"<section><h2>{escape(group.name)}</h2>"
    lines = list(about_group(study, group))
    if lines:
        yield '<ul class="verdict">' + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
    yield from _table(study, group)
    alone = len(study.words) == 1
    layers = range(1, len(study.layers)) if alone else [study.shown_layer]
    yield '<div class="pictures">'
    for word in group.words.values():
        for index in layers:
            yield f"<figure>{picture(word, index, study.layers[index])}{_legend(word)}</figure>"
    yield "</div>"
    for word in group.words.values():
        yield from _sentences(word) if alone else _folded(study, word)
    yield "</section>"


def _table(study: Study, group: Group) -> Iterator[str]:
    if not group.judged:
        return
    yield '<p class="note">Mean cosines in two sentences, same use / different uses; * when at most 5 % of random '
    yield "sortings into uses do as well.</p>"
    yield '<div class="wide"><table><thead><tr><th>word</th>'
    yield "".join(f"<th>{escape(layer)}</th>" for layer in study.layers) + "</tr></thead><tbody>"
    for word, layers in group.judged.items():
        cells = (f"<td>{s.same:.2f} / {s.different:.2f}{' *' if s.separates else ''}</td>" for s in layers)
        yield f"<tr><td>{escape(word)}</td>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _legend(word: WordStudy) -> str:
    items = (
        f'<li><svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 16 16" aria-hidden="true">{_mark(0, 0, index)}</svg>'
        f"{escape(sense)}</li>"
        for index, sense in enumerate(word.senses)
    )
    return f'<ul class="legend">{"".join(items)}</ul>' if word.senses else ""


def _folded(study: Study, word: WordStudy) -> Iterator[str]:
    yield f"<details><summary>{escape(word.word)}: its sentences, and the other layers</summary>"
    yield from _sentences(word)
    yield '<div class="pictures">'
    for index, layer in enumerate(study.layers):
        if index not in (0, study.shown_layer):
            yield f"<figure>{picture(word, index, layer)}{_legend(word)}</figure>"
    yield "</div></details>"


def _sentences(word: WordStudy) -> Iterator[str]:
    items = (f"<li>{_marked_words(each.words, each.position)}</li>" for each in word.occurrences)
    yield f"<ol>{''.join(items)}</ol>"


def _look_ups(study: Study, detail: Detail) -> Iterator[str]:
    """Neighbours and substitutes of the main word, as in the text of the terminal."""
    yield f"<section><h2>{escape(study.main)}: {escape(detail.group)}</h2>"
    yield f"<p>Nearest words in {len(study.sentences)} other sentences, layer by layer, and words that the language models "
    yield "put in its place (tokens without a letter are left out).</p>"
    for look_up in detail.look_ups:
        occurrence = look_up.occurrence
        yield f"<p>{_marked_words(occurrence.words, occurrence.position)}</p><ul>"
        for index, (layer, found) in enumerate(zip(study.layers, look_up.nearest, strict=True)):
            for near in found:
                words = study.sentences[near.sentence].words
                text = f"<b>{escape(near.word)}</b>" if index == 0 else _marked_words(words, near.position)
                yield f'<li><span class="note">{escape(layer)}, {near.cosine:.2f}:</span> {text}</li>'
        if look_up.substitutes is not None:
            words_for_gap = ", ".join(f"{escape(word)} {share:.1%}" for word, share in look_up.substitutes.words)
            yield f'<li><span class="note">in its place:</span> {words_for_gap}</li>'
        yield "</ul>"
    yield "</section>"


def _marked_words(words: list[str], position: int) -> str:
    shown = [f"<b>{escape(word)}</b>" if place == position else escape(word) for place, word in enumerate(words)]
    line = ""
    for word in shown:
        line += word if not line or word in CLOSING else " " + word
    return line


def picture(word: WordStudy, index: int, layer: str) -> str:
    """The occurrences of a word on one layer as an SVG element."""
    points, shares = word.planes[index]
    title = f"{word.word}, {layer}"
    x, y = _scaled(points[:, 0], LEFT, SIDE - RIGHT), _scaled(points[:, 1], SIDE - BOTTOM, TOP)
    zero_x, zero_y = _scale(points[:, 0], LEFT, SIDE - RIGHT)(0.0), _scale(points[:, 1], SIDE - BOTTOM, TOP)(0.0)
    middle_x, middle_y = (LEFT + SIDE - RIGHT) / 2, (TOP + SIDE - BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE:.0f} {SIDE:.0f}" role="img" '
        f'aria-label="{escape(title)}">',
        f'<text class="title" x="{LEFT:.0f}" y="16">{escape(title)}</text>',
        f'<rect class="frame" x="{LEFT:.0f}" y="{TOP:.0f}" width="{SIDE - LEFT - RIGHT:.0f}" '
        f'height="{SIDE - TOP - BOTTOM:.0f}"/>',
        f'<path class="zero" d="M{zero_x:.1f} {TOP:.0f}V{SIDE - BOTTOM:.0f}M{LEFT:.0f} {zero_y:.1f}H{SIDE - RIGHT:.0f}"/>',
        f'<text class="axis" x="{middle_x:.0f}" y="{SIDE - 12:.0f}" text-anchor="middle">{_axis(1, shares[0])}</text>',
        f'<text class="axis" transform="translate(16 {middle_y:.0f}) rotate(-90)" text-anchor="middle">'
        f"{_axis(2, shares[1])}</text>",
    ]
    for number, each in enumerate(word.occurrences, start=1):
        sense = word.senses.index(each.sense) if each.sense is not None else 0
        told = f"{number}. {each.sense + ': ' if each.sense else ''}{each.text}"
        left, top = x[number - 1], y[number - 1]
        parts.append(
            f'<g class="point"><title>{escape(told)}</title>{_mark(left, top, sense)}'
            f'<text x="{left + 7:.1f}" y="{top - 5:.1f}">{number}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _axis(number: int, share: float) -> str:
    return f"component {number} ({share:.0%} of the variance)"


def _scale(values: np.ndarray, low: float, high: float):
    """A function from a coordinate to a place in the picture; all-equal values come into the middle."""
    smallest, largest = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    reach = (largest - smallest) * (1 + 2 * MARGIN)
    middle = (smallest + largest) / 2
    return lambda value: (low + high) / 2 + (((value - middle) / reach) * (high - low) if reach else 0.0)


def _scaled(values: np.ndarray, low: float, high: float) -> list[float]:
    place = _scale(values, low, high)
    return [place(float(value)) for value in values]


def _mark(x: float, y: float, sense: int) -> str:
    """The mark of a sense around a place."""
    colour = COLOURS[sense % len(COLOURS)]
    shape = SHAPES[sense % len(SHAPES)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    corners = {
        "square": ((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)),
        "triangle": ((0, -6), (5.5, 4), (-5.5, 4)),
        "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
    }[shape]
    places = " ".join(f"{x + right:.1f},{y + down:.1f}" for right, down in corners)
    return f'<polygon points="{places}" fill="{colour}"/>'
