# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The model with 8-bit weights against its float form and against the float weights that it stands for."""

import copy
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_config, tiny_model
from safetensors.torch import load_file
from same_bits import assert_same_float_products
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoConfig, ElmoModel

BATCH = random_batch([6, 1, 4, 2])


def moderate_config(**changes) -> ElmoConfig:
    settings = {
        "char_filters": [[1, 16], [2, 16], [3, 32], [4, 64], [5, 128]],
        "projection_size": 64,
        "cell_size": 256,
        "num_highway_layers": 1,
    }
    return ElmoConfig(**settings | changes)


def run(model, **inputs):
    with torch.no_grad():
        return model(**(inputs or BATCH), output_hidden_states=True, output_state=True)


@pytest.fixture(scope="module")
def both() -> tuple[ElmoModel, ElmoModel]:
    """A model with the initial values of the original, gates of a trained model's strength, and its 8-bit form."""
    torch.manual_seed(0)
    model = ElmoModel(moderate_config()).eval()
    with torch.no_grad():
        for name, parameter in model.layers.named_parameters():
            parameter.mul_(2.0) if "weight" in name else parameter.normal_(std=0.3)
    return model, copy.deepcopy(model).quantize_int8()


@pytest.fixture(scope="module")
def folders(both, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, model in zip(("float", "int8"), both, strict=True):
        model.save_pretrained(folder / name)
    return folder


def int8_names(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.dtype == torch.int8}


def test_quantising_happens_once_and_in_place():
    model = tiny_model()
    sizes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert model.quantize_int8() is model
    assert model.config.weight_format == "int8"
    expected = {
        f"layers.{n}.{way}_direction.weight_{w}"
        for n in "01"
        for way in ("forward", "backward")
        for w in ("ih", "hh", "hr")
    }
    expected |= {"char_cnn.highways.0.weight", "char_cnn.projection.weight"}
    assert int8_names(model) == expected
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("scalar_mix" in name)
        if not name.endswith("_scale"):
            assert parameter.shape == sizes[name]
    with pytest.raises(ValueError, match="quantized already; load the float weights again"):
        model.quantize_int8()


def test_vectors_stay_close(both):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 30, (40,), generator=generator).tolist()
    batch = random_batch(lengths, seed=5)
    exact, close = (run(model, **batch) for model in both)
    mask = batch["attention_mask"].bool()
    for name in ("last_hidden_state", "mixed_state"):
        cosine = torch.cosine_similarity(exact[name][mask], close[name][mask], dim=-1)
        assert cosine.mean() >= TOLERANCES["int8_cosine_mean", "float32"]
        assert cosine.min() >= TOLERANCES["int8_cosine_least", "float32"]
        assert not torch.equal(exact[name], close[name])


def test_a_sentence_has_the_same_vectors_in_any_company(both):
    """From the same word vectors the LSTMs give the same bits; word vectors stand on the float convolutions."""
    model = both[1]
    lengths = [9, 3, 1, 5, 5, 12, 2, 7]
    vectors, mask = torch.randn(8, 12, 64), random_batch(lengths)["attention_mask"]
    batch, encoded = random_batch(lengths, seed=3), run(model, **random_batch(lengths, seed=3))
    whole = run(model, inputs_embeds=vectors, attention_mask=mask)
    for rows in ([0], [1, 5], [7, 6, 5, 4, 3, 2, 1, 0], [2, 2, 2]):
        got = run(model, inputs_embeds=vectors[rows], attention_mask=mask[rows])
        for ours, theirs in zip(got.hidden_states, whole.hidden_states, strict=True):
            assert torch.equal(ours, theirs[rows])
        for ours, theirs in zip(got.state, whole.state, strict=True):
            assert torch.equal(ours, theirs[:, rows])
        got = run(model, **{name: tensor[rows] for name, tensor in batch.items()})
        assert_same_float_products(got.last_hidden_state, encoded.last_hidden_state[rows])


