# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The page: every number on it stands in report.json, nothing is loaded from elsewhere, pictures have names."""

import json
import re
from html.parser import HTMLParser

import pytest
from comparison_samples import FACTS, comparison

from hf_elmo.compare import plots
from hf_elmo.compare.formatting import texts, written
from hf_elmo.compare.page import page
from hf_elmo.compare.report import write_report

NUMBER = re.compile(r"\d(?:[\d,]*\d)?(?:\.\d+)?")


class Reader(HTMLParser):
    """Texts of a page outside of style sheets and pictures, its `<data>` elements, and all attributes."""

    def __init__(self):
        super().__init__()
        self.texts, self.data, self.tags, self.in_svg, self.in_style, self.value = [], [], [], 0, 0, None

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.in_svg += tag == "svg"
        self.in_style += tag == "style"
        if tag == "data":
            self.value = dict(attributes)["value"]

    def handle_endtag(self, tag):
        self.in_svg -= tag == "svg"
        self.in_style -= tag == "style"
        if tag == "data":
            self.value = None

    def handle_data(self, text):
        if self.value is not None:
            self.data.append((self.value, text))
        elif not self.in_svg and not self.in_style:
            self.texts.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    files = write_report(folder, comparison(folder), FACTS)
    report, html = json.loads(files["json"].read_text(encoding="utf-8")), files["html"].read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(html)
    return report, html, reader


def leaves(value):
    """Numbers and strings of a JSON value, names of fields among them."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif value is not None and not isinstance(value, bool):
        yield value


def test_every_number_on_the_page_is_in_the_json(made):
    report, _, reader = made
    found = list(leaves(report))
    numbers = {float(one) for one in found if isinstance(one, int | float)}
    assert len(reader.data) > 30
    for value, shown in reader.data:
        assert float(value) in numbers
        assert any(written(float(value), digits) == shown for digits in (None, 0, 1, 2, 3))
    rounded = {written(number, digits).lstrip("−") for number in numbers for digits in (None, 0, 1, 2, 3)}
    in_words = (
        rounded | set(NUMBER.findall(" ".join(map(str, found)))) | set(NUMBER.findall(json.dumps(texts("page"))))
    )
    assert [one for text in reader.texts for one in NUMBER.findall(text) if one not in in_words] == []


def test_every_value_of_the_json_is_on_the_page(made):
    report, _, reader = made
    shown = {float(value) for value, _ in reader.data}
    for section in report["sections"]:
        for table in section["tables"]:
            for row in table["rows"]:
                assert {value["value"] for value in row["values"].values()} <= shown


def test_nothing_is_loaded_and_no_script_runs(made):
    _, html, reader = made
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        assert "src" not in attributes and attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in html and not re.search(r"url\((?!#)", html)


def test_links_lead_to_places_of_the_page_and_ids_are_unique(made):
    _, _, reader = made
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {attributes["href"][1:] for _, attributes in reader.tags if "href" in attributes}
    wanted |= {attributes["for"] for tag, attributes in reader.tags if tag == "label"}
    assert wanted <= set(ids)


def test_three_pictures_with_names_and_all_rows(made):
    report, html, reader = made
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) == 3
    for picture in pictures:
        assert re.search(r'<svg [^>]*role="img" aria-label="[^"]+"', picture)
        for contender in FACTS["contenders"]:
            assert contender["name"] in picture
    (lines,) = (picture for picture in pictures if "words/s" in picture)
    assert "words of a sentence" in lines


def test_text_of_others_is_escaped(made):
    assert "3 seeds &amp; more &lt;than&gt; 2." in made[1]


def test_without_matplotlib_there_are_tables_and_a_line_that_says_so(made, monkeypatch):
    report, _, _ = made
    monkeypatch.setattr(plots, "can_draw", lambda: False)
    html = page(report)
    assert "<svg" not in html and "pip install" in html and html.count("<table") >= 4


def test_both_languages_have_every_text(made):
    for pair in texts("page").values():
        assert pair["en"] and pair["zh"]
    assert "论断" in made[1]


def test_unknown_kind_of_picture_is_refused():
    with pytest.raises(ValueError, match="table t: a picture of kind 'pie' is not known"):
        value = {"value": 1.0, "sd": None, "interval": None, "n": None, "cells": []}
        rows = [{"label": "a", "contender": None, "group": None, "values": {"x": value}}]
        plots.draw({"id": "t", "title": "T", "unit": "", "columns": ["x"], "rows": rows, "plot": {"kind": "pie"}}, {})


@pytest.mark.parametrize(
    ("number", "decimals", "shown"),
    [
        (1234.56, 0, "1,235"),
        (0.98765, 3, "0.988"),
        (-2.5, 1, "−2.5"),
        (-0.0004, 2, "0.00"),
        (12, None, "12"),
        (0.5, None, "0.500"),
    ],
)
def test_numbers_for_people(number, decimals, shown):
    assert written(number, decimals) == shown
