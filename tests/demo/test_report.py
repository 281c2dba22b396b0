# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the text and the page say follows from the vectors: planted senses are seen, absent ones are not claimed."""

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from planted_senses import Planted

from hf_elmo.demo.encoding import Substitutes
from hf_elmo.demo.page import page
from hf_elmo.demo.report import WIDTH, report, snippet, verdict
from hf_elmo.demo.study import as_json, make_study
from hf_elmo.demo.texts import Occurrence, Sentence

SVG = "{http://www.w3.org/2000/svg}"
HTML = "{http://www.w3.org/1999/xhtml}"
TEXTS = ["We saw a play in London .", "They play cards at night .", "The cat slept .", "A good match was won ."]


def study_of(encoder, words, main="play"):
    sentences = [Sentence(text, text.split(), "things") for text in TEXTS]
    return make_study(encoder, words, main, sentences)


def unlabelled(count=3):
    return {"it": [Occurrence(f"it is {n}", ["it", "is", str(n)], 0, None) for n in range(count)]}


@pytest.fixture(scope="module")
def separating(box_words):
    gap = Substitutes([("game", 0.25), ("film", 0.1)], 7, 100)
    return study_of(Planted((0.0, 4.0, 2.0), failing=["bat", "crane"], gap=gap), box_words)


@pytest.fixture(scope="module")
def blind(box_words):
    return study_of(Planted(), box_words)


def test_planted_senses_are_seen_where_they_are(separating):
    lines = "\n".join(verdict(separating))
    assert "Layer 0, the static floor, reads letters only: one vector for each word." in lines
    assert re.search(r"Layer 1 separates \d of 10 words: no more than chance does\.", lines)
    assert "Layer 2 separates 8 of 10 words, not: bat, crane." in lines
    assert "So context tells senses apart in 8 of 10 words at best (layer 2)." in lines
    assert "do not separate" not in lines
    assert not separating.separated(0)


def test_a_model_without_senses_is_not_praised(blind):
    lines = list(verdict(blind))
    assert lines[-1] == "So the senses do not separate in this model."
    assert all(re.search(r"separates [0-2] of 10 words: no more than chance does\.$", line) for line in lines[1:4])
    assert "tells senses apart" not in report(blind)


def test_senses_everywhere(box_words):
    lines = "\n".join(verdict(study_of(Planted((9.0, 9.0, 9.0)), box_words)))
    assert "Layer 1 separates 10 of 10 words." in lines and "not:" not in lines
    assert "layer 0 43%, layer 1 100%" in lines and "(chance 43%)" in lines


@pytest.mark.parametrize(("strength", "said"), [(9.0, "2.9% of random sortings do as well: the senses separate."),
                                               (0.0, "the senses do not separate.")])  # fmt: skip
def test_one_word_is_judged_by_itself(box_words, strength, said):
    study = study_of(Planted((strength,) * 3), {"bank": box_words["bank"]}, "bank")
    lines = list(verdict(study))
    assert lines[1].startswith("Layer 1: ") and lines[1].endswith(said)
    assert (lines[-1] == 'So the senses of "bank" do not separate in this model.') is (strength == 0)


def test_too_few_sentences_are_not_held_against_the_model(box_words):
    for strength in (9.0, 0.0):
        study = study_of(Planted((strength,) * 3), {"bank": box_words["bank"][1:7]}, "bank")
        text = report(study)
        assert "Too few sentences to tell: of random sortings 10.0% would be perfect as well." in text
        assert "Three sentences of one sense and four of another are enough." in text
        assert "separate." not in text and "do not separate" not in text
    enough = study_of(Planted((9.0,) * 3), {"bank": box_words["bank"][1:]}, "bank")
    assert "Layer 1: 2.9% of random sortings do as well: the senses separate." in report(enough)


def test_without_senses_nothing_is_said_about_them():
    study = study_of(Planted(), unlabelled(), "it")
    assert list(verdict(study))[-1] == "No senses were given, so nothing is said about them; see the picture."
    assert "same diff" not in report(study)


def test_spellings_that_differ_are_told(box_words):
    mixed = [Occurrence("It is", ["It", "is"], 0, None), Occurrence("it is", ["it", "is"], 0, None)]
    study = study_of(Planted(), {"it": mixed}, "it")
    assert "Layer 0, the static floor, reads letters only: one vector for each spelling." in report(study)


def test_the_table_shows_the_numbers(separating):
    text = report(separating)
    found = separating.words["play"].separations
    row = next(line for line in text.splitlines() if line.startswith("play  "))
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
            "." if row == column else f"{100 * separating.words['play'].cosines[layer][row][column]:.0f}"
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
    occurrences = {"it": unlabelled(2)["it"]}
    assert '"it": not among the first 100' in report(study_of(Planted(gap=gap), occurrences, "it"))


def test_lines_fit_a_terminal(separating, blind):
    many = unlabelled(40)
    for study in (separating, blind, study_of(Planted(), many, "it")):
        assert max(map(len, report(study).splitlines())) <= WIDTH
    assert "(a table of 40 columns is too wide; --json has the numbers)" in report(study)


def test_a_snippet_keeps_the_word_and_what_fits():
    words = "The quick brown fox jumps , and sleeps .".split()
    assert snippet(words, 3, 80) == "The quick brown [fox] jumps, and sleeps."
    assert snippet(words, 3, 30) == "... brown [fox] jumps, and ..."
    assert snippet(words, 3, 5) == "... [fox] ..."  # the word itself is always there
    assert snippet(["a"], 0, 80) == "[a]"