def test_saved_and_loaded_it_is_the_same_to_the_bit(both, folders):
    model, loaded = both[1], ElmoModel.from_pretrained(folders / "int8")
    assert loaded.config.weight_format == "int8" and int8_names(loaded) == int8_names(model) != set()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    for ours, theirs in zip(run(loaded).hidden_states, run(model).hidden_states, strict=True):
        assert torch.equal(ours, theirs)
    small, large = ((folders / name / "model.safetensors").stat().st_size for name in ("int8", "float"))
    assert small < 0.4 * large
    with pytest.raises(ValueError, match="quantized already"):
        loaded.quantize_int8()


@pytest.mark.parametrize(
    "settings", [{"device_map": "auto"}, {"device_map": "cpu"}, {"low_cpu_mem_usage": True}], ids=str
)
def test_placed_on_devices(both, folders, settings):
    pytest.importorskip("accelerate")
    loaded = ElmoModel.from_pretrained(folders / "int8", **settings)
    assert torch.equal(run(loaded).mixed_state, run(both[1]).mixed_state)


def half_tolerance(model, dtype) -> float:
    return TOLERANCES["dtype", str(dtype)[6:]] * max(1.0, run(model).mixed_state.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_other_precisions_leave_the_8_bit_weights_alone(both, folders, dtype):
    expected, stored = run(both[1]).mixed_state, load_file(folders / "int8" / "model.safetensors")
    for model in (
        ElmoModel.from_pretrained(folders / "int8", dtype=dtype),
        copy.deepcopy(both[1]).to(dtype),
        copy.deepcopy(both[0]).to(dtype).quantize_int8(),
    ):
        assert model.dtype == dtype and int8_names(model) == int8_names(both[1])
        got = run(model)
        assert got.mixed_state.dtype == got.state[1].dtype == dtype
        assert largest_difference(got.mixed_state.float(), expected) <= half_tolerance(both[1], dtype)
    again = ElmoModel.from_pretrained(folders / "int8", dtype=dtype)
    for name in int8_names(again):
        assert torch.equal(again.state_dict()[name], stored[name])


def test_half_and_back_under_autocast(both):
    model = copy.deepcopy(both[1]).half()
    assert model.dtype == torch.float16 and int8_names(model) == int8_names(both[1])
    expected = run(both[1]).mixed_state
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = run(both[1]).mixed_state
    assert largest_difference(got.float(), expected) <= half_tolerance(both[1], torch.bfloat16)


def test_a_deep_copy_is_independent(both):
    other = copy.deepcopy(both[1])
    expected = run(both[1]).mixed_state
    assert torch.equal(run(other).mixed_state, expected)
    other.layers[0].forward_direction.weight_hh.neg_()
    assert not torch.equal(run(other).mixed_state, expected)
    assert torch.equal(run(both[1]).mixed_state, expected)


def as_float(model) -> ElmoModel:
    """The float model whose weights are what the whole numbers and scales stand for."""
    config = ElmoConfig(**model.config.to_dict() | {"weight_format": "float"})
    tensors = model.state_dict()
    for name in int8_names(model):
        tensors[name] = tensors[name].float() * tensors.pop(f"{name}_scale").unsqueeze(1)
    plain = ElmoModel(config).eval()
    plain.load_state_dict(tensors)
    return plain


def test_a_head_is_trained_on_top(both):
    model, head = copy.deepcopy(both[1]).train(), torch.nn.Linear(128, 3)
    optimizer = torch.optim.SGD([*(p for p in model.parameters() if p.requires_grad), *head.parameters()], lr=1.0)
    before = copy.deepcopy(model.state_dict())
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(model(**BATCH).mixed_state).flatten(0, 1), torch.arange(24) % 3)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"scalar_mix.scalar_parameters", "scalar_mix.gamma"}
    assert all((p.grad is not None) == ("scalar_mix" in name) for name, p in model.named_parameters())


def test_word_vectors_get_the_gradient_of_the_weights_stood_for(both):
    vectors = torch.randn(3, 5, 64)
    mask = random_batch([5, 2, 4])["attention_mask"]
    gradients = []
    for model in (both[1], as_float(both[1])):
        leaf = vectors.clone().requires_grad_()
        model(inputs_embeds=leaf, attention_mask=mask).last_hidden_state.square().sum().backward()
        gradients.append(leaf.grad)
    assert gradients[0].abs().sum() > 0 and not gradients[0][1, 2:].any()
    assert largest_difference(*gradients) <= TOLERANCES["parity", "float32"] * max(1, gradients[1].abs().max().item())


