# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""BERT's figures on a text against transformers' own losses, for any batch size."""

import pytest
import torch
from piece_corpora import make_documents, make_pieces
from tolerances import TOLERANCES
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining

from hf_elmo.corpus import PreparationError
from hf_elmo.training.bert_evaluation import evaluate_bert
from hf_elmo.training.piece_shards import PieceShards
from hf_elmo.training.sentence_pairs import SentencePairs

SMALL = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
EXACT = TOLERANCES["head", "float64"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return PieceShards.open(make_pieces(tmp_path_factory.mktemp("evaluation"), make_documents()[:5]))


def make_model(shards, kind=BertForPreTraining, **changes):
    torch.manual_seed(1)
    model = kind(BertConfig(vocab_size=shards.vocab_size, initializer_range=0.3, **{**SMALL, **changes}))
    return model.double().train()


def of_transformers(model, batches):
    """Losses and right guesses by the model's own forward pass, row by row."""
    model.eval()
    loss = right = pieces = pair_loss = pairs_right = pairs = 0
    with torch.no_grad():
        for batch in batches:
            for row in range(len(batch["labels"])):
                length = int(batch["attention_mask"][row].sum())
                one = {name: value[row : row + 1] for name, value in batch.items()}
                one = {name: value[:, :length] if value.dim() > 1 else value for name, value in one.items()}
                label = one.pop("next_sentence_label", None)
                output = model(**one)
                masked = one["labels"] != -100
                logits = output.prediction_logits if label is not None else output.logits
                chances = logits[masked].softmax(-1).gather(1, one["labels"][masked][:, None])
                loss -= float(chances.log().sum())
                right += int((logits[masked].max(-1).indices == one["labels"][masked]).sum())
                pieces += int(masked.sum())
                if label is not None:
                    scores = output.seq_relationship_logits[0]
                    pair_loss -= float(scores.softmax(-1)[label].log())
                    pairs_right += int(scores[label] >= scores.max())
                    pairs += 1
    found = {"masked_lm_loss": loss / pieces, "masked_lm_accuracy": right / pieces, "masked_pieces": pieces}
    if pairs:
        found |= {"next_sentence_loss": pair_loss / pairs, "next_sentence_accuracy": pairs_right / pairs}
        found["pairs"] = pairs
    return pytest.approx(found, abs=EXACT, rel=0)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_figures_are_those_of_the_model_row_by_row(shards, batch_size):
    model = make_model(shards)
    pairs = SentencePairs(shards, 3, max_length=64, seed=5)
    found = evaluate_bert(model, pairs, batch_size)
    assert model.training
    assert found == of_transformers(model, pairs.once(10))
    assert found["pairs"] == pairs.rows_in_epoch()


def test_a_model_without_pairs(shards):
    model = make_model(shards, BertForMaskedLM)
    found = evaluate_bert(model, shards, 16)
    assert list(found) == ["masked_lm_loss", "masked_lm_accuracy", "masked_pieces"]
    rows = SentencePairs(shards, 5, next_sentence=False, shuffle=False, epochs=1)
    assert found == of_transformers(model, rows)


def test_shards_are_read_with_the_settings_given(shards):
    model = make_model(shards, max_position_embeddings=80)
    assert evaluate_bert(model, shards) == evaluate_bert(model, SentencePairs(shards, 1, max_length=80))
    changed = evaluate_bert(model, shards, max_length=40, whole_word=True, mask_fraction=0.3)
    assert changed == evaluate_bert(model, SentencePairs(shards, 9, max_length=40, whole_word=True, mask_fraction=0.3))
    assert changed["masked_pieces"] > 1.7 * evaluate_bert(model, shards)["masked_pieces"]


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_some_rows_spread_over_the_text(shards, most):
    model = make_model(shards)
    pairs = SentencePairs(shards, 1, max_length=64)
    rows = list(pairs.once(1))
    wanted = min(most, len(rows))
    places = [
        number for number in range(len(rows)) if (number + 1) * wanted // len(rows) > number * wanted // len(rows)
    ]
    found = evaluate_bert(model, pairs, 4, most=most)
    assert found == of_transformers(model, [rows[place] for place in places])
    assert found["pairs"] == wanted
    gaps = [later - place for place, later in zip(places[:-1], places[1:], strict=True)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_models_that_do_not_fit(shards):
    model = make_model(shards)
    with pytest.raises(PreparationError, match="most=0 must be at least 1, or None for all rows"):
        evaluate_bert(model, shards, most=0)
    with pytest.raises(
        PreparationError, match="rows have max_length=600, but the model only max_position_embeddings=512"
    ):
        evaluate_bert(model, shards, max_length=600)
    model.config.vocab_size = 100
    with pytest.raises(
        PreparationError, match=f"the model has vocab_size=100, but .* has {shards.vocab_size} pieces: they"
    ):
        evaluate_bert(model, shards)
