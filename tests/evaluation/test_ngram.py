# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Unigrams and Kneser-Ney n-grams against exact fractions and against numbers worked out by hand."""

import math
import random

import numpy as np
import pytest
from plain_kneser_ney import PlainKneserNey

from hf_elmo.corpus import TokenShards
from hf_elmo.evaluation.framed_sentences import FramedSentences, framed_shards, framed_words
from hf_elmo.evaluation.ngram import (
    USUAL_DISCOUNTS,
    DiscountError,
    KneserNeyModel,
    UnigramModel,
    Vocabulary,
    ngram_perplexity,
)

PAD, S, E, UNK = range(4)
HALF = (0.5, 1.0, 1.5)


def framed(sentences, begin=S, end=E):
    parts = [[begin, *words, end] for words in sentences]
    return FramedSentences(np.array(sum(parts, []), np.int32), np.cumsum([0, *map(len, parts)]))


def text_of(count, seed):
    """Sentences of ids 4 to 99, frequent ones and rare ones: n-grams of every order occur once to four times."""
    rng = random.Random(seed)
    sentences = []
    for _ in range(count):
        word, sentence = 0, []
        for _ in range(rng.randrange(9)):
            jump = min(int(rng.paretovariate(0.9)) - 1, 95)
            word = jump if rng.random() < 0.5 else (word * 3 + jump % 3) % 20
            sentence.append(4 + word)
        sentences.append(sentence)
    return sentences


WORDS_OF_TEXT = Vocabulary(104, S, UNK, PAD)  # ids 100 to 103 never occur


def event_probabilities(model, sentence):
    return np.exp(model.log_probs(framed([sentence], begin=model.vocabulary.begin)))[1:].tolist()


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_every_event_has_the_probability_of_the_formulas(order):
    sentences = text_of(700, seed=1)
    model = KneserNeyModel(framed(sentences), WORDS_OF_TEXT, order)
    plain = PlainKneserNey([[S, *words, E] for words in sentences], range(1, 104), order)
    assert model.fallback_orders == []
    for found, expected in zip(model.discounts, plain.discounts, strict=True):
        assert found == pytest.approx([float(discount) for discount in expected], rel=1e-12)
    unseen = [[100, 4, 101, UNK, 5, 5, 5], [], [UNK], [29, 28, 27, 26, 25], [4, 4, 4, 4]]
    for sentence in [*sentences[:40], *text_of(40, seed=2), *unseen]:
        events = [S, *sentence, E]
        expected = [float(plain.probability(events[:end], events[end])) for end in range(1, len(events))]
        assert event_probabilities(model, sentence) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("context", [[], [4], [4, 7], [100], [UNK, 100, 4], [9, 9, 9, 9], [5, 8, 17, 11, 6]])
def test_probabilities_add_up_to_1_over_the_vocabulary(context):
    model = KneserNeyModel(framed(text_of(700, seed=1)), WORDS_OF_TEXT, 5)
    unigram = UnigramModel(framed(text_of(700, seed=1)), WORDS_OF_TEXT)
    for of_words in (model, unigram):
        total = sum(event_probabilities(of_words, [*context, word])[len(context)] for word in range(1, 104))
        assert total == pytest.approx(1, abs=1e-12)


def test_a_case_worked_out_by_hand():
    # <S> a b </S>, <S> a a </S>: bigrams <S> a 2, a a 1, a b 1, a </S> 1, b </S> 1; distinct words before: a 2, b 1,
    # </S> 2. With discounts 1/2 and 1 the words leave 5/2 of 5 for 5 words: a 1/5 + 1/10, b 1/10 + 1/10, </S> as a.
    a, b = 4, 5
    model = KneserNeyModel(framed([[a, b], [a, a]]), Vocabulary(6, S, UNK, PAD), 2, fallback_discounts=HALF)
    first, second, end = event_probabilities(model, [a, b])
    assert first == pytest.approx(1 / 2 + 1 / 2 * 0.3)  # (2 - 1) / 2, and 1 / 2 of the words
    assert second == pytest.approx(1 / 6 + 1 / 2 * 0.2)  # (1 - 1/2) / 3, and 3/2 of 3
    assert end == pytest.approx(1 / 2 + 1 / 2 * 0.3)
    assert event_probabilities(model, [b, UNK])[1:] == pytest.approx(
        [1 / 2 * 0.1, 0.3]
    )  # after UNK only words are left
    found = ngram_perplexity(model, framed([[a, b]]))
    assert found.perplexity == pytest.approx((0.65 * (4 / 15) * 0.65) ** (-1 / 3))
    assert model.fallback_orders == [1, 2] and model.num_ngrams == [3 + 2, 5]