def test_trained_biases_get_the_gradient_of_the_weights_stood_for(both):
    vectors, gradients = torch.randn(3, 5, 64), []
    for model in (copy.deepcopy(both[1]), as_float(both[1])):
        bias = model.requires_grad_(False).layers[0].forward_direction.bias.requires_grad_(True)
        outputs = model(inputs_embeds=vectors, output_hidden_states=True).hidden_states[1]
        outputs[..., :64].square().sum().backward()
        gradients.append(bias.grad)
    size = max(1.0, gradients[1].abs().max().item())
    assert largest_difference(*gradients) <= TOLERANCES["gradient_relative", "float32"] * size


def test_both_clips_act():
    free, clipped = (
        run(tiny_model(num_hidden_layers=1, scale=2.0, cell_clip=clips[0], proj_clip=clips[1]).quantize_int8())
        for clips in ((None, None), (0.5, 0.3))
    )
    outputs, cell = clipped.hidden_states[1], clipped.state[1]
    assert outputs.abs().max().item() == pytest.approx(0.3) and cell.abs().max().item() == pytest.approx(0.5)
    assert free.hidden_states[1].abs().max() > 0.5 and free.state[1].abs().max() > 0.8


def test_without_projections(tmp_path):
    changes = {"projection_size": 64, "cell_size": 64, "char_filters": [[1, 16], [3, 48]]}
    torch.manual_seed(0)
    model = ElmoModel(moderate_config(**changes)).eval()
    assert model.char_cnn.projection is None and model.layers[0].forward_direction.weight_hr is None
    exact = run(model)
    model.quantize_int8().save_pretrained(tmp_path)
    close = run(model)
    cosine = torch.cosine_similarity(exact.last_hidden_state, close.last_hidden_state, dim=-1)[
        BATCH["attention_mask"] > 0
    ]
    assert cosine.min() >= TOLERANCES["int8_cosine_least", "float32"]
    assert torch.equal(run(ElmoModel.from_pretrained(tmp_path)).mixed_state, close.mixed_state)


@pytest.mark.parametrize("backend", ["reference", "scan"])
def test_other_backends_take_the_weights_stood_for(both, backend):
    model = copy.deepcopy(both[1])
    for layer in model.layers:
        layer.forward_direction.backend = layer.backward_direction.backend = backend
    vectors, mask = torch.randn(3, 5, 64), random_batch([5, 2, 4])["attention_mask"]
    expected = run(as_float(both[1]), inputs_embeds=vectors, attention_mask=mask)
    got = run(model, inputs_embeds=vectors, attention_mask=mask)
    assert largest_difference(got.last_hidden_state, expected.last_hidden_state) <= TOLERANCES["parity", "float32"]


def test_state_carried_between_two_parts_equals_the_whole():
    """Forward direction of the first layer; the scales of rows know nothing of other words."""
    model = tiny_model(num_hidden_layers=1, cell_size=32, projection_size=16).quantize_int8()
    vectors = torch.randn(2, 7, 16)
    whole = run(model, inputs_embeds=vectors)
    first = run(model, inputs_embeds=vectors[:, :3])
    with torch.no_grad():
        second = model(inputs_embeds=vectors[:, 3:], state=first.state, output_state=True)
    got = torch.cat([first.last_hidden_state, second.last_hidden_state], dim=1)[..., :16]
    assert torch.equal(got, whole.last_hidden_state[..., :16])
    assert torch.equal(second.state[1][..., :32], whole.state[1][..., :32])


def test_a_word_that_is_not_a_number_is_not_hidden():
    model = tiny_model(num_hidden_layers=1).quantize_int8()
    vectors = torch.randn(2, 3, 12)
    vectors[0, 1] = float("nan")
    output = run(model, inputs_embeds=vectors)
    assert output.last_hidden_state[0, 1].isnan().all()
    assert output.last_hidden_state[0, 2, :12].isnan().all() and output.last_hidden_state[0, 0, 12:].isnan().all()
    assert output.last_hidden_state[1].isfinite().all()


