# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every field is checked, kept, and has an effect on what the model computes."""

import pytest
import torch
from elmo_builders import random_batch, tiny_config, tiny_model
from huggingface_hub.errors import StrictDataclassError

from hf_elmo.modeling import ElmoConfig, ElmoForTokenClassification, ElmoModel

# Fields that shape the weights, with a value different from the tiny model's, and the parameter that shows it.
SHAPING = {
    "char_embedding_size": (7, "char_cnn.char_embeddings.weight"),
    "num_characters": (300, "char_cnn.char_embeddings.weight"),
    "char_filters": ([[1, 4], [5, 14]], "char_cnn.convolutions.1.weight"),
    "num_highway_layers": (2, "char_cnn.highways.1.weight"),
    "projection_size": (10, "char_cnn.projection.weight"),
    "cell_size": (16, "layers.0.forward_direction.weight_hr"),
    "num_hidden_layers": (3, "layers.2.forward_direction.weight_ih"),
    "num_scalar_mixes": (2, "extra_scalar_mixes.0.gamma"),
}
# Fields that change the numbers of the very same weights.
ACTING = {
    "char_activation": "tanh",
    "cell_clip": 0.1,
    "proj_clip": 0.1,
    "forget_bias": 0.0,
    "use_skip_connections": False,
    "scalar_mix_layer_norm": True,
}

# The same of a tagger with a recurrent head: what shapes its weights, and what changes its numbers in training mode.
HEAD_SHAPING = {
    "task_head": ("linear", "encoder.lstm.weight_ih_l0"),
    "task_hidden_size": (7, "encoder.lstm.weight_hh_l0"),
    "task_num_layers": (2, "encoder.lstm.weight_hh_l1"),
    "use_crf": (True, "crf.transitions"),
    "static_embedding_size": (3, "static_embeddings.weight"),
    "vocab_size": (9, "static_embeddings.weight"),
    "use_elmo_vectors": (False, "encoder.lstm.weight_ih_l0"),
}
HEAD_ACTING = {"embedding_dropout": 0.3, "classifier_dropout": 0.3}
# Fields that choose what learns, tested in test_heads_training.py and test_static_vectors.py.
FREEZING = {"freeze_encoder", "freeze_static_embeddings"}
# Fields of the language models, tested in test_pretraining.py and test_pretraining_sampled.py.
PRETRAINING = {"lstm_dropout", "num_sampled"}

# Fields with a test of their own below, and fields the encoder only hands on: the tokenizer and language-model heads
# use them (that they agree with the tokenizer is tested where they are written, in tests/conversion).
ELSEWHERE = {"max_characters_per_token", "use_char_projection", "use_lstm_projection", "lstm_backend", "weight_format"}
HANDED_ON = {"pad_token_id", "bos_token_id", "eos_token_id", "unk_token_id", "tie_word_embeddings"}


def test_no_field_is_forgotten():
    own = set(ElmoConfig.__annotations__)
    of_heads = set(HEAD_SHAPING) | set(HEAD_ACTING) | FREEZING | PRETRAINING
    assert own - {"model_type"} == set(SHAPING) | set(ACTING) | ELSEWHERE | HANDED_ON | of_heads


def shapes(config: ElmoConfig) -> dict:
    return {name: tuple(parameter.shape) for name, parameter in ElmoModel(config).named_parameters()}


@pytest.mark.parametrize("field", SHAPING)
def test_field_shapes_the_weights(field):
    value, parameter = SHAPING[field]
    before, after = shapes(tiny_config()), shapes(tiny_config(**{field: value}))
    assert before.get(parameter) != after[parameter]


def tagger(**changes) -> ElmoForTokenClassification:
    settings = {"task_head": "recurrent", "task_hidden_size": 5, "embedding_dropout": 0.0, "classifier_dropout": 0.0}
    return ElmoForTokenClassification(tiny_config(**{**settings, **changes}))


@pytest.mark.parametrize("field", HEAD_SHAPING)
def test_field_shapes_the_head(field):
    value, parameter = HEAD_SHAPING[field]
    others = {"static_embedding_size": 2} if field in ("vocab_size", "use_elmo_vectors") else {}
    before, after = (
        {name: tensor.shape for name, tensor in model.named_parameters()}
        for model in (tagger(**others), tagger(**others, **{field: value}))
    )
    assert before.get(parameter) != after.get(parameter)


