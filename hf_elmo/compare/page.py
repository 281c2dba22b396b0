# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A report as one page of HTML: pictures inside, nothing loaded from elsewhere, English or Chinese without a script.

The page is made of the content of report.json and of nothing else; each measured number stands in a `<data>` element
with its full value.
"""

from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from hf_elmo.compare import plots
from hf_elmo.compare.formatting import TEXTS, best_of, decimals_of, flat, in_both, keys_of, texts, written


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
    return environment.get_template("page.html").render(
        report=report,
        pictures=pictures_of(report),
        can_draw=plots.can_draw(),
        facts=[(name, flat(value)) for name, value in report["facts"].items()],
        text=texts("page"),
        style=Markup((TEXTS / "page.css").read_text(encoding="utf-8")),
        title=in_both,
        keys=keys_of,
        written=written,
        decimals_of=decimals_of,
        best_of=best_of,
    )


def pictures_of(report: Mapping[str, Any]) -> dict[str, Markup]:
    """SVG elements by the id of their table; none without matplotlib."""
    if not plots.can_draw():
        return {}
    colours = plots.colours_of([each["name"] for each in report["facts"].get("contenders", [])])
    drawn = {table["id"]: plots.draw(table, colours) for section in report["sections"] for table in section["tables"]}
    return {name: Markup(svg) for name, svg in drawn.items() if svg is not None}