def test_cached_words_are_used(both):
    model, table = copy.deepcopy(both[1]), BATCH["char_ids"][0]
    expected = run(model).mixed_state
    with torch.no_grad():
        model.cache_words(SimpleNamespace(vocabulary_char_ids=table.numpy))
        ids = torch.tensor([[0, 1, 2, 3, 4, 5]] * 4)
        got = model(input_ids=ids, **BATCH).mixed_state
    assert_same_float_products(got, expected)


# Runs in a process of its own, where hf_elmo cannot be imported.
LOADER = """
import sys
sys.modules["hf_elmo"] = None  # as if not installed
import torch
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)
assert "hf_elmo" not in type(model).__module__
torch.set_num_threads(1)
with torch.no_grad():
    torch.save(model(**torch.load(sys.argv[2])).mixed_state, sys.argv[3])
"""


@pytest.mark.slow
def test_remote_code_loads_the_8_bit_folder(both, folders, tmp_path):
    torch.save(BATCH, tmp_path / "batch.pt")
    arguments = [folders / "int8", tmp_path / "batch.pt", tmp_path / "out.pt"]
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    settings = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", LOADER, *map(str, arguments)],
        cwd=tmp_path,
        env=inherited | settings | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.load(tmp_path / "out.pt"), run(both[1]).mixed_state)


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.extended
@pytest.mark.slow
def test_compiled_it_stays_close(both, fresh_compiler):
    """The graph multiplies the rows unrounded with the weights stood for."""
    compiled = torch.compile(both[1], backend="aot_eager")
    with torch.no_grad():
        got, expected = compiled(**BATCH).mixed_state, run(both[1]).mixed_state
    mask = BATCH["attention_mask"] > 0
    cosine = torch.cosine_similarity(got[mask], expected[mask], dim=-1)
    assert cosine.min() >= TOLERANCES["int8_cosine_least", "float32"]


@pytest.mark.slow
def test_exported_it_is_the_model_of_the_weights_stood_for(fresh_compiler):
    model = ElmoModel(tiny_config(num_hidden_layers=1)).eval().quantize_int8()
    axes = {0: torch.export.Dim("sentences"), 1: torch.export.Dim("words")}
    program = torch.export.export(model, (), kwargs=BATCH, dynamic_shapes=dict.fromkeys(BATCH, axes)).module()
    plain = as_float(model)
    for lengths in ([3, 2], [7, 1, 4]):
        batch = random_batch(lengths)
        with torch.no_grad():
            got, expected = program(**batch).mixed_state, plain(**batch).mixed_state
        assert largest_difference(got, expected) <= TOLERANCES["compiled", "float32"]


def test_a_reloaded_model_is_frozen_and_gives_the_same_with_and_without_gradients(tmp_path):
    tiny_model().quantize_int8().save_pretrained(tmp_path)
    model = ElmoModel.from_pretrained(tmp_path)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"scalar_mix.scalar_parameters", "scalar_mix.gamma"}
    batch = random_batch([5, 3])
    with torch.no_grad():
        expected = model(**batch).last_hidden_state
    assert torch.equal(model(**batch).last_hidden_state, expected)


@pytest.mark.parametrize("quantized", [False, True])
def test_a_weight_format_that_does_not_fit_the_file_is_refused(tmp_path, quantized):
    model = tiny_model()
    (model.quantize_int8() if quantized else model).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"does not fit the weights.*leave it out, and call model.quantize_int8\(\)"):
        ElmoModel.from_pretrained(tmp_path, weight_format="float" if quantized else "int8")


def test_quantizing_lets_go_of_copies_of_the_float_weights():
    model = tiny_model()
    with torch.no_grad():
        model(**random_batch([3, 2]))
    direction = model.layers[0].forward_direction
    assert direction.copies._made
    model.quantize_int8()
    assert not direction.copies._made and not model.char_cnn.highways[0].copies._made
