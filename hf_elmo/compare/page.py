# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A report as one page of HTML: pictures inside, nothing loaded from elsewhere, English or Chinese without a script.

The page is made of the content of report.json and of nothing else: every table of it has the id, and every cell the place, that
it has there.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from hf_elmo.compare import plots
from hf_elmo.compare.formatting import (
    TEXTS,
    best_of,
    decimals_of,
    flat,
    grouped,
    in_both,
    p_written,
    tests_told,
    texts,
    way_told,
    written,
)


def page(report: Mapping[str, Any]) -> str:
    """The page of a report, the same text for the same report; without matplotlib it has tables only, and says so.

    Args:
        report: content of report.json, from `hf_elmo.compare.report.content_of`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEXTS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures, shared = share_styles(pictures_of(report))
    return environment.get_template("page.html").render(
        report=report,
        pictures={name: Markup(svg) for name, svg in pictures.items()},
        can_draw=plots.can_draw(),
        facts=[(name, flat(value)) for name, value in report["facts"].items()],
        text=texts("page"),
        style=Markup((TEXTS / "page.css").read_text(encoding="utf-8") + shared),
        title=in_both,
        tests_told=tests_told,
        written=written,
        p_written=p_written,
        grouped=grouped,
        way_told=way_told,
        far_below=plots.far_below,
        tables={table["id"]: table for section in report["sections"] for table in section["tables"]},
        decimals_of=decimals_of,
        best_of=best_of,
    )


def pictures_of(report: Mapping[str, Any]) -> dict[str, str]:
    """SVG elements by the id of their table; none without matplotlib."""
    if not plots.can_draw():
        return {}
    colours = plots.colours_of([each["name"] for each in report["facts"].get("contenders", [])])
    tables = [table for section in report["sections"] for table in section["tables"]]
    drawn = {table["id"]: plots.draw(table, colours, f"p{number}") for number, table in enumerate(tables)}
    return {name: svg for name, svg in drawn.items() if svg is not None}


def share_styles(pictures: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The pictures with a class for each style that stands in them often, and the style sheet of these classes.

    A page would be twice as large with every style written at every mark.
    """
    counts = Counter(style for svg in pictures.values() for style in _STYLE.findall(svg))
    often = [style for style, count in counts.most_common() if count >= OFTEN]
    names = {style: f"g{number}" for number, style in enumerate(often)}

    def named(found: re.Match[str]) -> str:
        return f'class="{names[found[1]]}"' if found[1] in names else found[0]

    sheet = "".join(f".{name}{{{style}}}\n" for style, name in names.items())
    return {name: _STYLE.sub(named, svg) for name, svg in pictures.items()}, sheet


OFTEN = 4  # times in a page
_STYLE = re.compile(r'style="([^"]*)"')