def test_unigrams_are_shares_of_the_events_with_one_added():
    model = UnigramModel(framed([[4, 5], [4, 4]]), Vocabulary(6, S, UNK, PAD))
    assert event_probabilities(model, [4, UNK]) == pytest.approx([4 / 11, 1 / 11, 3 / 11])  # 6 events, 5 words


def test_the_backward_model_is_the_forward_model_of_reversed_sentences():
    sentences = text_of(700, seed=3)
    backward = KneserNeyModel(framed(sentences).backward(), WORDS_OF_TEXT._replace(begin=E), 4)
    reversed_words = framed([words[::-1] for words in sentences], begin=E, end=S)
    other = KneserNeyModel(reversed_words, WORDS_OF_TEXT._replace(begin=E), 4)
    held_out = text_of(50, seed=4)
    found = backward.log_probs(framed(held_out).backward())
    expected = other.log_probs(framed([words[::-1] for words in held_out[::-1]], begin=E, end=S))
    np.testing.assert_array_equal(found, expected)


def test_sums_are_those_of_each_sentence():
    sentences = framed([[4, 5], [], [6]])
    assert sentences.sums(np.array([0, 1, 2, 4, 0, 8, 0, 16, 32])).tolist() == [7, 8, 48]


def test_a_corpus_is_framed_as_the_tokenizer_frames_its_words(corpus):
    for split in ("train", "held_out"):
        shards = TokenShards.open(corpus, split)
        assert split == "held_out" or shards.num_shards > 1
        found = framed_shards(shards)
        expected = framed_words(shards.tokenizer(), shards.iter_sentences())
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.offsets, expected.offsets)
        assert (found.ids == shards.special.unk).sum() == shards.unknown_words > 0


def test_perplexity_counts_events_and_unknown_words(corpus):
    train, held_out = (TokenShards.open(corpus, split) for split in ("train", "held_out"))
    special = train.special
    vocabulary = Vocabulary(train.vocab_size, special.bos, special.unk, special.pad)
    model = KneserNeyModel(framed_shards(train), vocabulary, 3)
    sentences = framed_shards(held_out)
    found = ngram_perplexity(model, sentences)
    assert (found.num_targets, found.num_unknown) == (held_out.words + held_out.sentences, held_out.unknown_words)
    assert found.perplexity == pytest.approx(math.exp(-model.log_probs(sentences).sum() / found.num_targets))
    assert (
        1 < found.perplexity < ngram_perplexity(UnigramModel(framed_shards(train), vocabulary), sentences).perplexity
    )


def test_discounts_that_cannot_be_estimated_are_an_error_that_says_how_to_go_on():
    text, vocabulary = framed([[4, 5], [4, 4]]), Vocabulary(6, S, UNK, PAD)
    message = (
        "the discounts of order 1 cannot be estimated: 1, 2, 0 and 0 of its n-grams are counted once, twice, three and "
        "four times.* Train on more text, take a lower order, or give fallback discounts, usually 0.5, 1.0, 1.5"
    )
    with pytest.raises(DiscountError, match=message):
        KneserNeyModel(text, vocabulary, 2)
    assert KneserNeyModel(text, vocabulary, 2, fallback_discounts=USUAL_DISCOUNTS).fallback_orders == [1, 2]


@pytest.mark.parametrize(
    ("sentences", "settings", "message"),
    [
        ([[4]], {"order": 1}, "order is 1; needed is 2 to 5, or UnigramModel"),
        ([[4]], {"order": 6}, "order is 6; needed is 2 to 5"),
        ([], {}, "there is no sentence to count n-grams in"),
        ([[4]], {"fallback_discounts": (0.5, 1, 4)}, "three numbers above 0, up to 1, 2 and 3"),
        ([[4]], {"fallback_discounts": (0, 1, 1)}, "three numbers above 0, up to 1, 2 and 3"),
    ],
)
def test_impossible_settings_are_refused(sentences, settings, message):
    with pytest.raises(ValueError, match=message):
        KneserNeyModel(framed(sentences), Vocabulary(6, S, UNK, PAD), **settings)


def test_nothing_to_predict_is_refused():
    model = UnigramModel(framed([[4]]), Vocabulary(6, S, UNK, PAD))
    with pytest.raises(ValueError, match="there is no sentence to predict"):
        ngram_perplexity(model, framed([]))