@pytest.mark.parametrize("field", HEAD_ACTING)
def test_field_drops_out_in_training_only(field):
    batch = random_batch([4, 2])
    free, dropping = tagger(), tagger(**{field: HEAD_ACTING[field]})
    dropping.load_state_dict(free.state_dict())
    assert (free(**batch).logits - dropping(**batch).logits).abs().max() > 1e-4
    assert torch.equal(free.eval()(**batch).logits, dropping.eval()(**batch).logits)


@pytest.mark.parametrize("field", ACTING)
def test_field_changes_the_vectors(field):
    batch = random_batch([4, 2])
    with torch.no_grad():
        before = tiny_model()(**batch).mixed_state
        after = tiny_model(**{field: ACTING[field]})(**batch).mixed_state
    assert (before - after).abs().max() > 1e-3


@pytest.mark.parametrize("field", ["cell_clip", "proj_clip"])
def test_no_clip_differs_from_a_clip_that_acts(field):
    batch = random_batch([6])
    with torch.no_grad():
        clipped = tiny_model()(**batch).last_hidden_state
        free = tiny_model(**{field: None})(**batch).last_hidden_state
        wide = tiny_model(**{field: 1e6})(**batch).last_hidden_state
    assert (clipped - free).abs().max() > 1e-3
    assert torch.equal(free, wide)


def test_without_projections_the_weights_are_gone():
    names = shapes(tiny_config(projection_size=18, cell_size=18))
    assert not any("weight_hr" in name or "char_cnn.projection" in name for name in names)
    assert "char_cnn.projection.weight" in shapes(tiny_config(projection_size=18, use_char_projection=True))
    assert any("weight_hr" in name for name in shapes(tiny_config(cell_size=12, use_lstm_projection=True)))


def test_proj_clip_does_nothing_without_a_projection():
    batch = random_batch([5])
    sizes = {"projection_size": 18, "cell_size": 18, "cell_clip": None}
    with torch.no_grad():
        narrow = tiny_model(**sizes, proj_clip=1e-3)(**batch).last_hidden_state
        free = tiny_model(**sizes, proj_clip=None)(**batch).last_hidden_state
    assert torch.equal(narrow, free)


def test_max_characters_per_token_is_the_width_the_model_takes():
    batch = random_batch([3])
    batch["char_ids"] = batch["char_ids"][:, :, :10]
    with torch.no_grad():
        assert tiny_model(max_characters_per_token=10)(**batch).mixed_state.shape == (1, 3, 24)
    with pytest.raises(ValueError, match=r"char_ids has shape \(1, 3, 10\); needed is \(sentences, words, 50\)"):
        tiny_model()(**batch)


def test_lstm_backend_is_the_one_that_runs(monkeypatch):
    from hf_elmo.modeling import LstmProjection
    from hf_elmo.modeling import lstm_projection as module_function

    calls = []
    backends = module_function.__globals__["_BACKENDS"]
    over_packed = LstmProjection._over_packed_words
    monkeypatch.setattr(
        LstmProjection, "_over_packed_words", lambda self, *a: (calls.append("packed"), over_packed(self, *a))[1]
    )
    for name, function in list(backends.items()):
        monkeypatch.setitem(backends, name, lambda *a, _n=name, _f=function: (calls.append(_n), _f(*a))[1])
    for name, runs in (("auto", "packed"), ("packed", "packed"), ("reference", "reference"), ("scan", "scan")):
        calls.clear()
        with torch.no_grad():
            tiny_model(lstm_backend=name)(**random_batch([2]))
        assert set(calls) == {runs}


def test_triton_backend_without_a_gpu_is_refused():
    with pytest.raises(
        ValueError, match='"triton" needs the triton package and tensors on a CUDA device.*cpu.*"auto"'
    ):
        tiny_model(lstm_backend="triton")(**random_batch([2]))


def test_weight_format_makes_the_large_matrices_int8():
    model = ElmoModel(tiny_config(weight_format="int8"))
    whole = {name for name, parameter in model.named_parameters() if parameter.dtype == torch.int8}
    assert "layers.1.backward_direction.weight_hr" in whole and "char_cnn.highways.0.weight" in whole
    assert model.char_cnn.convolutions[0].weight.dtype == torch.float32


def test_hidden_size_follows_the_projection_size():
    assert ElmoConfig().hidden_size == 1024
    assert tiny_config().hidden_size == 24
    assert ElmoConfig(hidden_size=1024).hidden_size == 1024
    with pytest.raises(ValueError, match="hidden_size=768 contradicts projection_size=512.*projection_size=384"):
        ElmoConfig(hidden_size=768)


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    batch = random_batch([3])
    with torch.no_grad():
        got = tiny_model(cell_clip=np.float64(0.6), proj_clip=np.float64(0.4))(**batch).mixed_state
        assert torch.equal(got, tiny_model()(**batch).mixed_state)


