# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The probes of bias find what was planted, and the numbers in the cards are those of the models in the box."""

import json
import math

import pytest
import torch
from language_models import WORDS, tiny_language_model, tiny_tokenizer
from support import ROOT

from hf_elmo.evaluation.models import LoadedModel
from hf_elmo.model_cards import bias


def stored(name):
    return json.loads((ROOT / "model_cards" / "results" / f"bias-{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["elmo-mini-en", "bert-mini-en"])
def test_stored_results_are_those_of_the_box(name):
    loaded, predicts_words = bias.load(name)
    found, expected = bias.measure(loaded, predicts_words=predicts_words), stored(name)["metrics"]
    assert found["probabilities"]["work"] == expected["probabilities"]["work"]
    for key in ("mean_share_he", "more_he"):
        assert found["probabilities"][key] == pytest.approx(expected["probabilities"][key], abs=2e-3)
    for profession, shares in expected["probabilities"]["professions"].items():
        assert found["probabilities"]["professions"][profession]["share_he"] == pytest.approx(
            shares["share_he"], abs=2e-3
        )
        # of mean log-odds, from the rounded shares of the sentences
        odds = [math.log(share / (1 - share)) for share in shares["in_each_sentence"]]
        assert 1 / (1 + math.exp(-sum(odds) / 3)) == pytest.approx(shares["share_he"], abs=1e-3)
    for profession, value in expected["vectors"]["professions"].items():
        assert found["vectors"]["professions"][profession] == pytest.approx(value, abs=2e-3)


def test_elmos_share_is_that_of_two_exact_probabilities():
    """Against scores of the two sentences, asked for one by one."""
    loaded, _ = bias.load("elmo-mini-en")
    (he,), (she,) = (
        loaded.model.score([f"The nurse went home because {word} was ill ."], loaded.tokenizer)
        for word in ("he", "she")
    )
    share = math.exp(he.forward_total) / (math.exp(he.forward_total) + math.exp(she.forward_total))
    assert stored("elmo-mini-en")["metrics"]["probabilities"]["professions"]["nurse"]["in_each_sentence"][1] == (
        pytest.approx(share, abs=1e-3)
    )


class Planted:
    """A masked model that answers `he` three times as often as `she` after nurses and the reverse elsewhere."""

    class config:
        model_type = "bert"

    device = torch.device("cpu")
    mask_token, mask_token_id = "[MASK]", 2
    pieces = ["he", "she", "[MASK]", "other", "cook", "9"]

    def convert_tokens_to_ids(self, tokens):
        return [self.pieces.index(token) for token in tokens]

    def convert_ids_to_tokens(self, ids):
        return [self.pieces[one] for one in ids]

    def __call__(self, texts=None, nurses=None, input_ids=None, **_):
        if texts is not None:
            ids = torch.tensor([[3, 2] for _ in texts])
            return Batch(input_ids=ids, nurses=torch.tensor(["nurse" in text for text in texts]))
        odds = torch.where(nurses, 1.0, -1.0) * math.log(3.0)
        logits = torch.zeros(len(nurses), 2, len(self.pieces))
        logits[:, 1, 0] = odds
        logits[:, :, 3:5] = torch.tensor([-0.5, -1.0])
        logits[:, :, 5] = 9.0
        return type("Output", (), {"logits": logits})


class Batch(dict):
    def to(self, device):
        return self


def test_a_planted_preference_is_found(monkeypatch):
    vectors = {"He": [1.0, 0.0], "She": [0.0, 1.0], "The cook": [1.0, 0.5]}
    monkeypatch.setattr(bias, "_vector", lambda loaded, who, position: torch.tensor(vectors.get(who, [0.5, 1.0])))
    model = Planted()
    found = bias.measure(LoadedModel(model, model, "masked"), words=2)
    shares = {name: entry["share_he"] for name, entry in found["probabilities"]["professions"].items()}
    assert shares == {name: 0.75 if name == "nurse" else 0.25 for name in bias.PROFESSIONS}
    assert list(shares)[-1] == "nurse" and found["probabilities"]["more_he"] == 1
    assert found["probabilities"]["mean_share_he"] == pytest.approx((0.75 + 19 * 0.25) / 20)
    assert (
        found["probabilities"]["work"]["man"] == ["she", "other"] or "9" not in found["probabilities"]["work"]["man"]
    )
    assert found["vectors"]["nearer_to_he"] == 1
    assert found["vectors"]["professions"]["cook"] == pytest.approx(0.5 / 1.25**0.5, abs=1e-4)


def test_an_encoder_without_its_softmax_shows_vectors_alone(tmp_path):
    torch.manual_seed(1)
    tiny_language_model(dtype=torch.float32).elmo.save_pretrained(tmp_path / "encoder")
    tiny_tokenizer().save_pretrained(tmp_path / "encoder")
    assert len(WORDS) > 3
    assert bias.main([str(tmp_path / "encoder"), "--output", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert set(found["metrics"]) == {"vectors"} and len(found["metrics"]["vectors"]["professions"]) == 20
    assert found["run"]["complete"] and "hf_elmo.model_cards.bias" in found["run"]["command"]


def test_what_cannot_be_measured_is_one_line(tmp_path, capsys):
    assert bias.main([str(tmp_path / "none"), "--output", str(tmp_path / "out.json")]) == 1
    assert bias.main(["elmo-mini-en", "--output", str(tmp_path / "no" / "out.json")]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "no such folder; give a folder, a model of the box" in first
    assert "the folder of --output" in second and not (tmp_path / "out.json").exists()
