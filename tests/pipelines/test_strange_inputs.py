# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Whatever comes in, a sane result or one clear ValueError comes out, never another exception."""

import math

import pytest
from plain_characters import split_plainly
from question_answering import answer
from strange_texts import strange_texts
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

FEW = strange_texts(24, seed=1, words=100, characters=2_000)
MANY = 500  # the bar of the project, for each pipeline


def check_tagger(load, texts, name, strategy):
    tag = load("token-classification", name)
    for text in texts:
        items = tag(text, aggregation_strategy=strategy, ignore_labels=[])
        assert all(0 <= item["start"] < item["end"] <= len(text) and 0 <= item["score"] <= 1 for item in items)
        places = [(item["start"], item["end"]) for item in items]
        spelt = [word for word, _ in split_plainly(text)]
        if strategy == "none":
            assert places == [place for _, place in split_plainly(text)]
            assert [item["word"] for item in items] == spelt
        else:  # spans: in order, apart, and together all words
            assert [word for start, end in places for word, _ in split_plainly(text[start:end])] == spelt
            assert all(end <= start for (_, end), (start, _) in zip(places, places[1:], strict=False))


def check_given_words(load, texts, name):
    tag = load("token-classification", name)
    rows = [[word for text in texts[i : i + 3] for word in (text, *text.split(" ")[:20])] for i in range(len(texts))]
    for words in rows:
        text = " ".join(words)
        (items,) = tag(words, is_split_into_words=True, ignore_labels=[])
        assert [text[item["start"] : item["end"]] for item in items] == words
        assert [item["word"] for item in items] == words
        assert all(0 <= item["score"] <= 1 for item in items)


def check_classifier(load, texts, name):
    classify = load("text-classification", name)
    for text, other in zip(texts, reversed(texts), strict=True):
        for given in (text, {"text": text, "text_pair": other}):
            results = classify(given, top_k=None)
            assert all(math.isfinite(result["score"]) for result in results)
            assert len(results) == classify.model.config.num_labels
            if name == "classifier":
                assert sum(result["score"] for result in results) == pytest.approx(1)


def check_features(load, texts):
    extract = load("feature-extraction", "encoder")
    for text in texts:
        features = extract(text, return_tensors=True)
        assert features.shape == (1, len(split_plainly(text)) + 2, 24) and features.isfinite().all()


def check_answers(folders, texts, name):
    parts = AutoModelForQuestionAnswering.from_pretrained(folders[name]), AutoTokenizer.from_pretrained(folders[name])
    refused = 0
    for question, context in zip(texts, texts[7:] + texts[:7], strict=True):
        asked, words = len(split_plainly(question)), len(split_plainly(context))
        fits = asked + 4 + words <= 64 or asked + 4 + 16 < 64
        try:
            found = answer(*parts, question, context, max_length=64, stride=16)
        except ValueError as error:
            assert not fits and "cannot be cut to max_length=64 with stride=16" in str(error)
            refused += 1
            continue
        assert fits
        assert 0 <= found["start"] <= found["end"] <= len(context)
        assert found["answer"] == context[found["start"] : found["end"]]
        assert math.isfinite(found["score"]) == bool(found["answer"]) == bool(words)
    assert refused


def check_batches(load, texts):
    """Short ones of them in one list give what each gives alone."""
    tag, classify = load("token-classification", "crf_tagger"), load("text-classification", "classifier")
    short = [text for text in texts if len(text) < 1000]
    alone = [[(item["start"], item["end"]) for item in tag(text, ignore_labels=[])] for text in short]
    together = tag(short, ignore_labels=[], batch_size=16)
    assert [[(item["start"], item["end"]) for item in items] for items in together] == alone
    for text, result in zip(short, classify(short, batch_size=16), strict=True):
        assert classify(text)[0]["score"] == pytest.approx(result["score"], abs=1e-5)


QUICK = [
    (check_tagger, "tagger", "none"),
    (check_tagger, "crf_tagger", "simple"),
    (check_given_words, "crf_tagger"),
    (check_classifier, "classifier"),
    (check_features,),
    (check_answers, "qa_flow"),
]
CASES = [
    *QUICK,
    *((check_tagger, "tagger", strategy) for strategy in ("simple", "first", "average", "max")),
    (check_tagger, "crf_tagger", "none"),
    (check_given_words, "tagger"),
    (check_classifier, "multi_label"),
    (check_classifier, "regressor"),
    (check_answers, "qa"),
    (check_batches,),
]


def run(case, load, folders, texts):
    check, *names = case
    check(folders if check is check_answers else load, texts, *names)


def case_name(case) -> str:
    return "-".join([case[0].__name__.removeprefix("check_"), *case[1:]])


@pytest.mark.parametrize("case", QUICK, ids=case_name)
def test_a_few(case, load, folders):
    run(case, load, folders, FEW)


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_five_hundred(case, load, folders):
    run(case, load, folders, strange_texts(MANY))
