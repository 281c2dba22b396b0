# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Context that is cut or shuffled, and the curves of models whose memory is known."""

import json

import numpy as np
import pytest
from sense_archives import PlantedContender, context
from support import SHARED, requires_shared

from hf_elmo.compare import distance
from hf_elmo.compare.distance import FARTHEST, LENGTHS, SHUFFLED, TRUNCATED, WHOLE, Target, shuffle_far, truncate
from hf_elmo.evaluation.models import LoadedModel

SENTENCE = [f"word{number}" for number in range(71)]
TARGET = Target(SENTENCE, 35, 0)


@pytest.mark.parametrize("length", [0, 1, 8, 34, 35, 99])
def test_truncating_keeps_the_nearest_words_in_their_order(length):
    cut = truncate(TARGET, length)
    near = [word for number, word in enumerate(SENTENCE) if abs(number - 35) <= length]
    assert cut.words == near and cut.words[cut.position] == "word35"


@pytest.mark.parametrize("length", [1, 8, 34, 99])
def test_shuffling_keeps_near_words_and_sides(length):
    mixed = shuffle_far(TARGET, length, np.random.default_rng(1))
    assert mixed.position == 35 and len(mixed.words) == 71
    near = range(max(0, 35 - length), min(71, 36 + length))
    assert [mixed.words[number] for number in near] == [SENTENCE[number] for number in near]
    assert sorted(mixed.words[:35]) == sorted(SENTENCE[:35]) and sorted(mixed.words[36:]) == sorted(SENTENCE[36:])
    assert (mixed.words == SENTENCE) == (length > 33)  # one word cannot change places


def test_chosen_words_have_context_on_both_sides_and_the_choice_is_seeded():
    sentences = [[f"w{number}" for number in range(2 * FARTHEST + extra)] for extra in (1, 5, 30)] + [["."] * 80]
    found = distance.choose_targets(sentences, 100)
    assert len(found) == 1 + 5 + distance.OF_A_SENTENCE
    assert all(FARTHEST <= each.position < len(each.words) - FARTHEST for each in found)
    assert distance.choose_targets(sentences, 4) == distance.choose_targets(sentences, 4) == found[:4]


class Memory:
    """A masked model that loses 1 nat for each word of the nearest `reach` on both sides that is not in its place."""

    def __init__(self, reach):
        self.reach = reach

    def __call__(self, loaded, sentences, positions):
        scores = []
        for words, place in zip(sentences, positions, strict=True):
            number = int(words[place].removeprefix("word"))
            offsets = [offset for offset in range(-self.reach, self.reach + 1) if offset]
            there = [
                0 <= place + offset < len(words) and words[place + offset] == f"word{number + offset}"
                for offset in offsets
            ]
            scores.append(float(sum(there)) - 100)
        return {"masked": np.array(scores)}


def run(monkeypatch, reach, targets):
    monkeypatch.setattr(distance, "word_scores", Memory(reach))
    return json.loads(json.dumps(distance.measure(LoadedModel(None, None, "masked"), targets)))


def test_a_model_that_remembers_eight_words_loses_nothing_from_eight_on(monkeypatch):
    words = [f"word{number}" for number in range(90)]
    targets = [Target(words, place, place // 2) for place in range(FARTHEST, 58)]
    result = run(monkeypatch, 8, targets)
    settings = context(None).settings
    cell = distance.Cell("distance", (("contender", "planted"), ("part", 0)))
    section = distance.summarize([(cell, result)], settings)
    cut, mixed, loss = section["tables"]
    (row,) = cut["rows"]
    assert {int(name): value["value"] for name, value in row["values"].items()} == {
        1: 14,
        2: 12,
        4: 8,
        8: 0,
        16: 0,
        32: 0,
    }
    (row,) = mixed["rows"]
    values = {int(name): value["value"] for name, value in row["values"].items()}
    assert 14 >= values[1] > values[2] > values[4] > 7 and values[8] == values[16] == values[32] == 0
    (row,) = loss["rows"]
    assert row["values"][WHOLE]["value"] == 84 and row["values"]["1"]["value"] == 98
    assert any(
        "from 8 words of context on; the order of words matters less than that beyond 8 words." in note
        for note in section["notes"]
    )
    tests = {(test["table"], test["column"]): test for test in section["tests"]}
    assert (
        tests[f"distance-{TRUNCATED}", "4"]["p_holm"] < 0.05 and tests[f"distance-{TRUNCATED}", "4"]["difference"] == 8
    )
    assert tests[f"distance-{TRUNCATED}", "8"]["p_holm"] == 1
    assert tests[f"distance-{SHUFFLED}", "4"]["n"] == len({target.sentence for target in targets})


def test_parts_add_up_and_words_that_are_unknown_are_left_out(monkeypatch):
    words = [f"word{number}" for number in range(90)]
    targets = [Target(words, place, place) for place in range(FARTHEST, 48)]
    results = []
    for part in (0, 1):
        result = run(monkeypatch, 4, targets[part::2])
        for values in result["scores"]["masked"].values():
            values[0] = None
        results.append((distance.Cell("distance", (("contender", "planted"), ("part", part))), result))
    section = distance.summarize(results, context(None).settings)
    value = section["tables"][0]["rows"][0]["values"]["1"]
    assert value["value"] == 6 and value["n"] == len(targets) - 2 and len(value["cells"]) == 2


def test_elmo_reads_one_side_and_only_the_words_that_are_there():
    from language_models import tiny_language_model, tiny_tokenizer

    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    words = (["the", "cat", "sat", "on", "a", "mat", "and"] * 11)[:70]
    result = distance.measure(LoadedModel(model, tokenizer, "elmo"), [Target(words, 35, 0)])
    for length in LENGTHS:
        (score,) = model.score([words[35 - length : 36]], tokenizer)
        assert result["scores"]["forward"][f"{TRUNCATED} {length}"][0] == pytest.approx(score.forward[-1], abs=1e-4)
        (score,) = model.score([words[35 : 36 + length]], tokenizer)
        assert result["scores"]["backward"][f"{TRUNCATED} {length}"][0] == pytest.approx(score.backward[0], abs=1e-4)
    (score,) = model.score([words], tokenizer)
    assert result["scores"]["forward"][WHOLE][0] == pytest.approx(score.forward[35], abs=1e-4)


@requires_shared
def test_long_sentences_of_the_held_out_text():
    data = SHARED / "data"
    found = distance.long_sentences([data / name / file for name, (file, _) in distance.SOURCES.items()])
    assert len(found) > 100 and all(2 * FARTHEST < len(words) <= distance.LONGEST for words in found)
    assert not any("<doc" in word or "#" == word for words in found for word in words[:1])


def test_without_all_of_the_text_there_are_no_cells(tmp_path):
    for name in ("lm_en_wiki", "lm_en_news"):
        (tmp_path / name).mkdir()
    settings = context(tmp_path).settings
    assert distance.cells(settings, ["elmo-mini-en"]) == []
    assert settings.left_out == [("distance", f"lm_en_books is not in {tmp_path.name}")]
    (tmp_path / "lm_en_books").mkdir()
    found = distance.cells(settings, ["elmo-mini-en", "word2vec-mini-en"])
    assert [(cell["contender"], cell["part"]) for cell in found] == [("elmo-mini-en", part) for part in range(4)]
    assert distance.summarize([], context(None, PlantedContender("any", {})).settings)["tables"] == []
