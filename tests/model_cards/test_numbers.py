# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""No number in a card without a source: found where one is planted, and nowhere else."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import yaml
from support import ROOT

from hf_elmo.model_cards import numbers, rendering
from hf_elmo.model_cards.facts import load_facts, names
from hf_elmo.model_cards.numbers import BEGIN, END, Number, Results, Sources, unsourced_numbers, without_marks
from hf_elmo.model_cards.rendering import render_card

CARDS = [(name, language) for name in names() for language in ("en", "zh")]
HERE = frozenset({"here"})


@pytest.mark.parametrize(("name", "language"), CARDS)
def test_every_number_of_a_card_has_a_source(name, language, marked):
    assert unsourced_numbers(marked[name, language]) == []
    assert marked[name, language].count(BEGIN) > 30  # the marks are there to be looked at


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_number_typed_into_the_facts_is_found(language):
    facts = load_facts("elmo-original")
    planted = replace(facts, structure={key: f"{text} It is 94.7 % right." for key, text in facts.structure.items()})
    assert unsourced_numbers(render_card(planted, language, marks=True)) == ["94.7"]


def test_a_number_typed_into_a_template_is_found(tmp_path, monkeypatch):
    shutil.copytree(rendering.TEMPLATES, tmp_path / "templates")
    path = tmp_path / "templates" / "elmo_or_bert_en.md.jinja"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('{{ cited("bert_paper.glue_elmo") }}', "71.5"), encoding="utf-8")
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path / "templates")
    assert unsourced_numbers(render_card("elmo-original", marks=True)) == ["71.5"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It has 3 layers.", ["3"]),
        ("F1 92.4, then 0.2", ["92.4,", "0.2"]),
        ("| a | 1,504 |", ["1,504"]),
        ("5e-6 and ±0.1", ["5e-6", "±0.1"]),
        ("错误率 12 %", ["12"]),
        (f"{BEGIN}92.4{END} and {BEGIN}1,504{END}", []),
        (f"{BEGIN}92{END}4", ["4"]),
        (f"{BEGIN}1{END} and 5 and {BEGIN}2{END}", ["5"]),
        ("in 2018, on 2026-11-26.", []),
        ("2018.5 and 12018 and 1799", ["2018.5", "12018", "1799"]),
        ("CoNLL-2003, SQuAD 1.1, W-NUT 17, UTF-8, float32, a GTX 1080", []),
        ("SQuAD 1.2", ["1.2"]),
        ("`x = 3` and [a](https://b.org/1) and https://c.org/2", []),
        ("---\nvalue: 3\n---\ntext 4", ["4"]),
        ("```python\nx = 3\n```\n7 words", ["7"]),
        ("````md\n```\n3\n```\n````\n", []),
    ],
)
def test_what_counts_as_a_number(text, found):
    assert unsourced_numbers(text) == found


def test_numbers_shown_equal_what_the_files_hold(marked):
    """Each value that is shown as it stands in a result file, read by another way; sums and quotients are left out."""
    asked = []

    class Recording(Results):
        def number(self, file, path):
            found = super().number(file, path)
            asked.append((file, path, found.value))
            return found

    for name in names():
        render_card(name, results=Recording())
    assert len(set(asked)) > 80
    for file, path, value in set(asked):
        found = json.loads((ROOT / "model_cards" / "results" / file).read_text(encoding="utf-8"))
        while path:
            key, _, path = path.partition(".")
            found = found[int(key) if isinstance(found, list) else key]
        assert found == value


def test_numbers_keep_their_sources_and_are_refused_without():
    first, second = Number(6.0, frozenset({"a"})), Number(4.0, frozenset({"b"}))
    total = second / first * 100
    assert total.value == pytest.approx(66.67, abs=0.01) and total.sources == {"a", "b"}
    assert [(first + second).value, (first - second).value, (first * 2).value, (12 / first).value] == [10, 2, 12, 2]
    assert abs(-first).value == 6 and second < first and first > 5
    with pytest.raises(ValueError, match=r"0\.6666666666666666 \(a, b\) needs a filter that rounds it"):
        str(second / first)
    for name, convert in numbers.FILTERS.items():
        with pytest.raises(ValueError, match="^42 has no source"):
            convert(42)
        assert convert(first).startswith(BEGIN), name


