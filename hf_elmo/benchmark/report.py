# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Results as text for the terminal."""

import sys


def print_speeds(metrics: dict[str, dict]) -> None:
    """A line for each metric: value, unit and the range over the runs."""
    width = max(map(len, metrics))
    for name, metric in metrics.items():
        value = f"{metric['value']:,}" if isinstance(metric["value"], int) else f"{metric['value']:.3f}"
        spread = f"{metric['slowest']:,} to {metric['fastest']:,}" if "slowest" in metric else ""
        print(f"{name:<{width}}  {value:>12} {metric['unit']:<8} {spread}".rstrip())


def print_cell(name: str, cell: dict, unit: str = "words/s") -> None:
    """The sides of one measurement, a line each, then the ratios between some of them."""
    print(
        f"\n{name}: {cell['words']:,} words, {len(next(iter(cell['sides'].values()))['seconds'])} runs, {cell['clock']}"
    )
    width = max(map(len, [*cell["sides"], *cell["ratios"]]))
    for side, measured in cell["sides"].items():
        line = f"  {side:<{width}}  {measured['words_per_second']:>10,.0f} {unit}"
        if "ratio" in measured:
            line += f"  {_range(measured['ratio'])} of {measured['ratio']['of']}"
        print(line)
    for title, ratio in cell["ratios"].items():
        print(f"  {title:<{width}}  {_range(ratio):>{len(unit) + 11}}")
    sys.stdout.flush()  # into a file, too: the next measurement may take minutes


def _range(ratio: dict) -> str:
    return f"{ratio['median']:6.2f}x ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"
