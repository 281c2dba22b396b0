# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The losses of a pretraining run over its updates, as a picture that is one SVG file without anything else.

    python -m hf_elmo.training.loss_curve RESULTS.json OUT.svg

`hf-elmo pretrain` writes it as loss.svg. It needs no matplotlib.
"""

import json
import math
import os
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 470
LEFT, RIGHT, TOP, BOTTOM = 64, 700, 64, 360  # edges of the plane
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by colour-blind eyes as well
DASHES = ("", "7 4", "2 3", "9 3 2 3")  # and without colours
CAPTION_LETTERS = 108  # of a line


def draw_losses(result: dict[str, Any]) -> str:
    """The picture of a run.

    A loss that is a sum of others in the history (`loss`, `sampled_loss`) is left out beside them. Evaluations on the way
    are dots, perplexities as their logarithms. The figures of the held-out text stand in the caption.

    Args:
        result: content of results.json.
    Returns:
        An SVG document.
    Raises:
        ValueError: no results of pretraining, or no loss in the history.
    """
    try:
        history, run, held_out = result["history"], result["run"], result["metrics"]["held_out"]
        title = f"{run['settings']['model']}: {run['steps']:,} updates, {run['words_read']:,} {run.get('counted', 'words')} read"
        curves, dots = curves_of(history), evaluations_of(history)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these are no results of hf-elmo pretrain") from error
    if not curves:
        raise ValueError("the history holds no loss: there is nothing to draw")
    series = [*curves.values(), *dots.values()]
    x_ticks = _ticks(0, max(step for points in series for step, _ in points), whole=True)
    losses = [loss for points in series for _, loss in points]
    y_ticks = _ticks(min(losses), max(losses))

    def place(step: float, loss: float) -> str:
        x = LEFT + (RIGHT - LEFT) * (step - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        y = BOTTOM - (BOTTOM - TOP) * (loss - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return f"{x:.2f},{y:.2f}"

    parts = [_text((LEFT + RIGHT) / 2, 24, title, 'text-anchor="middle" font-size="15"')]
    parts += _axes(x_ticks, y_ticks, place)
    names = [*curves, *(name for name in dots if name not in curves)]
    for number, name in enumerate(names):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        if points := curves.get(name):
            line = " ".join(place(*point) for point in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}">'
                f"<title>{escape(name)}</title></polyline>"
            )
        for point in dots.get(name, ()):
            x, y = place(*point).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"><title>{escape(name)}</title></circle>')
    parts += _legend(names, curves)
    parts += _caption(held_out)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="12" fill="#222">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def curves_of(history: Sequence[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Points (update, loss) of every loss of training, without the sums of others."""
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in history:
        if "learning_rate" in entry:  # else an evaluation
            for name, value in entry.items():
                if name.endswith("loss"):
                    found.setdefault(name.replace("_", " "), []).append((entry["step"], value))
    whole = [name for name in ("loss", "sampled loss") if name in found]
    return {name: points for name, points in found.items() if len(found) == 1 or name not in whole}


def evaluations_of(history: Sequence[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Points (update, loss) of the evaluations on the way; losses are nats for a word or a piece."""
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in history:
        if "learning_rate" in entry:
            continue
        for name, value in entry.items():
            if name in ("forward_perplexity", "backward_perplexity"):
                loss = f"held-out {name.replace('_perplexity', '')} loss"
                found.setdefault(loss, []).append((entry["step"], math.log(value)))
            elif name.endswith("loss"):
                found.setdefault(f"held-out {name.replace('_', ' ')}", []).append((entry["step"], value))
    return found


def _ticks(lowest: float, highest: float, whole: bool = False) -> list[float]:
    """Round numbers around all values, four to eight of them."""
    span = highest - lowest or abs(highest) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= 6)
    if whole:
        step = max(1.0, round(step))
    first = math.floor(lowest / step + 1e-9)
    last = max(math.ceil(highest / step - 1e-9), first + 1)
    return [number * step for number in range(first, last + 1)]


def _axes(x_ticks: list[float], y_ticks: list[float], place: Any) -> list[str]:
    parts = []
    for tick in x_ticks:
        x = place(tick, y_ticks[0]).split(",")[0]
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{BOTTOM}" stroke="#e3e3e3"/>')
        parts.append(_text(x, BOTTOM + 18, f"{tick:,.0f}", 'text-anchor="middle"'))
    for tick in y_ticks:
        y = place(x_ticks[0], tick).split(",")[1]
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{RIGHT}" y2="{y}" stroke="#e3e3e3"/>')
        parts.append(_text(LEFT - 8, float(y) + 4, f"{tick:.6g}", 'text-anchor="end"'))
    middle = (TOP + BOTTOM) / 2
    parts.append(
        f'<path d="M{LEFT},{TOP} V{BOTTOM} H{RIGHT}" fill="none" stroke="#222"/>'
        + _text((LEFT + RIGHT) / 2, BOTTOM + 38, "updates", 'text-anchor="middle"')
        + _text(18, middle, "loss (nats)", f'text-anchor="middle" transform="rotate(-90 18 {middle})"')
    )
    return parts


def _legend(names: list[str], curves: dict[str, Any]) -> list[str]:
    parts, x = [], LEFT
    for number, name in enumerate(names):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        if name in curves:
            parts.append(
                f'<line x1="{x}" y1="46" x2="{x + 26}" y2="46" stroke="{colour}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/>'
            )
        else:
            parts.append(f'<circle cx="{x + 13}" cy="46" r="3" fill="{colour}"/>')
        parts.append(_text(x + 32, 50, name, ""))
        x += 54 + 7 * len(name)
    return parts


def _caption(held_out: dict[str, float]) -> list[str]:
    """The figures of the held-out text, in as many lines as they need."""
    words = [f"{name.replace('_', ' ')} {value:.5g}" for name, value in held_out.items()]
    lines = ["Held-out text: " if words else "No held-out text was evaluated."]
    for number, word in enumerate(words):
        piece = word + (", " if number + 1 < len(words) else "")
        if len(lines[-1]) + len(piece) > CAPTION_LETTERS:
            lines.append("")
        lines[-1] += piece
    return [_text(LEFT, y, line.rstrip(), "") for line, y in zip(lines, count(BOTTOM + 62, 16), strict=False)]


def _text(x: Any, y: Any, text: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{escape(text)}</text>'


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a results.json; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if len(words) != 2:
        print("usage: python -m hf_elmo.training.loss_curve RESULTS.json OUT.svg", file=sys.stderr)
        return 2
    source, target = map(Path, words)
    part = target.with_name(target.name + ".part")
    try:
        picture = draw_losses(json.loads(source.read_text(encoding="utf-8")))
        part.write_text(picture, encoding="utf-8")
        os.replace(part, target)
    except (OSError, ValueError) as error:
        print(f"{source} to {target}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


__all__ = ["draw_losses"]

if __name__ == "__main__":
    raise SystemExit(main())
