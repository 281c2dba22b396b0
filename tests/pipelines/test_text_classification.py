# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`pipeline("text-classification")` and `pipeline("feature-extraction")`: texts and pairs, every kind of output."""

import pytest
import torch
from plain_characters import char_ids_of, split_plainly
from tolerances import TOLERANCES

SAME = TOLERANCES["batch_invariance", "float32"]
TEXTS = ["Anna saw the bank.", "", "Zoë's friend—\ud800 \x00 北京 😀 too!", "the"]
PAIRS = [("Where?", "By the river."), ("", "the bank"), ("Anna", ""), ("", "")]


def characters(*texts: str) -> torch.Tensor:
    """(1, T, C) character ids of a text or a pair, by hand."""
    words = [word for text in texts for word in ["<S>", *(word for word, _ in split_plainly(text)), "</S>"]]
    return torch.tensor([[char_ids_of(word) for word in words]])


def numbers(model, *texts: str) -> torch.Tensor:
    with torch.no_grad():
        return model(char_ids=characters(*texts)).logits[0]


def as_result(names, scores: torch.Tensor) -> list[tuple[str, float]]:
    return sorted(zip(names, scores.tolist(), strict=True), key=lambda pair: -pair[1])


def check(results, names, scores: torch.Tensor) -> None:
    expected = as_result(names, scores)
    assert [result["label"] for result in results] == [name for name, _ in expected]
    assert [result["score"] for result in results] == pytest.approx([score for _, score in expected], abs=SAME)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_texts_and_pairs_get_the_probabilities_of_their_labels(load, batch_size):
    classify = load("text-classification", "classifier")
    names = ["bad", "good", "so-so"]
    pairs = [{"text": first, "text_pair": second} for first, second in PAIRS]
    results = classify(TEXTS, top_k=None, batch_size=batch_size) + classify(pairs, top_k=None, batch_size=batch_size)
    given = [(text,) for text in TEXTS] + PAIRS
    for result, texts in zip(results, given, strict=True):
        check(result, names, torch.softmax(numbers(classify.model, *texts), dim=-1))
    assert {result[0]["label"] for result in results} > {"good"}

    for top_k in (1, 2):
        best = classify(TEXTS[0], top_k=top_k)
        assert [result["label"] for result in best] == [result["label"] for result in results[0][:top_k]]
    for pair, result in zip(pairs, results[len(TEXTS) :], strict=True):  # alone as in a list
        assert classify(pair)["score"] == pytest.approx(result[0]["score"], abs=SAME)


def test_several_labels_are_independent_and_a_number_is_a_number(load):
    several, regress = load("text-classification", "multi_label"), load("text-classification", "regressor")
    for text in TEXTS:
        logits = numbers(several.model, text)
        check(several(text, top_k=None), ["LABEL_0", "LABEL_1", "LABEL_2"], torch.sigmoid(logits))
        check(several(text, top_k=1, function_to_apply="none"), [f"LABEL_{int(logits.argmax())}"], logits.max()[None])
        check(regress(text), ["LABEL_0"], numbers(regress.model, text))


def test_texts_can_be_cut(load):
    classify = load("text-classification", "classifier")
    (result,) = classify(TEXTS[0], truncation=True, max_length=4)  # two words and two marks
    assert result["score"] == pytest.approx(
        torch.softmax(numbers(classify.model, "Anna saw"), -1).max().item(), abs=SAME
    )


def test_features_are_the_top_layer_of_every_position(load):
    extract = load("feature-extraction", "encoder")
    for text, features in zip(TEXTS, extract(TEXTS, return_tensors=True, batch_size=2), strict=True):
        with torch.no_grad():
            expected = extract.model(char_ids=characters(text)).last_hidden_state
        assert (features[:, : expected.shape[1]] - expected).abs().max() <= SAME
        assert not features[:, expected.shape[1] :].any()
