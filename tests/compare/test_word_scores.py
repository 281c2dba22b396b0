# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Log-probabilities of single words against `ElmoForPreTraining.score` and explicit masking, one word at a time."""

import numpy as np
import pytest
import torch
from language_models import SENTENCES, tiny_language_model, tiny_tokenizer
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, RobertaConfig, RobertaForMaskedLM

from hf_elmo.compare.word_scores import elmo_word_scores, masked_word_scores
from hf_elmo.evaluation.models import LoadedModel

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "##er", "on", "a", "mat", "."]
WORDS = [words for words in map(str.split, SENTENCES) if words]
PLACES = [(words, place) for words in WORDS for place in range(len(words))]


@pytest.mark.parametrize("max_batch_words", [1, 20, 4096])
def test_elmo_gives_what_score_gives_and_nothing_for_an_unknown_word(max_batch_words):
    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    loaded = LoadedModel(model, tokenizer, "elmo")
    sentences, positions = zip(*PLACES, strict=True)
    found = elmo_word_scores(loaded, sentences, positions, max_batch_words=max_batch_words)
    vocabulary = tokenizer.get_vocab()
    for row, (words, place) in enumerate(PLACES):
        (score,) = model.score([words], tokenizer)
        for name, expected in (("forward", score.forward[place]), ("backward", score.backward[place])):
            value = found[name][row]
            assert np.isnan(value) if words[place] not in vocabulary else value == pytest.approx(expected, abs=1e-10)


def masked_model(kind):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
    sizes |= {"vocab_size": len(PIECES), "max_position_embeddings": 20, "initializer_range": 0.5, "pad_token_id": 0}
    made = BertForMaskedLM(BertConfig(**sizes)) if kind == "bert" else RobertaForMaskedLM(RobertaConfig(**sizes))
    return made.double().eval()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n")
    return BertTokenizer(str(path))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("max_batch_words", [1, 4096])
def test_a_word_of_several_pieces_is_their_chain_with_the_rest_masked(kind, max_batch_words, pieces):
    model = masked_model(kind)
    sentence = ["the", "caters", "sat", "zebra"]
    cases = [(sentence, 1), (["the", "cat", "."], 2), (sentence, 0), (sentence, 3)]
    sentences, positions = zip(*cases, strict=True)
    loaded = LoadedModel(model, pieces, "masked")
    found = masked_word_scores(loaded, sentences, positions, max_batch_words=max_batch_words)

    def log_prob(text, place, piece):
        ids = torch.tensor([[PIECES.index(token) for token in ["[CLS]", *text.split(), "[SEP]"]]])
        with torch.no_grad():
            return float(model(input_ids=ids).logits[0, place].log_softmax(-1)[PIECES.index(piece)])

    expected = (
        log_prob("the [MASK] [MASK] [MASK] sat [UNK]", 2, "cat")
        + log_prob("the cat [MASK] [MASK] sat [UNK]", 3, "##er")
        + log_prob("the cat ##er [MASK] sat [UNK]", 4, "##s")
    )
    assert found[0] == pytest.approx(expected, abs=1e-10)
    assert found[1] == pytest.approx(log_prob("the cat [MASK]", 3, "."), abs=1e-10)
    assert found[2] == pytest.approx(log_prob("[MASK] cat ##er ##s sat [UNK]", 1, "the"), abs=1e-10)
    assert np.isnan(found[3])


def test_a_word_is_a_distribution_over_the_single_pieces(pieces):
    loaded = LoadedModel(masked_model("bert"), pieces, "masked")
    words = [piece for piece in PIECES if piece.isalpha()]
    scores = masked_word_scores(loaded, [["the", word, "mat"] for word in words], [1] * len(words))
    assert 0 < np.exp(scores).sum() < 1  # the other pieces have the rest


def test_what_cannot_be_scored_is_refused(pieces):
    elmo = LoadedModel(tiny_language_model(), tiny_tokenizer(), "elmo")
    bert = LoadedModel(masked_model("bert"), pieces, "masked")
    for score, loaded in ((elmo_word_scores, elmo), (masked_word_scores, bert)):
        with pytest.raises(IndexError, match="position is 1; the sentence has words 0 to 0"):
            score(loaded, [["the"]], [1])
    with pytest.raises(ValueError, match="a sentence has 32 pieces, the model takes 20"):
        masked_word_scores(bert, [["a"] * 30], [3])
    with pytest.raises(ValueError, match="the tokenizer has no mask token"):
        masked_word_scores(bert._replace(tokenizer=tiny_tokenizer()), [["a"]], [0])
