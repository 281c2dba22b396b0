# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The page: XML that shows every point of every word, and needs nothing from elsewhere."""

import re
import xml.etree.ElementTree as ElementTree

from demo_studies import GRAMMAR, SENSES, one_word, study_of
from planted_senses import Planted

from hf_elmo.demo.encoding import Substitutes
from hf_elmo.demo.page import page
from hf_elmo.demo.texts import Occurrence

SVG = "{http://www.w3.org/2000/svg}"
HTML = "{http://www.w3.org/1999/xhtml}"


def section_of(tree, heading: str):
    (found,) = (each for each in tree.iter(HTML + "section") if each.find(HTML + "h2").text == heading)
    return found


def pictures_of(tree) -> list:
    return [each for each in tree.iter(SVG + "svg") if each.get("role") == "img"]


def test_the_page_is_xml_and_has_every_point(separating):
    tree = ElementTree.fromstring(page(separating))
    assert tree.tag == HTML + "html"
    assert len(pictures_of(tree)) == 2 * 10 * 3
    every = [(group, each) for group in separating.groups for each in pictures_of(section_of(tree, group.name))]
    assert len({(group.name, each.get("aria-label")) for group, each in every}) == 2 * 10 * 3
    for group, each in every:
        word, layer = each.get("aria-label").split(", ")
        study, index = group.words[word], separating.layers.index(layer)
        points = each.findall(f"{SVG}g[@class='point']")
        assert len(points) == 8
        assert [point.find(SVG + "title").text for point in points] == [
            f"{number}. {o.sense}: {o.text}" for number, o in enumerate(study.occurrences, start=1)
        ]
        labels = [text.text for text in each.findall(f"{SVG}text[@class='axis']")]
        shares = study.planes[index][1]
        assert labels == [f"component {i + 1} ({shares[i]:.0%} of the variance)" for i in (0, 1)]


def test_the_best_layer_of_every_word_is_in_sight(separating):
    tree = ElementTree.fromstring(page(separating))
    for group in separating.groups:
        section = section_of(tree, group.name)
        folded = [each for part in section.iter(HTML + "details") for each in pictures_of(part)]
        in_sight = [each.get("aria-label") for each in pictures_of(section) if each not in folded]
        assert in_sight == [f"{word}, layer 2" for word in group.words]
    words = one_word(Planted(), "bank", separating.groups[1].words["bank"].occurrences)
    alone = ElementTree.fromstring(page(words))
    assert not list(alone.iter(HTML + "details"))
    assert [each.get("aria-label") for each in pictures_of(alone)] == ["bank, layer 1", "bank, layer 2", "bank, mix"]


def test_the_neighbours_of_the_main_word(box_groups):
    study = study_of(Planted(gap=Substitutes([("shore", 0.5)], 1, 100)), box_groups, "court")
    tree = ElementTree.fromstring(page(study))
    headings = [each.text for each in tree.iter(HTML + "h2")]
    assert headings == [GRAMMAR, SENSES, f"court: {SENSES}"]
    items = ["".join(item.itertext()) for each in section_of(tree, headings[2]).findall(HTML + "ul") for item in each]
    (detail,) = study.details
    for look_up in detail.look_ups:
        for layer, found in zip(study.layers, look_up.nearest, strict=True):
            for near in found:
                start = f"{layer}, {near.cosine:.2f}: "
                assert any(item.startswith(start) and near.word in item for item in items)
    assert items.count("in its place: shore 50.0%") == 2


def test_the_tables_hold_the_numbers(separating):
    tree = ElementTree.fromstring(page(separating))
    for group in separating.groups:
        rows = [["".join(c.itertext()) for c in row] for row in section_of(tree, group.name).iter(HTML + "tr")][1:]
        assert rows == [
            [word, *(f"{s.same:.2f} / {s.different:.2f}{' *' * s.separates}" for s in layers)]
            for word, layers in group.judged.items()
        ]


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
    points = separating.groups[1].words["bank"].planes[2][0]
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
    legends = [list(each) for each in section_of(tree, SENSES).iter(HTML + "ul") if each.get("class") == "legend"]
    assert len(legends) == 10 * 3 and [item.find(f"{SVG}svg").tail for item in legends[1]] == ["money", "river"]


def test_the_page_needs_nothing_from_elsewhere(separating):
    text = page(separating)
    addresses = set(re.findall(r"https?://[^\"' <]+", text))
    assert addresses == {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}  # names, not links
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(", text)


def test_marks_of_html_in_a_text_are_only_text():
    words = ["it", "<b>", "&", '"']
    study = one_word(Planted(), "it", [Occurrence('it <b> & "', words, 0, "<s>")] * 2)
    tree = ElementTree.fromstring(page(study))
    titles = [each.text for each in tree.iter(SVG + "title")]
    assert titles[0] == '1. <s>: it <b> & "'
