# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tables of a comparison as pictures: bars, lines and radars by matplotlib, as SVG elements that stand inside a page.

Widths are those of a phone, so that letters keep their size there. Ink has the colour of the text around it, light or
dark; models have the same colour in every picture.
"""

import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

# Told apart by colour-blind readers too (Okabe and Ito), readable on white and on black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
DASHES = ("-", "--", ":", "-.")
HATCHES = ("", "////", "....", "xxxx")
MARKERS = ("o", "s", "^", "D", "v")
INK, LINE = "#010203", "#040506"  # stand for colours of the page, put in afterwards
WIDTH = 4.9  # inches: 353 units of the picture, about the pixels of a phone
BAR, LINE_OF_NAME = 0.155, 0.19  # inches
LETTERS = 24  # of a line of a name beside bars
RADAR_LETTERS = 13  # beside a radar
UNDER_BARS, UNDER_LINES, BESIDE_LINES = 36, 48, 30  # letters of a line of an axis' name
MOST_BARS = 6  # rows drawn as bars; more of them are points on a line
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters as letters: small, searchable, read aloud
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.titlesize": 10,
    "hatch.linewidth": 0.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    **dict.fromkeys(
        (f"{axis}tick.{kind}.size" for axis in "xy" for kind in ("major", "minor")), 0
    ),  # the grid shows them
}


def can_draw() -> bool:
    """Whether matplotlib, the extra `plot`, is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def colours_of(contenders: Sequence[str]) -> dict[str, str]:
    """A colour for every model, by its place."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(contenders)}


def draw(table: Mapping[str, Any], colours: Mapping[str, str], prefix: str = "p") -> str | None:
    """The picture that `table["plot"]` asks for, as an SVG element; None if it asks for none or holds no value.

    Args:
        table: rows, columns and values as a section of a report has them.
        colours: of each contender, from `colours_of`; rows of others get what is left.
        prefix: of ids inside the picture, another for each picture of a page.
    Raises:
        ValueError: the kind of picture is none of bars, lines and radar.
    """
    plot = table.get("plot")
    rows = [row for row in table["rows"] if any(_value(row, column) is not None for column in table["columns"])]
    if not plot or not rows:
        return None
    kind = plot["kind"]
    if kind not in _DRAWN:
        raise ValueError(
            f"table {table['id']}: a picture of kind {kind!r} is not known; there are {', '.join(_DRAWN)}"
        )
    left_out = far_below(table)
    rows = [row for row in rows if row["label"] not in left_out]
    import matplotlib
    from matplotlib.figure import Figure

    columns = _columns(table)
    if (kind == "radar" and len(columns) < 3) or (kind == "lines" and len(columns) < 2):
        kind = "bars"  # two spokes make no surface, and one point no line
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": table["id"]}):  # same table, same picture
        figure = Figure(layout="constrained")
        _DRAWN[kind](figure, table, rows, columns, _looks(rows, colours))
        figure.draw_without_rendering()  # the first layout chooses the ticks, the second makes room for them
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return _inline(buffer.getvalue(), table, prefix)


def far_below(table: Mapping[str, Any]) -> list[str]:
    """Labels of baselines that a picture of bars leaves out, as the models would lie close together beside them.

    These are rows of no contender with less than half of what the worst contender has, in any column drawn.
    """
    plot = table.get("plot") or {}
    if plot.get("kind") != "bars" or plot.get("log_x"):
        return []
    found: dict[str, None] = {}
    for column in _columns(table):
        values = [(row, value) for row in table["rows"] if (value := _value(row, column)) is not None]
        least = min((value for row, value in values if row.get("contender")), default=-math.inf)
        found.update((row["label"], None) for row, value in values if not row.get("contender") and value < least / 2)
    return list(found)


def _columns(table: Mapping[str, Any]) -> list[str]:
    """The columns that are drawn: those that the plot names, else all with a value."""
    wanted = table["plot"].get("x")
    columns = [name for name in wanted if name in table["columns"]] if isinstance(wanted, list | tuple) else []
    return columns or [
        name for name in table["columns"] if any(_value(row, name) is not None for row in table["rows"])
    ]


def _value(row: Mapping[str, Any], column: str) -> float | None:
    cell = row["values"].get(column)
    value = None if cell is None else cell.get("value")
    return None if value is None or not math.isfinite(value) else float(value)


def _range(row: Mapping[str, Any], column: str) -> tuple[float, float]:
    """How far the interval, or one standard deviation, reaches below and above the value; zeros without either."""
    cell, value = row["values"][column], row["values"][column]["value"]
    if cell.get("interval"):
        low, high = cell["interval"]
        return max(0.0, value - low), max(0.0, high - value)
    return (cell.get("sd") or 0.0,) * 2


def _looks(rows: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Colour, dash, hatch and marker of each row: the colour is its model's, the rest tells its rows apart."""
    given = dict(colours)
    seen: dict[str, int] = {}
    looks = []
    for row in rows:
        name = row.get("contender") or row["label"]
        colour = given.setdefault(name, COLOURS[len(given) % len(COLOURS)])
        place = seen.get(name, 0)
        seen[name] = place + 1
        looks.append(
            {
                "colour": colour,
                "dash": DASHES[place % len(DASHES)],
                "hatch": HATCHES[place % len(HATCHES)],
                "marker": MARKERS[place % len(MARKERS)],
            }
        )
    return looks


