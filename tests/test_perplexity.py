# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Perplexities of a held-out text against bilm-tf's recording and the scores of single sentences."""

import math

import evaluate
import pytest
import torch
from language_models import (
    HELD_OUT_LINES,
    MANIFEST,
    SENTENCES,
    recorded_model,
    recorded_tokenizer,
    tiny_language_model,
    tiny_tokenizer,
)
from tolerances import TOLERANCES

from hf_elmo.metrics import FOLDER
from hf_elmo.perplexity import deal_out, perplexity

TOLERANCE = TOLERANCES["log_probability", "float64"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lanes", [1, 2])
def test_perplexities_bilm_tf_recorded(lanes, dtype):
    settings = {"order": "lanes", "num_lanes": lanes, "drop_last": True}
    found = perplexity(recorded_model(dtype), recorded_tokenizer(), HELD_OUT_LINES, **settings)
    loss = math.log(MANIFEST["perplexity"][f"heldout_batch{lanes}"])
    assert abs(math.log(found.joint) - loss) <= TOLERANCES["recorded_training", str(dtype)[6:]]


@pytest.mark.parametrize("order", ["sentences", "lanes"])
def test_batch_size_and_window_do_not_matter(order):
    model, tokenizer = tiny_language_model(lstm_dropout=0.5, num_sampled=3).train(), tiny_tokenizer()
    settings = {"order": order, "num_lanes": 3}
    sentences = SENTENCES + ["it saw a mat and it sat"] * 2
    expected = perplexity(model, tokenizer, sentences, **settings)
    assert model.training
    for changes in ({"batch_size": 1, "window": 1}, {"batch_size": 2, "window": 3}):
        found = perplexity(model, tokenizer, sentences, **settings, **changes)
        assert found == pytest.approx(expected, rel=TOLERANCE)
    words = sum(len(sentence.split()) + 1 for sentence in sentences)
    done = []
    perplexity(model, tokenizer, sentences, progress=done.append, batch_size=2, **settings)
    assert len(done) > 1 and sum(done) == words
    assert (expected.num_targets, expected.num_unknown) == (words, 1)


def test_sentences_are_those_that_score_gives():
    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    scores = model.score(SENTENCES, tokenizer)
    count = sum(len(score.words) + 1 for score in scores)
    forward, backward = (-sum(getattr(s, f"{name}_total") for s in scores) / count for name in ("forward", "backward"))
    found = perplexity(model, tokenizer, [sentence.split() for sentence in SENTENCES])
    expected = [math.exp(loss) for loss in ((forward + backward) / 2, forward, backward)]
    assert [found.joint, found.forward, found.backward] == pytest.approx(expected, rel=TOLERANCE)


def test_lanes_carry_the_state_and_sentences_do_not():
    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    sentences = perplexity(model, tokenizer, SENTENCES)
    as_many = perplexity(model, tokenizer, SENTENCES, order="lanes", num_lanes=len(SENTENCES))
    assert as_many == pytest.approx(sentences, rel=TOLERANCE)  # every lane begins anew
    carried = perplexity(model, tokenizer, SENTENCES, order="lanes")
    assert abs(carried.joint - sentences.joint) > 1e-4
    assert carried.num_targets == sentences.num_targets


def read_step_by_step(steps, num_lanes):
    """bilm-tf's reader with one word a batch: at each step every lane without a word takes the next sentence."""
    waiting, lanes, left = list(range(len(steps))), [[] for _ in range(num_lanes)], [0] * num_lanes
    while True:
        for lane in range(num_lanes):
            if left[lane] == 0:
                if not waiting:
                    return lanes
                lanes[lane].append(waiting.pop(0))
                left[lane] = steps[lanes[lane][-1]]
            left[lane] -= 1


@pytest.mark.parametrize("num_lanes", [1, 2, 5])
def test_sentences_are_dealt_out_as_bilm_tf_reads_them(num_lanes):
    steps = [3, 7, 1, 1, 4, 2, 9, 1, 5, 5, 2]
    assert deal_out(steps, num_lanes) == read_step_by_step(steps, num_lanes)


@pytest.mark.parametrize(
    ("sentences", "settings", "error", "message"),
    [
        (SENTENCES, {"order": "shuffled"}, ValueError, "order must be one of sentences, lanes, got 'shuffled'"),
        (SENTENCES, {"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ([], {}, ValueError, "there is no sentence to predict"),
        (SENTENCES[:1], {"order": "lanes", "num_lanes": 2, "drop_last": True}, ValueError, "no sentence to predict"),
        ("the cat", {}, TypeError, "sentences is one string"),
    ],
)
def test_what_has_no_perplexity_is_refused(sentences, settings, error, message):
    with pytest.raises(error, match=message):
        perplexity(tiny_language_model(), tiny_tokenizer(), sentences, **settings)


def test_a_tokenizer_of_another_model_is_refused():
    with pytest.raises(ValueError, match="the tokenizer has 27 words, the model's softmax 13"):
        perplexity(tiny_language_model(), recorded_tokenizer(), SENTENCES)


@pytest.fixture(scope="module")
def metric(tmp_path_factory):
    return evaluate.load(str(FOLDER / "perplexity"), cache_dir=str(tmp_path_factory.mktemp("metrics")))


def test_the_metric_of_evaluate(metric, tmp_path):
    model, tokenizer = recorded_model(torch.float32), recorded_tokenizer()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    expected = perplexity(model, tokenizer, HELD_OUT_LINES, order="lanes")
    scores = metric.compute(predictions=HELD_OUT_LINES, model_id=str(tmp_path), order="lanes")
    assert list(scores.values()) == list(expected)
    assert metric.compute(predictions=HELD_OUT_LINES, model=model, tokenizer=tokenizer, order="lanes") == scores
    assert abs(math.log(scores["perplexity"] / MANIFEST["perplexity"]["heldout_batch1"])) < 1e-5


def test_the_metric_asks_for_one_model(metric):
    with pytest.raises(ValueError, match="needed is model_id, or both model and tokenizer"):
        metric.compute(predictions=HELD_OUT_LINES, model=tiny_language_model())
    with pytest.raises(ValueError, match="give either model_id, or model and tokenizer"):
        metric.compute(predictions=HELD_OUT_LINES, model_id="x", tokenizer=tiny_tokenizer())
