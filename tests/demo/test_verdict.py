# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every sentence about a model follows from the vectors: planted senses are seen, absent ones are not claimed."""

import re

import pytest
from demo_studies import GRAMMAR, SENSES, one_word, study_of, unlabelled
from planted_senses import Planted

from hf_elmo.demo.texts import Occurrence
from hf_elmo.demo.verdict import about_floor, about_group, headline


def lines_of(study, group=1) -> str:
    return "\n".join(about_group(study, study.groups[group]))


def test_planted_senses_are_seen_where_they_are(separating):
    assert headline(separating) == (
        "stand-in tells apart uses that differ in grammar (10 of 10 words on layer 2) and senses of the same part of "
        "speech (8 of 10 words on layer 2)."
    )
    lines = lines_of(separating)
    assert re.search(r"Layer 1 separates \d of 10 words: no more than chance does\.", lines)
    assert "Layer 2 separates 8 of 10 words, not: bat, crane." in lines
    assert "Layer 2 separates 10 of 10 words." in lines_of(separating, 0)
    assert not any(group.separated(0) for group in separating.groups)


@pytest.mark.parametrize(("planted", "other"), [(GRAMMAR, SENSES), (SENSES, GRAMMAR)])
def test_each_group_is_judged_by_itself(planted, other, box_groups):
    study = study_of(Planted((9.0, 9.0, 9.0), groups=[planted]), box_groups)
    assert headline(study).startswith(f"stand-in tells apart {planted} (10 of 10 words on layer 1), but not {other} (")


def test_a_model_without_senses_is_not_praised(blind):
    assert re.fullmatch(
        rf"stand-in does not tell apart {GRAMMAR} \(.*\) or {SENSES} \([0-2] of 10 words(, as chance might)?\)\.",
        headline(blind),
    )
    for group in blind.groups:
        lines = list(about_group(blind, group))
        assert all(re.search(r"separates [0-2] of 10 words: no more than chance does\.$", line) for line in lines[:3])


def test_senses_everywhere(box_groups):
    lines = lines_of(study_of(Planted((9.0, 9.0, 9.0)), box_groups))
    assert "Layer 1 separates 10 of 10 words." in lines and "not:" not in lines
    assert "layer 0 43%, layer 1 100%" in lines and "(chance 43%)" in lines


def test_a_static_model_separates_nothing(box_groups):
    class Static(Planted):
        def vectors(self, sentences):
            return [each[[0, 0, 0, 0]] for each in super().vectors(sentences)]

    study = study_of(Static(), box_groups)
    assert "(0 of 10 words)" in headline(study) and "does not tell apart" in headline(study)


@pytest.mark.parametrize("strength", [9.0, 0.0])
def test_one_word_is_judged_by_itself(box_groups, strength):
    study = one_word(Planted((strength,) * 3), "bank", box_groups[SENSES]["bank"])
    if strength:
        said = 'stand-in tells the senses of "bank" apart (layer 1; 2.9% of random sortings do as well).'
        assert "Layer 1: 2.9% of random sortings do as well: the senses separate." in lines_of(study, 0)
    else:
        said = 'stand-in does not tell the senses of "bank" apart.'
        assert lines_of(study, 0).count("do as well: the senses do not separate.") == 3
    assert headline(study) == said


def test_too_few_sentences_are_not_held_against_the_model(box_groups):
    bank = box_groups[SENSES]["bank"]
    for strength in (9.0, 0.0):
        study = one_word(Planted((strength,) * 3), "bank", bank[1:7])
        assert headline(study) == (
            "Too few sentences to tell: of random sortings 10.0% would be perfect as well. Three sentences of one sense "
            "and four of another are enough."
        )
        assert lines_of(study, 0) == ""
    assert "apart (layer 1; 2.9% of" in headline(one_word(Planted((9.0,) * 3), "bank", bank[1:]))


def test_without_senses_nothing_is_said_about_them():
    study = one_word(Planted(), "it", unlabelled())
    assert headline(study) == "No senses were given, so nothing is said about them; see the picture."
    assert lines_of(study, 0) == ""


def test_the_floor_is_one_vector_for_each_word_or_spelling(blind):
    assert about_floor(blind) == "Layer 0, the static floor, reads letters only: one vector for each word."
    mixed = [Occurrence("It is", ["It", "is"], 0, None), Occurrence("it is", ["it", "is"], 0, None)]
    assert about_floor(one_word(Planted(), "it", mixed)).endswith("one vector for each spelling.")
