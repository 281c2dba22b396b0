# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores of whole sentences against the model's own scores, an explicit softmax and one mask at a time."""

import numpy as np
import pytest
import torch
from language_models import SENTENCES, encode, recorded_tokenizer, tiny_language_model, tiny_tokenizer
from tolerances import TOLERANCES
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, RobertaConfig, RobertaForMaskedLM

from hf_elmo import ElmoTokenizer
from hf_elmo.evaluation.framed_sentences import framed_words
from hf_elmo.evaluation.ngram import USUAL_DISCOUNTS, KneserNeyModel, UnigramModel, Vocabulary
from hf_elmo.evaluation.sentence_scores import elmo_scores, masked_lm_scores, ngram_scores, split_words

WORDS = [sentence.split() for sentence in SENTENCES]
TOLERANCE = TOLERANCES["log_probability", "float64"]


@pytest.mark.parametrize("max_batch_words", [1, 7, 4096])
def test_sums_are_those_of_score_in_any_batch(max_batch_words):
    model, tokenizer = tiny_language_model(lstm_dropout=0.5).train(), tiny_tokenizer()
    model.elmo.layers.eval()
    seen = []
    settings = {"max_batch_words": max_batch_words, "progress": seen.append}
    found = elmo_scores(model, tokenizer, WORDS, **settings)
    assert model.training and not model.elmo.layers.training and model.elmo.char_cnn.training
    assert sum(seen) == len(WORDS)
    for column, attribute in (("forward", "forward_total"), ("backward", "backward_total"), ("joint", "total")):
        expected = [getattr(score, attribute) for score in model.score(WORDS, tokenizer)]
        np.testing.assert_allclose(found.columns[column], expected, rtol=0, atol=TOLERANCE)


def test_sums_are_those_of_an_explicit_softmax_over_the_vocabulary():
    model = tiny_language_model(dtype=torch.float32)
    found = elmo_scores(model, tiny_tokenizer(), WORDS)
    for row, sentence in enumerate(SENTENCES):
        batch = encode([sentence])
        ids = batch["input_ids"][0]
        with torch.no_grad():
            top = model(**batch).last_hidden_state[0].double()
        weight, bias = (
            part.detach().double()[1:] for part in (model.lm_head.weight, model.lm_head.bias)
        )  # no padding
        size = top.shape[1] // 2
        ahead, back = ((half @ weight.t() + bias).log_softmax(-1) for half in (top[:, :size], top[:, size:]))
        forward = sum(ahead[place, ids[place + 1] - 1] for place in range(len(ids) - 1))
        backward = sum(back[place, ids[place - 1] - 1] for place in range(1, len(ids)))
        assert abs(found.columns["forward"][row] - forward) < 1e-5
        assert abs(found.columns["backward"][row] - backward) < 1e-5


def test_blocks_of_the_softmax_change_nothing(monkeypatch):
    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    expected = elmo_scores(model, tokenizer, WORDS).columns
    for tokens, words in ((5, 4), (1, 1), (100, 11)):  # 12 words can be predicted
        monkeypatch.setattr("hf_elmo.evaluation.sentence_scores.TOKENS_PER_BLOCK", tokens)
        monkeypatch.setattr("hf_elmo.evaluation.sentence_scores.WORDS_PER_BLOCK", words)
        found = elmo_scores(model, tokenizer, WORDS).columns
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=TOLERANCE)


def test_float32_adds_up_a_long_sentence_as_float64():
    model, words = tiny_language_model(dtype=torch.float32), [SENTENCES[2].split() * 30]
    single = elmo_scores(model, tiny_tokenizer(), words).columns["joint"]
    double = elmo_scores(model.double(), tiny_tokenizer(), words).columns["joint"]
    assert single[0] < -1000 and abs(single[0] - double[0]) < 1e-7 * abs(double[0])


def test_ids_show_which_sentences_are_the_same_to_the_vocabulary():
    found = elmo_scores(tiny_language_model(), tiny_tokenizer(), [["a", "zebra"], ["a", "yak"], ["a", "cat"]])
    assert found.ids[0] == found.ids[1] != found.ids[2]
    assert found.columns["forward"][0] != found.columns["forward"][1]  # their characters differ