def test_settings_survive_saving(tmp_path):
    changed = {field: value for field, (value, _) in (SHAPING | HEAD_SHAPING).items()} | ACTING | HEAD_ACTING
    changed |= {"freeze_encoder": True, "freeze_static_embeddings": False}
    config = tiny_config(**changed, max_characters_per_token=20, lstm_backend="reference")
    config.save_pretrained(tmp_path)
    loaded = ElmoConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    for field, value in changed.items():
        assert getattr(loaded, field) == value
    assert loaded.auto_map["AutoModel"] == "modeling_elmo.ElmoModel"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell_clip": 0}, "cell_clip must be a positive number, or None for no clipping, got 0"),
        ({"proj_clip": -1.0}, "proj_clip must be a positive number"),
        ({"cell_clip": float("inf")}, "cell_clip must be a positive number"),
        ({"cell_clip": float("nan")}, "cell_clip must be a positive number"),
        ({"cell_clip": "3"}, "cell_clip"),
        ({"char_filters": []}, r"char_filters must be a non-empty list of \[width, count\] pairs"),
        ({"char_filters": [[1, 2], [3]]}, r"got \[3\] among them"),
        ({"char_filters": [[1, 2.5]]}, "positive integers"),
        ({"char_activation": "gelu"}, "char_activation must be one of relu, tanh, got 'gelu'"),
        ({"lstm_backend": "cudnn"}, "lstm_backend must be one of auto, reference, packed, scan"),
        ({"num_characters": 261}, "num_characters must be at least 262"),
        ({"projection_size": "512"}, "projection_size"),
        ({"cell_size": 0}, "cell_size must be at least 1, got 0"),
        ({"num_highway_layers": -1}, "num_highway_layers must be 0 or more"),
        ({"max_characters_per_token": 6}, "leaves no position for the widest filter"),
        ({"use_lstm_projection": False}, "use_lstm_projection=False needs cell_size equal to projection_size=512"),
        ({"use_char_projection": False}, "use_char_projection=False needs as many filters as projection_size=512"),
        ({"task_head": "biaffine"}, "task_head must be one of linear, recurrent, got 'biaffine'"),
        ({"task_hidden_size": 0}, "task_hidden_size must be at least 1, got 0"),
        ({"task_num_layers": 0}, "task_num_layers must be at least 1, got 0"),
        ({"static_embedding_size": -1}, "static_embedding_size must be 0 or more, got -1"),
        ({"use_elmo_vectors": False}, "static_embedding_size must be the width of the static vectors, got 0"),
        ({"embedding_dropout": 1.0}, "embedding_dropout must be a share of at least 0 and below 1, got 1.0"),
        ({"classifier_dropout": -0.1}, "classifier_dropout must be a share of at least 0 and below 1"),
        ({"freeze_encoder": "yes"}, "freeze_encoder"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises((StrictDataclassError, ValueError), match=message):
        ElmoConfig(**settings)


def test_default_is_the_original_model():
    with torch.device("meta"):
        model = ElmoModel(ElmoConfig())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    # 93.6 M published: 93 600 848 numbers in the released file, to which come a padding row of 16 and a mix of 4.
    assert parameters == 93_600_848 + 16 + 4


def test_old_transformers_gets_one_clear_line(monkeypatch):
    from importlib import metadata
    from pathlib import Path

    from hf_elmo.modeling import configuration_elmo

    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "4.57.6" if name == "transformers" else version(name))
    with pytest.raises(ImportError, match=r"transformers>=5\.8\.0 is required .* found transformers==4\.57\.6"):
        exec(
            compile(Path(configuration_elmo.__file__).read_text(encoding="utf-8"), "configuration_elmo.py", "exec"), {}
        )


@pytest.mark.parametrize("wrong", [{"lstm_backend": "nativ"}, {"proj_clip": -1.0}])
def test_a_wrong_option_of_from_pretrained_is_refused_when_loading(wrong, tmp_path):
    tiny_model().save_pretrained(tmp_path)
    ((name, value),) = wrong.items()
    with pytest.raises(StrictDataclassError, match=f"{name} must be .*{value}"):
        ElmoModel.from_pretrained(tmp_path, **wrong)