def test_the_page_is_xml_and_has_every_point(separating):
    tree = ElementTree.fromstring(page(separating))
    assert tree.tag == HTML + "html"
    pictures = [each for each in tree.iter(SVG + "svg") if each.get("role") == "img"]
    assert len(pictures) == 10 * 3
    for each in pictures:
        word, layer = each.get("aria-label").split(", ")
        study, index = separating.words[word], separating.layers.index(layer)
        points = each.findall(f"{SVG}g[@class='point']")
        assert len(points) == 8
        assert [point.find(SVG + "title").text for point in points] == [
            f"{number}. {o.sense}: {o.text}" for number, o in enumerate(study.occurrences, start=1)
        ]
        labels = [text.text for text in each.findall(f"{SVG}text[@class='axis']")]
        shares = study.planes[index][1]
        assert labels == [f"component {i + 1} ({shares[i]:.0%} of the variance)" for i in (0, 1)]


def test_the_page_begins_with_the_main_word_and_its_neighbours(box_words, separating):
    study = study_of(Planted(gap=Substitutes([("shore", 0.5)], 1, 100)), box_words, "court")
    tree = ElementTree.fromstring(page(study))
    headings = [each.text for each in tree.iter(HTML + "h2")]
    assert headings[1:3] == ["court", "play"] and len(headings) == 11
    (section,) = (each for each in tree.iter(HTML + "section") if each.find(HTML + "h3") is not None)
    assert section.find(HTML + "h2").text == "court"
    items = ["".join(item.itertext()) for each in section.findall(HTML + "ul")[1:] for item in each]
    for look_up in study.look_ups:
        for layer, found in zip(study.layers, look_up.nearest, strict=True):
            for near in found:
                start = f"{layer}, {near.cosine:.2f}: "
                assert any(item.startswith(start) and near.word in item for item in items)
    assert items.count("by the language models: shore 50.0%") == 2


def places(picture) -> list[tuple[float, float]]:
    found = []
    for point in picture.findall(f"{SVG}g[@class='point']"):
        text = point.find(SVG + "text")  # stands beside the mark
        found.append((float(text.get("x")) - 7, float(text.get("y")) + 5))
    return found


def test_points_keep_their_order_inside_the_frame(separating):
    tree = ElementTree.fromstring(page(separating))
    (drawn,) = (each for each in tree.iter(SVG + "svg") if each.get("aria-label") == "bank, layer 2")
    frame = {name: float(value) for name, value in drawn.find(SVG + "rect").items() if name != "class"}
    points = separating.words["bank"].planes[2][0]
    x, y = zip(*places(drawn), strict=True)
    assert sorted(range(8), key=lambda i: x[i]) == sorted(range(8), key=lambda i: points[i, 0])
    assert sorted(range(8), key=lambda i: -y[i]) == sorted(range(8), key=lambda i: points[i, 1])
    assert frame["x"] < min(x) and max(x) < frame["x"] + frame["width"]
    assert frame["y"] < min(y) and max(y) < frame["y"] + frame["height"]


def test_senses_have_marks_of_their_own_and_a_legend(separating):
    tree = ElementTree.fromstring(page(separating))
    (drawn,) = (each for each in tree.iter(SVG + "svg") if each.get("aria-label") == "bank, mix")
    marks = [(point[1].tag, point[1].get("fill")) for point in drawn.findall(f"{SVG}g[@class='point']")]
    assert len(set(marks[:4])) == len(set(marks[4:])) == 1 and marks[0] != marks[4]
    legends = [list(each) for each in tree.iter(HTML + "ul") if each.get("class") == "legend"]
    assert len(legends) == 10 and [item.find(f"{SVG}svg").tail for item in legends[1]] == ["money", "river"]


def test_the_page_needs_nothing_from_elsewhere(separating):
    text = page(separating)
    addresses = set(re.findall(r"https?://[^\"' <]+", text))
    assert addresses == {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}  # names, not links
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(", text)


def test_marks_of_html_in_a_text_are_only_text():
    words = ["it", "<b>", "&", '"']
    study = study_of(Planted(), {"it": [Occurrence('it <b> & "', words, 0, "<s>")] * 2}, "it")
    tree = ElementTree.fromstring(page(study))
    titles = [each.text for each in tree.iter(SVG + "title")]
    assert titles[0] == '1. <s>: it <b> & "'


def test_the_same_study_gives_the_same_text(box_words):
    first, second = (study_of(Planted((0.0, 3.0, 1.0)), box_words) for _ in range(2))
    assert report(first) == report(second) and page(first) == page(second)
    assert json.dumps(as_json(first)) == json.dumps(as_json(second))


def test_json_holds_the_study(separating):
    data = json.loads(json.dumps(as_json(separating)))
    layer = data["words"]["bank"]["layers"]["layer 2"]
    assert layer["separates"] is True and layer["chance"] == pytest.approx(2 / 70, abs=1e-6)
    assert len(layer["cosines"]) == len(layer["plane"]) == 8
    assert data["summary"]["layer 2"] == {"separated": separating.separated(2), "more_than_chance": True}
    assert data["look_ups"][0]["substitutes"] == {"words": [["game", 0.25], ["film", 0.1]], "rank": 7, "searched": 100}
    assert len(data["look_ups"][1]["neighbours"]["layer 1"]) == 3
