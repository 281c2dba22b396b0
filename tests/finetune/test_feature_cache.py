# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Saved layers of a frozen encoder: the same numbers, whole or not there, and what is wrong is noticed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from elmo_builders import largest_difference, tiny_config, tiny_model
from safetensors.numpy import load_file
from tolerances import TOLERANCES
from transformers import DataCollatorForMultipleChoice, DataCollatorForTokenClassification

from hf_elmo import ElmoTokenizer
from hf_elmo.finetune import feature_cache
from hf_elmo.finetune.feature_cache import (
    CachedFeatures,
    FeatureCache,
    FeatureCacheError,
    LayersCollator,
    fingerprint,
    open_or_build,
)
from hf_elmo.modeling import ElmoForMultipleChoice, ElmoForTokenClassification

TEXTS = ["one", "", "a few more words here", "two words", "x " * 20]


def sequences_of(texts):
    return [np.array(ElmoTokenizer()(text)["char_ids"], dtype=np.int16) for text in texts]


@pytest.fixture(scope="module")
def encoder():
    return tiny_model(seed=3)


def layers_alone(encoder, char_ids):
    with torch.no_grad():
        states = encoder(
            char_ids=torch.tensor(char_ids[None].astype(np.int64)), output_hidden_states=True
        ).hidden_states
    return torch.stack([state[0] for state in states], dim=1)


def test_every_sequence_has_the_layers_it_has_alone(encoder, tmp_path):
    said = []
    sequences = sequences_of(TEXTS)
    cache = open_or_build(tmp_path, encoder, sequences, say=said.append, max_batch_words=12)
    assert len(cache) == len(TEXTS)
    for char_ids, saved in zip(sequences, (cache[row] for row in range(len(cache))), strict=True):
        expected = layers_alone(encoder, char_ids)
        assert largest_difference(torch.tensor(np.array(saved)), expected) <= TOLERANCES["batch_invariance", "float32"]
    words = sum(map(len, sequences))
    assert said == [
        f"features of the encoder: {words} positions, {words * 3 * 24 * 4 / 1e6:.1f} MB as float32, to {cache.path}"
    ]
    assert load_file(cache.path)["lengths"].tolist() == [len(one) for one in sequences]  # any program can read it
    assert [path.name for path in tmp_path.iterdir()] == [cache.path.name]
    again = open_or_build(tmp_path, encoder, sequences, say=said.append)
    assert said[1] == f"features of the encoder: taken from {cache.path}"
    assert all(np.array_equal(again[row], cache[row]) for row in range(len(cache)))


def test_half_precision_halves_the_file(encoder, tmp_path):
    full, half = (open_or_build(tmp_path, encoder, sequences_of(TEXTS), dtype) for dtype in ("float32", "float16"))
    for row in range(len(full)):
        assert np.array_equal(half[row], full[row].astype(np.float16))


def test_the_fingerprint_knows_what_decides_the_layers(encoder):
    sequences = sequences_of(["a b", "c"])
    base = fingerprint(encoder, sequences, "float32")
    assert base != fingerprint(encoder, sequences, "float16")
    assert base != fingerprint(encoder, sequences_of(["a b", "d"]), "float32")
    assert base != fingerprint(encoder, sequences_of(["a", "b c"]), "float32")
    other = tiny_model(seed=3)
    assert base == fingerprint(other, sequences, "float32")
    other.scalar_mix.gamma.data += 1  # applied afterwards
    other.config.task_head, other.config.freeze_encoder = "recurrent", True
    assert base == fingerprint(other, sequences, "float32")
    other.config.cell_clip = 0.5
    assert base != fingerprint(other, sequences, "float32")
    other = tiny_model(seed=3)
    with torch.no_grad():
        other.layers[1].backward_direction.bias[0] += 1e-6
    assert base != fingerprint(other, sequences, "float32")


