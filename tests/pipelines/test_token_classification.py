# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`pipeline("token-classification")`: whole words, exact spans of the text, every aggregation strategy."""

import pytest
import torch
from plain_characters import char_ids_of, split_plainly
from tolerances import TOLERANCES

SAME = TOLERANCES["batch_invariance", "float32"]
TAGGERS = ["tagger", "crf_tagger"]
MERGING = ["simple", "first", "average", "max"]
TEXTS = [
    "Anna saw the bank.",
    "",
    "Zoë's (un)believable—naïve—friend sat\nby the  river, 北京 😀!",
    "the",
    "I <3 the [PAD] and <S> words; e\u0301 \ud800 \x00 too …",
]


def probabilities(model, words: list[str]) -> torch.Tensor:
    """(words, labels), from character ids made by hand."""
    char_ids = torch.tensor([[char_ids_of(word) for word in ["<S>", *words, "</S>"]]])
    with torch.no_grad():
        return torch.softmax(model(char_ids=char_ids).logits[0, 1:-1], dim=-1)


def spans_by_hand(labels: list[str], scores: list[float], places: list[tuple[int, int]]) -> list[tuple]:
    """(type, start, end, mean score): a label goes on with the span before it unless it is a B or of another type."""
    spans: list[list] = []
    for label, score, (start, end) in zip(labels, scores, places, strict=True):
        kind = label[2:] if label != "O" else "O"
        if spans and spans[-1][0] == kind and label[0] != "B":
            spans[-1][2] = end
            spans[-1][3].append(score)
        else:
            spans.append([kind, start, end, [score]])
    return [(kind, start, end, sum(scores) / len(scores)) for kind, start, end, scores in spans]


def read_words(model, text: str) -> tuple[list[str], list[float], list[tuple[int, int]]]:
    """Label, score and place of every word, by hand."""
    split = split_plainly(text)
    best = probabilities(model, [word for word, _ in split]).max(dim=-1)
    return (
        [model.config.id2label[i] for i in best.indices.tolist()],
        best.values.tolist(),
        [place for _, place in split],
    )


@pytest.mark.parametrize("name", TAGGERS)
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_every_word_is_an_item_with_its_place_in_the_text(load, name, batch_size):
    tag = load("token-classification", name)
    for text, items in zip(TEXTS, tag(TEXTS, ignore_labels=[], batch_size=batch_size), strict=True):
        labels, scores, places = read_words(tag.model, text)
        assert [(item["start"], item["end"]) for item in items] == places
        assert [item["word"] for item in items] == [text[start:end] for start, end in places]
        assert [item["entity"] for item in items] == labels
        assert [item["index"] for item in items] == list(range(1, len(items) + 1))
        assert [item["score"] for item in items] == pytest.approx(scores, abs=SAME)
    assert len({label for text in TEXTS for label in read_words(tag.model, text)[0]}) > 2


@pytest.mark.parametrize("name", TAGGERS)
@pytest.mark.parametrize("strategy", MERGING)
def test_every_strategy_joins_the_words_of_a_span(load, name, strategy):
    tag = load("token-classification", name)
    joined = 0
    for text in TEXTS:
        expected = [span for span in spans_by_hand(*read_words(tag.model, text)) if span[0] != "O"]
        spans = tag(text, aggregation_strategy=strategy)
        assert [(span["entity_group"], span["start"], span["end"]) for span in spans] == [x[:3] for x in expected]
        assert [span["score"] for span in spans] == pytest.approx([x[3] for x in expected], abs=SAME)
        for span in spans:
            words = [word for word, _ in split_plainly(text[span["start"] : span["end"]])]
            assert span["word"] == " ".join(words)
            joined += len(words) > 1
    assert joined > 2


def test_a_crf_keeps_to_the_bio_scheme(load):
    def breaks(name):
        tag, found = load("token-classification", name), 0
        for text in TEXTS:
            labels = ["O", *(item["entity"] for item in tag(text, ignore_labels=[]))]
            found += sum(b[0] == "I" and b[1:] != a[1:] for a, b in zip(labels, labels[1:], strict=False))
        return found

    assert breaks("crf_tagger") == 0 < breaks("tagger")


@pytest.mark.parametrize("delimiter", [" ", "", " _ "])
@pytest.mark.parametrize("name", TAGGERS)
def test_given_words_are_items_whatever_they_contain(load, name, delimiter):
    tag = load("token-classification", name)
    words = ["Anna", "", "New York", "don't", "<S>", "[PAD]", "\ud800", "", "\x00", "the", "."]
    text = delimiter.join(words)
    (items,) = tag(words, is_split_into_words=True, delimiter=delimiter, ignore_labels=[])
    assert [item["word"] for item in items] == words
    assert [text[item["start"] : item["end"]] for item in items] == words
    assert [item["start"] for item in items] == [len(delimiter.join([*words[:i], ""])) for i in range(len(words))]
    two = tag([words, ["the"]], is_split_into_words=True, delimiter=delimiter, ignore_labels=[], batch_size=2)
    assert [[item["word"] for item in row] for row in two] == [words, ["the"]]
    best = probabilities(tag.model, words).max(dim=-1)
    assert [item["entity"] for item in items] == [tag.model.config.id2label[label] for label in best.indices.tolist()]
    assert [item["score"] for item in items] == pytest.approx(best.values.tolist(), abs=SAME)


@pytest.mark.parametrize("name", TAGGERS)
def test_long_texts_are_read_in_overlapping_windows(folders, name):
    from transformers import pipeline

    tag = pipeline("token-classification", folders[name], aggregation_strategy="simple", stride=2)
    tag.tokenizer.model_max_length = 8  # 6 words and two marks: windows begin at words 0, 4, 8, ...
    text = "Anna saw the bank. Zoë's friend sat by the river, twice; and the unbelievable river ran on and on."
    words = split_plainly(text)
    starts = range(0, len(words) - 2, 4)
    found = []
    for start in starts:
        window = words[start : start + 6]
        best = probabilities(tag.model, [word for word, _ in window]).max(dim=-1)
        labels = [tag.model.config.id2label[label] for label in best.indices.tolist()]
        spans = spans_by_hand(labels, best.values.tolist(), [place for _, place in window])
        found += [span[:3] for span in spans if span[0] != "O"]
    for batch_size in (1, 3):
        chosen = [(span["entity_group"], span["start"], span["end"]) for span in tag(text, batch_size=batch_size)]
        assert set(chosen) <= set(found) and chosen == sorted(chosen, key=lambda span: span[1])
        assert chosen[-1][1] > words[8][1][0]
        for _, start, end in found:  # what is not chosen overlaps with something that is
            assert any(first < end and start < last for _, first, last in chosen)

    tag.tokenizer.model_max_length = 64
    assert tag(text) == tag(text, stride=None)


def test_a_stride_as_long_as_the_window_is_refused(folders):
    from transformers import pipeline

    tag = pipeline("token-classification", folders["tagger"], aggregation_strategy="simple")
    tag.tokenizer.model_max_length = 6
    with pytest.raises(ValueError, match="cut to max_length=6 with stride=4 .* lower stride"):
        tag("Anna saw the bank and the river", stride=4)
    assert tag("Anna", stride=3) is not None  # and the tokenizer stays usable
