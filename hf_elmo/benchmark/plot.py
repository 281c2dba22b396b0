# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A picture of result files: how many times faster each side is than AllenNLP's way of computing."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.options import BASELINE, WHOLE

ENDINGS = (".svg", ".png")
COLOURS = {  # one for each side in every picture, told apart by colour-blind readers too (Okabe and Ito)
    "allennlp": "#999999",
    "ours": "#0072B2",
    "ours-warm-cache": "#56B4E9",
    "ours-native": "#F0E442",
    "ours-int8": "#009E73",
    "ours-native-int8": "#000000",
    "bert": "#D55E00",
    "bert-int8": "#E69F00",
    "products": "#CC79A7",
}

Bars = dict[int, dict[str, dict]]  # batch size -> side -> ratio


def run(args: argparse.Namespace) -> int:
    """Draw all result files into one picture.

    Raises:
        ValueError: the ending is unknown, matplotlib is missing, or a file holds nothing that can be drawn.
        OSError: a file cannot be read, or the picture not be written.
    """
    if args.output.suffix not in ENDINGS:
        raise ValueError(f"--output must end in {' or '.join(ENDINGS)}, got {args.output.name}")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("drawing needs matplotlib: pip install 'hf-elmo[plot]'") from error
    panels = read_panels(args.results)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.4 * columns, 3.4 * rows + 0.8), layout="constrained")
    for number, (title, bars) in enumerate(panels.items()):
        draw_panel(figure.add_subplot(rows, columns, number + 1), title, bars)
    sides = [side for side in COLOURS if any(side in one for bars in panels.values() for one in bars.values())]
    handles = [matplotlib.patches.Patch(color=COLOURS[side], label=side) for side in sides]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
    part = args.output.with_name(args.output.name + ".part")
    with matplotlib.rc_context({"svg.hashsalt": "hf-elmo", "svg.fonttype": "none"}):  # same input, same file
        metadata = {"Date": None} if args.output.suffix == ".svg" else None
        figure.savefig(part, format=args.output.suffix[1:], metadata=metadata, dpi=150)
    os.replace(part, args.output)
    print(f"picture written to {args.output}", file=sys.stderr)
    return 0


def read_panels(paths: list[Path]) -> dict[str, Bars]:
    """Title of each panel -> its bars; one panel for a size and an order of sentences.

    Raises:
        ValueError: a file is no result, holds nothing to draw, or two files hold the same measurement.
    """
    results = {}
    for path in paths:
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            results[path] = (result["machine"]["cpu"], result["metrics"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no result file of hf-elmo benchmark") from error
    several = len({cpu for cpu, _ in results.values()}) > 1
    panels: dict[str, Bars] = {}
    for path, (cpu, metrics) in results.items():
        cells = [cell for cell in metrics.values() if isinstance(cell, dict) and BASELINE in cell.get("sides", {})]
        if not cells:
            raise ValueError(f"{path} holds nothing to draw; needed is a result of encoder or training")
        for cell in cells:
            title = _title(cell) + (f"\n{cpu}" if several else "")
            bars = panels.setdefault(title, {})
            if cell["batch_size"] in bars:
                raise ValueError(f"{path} and a file before it both hold {title}, batch {cell['batch_size']}")
            bars[cell["batch_size"]] = {
                side: measured["ratio"] for side, measured in cell["sides"].items() if "ratio" in measured
            }
    return panels


def _title(cell: Mapping[str, Any]) -> str:
    kind = f"{cell['order']} order" if "order" in cell else "training step"
    threads = "" if cell["threads"] == 1 else f", {cell['threads']} threads"
    return f"{cell['size']}, {kind}{threads}"


def draw_panel(axes, title: str, bars: Bars) -> None:
    """Groups of bars by batch size: median of the ratio, its range as a line."""
    sides = [side for side in WHOLE if any(side in measured for measured in bars.values())]
    width = min(0.25, 0.8 / max(1, len(sides)))
    for place, side in enumerate(sides):
        found = [(group, measured[side]) for group, measured in enumerate(bars.values()) if side in measured]
        x = [group + (place - (len(sides) - 1) / 2) * width for group, _ in found]
        medians = [ratio["median"] for _, ratio in found]
        below = [ratio["median"] - ratio["lowest"] for _, ratio in found]
        above = [ratio["highest"] - ratio["median"] for _, ratio in found]
        axes.bar(x, medians, width, color=COLOURS[side], yerr=(below, above), error_kw={"linewidth": 0.8})
        for position, (_, ratio) in zip(x, found, strict=True):
            top = (position, ratio["highest"])
            axes.annotate(f"{ratio['median']:.1f}", top, (0, 2), textcoords="offset points", ha="center", fontsize=7)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xlim(-0.6, len(bars) - 0.4)  # a lone bar does not fill the panel
    axes.set_xticks(range(len(bars)), [f"batch {size}" for size in bars])
    axes.set_ylabel(f"times {BASELINE}")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
