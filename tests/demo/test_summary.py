# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The short text has the numbers of the study and fits on a screen."""

import re

import pytest
from demo_studies import GRAMMAR, SENSES, one_word, study_of, unlabelled
from planted_senses import Planted

from hf_elmo.demo.encoding import Substitutes
from hf_elmo.demo.layout import WIDTH, snippet
from hf_elmo.demo.summary import summary
from hf_elmo.demo.texts import Occurrence


def cells(row: str) -> list[tuple[float, bool]]:
    return [(float(number), mark == "*") for number, mark in re.findall(r"([+-]\d\.\d\d)([* ]|$)", row)]


def test_both_tables_stand_beside_each_other_with_their_numbers(separating):
    lines = summary(separating).splitlines()
    start = next(number for number, line in enumerate(lines) if re.fullmatch(rf"{GRAMMAR} +{SENSES}", line))
    assert lines[start + 1].split() == ["layer", "0", "1", "2", "mix"] * 2
    grammar, senses = separating.groups
    for row, (first, second) in enumerate(zip(grammar.judged, senses.judged, strict=True), start=start + 2):
        assert re.findall("[a-z]+", lines[row]) == [first, second]
        for (gap, mark), found in zip(cells(lines[row]), grammar.judged[first] + senses.judged[second], strict=True):
            assert gap == pytest.approx(found.same - found.different, abs=0.005001) and mark is found.separates
    counts = [str(len(group.separated(layer))) for group in separating.groups for layer in range(4)]
    assert lines[start + 12].split() == ["*", "of", "10", *counts[:4], "*", "of", "10", *counts[4:]]


def test_the_text_begins_with_what_is_seen_and_fits_on_a_screen(separating, blind):
    for study in (separating, blind):
        lines = summary(study).splitlines()
        assert lines[0].startswith("stand-in ") and len(lines) <= 45
        assert max(map(len, lines)) <= WIDTH
        assert not any(line.endswith(" ") for line in lines)


def test_neighbours_on_the_layers_that_know_context(separating):
    text = summary(separating)
    (detail, _) = separating.details
    assert detail.group == GRAMMAR
    floor = ", ".join(f"{near.word} {near.cosine:.2f}" for near in detail.look_ups[0].nearest[0])
    assert f'  layer 0: {floor} (of "play" in any sentence)' in text
    for look_up in detail.look_ups:
        assert f"({look_up.occurrence.sense})" in text
        for layer in (1, 2):
            for near in look_up.nearest[layer][:2]:
                words = separating.sentences[near.sentence].words
                assert f"  layer {layer}: {near.cosine:.2f} {snippet(words, near.position, 60)}" in text
    assert "  mix: " not in text


def test_of_many_layers_one_neighbour_each_and_tables_below_each_other(box_groups):
    class Deep(Planted):
        layers = [f"layer {number}" for number in range(5)] + ["mix"]

    text = summary(study_of(Deep((0.0, 1.0, 1.0, 1.0, 1.0)), box_groups))
    assert [text.count(f"\n  layer {number}: ") for number in range(5)] == [1, 2, 2, 2, 2]
    assert f"\n{GRAMMAR}\n" in text and f"\n{SENSES}\n" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_words_in_its_place(separating, blind):
    assert summary(separating).count("  in its place: game 25.0%, film 10.0%\n") == 2
    assert "tokens without a letter are left out" in summary(separating)
    assert "The model has no softmax, so it cannot tell which words would fit in its place." in summary(blind)
    long = Substitutes([("a" * 58, 0.5), ("b" * 58, 0.25)], None, 100)
    text = summary(one_word(Planted(gap=long), "it", unlabelled()))
    assert "a" * 58 + " 50.0%\n" in text and "bb" not in text


def test_one_word_has_a_table_of_one_row(box_groups):
    text = summary(one_word(Planted((9.0,) * 3), "bank", box_groups[SENSES]["bank"]))
    assert len(cells(next(line for line in text.splitlines() if line.startswith("bank ")))) == 4
    assert "* of" not in text


def test_without_senses_there_is_no_table():
    text = summary(one_word(Planted(), "it", unlabelled()))
    assert text.startswith("No senses were given") and "How much more" not in text


def test_spellings_that_differ_have_neighbours_of_their_own():
    mixed = [Occurrence("It is", ["It", "is"], 0, None), Occurrence("it was", ["it", "was"], 0, None)]
    assert summary(one_word(Planted(), "it", mixed)).count("\n  layer 0: ") == 2


def test_a_difference_that_rounds_to_zero_has_no_minus(box_groups):
    assert "-0.00" not in summary(study_of(Planted(), box_groups))