def test_a_tokenizer_of_another_model_is_refused():
    with pytest.raises(ValueError, match="the tokenizer has 27 words, the model's softmax 13"):
        elmo_scores(tiny_language_model(), recorded_tokenizer(), WORDS)


@pytest.mark.parametrize("settings", [{}, {"splitting": "whitespace"}, {"split_cjk": True}])
def test_texts_are_split_as_the_tokenizer_splits_them(settings):
    tokenizer = ElmoTokenizer(["Who", "'", "didn", "t", "?", "京"], **settings)
    texts = ["Who  didn't leave?", "北京 is a city.", "", " naïve—yes "]
    encoded = tokenizer(texts)
    corpus = tokenizer.encode_corpus(split_words(tokenizer, texts))
    for row in range(len(texts)):
        part = slice(*corpus.offsets[row : row + 2])
        assert corpus.input_ids[part].tolist() == encoded["input_ids"][row]
        assert corpus.char_ids[part].tolist() == encoded["char_ids"][row]


@pytest.mark.parametrize("backward", [False, True])
def test_ngram_scores_are_sums_of_the_events_of_each_sentence(backward):
    tokenizer = tiny_tokenizer()
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "unk", "pad")}
    vocabulary = Vocabulary(len(tokenizer), ids["eos" if backward else "bos"], ids["unk"], ids["pad"])
    sentences = framed_words(tokenizer, WORDS)
    text = sentences.backward() if backward else sentences
    for model in (
        KneserNeyModel(text, vocabulary, 3, fallback_discounts=USUAL_DISCOUNTS),
        UnigramModel(text, vocabulary),
    ):
        found = ngram_scores(model, sentences, backward=backward)
        for row, words in enumerate(WORDS):
            alone = framed_words(tokenizer, [words])
            expected = model.log_probs(alone.backward() if backward else alone).sum()
            assert found[row] == pytest.approx(expected, rel=1e-12)


# --- masked language models ------------------------------------------------------------------------------------------

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "on", "a", "mat", "."]
TEXTS = ["The cat sat.", "a mat", "the cats sat on a mat.", "on a zebra mat", "", "a cat"]


def masked_model(kind):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
    sizes |= {"vocab_size": len(PIECES), "max_position_embeddings": 20, "initializer_range": 0.5, "pad_token_id": 0}
    if kind == "bert":
        return BertForMaskedLM(BertConfig(**sizes)).double()
    return RobertaForMaskedLM(RobertaConfig(**sizes)).double()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n")
    return BertTokenizer(str(path))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("max_batch_words", [1, 40, 4096])
def test_pseudo_log_likelihood_masks_one_piece_at_a_time(kind, max_batch_words, pieces):
    model = masked_model(kind).train()
    seen = []
    found = masked_lm_scores(model, pieces, TEXTS, max_batch_words=max_batch_words, progress=seen.append)
    assert model.training and sum(seen) == len(TEXTS)
    model.eval()
    for row, text in enumerate(TEXTS):
        ids, expected = pieces(text, return_tensors="pt")["input_ids"], 0.0
        for place in range(1, ids.shape[1] - 1):
            masked = ids.clone()
            masked[0, place] = pieces.mask_token_id
            with torch.no_grad():
                expected += float(model(input_ids=masked).logits[0, place].log_softmax(-1)[ids[0, place]])
        assert found.columns["pseudo_log_likelihood"][row] == pytest.approx(expected, abs=1e-5)


def test_what_has_no_pseudo_log_likelihood_is_refused(pieces):
    with pytest.raises(ValueError, match="the tokenizer has no mask token"):
        masked_lm_scores(masked_model("bert"), tiny_tokenizer(), TEXTS)
    with pytest.raises(ValueError, match="a sentence has 32 pieces, the model takes 20: 'a a a"):
        masked_lm_scores(masked_model("bert"), pieces, ["a " * 30])
