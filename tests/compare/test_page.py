# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The page: every number on it stands in report.json, nothing is loaded from elsewhere, pictures have names."""

import json
import re
from html.parser import HTMLParser

import pytest
from comparison_samples import FACTS, comparison

from hf_elmo.compare import plots
from hf_elmo.compare.formatting import p_written, texts, written
from hf_elmo.compare.markdown import markdown
from hf_elmo.compare.page import page
from hf_elmo.compare.report import write_report

NUMBER = re.compile(r"\d(?:[\d,]*\d)?(?:\.\d+)?")


class Reader(HTMLParser):
    """Texts of a page outside of style sheets and pictures, the cells of tables that name theirs, and all attributes."""

    def __init__(self):
        super().__init__()
        self.texts, self.tags, self.inside, self.tables, self.row = [], [], [], {}, None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag in ("svg", "style", "table", "td", "tbody"):
            self.inside.append(tag)
        if tag == "table":
            self.row = self.tables.setdefault(attributes["data-id"], []) if "data-id" in attributes else None
        if self.row is not None and tag == "tr" and "tbody" in self.inside:
            self.row.append([])
        if self.row is not None and tag == "td":
            self.row[-1].append("")

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()
        if tag == "table":
            self.row = None

    def handle_data(self, text):
        if self.row is not None and "td" in self.inside:
            self.row[-1][-1] += text
        elif not {"svg", "style"} & set(self.inside):
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


def number_of(text):
    return float(text.replace(",", "").replace("−", "-"))


def agrees(text, value):
    """Whether a written number is a value, rounded to the digits it is written with."""
    digits = len(text.partition(".")[2])
    return abs(number_of(text) - value) <= 0.5 * 10**-digits + 1e-9 * abs(value)


def test_every_cell_of_a_table_is_that_of_the_json(made):
    report, _, reader = made
    cells = 0
    for table in (table for section in report["sections"] for table in section["tables"]):
        rows = reader.tables.pop(table["id"])
        for row, shown in zip(table["rows"], rows, strict=True):
            for column, text in zip(table["columns"], shown, strict=True):
                found = row["values"][column]
                numbers = re.findall(r"−?" + NUMBER.pattern, text)
                wanted = [found["value"], *(found["interval"] or [])]
                assert len(numbers) == len(wanted)
                assert all(agrees(number, value) for number, value in zip(numbers, wanted, strict=True))
                cells += 1
    assert cells > 30 and not reader.tables


def test_every_other_number_on_the_page_is_in_the_json(made):
    report, _, reader = made
    found = list(leaves(report))
    values = [float(one) for one in found if isinstance(one, int | float)]
    in_words = set(NUMBER.findall(" ".join(map(str, found)) + json.dumps(texts("page"))))
    loose = {one for text in reader.texts for one in NUMBER.findall(text)} - in_words
    counted = {str(sum(each["p_holm"] < 0.05 for each in section["tests"])) for section in report["sections"]}
    counted |= {str(len(section["tests"])) for section in report["sections"]}
    assert [one for one in loose - counted if not any(agrees(one, abs(value)) for value in values)] == []


def test_a_figure_typed_by_hand_would_be_found(made):
    report, html, _ = made
    value = written(report["sections"][0]["tables"][0]["rows"][0]["values"]["WikiGold"]["value"], 1)
    reader = Reader()
    reader.feed(html.replace(f">{value} ", ">99.9 ", 1))
    with pytest.raises(AssertionError):
        test_every_cell_of_a_table_is_that_of_the_json((report, html, reader))


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


def test_ledger_calls_measures_by_their_titles(made):
    report, html, _ = made
    tables = {table["id"]: table for section in report["sections"] for table in section["tables"]}
    ledger = html[html.index('<section id="ledger">') : html.index('<section id="quality">')]
    pairs = [one for entry in report["ledger"] for one in entry["comparisons"]]
    assert pairs
    for one in pairs:
        name = one["places"][0][0]
        assert f'<a href="#{name}">' in ledger and f">{name}" not in ledger
        assert tables[name]["title"] in ledger
    assert not re.search(r"<th[^>]*></th>", ledger)


def test_ledger_is_in_chinese_where_a_title_is_known(made):
    assert texts("titles.zh")["tables"]["quality-ner"] in made[1].partition('<section id="quality">')[0]


@pytest.mark.parametrize(
    ("p", "shown"), [(None, ""), (0.0, "<0.0001"), (0.00009, "<0.0001"), (0.0001, "0.0001"), (1.0, "1.0000")]
)
def test_no_p_value_is_zero(p, shown):
    assert p_written(p) == shown


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


def test_a_fact_without_content_is_called_none(made):
    report = {**made[0], "facts": {**made[0]["facts"], "failed": []}}
    assert re.search("<dt>.*failed.*</dt><dd>.*none.*无.*</dd>", page(report))
    assert "- failed: none" in markdown(report, "en") and "- 失败的单元: 无" in markdown(report, "zh")


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