def _bars(figure, table, rows, columns, looks) -> None:
    """Lying bars, a group for each column: names of any length are readable, and the width is a phone's."""
    if len(columns) == 1 and len(rows) > 1:
        groups, bars = (
            [row["label"] for row in rows],
            [[(row, columns[0], look)] for row, look in zip(rows, looks, strict=True)],
        )
    else:
        groups, bars = (
            columns,
            [[(row, name, look) for row, look in zip(rows, looks, strict=True)] for name in columns],
        )
    as_points = max(map(len, bars)) > MOST_BARS
    of_group = max(map(len, bars))
    names = [textwrap.fill(name, LETTERS) for name in groups]
    of_name = LINE_OF_NAME * (1 + max(name.count("\n") for name in names))
    height = len(groups) * max(of_name, max(0.25, of_group * 0.07) if as_points else of_group * BAR + 0.12)
    figure.set_size_inches(
        WIDTH, height + 0.75 + 0.2 * math.ceil(len(rows) / _legend_columns(rows)) * (len(groups) != len(rows))
    )
    axes = figure.add_subplot()
    begin = 0.0
    if table["plot"].get("log_x"):
        begin = _decade_below([_value(*one[:2]) for group in bars for one in group])
        axes.set_xscale("log")
    # Bar by bar of all groups: one call for what looks alike.
    for bar in zip(*bars, strict=True):
        number = bars[0].index(bar[0])
        shown = [(place, *one) for place, one in enumerate(bar) if _value(one[0], one[1]) is not None]
        for looks_alike in {id(look): look for *_, look in shown}.values():
            alike = [(place, row, column) for place, row, column, look in shown if look is looks_alike]
            values = [value for _, row, column in alike if (value := _value(row, column)) is not None]
            y = [place + (number - (of_group - 1) / 2) * 0.8 / of_group for place, _, _ in alike]
            reach = list(zip(*(_range(row, column) for _, row, column in alike), strict=True))
            error = reach if any(map(any, reach)) else None
            colour = looks_alike["colour"]
            if as_points:
                marker = looks_alike["marker"]
                axes.errorbar(values, y, xerr=error, fmt=marker, color=colour, ms=3.5, elinewidth=0.8)
                continue
            long = [value - begin for value in values]
            hatch = looks_alike["hatch"]
            axes.barh(y, long, 0.75 / of_group, left=begin, color=colour, hatch=hatch, ec="#ffffff", lw=0.3)
            if error:
                axes.errorbar(values, y, xerr=error, fmt="none", ecolor=INK, elinewidth=0.9)
    axes.set_yticks(range(len(groups)), names)
    axes.set_ylim(len(groups) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    if begin:
        axes.set_xlim(left=begin)
        _plain_numbers(axes.xaxis)
    axes.set_xlabel(textwrap.fill(table["unit"], UNDER_BARS))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if len(groups) != len(rows) or len(columns) > 1:
        _legend(figure, rows, looks, "points" if as_points else "bars")


def _lines(figure, table, rows, columns, looks) -> None:
    """A line for each row over columns that are numbers; over names, in their order."""
    plot = table["plot"]
    numbers = [_number(column) for column in columns]
    numeric = all(number is not None for number in numbers) and len(set(numbers)) == len(numbers)
    places: list[float] = (
        [float(number) for number in numbers if number is not None] if numeric else list(range(len(columns)))
    )
    figure.set_size_inches(WIDTH, 3.1 + 0.2 * math.ceil(len(rows) / _legend_columns(rows)))
    axes = figure.add_subplot()
    for row, look in zip(rows, looks, strict=True):
        points = [(x, column) for x, column in zip(places, columns, strict=True) if _drawable(row, column, plot)]
        if not points:
            continue
        x = [place for place, _ in points]
        y = [_value(row, column) for _, column in points]
        below, above = zip(*(_range(row, column) for _, column in points), strict=True)
        axes.plot(x, y, look["dash"], color=look["colour"], marker=look["marker"], ms=3.5, lw=1.5)
        if any(below) or any(above):
            low = [value - reach for value, reach in zip(y, below, strict=True)]
            high = [value + reach for value, reach in zip(y, above, strict=True)]
            axes.fill_between(x, low, high, color=look["colour"], alpha=0.15, lw=0)
    if numeric and plot.get("log_x"):
        _log_axis(axes, places)
    axes.set_xticks(places, columns, rotation=0 if sum(map(len, columns)) < 44 else 45)
    axes.minorticks_off()
    if plot.get("log_y") and any(_drawable(row, column, plot) for row in rows for column in columns):
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)
    if isinstance(plot.get("x"), str):
        axes.set_xlabel(textwrap.fill(plot["x"], UNDER_LINES))
    axes.set_ylabel(textwrap.fill(table["unit"], BESIDE_LINES))
    axes.grid()
    axes.spines[["top", "right"]].set_visible(False)
    _legend(figure, rows, looks, "lines")


