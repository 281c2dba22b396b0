# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sentences for agreement, and scores of models that are known to be right or wrong."""

import json

import numpy as np
import pytest
from sense_archives import PlantedContender, context

from hf_elmo.compare import agreement
from hf_elmo.compare.agreement import ATTRACTORS, PLACES, PLAIN, SUBJECTS, VERBS, Item, make_items
from hf_elmo.evaluation.models import LoadedModel

SINGULAR = {one for one, _ in (*SUBJECTS, *PLACES)}
PLURAL = {many for _, many in (*SUBJECTS, *PLACES)}


@pytest.mark.parametrize("condition, distance", agreement.conditions())
def test_so_many_words_stand_between_and_the_nouns_have_the_number_asked_for(condition, distance):
    items = make_items(60, distance, condition, seed=1)
    assert len({tuple(item.words) for item in items}) > 20
    forms = {(verb, other) for one, many, _ in VERBS for verb, other in ((one, many), (many, one))}
    plurals = 0
    for item in items:
        verb = item.words[item.position]
        assert (verb, item.other) in forms
        assert item.position == distance + 2  # "The", the subject
        plural = item.words[1] in PLURAL
        assert (verb in {many for _, many, _ in VERBS}) == plural
        between = item.words[2 : item.position]
        same, different = (PLURAL, SINGULAR) if plural else (SINGULAR, PLURAL)
        assert not set(between) & (different if condition == PLAIN else same)
        assert bool(set(between) & (SINGULAR | PLURAL)) == (distance > 2)
        assert item.wrong == [*item.words[: item.position], item.other, *item.words[item.position + 1 :]]
        plurals += plural
    assert plurals == 30


def test_same_seed_same_sentences_and_impossible_ones_are_refused():
    assert make_items(9, 6, PLAIN, 1) == make_items(9, 6, PLAIN, 1) != make_items(9, 6, PLAIN, 2)
    for distance, condition in ((5, PLAIN), (-1, PLAIN), (2, ATTRACTORS)):
        with pytest.raises(ValueError, match=f"no sentences with {distance} words between subject and verb, nouns"):
            make_items(1, distance, condition, 1)


def test_all_words_are_in_the_vocabulary_of_the_box():
    from hf_elmo import ElmoTokenizer
    from hf_elmo.pretrained import path_of

    vocabulary = ElmoTokenizer.from_pretrained(path_of("elmo-mini-en")).get_vocab()
    words = {
        word
        for name, distance in agreement.conditions()
        for item in make_items(400, distance, name, 1)
        for word in item.words
    }
    assert len(words) > 80 and not words - vocabulary.keys()


# ------------------------------------------------------------------------------------------------- models with a rule


def number_of_nearest_noun(words):
    return next(word in PLURAL for word in reversed(words) if word in PLURAL | SINGULAR)


def number_of_subject(words):
    return words[1] in PLURAL


def planted_scores(monkeypatch, rule):
    """A masked language model that gives the verb that agrees, by a rule, the probability 0.9."""

    def scores(loaded, sentences, positions):
        plural_verbs = {many for _, many, _ in VERBS}
        found = [
            np.log(0.9 if (words[at] in plural_verbs) == rule(words[:at]) else 0.1)
            for words, at in zip(sentences, positions, strict=True)
        ]
        return {
            "masked": np.where(
                [words[at] in ("knows", "know") for words, at in zip(sentences, positions, strict=True)], np.nan, found
            )
        }

    monkeypatch.setattr(agreement, "word_scores", scores)
    monkeypatch.setattr(agreement, "language_model_of", lambda context, name: LoadedModel(None, None, "masked"))


def test_a_model_that_follows_the_nearest_noun_fails_with_attractors_and_only_there(monkeypatch):
    results, settings = {}, None
    for name, rule in (("nearest", number_of_nearest_noun), ("subject", number_of_subject)):
        planted_scores(monkeypatch, rule)
        ctx = context(None, PlantedContender(name, {}))
        settings = ctx.settings
        results[name] = [
            (cell, json.loads(json.dumps(agreement.run(cell, ctx)))) for cell in agreement.cells(settings, [name])
        ]
    section = agreement.summarize([*results["nearest"], *results["subject"]], settings)
    plain, attractors = section["tables"]
    assert [table["id"] for table in section["tables"]] == [
        "agreement-distance-plain",
        "agreement-distance-attractors",
    ]
    assert plain["columns"] == [str(distance) for distance in agreement.DISTANCES]
    for row in plain["rows"]:
        assert {value["value"] for value in row["values"].values()} == {100}
    shares = [{value["value"] for value in row["values"].values()} for row in attractors["rows"]]
    assert shares == [{0}, {100}]
    # "know" is unknown to the model: those sentences are left out.
    assert all(330 < value["n"] < 450 for row in plain["rows"] for value in row["values"].values())
    tests = {(test["table"], test["column"]): test for test in section["tests"]}
    assert tests["agreement-distance-attractors", "8"]["p_holm"] < 1e-6
    assert tests["agreement-distance-attractors", "8"]["difference"] == -100  # points
    assert tests["agreement-distance-plain", "8"]["p_holm"] == 1
    assert len(next(iter(attractors["rows"]))["values"]["3"]["cells"]) == 3  # seeds


def test_elmo_is_judged_by_the_verb_alone_and_by_the_whole_sentence():
    from language_models import tiny_language_model, tiny_tokenizer

    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    items = {
        "a": [Item("the cat sat on".split(), 2, "saw"), Item("it saw a mat".split(), 1, "sat")],
        "b": [Item("the cat saw it".split(), 2, "unheard")],
    }
    found = agreement.judge(LoadedModel(model, tokenizer, "elmo"), items)
    assert found["counts"] == {"a": 2, "b": 1}
    assert agreement.unpack_bits(found["known"]["b"], 1).tolist() == [False]
    assert agreement.unpack_bits(found["known"]["a"], 2).tolist() == [True, True]
    for name, attribute in (("forward", None), ("joint", "total")):
        expected = []
        for item in items["a"]:
            right, wrong = model.score([item.words, item.wrong], tokenizer)
            if attribute is None:
                expected.append(right.forward[item.position] > wrong.forward[item.position])
            else:
                expected.append(right.total > wrong.total)
        assert agreement.unpack_bits(found["scores"][name]["a"], 2).tolist() == expected


def test_contenders_without_a_language_model_have_no_cells():
    settings = context(None).settings
    names = ["elmo-mini-en", "word2vec-mini-en", "static:x.txt", "shuffled:elmo-mini-en", "copy:elmo-mini-en"]
    found = {cell["contender"] for cell in agreement.cells(settings, names)}
    assert found == {"elmo-mini-en", "copy:elmo-mini-en"}
    assert agreement.summarize([], settings)["tables"] == []