@pytest.mark.parametrize(
    ("name", "value", "digits", "text"),
    [
        ("rounded", 87.567, 1, "87.6"),
        ("rounded", 1504.1, 0, "1,504"),
        ("percent", 0.66819, 1, "66.8"),
        ("percent", 0.9725, 0, "97"),
        ("millions", 39_032_151, 1, "39.0"),
        ("ten_thousands", 39_032_151, 0, "3903"),
        ("hundred_millions", 477_420_275, 2, "4.77"),
        ("significant", 0.00012345, 2, "0.00012"),
        ("significant", 0.0, 2, "0"),
        ("significant", 1234.0, 2, "1,234"),
    ],
)
def test_filters(name, value, digits, text):
    assert without_marks(numbers.FILTERS[name](Number(value, HERE), digits)) == text


def test_numbers_as_they_are():
    assert without_marks(numbers.FILTERS["scientific"](Number(5e-6, HERE))) == "5e-6"
    assert without_marks(str(Number(4772068, HERE))) == "4,772,068"
    assert without_marks(numbers.FILTERS["plain"](Number(1024.0, HERE))) == "1024"
    assert without_marks(str(Number(93.6, HERE, "93.60"))) == "93.60"


def test_results_that_are_not_there(tmp_path):
    (tmp_path / "a.json").write_text('{"x": {"y": [1, true, null, "z"], "n": NaN}}')
    (tmp_path / "b.json").write_text("{")
    results = Results(tmp_path)
    assert results.number("a.json", "x.y.0").value == 1 and results.count("a.json", "x.y").value == 4
    assert results.has("a.json") and not results.has("c.json")
    for path, message in (
        ("x.z", r"a\.json holds nothing at 'x\.z' \('z' is not there\)"),
        ("x.y.7", "holds nothing at"),
        ("x.y.k", "holds nothing at"),
        ("x.y.0.k", "holds nothing at"),
        ("x.y.1", "holds no number at 'x.y.1' but True"),
        ("x.y.2", "holds no number at 'x.y.2' but None"),
        ("x.y.3", "holds no number at 'x.y.3' but 'z'"),
        ("x.n", "holds no number at 'x.n' but nan"),
    ):
        with pytest.raises(ValueError, match=message):
            results.number("a.json", path)
    with pytest.raises(ValueError, match="holds no list at 'x.y.0' but 1"):
        results.count("a.json", "x.y.0")
    with pytest.raises(OSError, match=r"c\.json: no such result file"):
        results.number("c.json", "x")
    with pytest.raises(ValueError, match=r"b\.json is no JSON file"):
        results.number("b.json", "x")


def test_every_cited_value_says_where_it_stands_and_is_used():
    sources = yaml.safe_load((ROOT / "model_cards" / "sources.yaml").read_text(encoding="utf-8"))
    texts = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("templates", "facts")
        for path in (ROOT / "model_cards" / folder).iterdir()
    )
    scores = [f"{load_facts(name).figures}_{task}" for name in names() for task in ("srl", "parsing", "parameters")]
    for key, entry in sources.items():
        assert entry["url"].startswith("https://") or entry["read"] == "repository", key
        assert (entry["read"] != "derived") or entry["how"], key
        for name, value in entry["values"].items():
            assert isinstance(value, str) and re.fullmatch(r"[\d,]+(\.\d+)?(e-\d+)?", value), (key, name)
            assert f"{key}.{name}" in texts or name in scores, f"{key}.{name} is cited nowhere"


def test_sources_that_are_wrong(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text("a: {title: A, url: 'https://a.org', read: seen, values: {x: '1'}}")
    with pytest.raises(ValueError, match="read of a is 'seen'; needed is original, copy, derived, repository"):
        Sources(path)
    path.write_text("a: {title: A, read: copy}")
    with pytest.raises(ValueError, match="a lacks url, values"):
        Sources(path)
    path.write_text("a: {title: A 1, url: 'https://a.org', read: copy, values: {x: '1,000'}}")
    sources = Sources(path)
    assert sources.number("a.x").value == 1000 and without_marks(str(sources.number("a.x"))) == "1,000"
    assert without_marks(sources.link("a")) == "[A 1](https://a.org)"
    for key in ("a.y", "b.x", "a"):
        with pytest.raises(ValueError, match=f"cites nothing as '{key}'"):
            sources.number(key)
    with pytest.raises(ValueError, match="cites nothing as 'b'"):
        sources.link("b")
