# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""AUC and cosines of uses whose likeness is known."""

import json

import numpy as np
import pytest
from sense_archives import PlantedContender, context, write_archive
from sklearn.metrics import roc_auc_score

from hf_elmo.compare import polysemy
from hf_elmo.compare.sense_corpus import read_documents
from hf_elmo.demo.texts import read_groups


def unit(angles):
    return np.array([[np.cos(angle), np.sin(angle)] for angle in np.radians(angles)])


def test_cosines_and_auc_of_four_uses_by_hand():
    within, across, auc = polysemy.compare_uses(unit([0, 60, 90, 90]), list("aabb"))
    assert within == pytest.approx((0.5 + 1) / 2)  # 60 and 0 degrees
    assert across == pytest.approx((0 + 0 + 2 * np.cos(np.radians(30))) / 4)
    assert auc == pytest.approx((2 + 4) / 8)  # 0.5 is above two of 0, 0, 0.87, 0.87; 1 above all


def test_auc_is_that_of_scikit_learn_with_equal_cosines():
    generator = np.random.default_rng(3)
    vectors, senses = unit(generator.integers(0, 12, 14) * 15), list("aaaabbbbbcccca")
    pairs = [(i, j) for i in range(14) for j in range(i)]
    cosines = [round(float(vectors[i] @ vectors[j]), 6) for i, j in pairs]
    expected = roc_auc_score([senses[i] == senses[j] for i, j in pairs], cosines)
    assert polysemy.compare_uses(vectors, senses)[2] == pytest.approx(expected)


def test_uses_that_are_all_alike_have_no_auc_but_chance():
    assert polysemy.compare_uses(np.ones((5, 3)) / 3**0.5, list("aabbb"))[2] == 0.5
    with pytest.raises(ValueError, match="2 uses of 2 senses; needed are two, and one of them twice"):
        polysemy.compare_uses(unit([0, 1]), ["a", "b"])
    with pytest.raises(ValueError, match="3 uses of 1 senses"):
        polysemy.compare_uses(unit([0, 1, 2]), ["a"] * 3)


def planted():
    """A contender that knows the senses of the package's sentences in one layer."""
    import re

    senses = {}
    for words in read_groups(lambda text: re.findall(r"\w+|[^\w\s]", text)).values():
        for word, uses in words.items():
            senses |= {(tuple(use.words), word): f"{word} {use.sense}" for use in uses}
    of_text = {words: sense for (words, _), sense in senses.items()}
    return PlantedContender(
        "planted", {"characters": None, "lstm1": lambda words, place: of_text[tuple(words)], "lstm2": None}
    )


def test_planted_senses_are_told_apart_and_layers_without_context_are_at_chance():
    contender = planted()
    ctx = context(None, contender)
    (cell,) = polysemy.cells(ctx.settings, ["planted"])
    result = json.loads(json.dumps(polysemy.run(cell, ctx)))
    section = polysemy.summarize([(cell, result)], ctx.settings)
    auc, cosines = section["tables"]
    assert len(auc["columns"]) == 2 and all(name.startswith("own sentences: ") for name in auc["columns"])
    values = {row["label"]: [row["values"][name]["value"] for name in auc["columns"]] for row in auc["rows"]}
    assert values == {"planted, characters": [0.5, 0.5], "planted, lstm1": [1, 1], "planted, lstm2": [0.5, 0.5]}
    for row in cosines["rows"]:
        same, other = row["values"][polysemy.WITHIN]["value"], row["values"][polysemy.ACROSS]["value"]
        assert same == pytest.approx(1) and (other < 0.6) == ("lstm1" in row["label"])
    outcomes = {(test["a"], test["column"]): test for test in section["tests"]}
    for name in auc["columns"]:
        assert (
            outcomes["planted, lstm1", name]["p_holm"] < 0.05 and outcomes["planted, lstm1", name]["difference"] == 0.5
        )
        assert (
            outcomes["planted, lstm2", name]["p"] == 1
            and outcomes["planted, lstm2", name]["b"] == "planted, characters"
        )


def test_each_kind_of_uses_is_a_family_of_tests_of_its_own():
    auc = {"a": ([0.9] * 8 + [0.4], [0.5] * 9), "b": ([0.6, 0.5, 0.4] * 3, [0.5] * 9)}
    groups = {
        name: {
            "words": list("abcdefghi"),
            "uses": 36,
            "layers": {
                layer: {polysemy.AUC: values, **{kind: {"mean": 0.5, "interval": [0, 1]} for kind in kinds}}
                for layer, values in (("characters", floor), ("lstm1", above), ("lstm2", above))
            },
        }
        for name, (above, floor) in auc.items()
        for kinds in [(polysemy.WITHIN, polysemy.ACROSS, polysemy.OTHERS)]
    }
    cell = polysemy.Cell("polysemy", (("text", "own"), ("contender", "one")))
    result = {"layers": ["characters", "lstm1", "lstm2"], "groups": groups}
    tests = polysemy.summarize([(cell, result)], None)["tests"]
    assert len(tests) == 4  # two layers in two kinds of uses
    for test in tests:
        assert test["p_holm"] == min(1, 2 * test["p"])  # the two of its kind


def test_words_of_the_corpus_have_two_senses_with_two_uses_each(tmp_path):
    lines = [
        "the bank/NOUN/a x",
        "a bank/NOUN/a y",
        "bank/NOUN/b",
        "bank/NOUN/b z",
        "to bank/VERB/c",
        "we bank/VERB/c",
    ]
    lines += ["Bank/NOUN/b", "owl/NOUN/a", "owl/NOUN/a", "owl/NOUN/b"] + [f"bank/NOUN/a {n}" for n in range(9)]
    documents = read_documents(write_archive(tmp_path / "x.tar", [lines]))
    groups = polysemy.corpus_groups(documents[0], 10)
    senses, grammar = groups[polysemy.CORPUS_SENSES], groups[polysemy.CORPUS_GRAMMAR]
    assert list(senses) == ["bank NOUN"] and list(grammar) == ["bank"]
    assert [use.sense for use in senses["bank NOUN"]] == ["bank.a"] * polysemy.USES_OF_A_SENSE + ["bank.b"] * 2
    assert {use.sense for use in grammar["bank"]} == {"NOUN", "VERB"}
    assert all(use.words[use.position] == "bank" for use in senses["bank NOUN"])
    assert polysemy.corpus_groups(documents[0], 10) == groups


def test_the_corpus_gets_cells_of_its_own(tmp_path):
    (tmp_path / "wsd_noad").mkdir()
    found = polysemy.cells(context(tmp_path).settings, ["one", "two"])
    assert [(cell["text"], cell["contender"]) for cell in found] == [
        ("own", "one"), ("own", "two"), ("wsd_noad", "one"), ("wsd_noad", "two")
    ]  # fmt: skip
    assert len(polysemy.cells(context(None).settings, ["one"])) == 1
