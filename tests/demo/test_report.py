# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The whole text and the JSON hold the numbers of the study."""

import json
import re

import pytest
from demo_studies import GRAMMAR, SENSES, one_word, study_of, unlabelled
from planted_senses import Planted

from hf_elmo.demo.encoding import Substitutes
from hf_elmo.demo.layout import WIDTH, snippet
from hf_elmo.demo.page import page
from hf_elmo.demo.report import report
from hf_elmo.demo.study import as_json
from hf_elmo.demo.verdict import about_floor, about_group, headline


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_text_has_every_sentence_of_the_verdict(separating):
    text = in_one_line(report(separating))
    assert text.startswith(headline(separating)) and about_floor(separating) in text
    for group in separating.groups:
        assert all(line in text for line in about_group(separating, group))


def test_the_table_shows_the_numbers(separating):
    text = report(separating)
    rows = [line for line in text.splitlines() if line.startswith("play  ")]
    for row, group in zip(rows, separating.groups, strict=True):
        found = group.judged["play"]
        assert [float(number) for number in re.findall(r"-?\d\.\d\d", row)] == [
            round(number, 2) for each in found for number in (each.same, each.different)
        ]
        assert row.count("*") == sum(each.separates for each in found) == 2


def test_cosines_of_the_main_word_stand_in_rows(separating):
    lines = report(separating).splitlines()
    start = next(number for number, line in enumerate(lines) if line.split() == ["layer", "1", "layer", "2"])
    for row in range(8):
        cells = lines[start + 2 + row].split()
        expected = [
            "." if row == column else f"{100 * separating.details[0].word.cosines[layer][row][column]:.0f}"
            for layer in (1, 2)
            for column in range(8)
        ]
        assert cells == [str(row + 1), *expected]


def test_neighbours_and_what_is_shared(blind):
    text = report(blind)
    assert "layer 0: play 1.00" in text and "[play]" in text and "(things)" in text
    assert 'Layer 0: these uses share 3 of 3 neighbours; 2 of all 6 are "play" itself.' in text


def test_words_for_the_gap(separating, blind):
    text = report(separating)
    assert "game 25.0%, film 10.0%" in text and 'the word that stands there, "play": number 7' in text
    assert "The model has no softmax, so it cannot tell which words would fit a gap." in report(blind)
    gap = Substitutes([("a", 0.5)], None, 100)
    assert '"it": not among the first 100' in report(one_word(Planted(gap=gap), "it", unlabelled(2)))


def test_lines_fit_a_terminal(separating, blind):
    for study in (separating, blind, one_word(Planted(), "it", unlabelled(40))):
        assert max(map(len, report(study).splitlines())) <= WIDTH
    assert "(a table of 40 columns is too wide; --json has the numbers)" in report(study)


def test_a_snippet_keeps_the_word_and_what_fits():
    words = "The quick brown fox jumps , and sleeps .".split()
    assert snippet(words, 3, 80) == "The quick brown [fox] jumps, and sleeps."
    assert snippet(words, 3, 30) == "... brown [fox] jumps, and ..."
    assert snippet(words, 3, 5) == "... [fox] ..."  # the word itself is always there
    assert snippet(["a"], 0, 80) == "[a]"


def test_the_same_study_gives_the_same_text(box_groups):
    first, second = (study_of(Planted((0.0, 3.0, 1.0)), box_groups) for _ in range(2))
    assert report(first) == report(second) and page(first) == page(second)
    assert json.dumps(as_json(first)) == json.dumps(as_json(second))


def test_json_holds_the_study(separating):
    data = json.loads(json.dumps(as_json(separating)))
    assert list(data["groups"]) == [GRAMMAR, SENSES]
    layer = data["groups"][SENSES]["words"]["bank"]["layers"]["layer 2"]
    assert layer["separates"] is True and layer["chance"] == pytest.approx(2 / 70, abs=1e-6)
    assert len(layer["cosines"]) == len(layer["plane"]) == 8
    for group in separating.groups:
        summary = data["groups"][group.name]["summary"]["layer 2"]
        assert summary == {"separated": group.separated(2), "more_than_chance": True}
    assert [each["group"] for each in data["look_ups"]] == [GRAMMAR, GRAMMAR, SENSES, SENSES]
    assert data["look_ups"][0]["substitutes"] == {"words": [["game", 0.25], ["film", 0.1]], "rank": 7, "searched": 100}
    assert len(data["look_ups"][1]["neighbours"]["layer 1"]) == 3
