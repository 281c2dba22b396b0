# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The study as one page: HTML that is also XML, with pictures drawn here as SVG; nothing is loaded from elsewhere."""

from collections.abc import Iterator
from html import escape

import numpy as np

from hf_elmo.demo.report import verdict
from hf_elmo.demo.study import Study, WordStudy

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
.verdict { padding-left: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
figure { margin: 0; max-width: 30rem; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; } svg .title { font-size: 13px; font-weight: 600; }
svg .axis { fill: var(--dim); } svg .frame { fill: none; stroke: var(--line); }
svg .zero { stroke: var(--line); stroke-dasharray: 2 3; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: .25rem 0; padding: 0; list-style: none; }
.legend svg { display: inline-block; width: .9rem; height: .9rem; vertical-align: -.1rem; margin-right: .35rem; }
@media (max-width: 30rem) { table { font-size: .8rem; } th, td { padding: .2rem .25rem; } }
ol { margin: .5rem 0; padding-left: 2rem; } .note { color: var(--dim); }
"""


def page(study: Study) -> str:
    """The whole page, the same text for the same study."""
    title = f"One word in several senses: {study.model}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" xmlns="http://www.w3.org/1999/xhtml">',
            '<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>",
            f"<body><h1>{escape(title)}</h1>",
            "<p>Each point is the vector of one word in one sentence, seen in the plane in which these vectors differ most "
            "(principal component analysis). Where the colours lie apart, the model tells the senses apart.</p>",
            '<ul class="verdict">',
            *(f"<li>{escape(line)}</li>" for line in _sentences(verdict(study))),
            "</ul>",
            *_table(study),
            *(line for word in _main_first(study) for line in _section(study, word)),
            "</body></html>",
            "",
        ]
    )


def _sentences(lines: Iterator[str]) -> list[str]:
    """The verdict without the line ends of the terminal."""
    whole: list[str] = []
    for line in lines:
        if line.startswith(" ") and whole:
            whole[-1] += " " + line.strip()
        else:
            whole.append(line)
    return whole


def _table(study: Study) -> Iterator[str]:
    if not study.judged:
        return
    yield "<h2>Mean cosines: same sense / different senses</h2>"
    yield '<p class="note">* when at most 5 % of random sortings into senses do as well.</p>'
    yield '<div class="wide"><table><thead><tr><th>word</th>'
    yield "".join(f"<th>{escape(layer)}</th>" for layer in study.layers) + "</tr></thead><tbody>"
    for word, layers in study.judged.items():
        cells = (f"<td>{s.same:.2f} / {s.different:.2f}{' *' if s.separates else ''}</td>" for s in layers)
        yield f"<tr><td>{escape(word)}</td>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _main_first(study: Study) -> list[WordStudy]:
    return sorted(study.words.values(), key=lambda word: word.word != study.main)


def _section(study: Study, word: WordStudy) -> Iterator[str]:
    yield f"<section><h2>{escape(word.word)}</h2>"
    if word.senses:
        items = (
            f'<li><svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 16 16" aria-hidden="true">{_mark(0, 0, index)}</svg>{escape(sense)}</li>'
            for index, sense in enumerate(word.senses)
        )
        yield f'<ul class="legend">{"".join(items)}</ul>'
    yield '<div class="pictures">'
    for index, layer in enumerate(study.layers):
        if index > 0:
            yield f"<figure>{picture(word, index, layer)}</figure>"
    yield "</div>"
    if word.is_static:
        yield (
            f'<p class="note">{escape(study.layers[0])} is not drawn: there the word is one and the same vector in all '
            "sentences.</p>"
        )
    items = (f"<li>{_marked_words(each.words, each.position)}</li>" for each in word.occurrences)
    yield f"<ol>{''.join(items)}</ol>"
    if word.word == study.main:
        yield from _look_ups(study)
    yield "</section>"


def _look_ups(study: Study) -> Iterator[str]:
    """Neighbours and substitutes of the main word, as in the text of the terminal."""
    if study.look_ups:
        yield f"<h3>Nearest words in {len(study.sentences)} other sentences, and words for the gap</h3>"
    for look_up in study.look_ups:
        occurrence = look_up.occurrence
        yield f"<p>{_marked_words(occurrence.words, occurrence.position)}</p><ul>"
        for layer, found in zip(study.layers, look_up.nearest, strict=True):
            for near in found:
                words = study.sentences[near.sentence].words
                text = (
                    f"<b>{escape(near.word)}</b>" if layer == study.layers[0] else _marked_words(words, near.position)
                )
                yield f'<li><span class="note">{escape(layer)}, {near.cosine:.2f}:</span> {text}</li>'
        if look_up.substitutes is not None:
            words_for_gap = ", ".join(f"{escape(word)} {share:.1%}" for word, share in look_up.substitutes.words)
            yield f'<li><span class="note">by the language models:</span> {words_for_gap}</li>'
        yield "</ul>"


def _marked_words(words: list[str], position: int) -> str:
    shown = [f"<b>{escape(word)}</b>" if place == position else escape(word) for place, word in enumerate(words)]
    line = ""
    for word in shown:
        line += word if not line or word in {".", ",", ";", ":", "!", "?", ")"} else " " + word
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