def _drawable(row: Mapping[str, Any], column: str, plot: Mapping[str, Any]) -> bool:
    """Whether there is a value, and a place for it on the axis."""
    value = _value(row, column)
    return value is not None and (value > 0 or not plot.get("log_y"))


def _decade_below(values: Sequence[float | None]) -> float:
    """Where bars begin on a logarithmic axis: the power of ten below the least value that has a place there."""
    least = min((value for value in values if value is not None and value > 0), default=1.0)
    return 10.0 ** (math.ceil(math.log10(least)) - 1)


def _plain_numbers(axis) -> None:
    """1, 2, 5, 10 along a logarithmic axis, 1, 10, 100 along a longer one, more along a shorter; not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    steps: tuple[float, ...] = (1, 2, 5) if high / low < 200 else (1,)
    if high / low < 5:  # of which there might be one
        steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(NullFormatter())


def _log_axis(axes, places: Sequence[float]) -> None:
    if min(places) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=min(place for place in places if place > 0))


def _radar(figure, table, rows, columns, looks) -> None:
    """A spoke for each column, a closed line for each row; the middle is zero, or the least value if that is below."""
    from matplotlib.ticker import MaxNLocator

    legend = 0.2 * math.ceil(len(rows) / _legend_columns(rows)) + 0.1
    height = WIDTH * 0.95 + legend
    figure.set_layout_engine("none")  # which leaves no room for many long names
    figure.set_size_inches(WIDTH, height)
    side = 0.62 * WIDTH
    box = (0.19, (0.17 * WIDTH + legend) / height, side / WIDTH, side / height)
    axes = figure.add_axes(box, projection="polar")
    angles = [2 * math.pi * place / len(columns) for place in range(len(columns))]
    least = 0.0
    for row, look in zip(rows, looks, strict=True):
        values = [_value(row, column) for column in columns]
        shown = [math.nan if value is None else value for value in values]
        least = min([least, *(value for value in values if value is not None)])
        axes.plot([*angles, angles[0]], [*shown, shown[0]], look["dash"], color=look["colour"], lw=1.5)
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_rlim(bottom=least)
    axes.set_xticks(angles, [])
    edge = axes.get_ylim()[1]
    for angle, name in zip(angles, columns, strict=True):
        across = math.sin(angle)
        side_of = "center" if abs(across) < 0.15 else "left" if across > 0 else "right"
        lines = textwrap.fill(name, RADAR_LETTERS)
        axes.text(angle, least + (edge - least) * 1.06, lines, ha=side_of, va="center", fontsize=9, linespacing=0.9)
    axes.tick_params(axis="y", labelsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.spines["polar"].set_visible(False)
    figure.text(0.5, (legend + 0.02) / height, table["unit"], ha="center", va="bottom", fontsize=10)
    _legend(figure, rows, looks, "radar", place="lower center")


def _legend(figure, rows, looks, kind: str, place: str = "outside lower center") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for row, look in zip(rows, looks, strict=True):
        if kind == "bars":
            handles.append(
                Patch(facecolor=look["colour"], hatch=look["hatch"], edgecolor="#ffffff", lw=0.3, label=row["label"])
            )
        else:
            dash = "none" if kind == "points" else look["dash"]
            marker = "none" if kind == "radar" else look["marker"]
            handles.append(Line2D([], [], color=look["colour"], ls=dash, marker=marker, ms=4, label=row["label"]))
    figure.legend(handles=handles, loc=place, ncols=_legend_columns(rows), frameon=False, fontsize=10)


def _legend_columns(rows: Sequence[Mapping[str, Any]]) -> int:
    return 2 if max(len(row["label"]) for row in rows) < 26 else 1


def _number(column: str) -> float | None:
    """The number that a column is called by, with or without a unit; None for names, ranges and open ends."""
    found = re.fullmatch(r"(-?\d[\d,]*\.?\d*)(?:\s*(?:%|[A-Za-z]+))?", str(column).strip())
    return float(found[1].replace(",", "")) if found else None


def _inline(svg: str, table: Mapping[str, Any], prefix: str) -> str:
    """The SVG element alone, with a name, ids that no other picture has, and no more digits than a screen shows."""
    svg = svg[svg.index("<svg") :]
    for pattern, replacement in _SHORTER:
        svg = re.sub(pattern, replacement, svg, flags=re.DOTALL)
    svg = _outside_text(r"-?\d+\.\d{2,}", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), svg)
    for number, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))):
        svg = svg.replace(f'id="{name}"', f'id="{prefix}-{number}"').replace(
            f'xlink:href="#{name}"', f'href="#{prefix}-{number}"'
        )
        svg = svg.replace(f"url(#{name})", f"url(#{prefix}-{number})")
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box is not None  # matplotlib always writes one
    name = f'role="img" aria-label="{escape(table["title"], quote=True)}"'
    svg = re.sub(r"<svg[^>]*>", f'<svg xmlns="http://www.w3.org/2000/svg" {box[0]} {name}>', svg, count=1)
    svg = svg.replace(INK, "currentColor").replace(LINE, "var(--line)")
    svg = re.sub(r"\s*\n\s*", " ", svg)
    if "<g " not in svg:  # groups without anything to say
        svg = svg.replace("<g>", "").replace("</g>", "")
    svg = _outside_text("; ", ";", re.sub(r"> +<", "><", svg).strip())
    svg = _outside_text(r'(?<=[\d"]) ?([MLCQz]) ?(?=[\d"-])', lambda found: found[1], svg)
    grid = re.findall(rf'<path {_PATH} (style="[^"]*var\(--line\)[^"]*")/>', svg)
    if grid:  # below everything, so that it may come first, as one path
        svg = re.sub(r'<path d="[^"]*" style="[^"]*var\(--line\)[^"]*"/>', "", svg)
        whole = f'<path d="{"".join(path.strip() for path, _ in grid)}" {grid[0][1]}/>'
        svg = re.sub(r"(<svg[^>]*>)", rf"\1{whole}", svg, count=1)
    svg = re.sub(_DOTS, _dots_as_path, svg)
    # One path for neighbours that look alike, such as the bars of a row.
    return re.sub(
        r'(?:<path d="[^"]*" (style="[^"]*")/>)(?:<path d="[^"]*" \1/>)+',
        lambda found: f'<path d="{"".join(path.strip() for path in re.findall(_PATH, found[0]))}" {found[1]}/>',
        svg,
    )


def _outside_text(pattern: str, replacement: str | Callable[[re.Match[str]], str], svg: str) -> str:
    """`re.sub` inside of tags alone: numbers and names that are read stay as they are."""
    return re.sub(r"<[^>]*>", lambda tag: re.sub(pattern, replacement, tag[0]), svg)


def _dots_as_path(found: re.Match[str]) -> str:
    """Round marks of a row as one path: lines of no length with round ends."""
    places = re.findall(r'x="([^"]+)" y="([^"]+)"', found["uses"])
    colour = re.search(r"#[0-9a-f]{6}", found["uses"])
    dots = "".join(f"M{x} {y}h0" for x, y in places)
    style = f"fill:none;stroke:{colour[0] if colour else 'currentColor'};stroke-width:{2 * float(found['radius'])};stroke-linecap:round"
    return f'<path d="{dots}" style="{style}"/>'


_PATH = r'd="([^"]*)"'
# A round mark (the only one with curves) and the places where it stands.
_DOTS = re.compile(
    r'<defs><path id="(?P<name>[^"]+)" d="M0 (?P<radius>[\d.]+)C[^"]*"(?: style="[^"]*")?/></defs>'
    r'(?P<uses>(?:<use href="#(?P=name)" x="[^"]+" y="[^"]+"(?: style="[^"]*")?/>)+)'
)
# What matplotlib writes and a page does not need.
_SHORTER = (
    (r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", ""),
    (r"font-family: [^;\"]*;? ?", ""),  # the page's own
    (
        r' id="(?:figure|axes|patch|text|line2d|xtick|ytick|matplotlib|legend|PolyCollection|FillBetween|LineCollection)[^"]*"',
        "",
    ),
    (r' transform="rotate\(-?0 [^)]*\)"', ""),
    (r'<path d="[^"]*" style="fill: none"/>', ""),  # background
    (r"; stroke-linecap: (?:square|butt)|; stroke-linejoin: \w+", ""),
    (r' clip-path="[^"]*"|<clipPath.*?</clipPath>', ""),  # nothing is drawn beyond the axes
    (r"<defs>\s*</defs>", ""),
    (r"<g>\s*((?:<text|<use|<path)[^<]*(?:</text>|/>)?)\s*</g>", r"\1"),
    (r"<g>\s*((?:<text|<use|<path)[^<]*(?:</text>|/>)?)\s*</g>", r"\1"),
    (r"<g/>", ""),
)
_DRAWN = {"bars": _bars, "lines": _lines, "radar": _radar}