def test_an_interrupted_building_leaves_nothing(encoder, tmp_path, monkeypatch):
    original = feature_cache._encode

    def cut_off(*args):
        yield next(original(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(feature_cache, "_encode", cut_off)
    with pytest.raises(KeyboardInterrupt):
        open_or_build(tmp_path, encoder, sequences_of(TEXTS), max_batch_words=12)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_leaves_a_file_nobody_takes_for_whole(encoder, tmp_path):
    (tmp_path / f"{fingerprint(encoder, sequences_of(['a']), 'float32')[:32]}.safetensors.123.part").write_bytes(
        b"half"
    )
    assert len(open_or_build(tmp_path, encoder, sequences_of(["a"]))) == 1


def test_damaged_and_foreign_files_are_noticed(encoder, tmp_path):
    sequences = sequences_of(TEXTS)
    path = open_or_build(tmp_path, encoder, sequences).path
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole + b"x", b"", b"something else"):
        path.write_bytes(damaged)
        with pytest.raises(
            FeatureCacheError, match="is damaged or no feature cache .*: remove it, and it is computed again"
        ):
            open_or_build(tmp_path, encoder, sequences)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(FeatureCacheError, match=r"is damaged \(sequence \d\): remove it"):
        open_or_build(tmp_path, encoder, sequences)
    path.write_bytes(whole)
    other = sequences_of(["another text"])
    path.rename(tmp_path / f"{fingerprint(encoder, other, 'float32')[:32]}.safetensors")
    with pytest.raises(FeatureCacheError, match="holds the features of another model or text"):
        open_or_build(tmp_path, encoder, other)
    header = json.dumps({"layers": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(FeatureCacheError, match="was not written by hf-elmo finetune"):
        FeatureCache(path, "0" * 64)


def test_a_disk_without_room_is_noticed_before_anything_is_written(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(FeatureCacheError, match=r"the features take 0\.0 MB, but .* has 0\.0 MB free: give another"):
        open_or_build(tmp_path, encoder, sequences_of(TEXTS))
    assert list(tmp_path.iterdir()) == []


def test_numbers_beyond_float16_are_refused(tmp_path):
    encoder = tiny_model(seed=3)
    with torch.no_grad():
        encoder.char_cnn.projection.weight *= 1e6
    with pytest.raises(FeatureCacheError, match="are not finite as float16; give --cache_dtype float32"):
        open_or_build(tmp_path, encoder, sequences_of(["a"]), "float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_head_gives_the_same_from_the_cache(side, tmp_path):
    torch.manual_seed(0)
    model = ElmoForTokenClassification(tiny_config(task_head="recurrent", freeze_encoder=True)).eval()
    tokenizer = ElmoTokenizer(padding_side=side)
    features = []
    for text in TEXTS:
        encoded = tokenizer(text)
        char_ids = np.array(encoded["char_ids"], dtype=np.int16)
        labels = [i % 2 for i in range(len(char_ids))]
        features.append({**encoded, "char_ids": char_ids, "labels": labels})
    cache = open_or_build(tmp_path, model.elmo, [feature["char_ids"] for feature in features])
    collate = DataCollatorForTokenClassification(tokenizer)
    cached = CachedFeatures(features, cache)
    batch = LayersCollator(collate, side)([cached[row] for row in range(len(cached))])
    assert "char_ids" not in batch
    with torch.no_grad():
        expected = model(**collate([dict(feature) for feature in features]))
        for parameter in model.elmo.layers.parameters():
            parameter.fill_(float("nan"))  # the encoder is not asked again
        found = model(**batch)
    assert largest_difference(found.loss, expected.loss) <= TOLERANCES["batch_invariance", "float32"]
    mask = batch["attention_mask"].bool()
    assert largest_difference(found.logits[mask], expected.logits[mask]) <= TOLERANCES["batch_invariance", "float32"]


def test_choices_have_a_sequence_each(tmp_path):
    torch.manual_seed(0)
    model = ElmoForMultipleChoice(tiny_config(freeze_encoder=True)).eval()
    tokenizer = ElmoTokenizer()
    features = []
    for texts in (["a b", "c"], ["d", "e f g"]):
        encoded = tokenizer(texts)
        char_ids = [np.array(one, dtype=np.int16) for one in encoded["char_ids"]]
        names = ("input_ids", "attention_mask")
        features.append({**{name: encoded[name] for name in names}, "char_ids": char_ids, "labels": 0})
    sequences = [one for feature in features for one in feature_cache.sequences_of(feature)]
    cache = open_or_build(tmp_path, model.elmo, sequences)
    collate = DataCollatorForMultipleChoice(tokenizer)
    cached = CachedFeatures(features, cache)
    batch = LayersCollator(collate)([cached[0], cached[1]])
    assert batch["encoder_layers"].shape == (2, 2, 5, 3, 24)
    with torch.no_grad():
        expected, found = model(**collate([dict(feature) for feature in features])), model(**batch)
    assert largest_difference(found.logits, expected.logits) <= TOLERANCES["batch_invariance", "float32"]
    with pytest.raises(FeatureCacheError, match="the features have 2 sequences, .* has 4"):
        CachedFeatures(features[:1], cache)


def test_training_with_the_cache_gives_the_same_losses(command, models, tmp_path, capsys):
    options = ["--model", models / "elmo", "--freeze_encoder", "--max_steps", 3, "--logging_steps", 1]
    options += ["--learning_rate", 0.1]
    assert command("tagging", *options, out="plain") == 0
    cache = ["--cache_features", "--feature_cache_dir", tmp_path / "cache"]
    assert command("tagging", *options, *cache, out="cached") == 0
    assert "positions, 0.0 MB as float32, to " in capsys.readouterr().err
    histories = [json.loads((tmp_path / name / "trainer_state.json").read_text()) for name in ("plain", "cached")]
    plain, cached = ([e["loss"] for e in state["log_history"] if "loss" in e] for state in histories)
    assert len(plain) == 3 and max(plain) - min(plain) > 0.01
    assert plain == pytest.approx(cached, abs=TOLERANCES["batch_invariance", "float32"])
