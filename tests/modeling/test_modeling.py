# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What users rely on: same sentence, same vector; zeros at padding; states, dtypes, saving, clear errors."""

import itertools
import random

import pytest
import torch
from elmo_builders import enable_checkpointing, largest_difference, random_batch, tiny_config, tiny_model
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoModel, ScalarMix

INVARIANT = TOLERANCES["batch_invariance", "float32"]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def run(model, **inputs):
    with torch.no_grad():
        return model(**inputs, output_hidden_states=True, output_state=True)


# --- same sentence, same vector -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_by_one(model):
    """Lengths of 64 sentences, the batch of them, and the output of each alone."""
    lengths = [1 + number % 23 for number in range(64)]
    everything = random_batch(lengths)
    alone = [run(model, char_ids=everything["char_ids"][row : row + 1, :length]) for row, length in enumerate(lengths)]
    return lengths, everything, alone


@pytest.mark.parametrize("batch_size", [1, 2, 7, 16, 64])
@pytest.mark.parametrize("side", ["right", "left"])
def test_company_order_and_padding_do_not_change_a_sentence(model, one_by_one, batch_size, side):
    lengths, everything, alone = one_by_one
    order = list(range(64))
    random.Random(batch_size).shuffle(order)
    for start in range(0, 64, batch_size):
        rows = order[start : start + batch_size]
        columns = max(lengths[row] for row in rows) + 2
        char_ids = torch.zeros(len(rows), columns, 50, dtype=torch.long)
        for place, row in enumerate(rows):
            length = lengths[row]
            first = 0 if side == "right" else columns - length
            char_ids[place, first : first + length] = everything["char_ids"][row, :length]
        output = run(model, char_ids=char_ids, attention_mask=(char_ids > 0).any(-1).long())
        for place, row in enumerate(rows):
            first = 0 if side == "right" else columns - lengths[row]
            words = slice(first, first + lengths[row])
            assert largest_difference(output.mixed_state[place, words], alone[row].mixed_state[0]) <= INVARIANT
            for ours, single in zip(output.hidden_states, alone[row].hidden_states, strict=True):
                assert largest_difference(ours[place, words], single[0]) <= INVARIANT
                assert not ours[place, : words.start].any() and not ours[place, words.stop :].any()
            for ours, single in zip(output.state, alone[row].state, strict=True):
                assert largest_difference(ours[:, place], single[:, 0]) <= INVARIANT


def test_no_memory_between_calls(model):
    batch = random_batch([5, 3])
    first = run(model, **batch).mixed_state
    run(model, **random_batch([9], seed=7))
    assert torch.equal(first, run(model, **batch).mixed_state)


def test_holes_in_the_mask_are_padding(model):
    batch = random_batch([5])
    whole = run(model, char_ids=batch["char_ids"][:, [0, 2, 4]])
    batch["attention_mask"] = torch.tensor([[1, 0, 1, 0, 1]])
    holed = run(model, **batch)
    assert largest_difference(holed.mixed_state[:, [0, 2, 4]], whole.mixed_state) <= INVARIANT
    assert not holed.mixed_state[:, [1, 3]].any()


def test_mask_defaults_to_words_with_characters(model):
    batch = random_batch([4, 2])
    assert torch.equal(run(model, **batch).mixed_state, run(model, char_ids=batch["char_ids"]).mixed_state)


def test_empty_sentences_and_empty_batches(model):
    batch = random_batch([3, 0])
    output = run(model, **batch)
    assert not output.mixed_state[1].any() and not output.state[1][:, 1].any()
    assert run(model, char_ids=torch.zeros(2, 0, 50, dtype=torch.long)).mixed_state.shape == (2, 0, 24)


def test_long_documents_are_exact_in_parts(model):
    """With the state passed on, the forward half of the layers of a text in parts equals the whole text's."""
    char_ids = random_batch([700])["char_ids"]
    whole = run(model, char_ids=char_ids)
    state, parts = None, []
    for part in char_ids.split(97, dim=1):
        output = run(model, char_ids=part, state=state)
        state = tuple(value.clone() for value in output.state)
        state[0][..., 12:] = 0  # the backward direction of a later part cannot come from an earlier one
        state[1][..., 20:] = 0
        parts.append(output.hidden_states[1][..., :12])
    assert largest_difference(torch.cat(parts, dim=1), whole.hidden_states[1][..., :12]) <= INVARIANT


# --- outputs --------------------------------------------------------------------------------------------------------


def test_output_fields(model):
    batch = random_batch([4, 2])
    output = model(**batch)
    assert output.hidden_states is None and output.state is None and output.mixed_states is None
    assert output.last_hidden_state.shape == output.mixed_state.shape == (2, 4, 24)
    output = run(model, **batch)
    assert len(output.hidden_states) == 3
    assert torch.equal(output.hidden_states[0][..., :12], output.hidden_states[0][..., 12:])
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    assert output.state[0].shape == (2, 2, 24) and output.state[1].shape == (2, 2, 40)
    with torch.no_grad():
        as_tuple = model(**batch, return_dict=False)
    assert torch.equal(as_tuple[0], output.last_hidden_state) and torch.equal(as_tuple[1], output.mixed_state)


def test_untrained_mix_is_the_mean():
    model = ElmoModel(tiny_config()).eval()
    output = run(model, **random_batch([4, 2]))
    mean = torch.stack(output.hidden_states).mean(dim=0)
    assert largest_difference(output.mixed_state, mean) <= INVARIANT
    assert torch.equal(model.scalar_mix.normalized_weights(), torch.full((3,), 1 / 3))


def test_scalar_mix_refuses_another_number_of_layers():
    with pytest.raises(ValueError, match="got 2 layers to mix, the mix has 3 weights"):
        ScalarMix(3)([torch.zeros(1, 1, 4)] * 2, torch.ones(1, 1, dtype=torch.bool))


def test_word_vectors_may_come_ready_made(model):
    batch = random_batch([4, 2])
    with torch.no_grad():
        words = model.char_cnn(batch["char_ids"])
    from_chars = run(model, **batch)
    from_words = run(model, inputs_embeds=words, attention_mask=batch["attention_mask"])
    assert torch.equal(from_words.mixed_state, from_chars.mixed_state)
    without_mask = run(model, inputs_embeds=words[:1])
    assert largest_difference(without_mask.mixed_state[0], from_chars.mixed_state[0]) <= INVARIANT


def test_whatever_stands_at_padding_of_ready_made_vectors_is_ignored(model):
    words, mask = torch.randn(1, 3, 12), torch.tensor([[1, 1, 0]])
    expected = run(model, inputs_embeds=words, attention_mask=mask).mixed_state
    words[0, 2] = float("nan")
    assert torch.equal(run(model, inputs_embeds=words, attention_mask=mask).mixed_state, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_layer_norm_over_many_words_and_over_none(dtype):
    """The count of numbers, 80 words times 1024, is beyond float16."""
    layers, mask = torch.randn(3, 1, 80, 1024), torch.ones(1, 80, dtype=torch.bool)
    mix = ScalarMix(3, do_layer_norm=True)
    expected = mix(layers, mask)
    assert (
        largest_difference(mix.to(dtype)(layers.to(dtype), mask).float(), expected) <= TOLERANCES["dtype", "float16"]
    )
    assert not mix(layers.to(dtype), torch.zeros_like(mask)).any()


def test_state_of_another_precision_is_taken(model):
    batch = random_batch([4, 2])
    state = run(model, **batch).state
    expected = run(model, **batch, state=state).mixed_state
    wider = run(model, **batch, state=tuple(part.double() for part in state)).mixed_state
    assert torch.equal(wider, expected)


def test_characters_flattened_by_a_collator_are_put_back(model):
    batch = random_batch([3, 3])
    flat = {"input_ids": torch.full((2, 3), 3), "char_ids": batch["char_ids"].reshape(2, -1)}
    assert torch.equal(run(model, **flat).mixed_state, run(model, **batch).mixed_state)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32])
def test_characters_may_be_stored_in_fewer_bytes(model, dtype):
    batch = random_batch([3, 2])
    expected = run(model, **batch).mixed_state
    assert torch.equal(run(model, **{**batch, "char_ids": batch["char_ids"].to(dtype)}).mixed_state, expected)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"input_ids": torch.ones(1, 2, dtype=torch.long)}, "input_ids alone do not tell a word's characters"),
        ({}, "needs either char_ids or inputs_embeds; neither came"),
        (
            {"char_ids": torch.ones(1, 2, 50, dtype=torch.long), "inputs_embeds": torch.ones(1, 2, 12)},
            "needs either char_ids or inputs_embeds; both came",
        ),
        ({"char_ids": torch.ones(1, 2, 40, dtype=torch.long)}, r"char_ids has shape \(1, 2, 40\)"),
        ({"char_ids": torch.ones(2, 50, dtype=torch.long)}, r"char_ids has shape \(2, 50\)"),
        ({"char_ids": torch.ones(1, 2, 50)}, "char_ids has dtype torch.float32; needed are integers"),
        (
            {"char_ids": torch.ones(1, 2, 50, dtype=torch.long), "attention_mask": torch.ones(1, 3)},
            r"attention_mask has shape \(1, 3\); needed is \(1, 2\)",
        ),
        ({"inputs_embeds": torch.ones(1, 2, 24)}, r"inputs_embeds has shape \(1, 2, 24\)"),
        (
            {"inputs_embeds": torch.ones(1, 2, 12), "state": (torch.zeros(2, 1, 12), torch.zeros(2, 1, 20))},
            r"state has shapes .* needed are h \(2, 1, 24\) and c \(2, 1, 40\)",
        ),
    ],
)
def test_wrong_inputs_are_refused(model, inputs, message):
    with pytest.raises(ValueError, match=message):
        model(**inputs)


# --- training, dtypes, devices, saving ------------------------------------------------------------------------------


def test_every_parameter_gets_a_gradient_and_checkpointing_gives_the_same():
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model(num_scalar_mixes=2).train()
        if checkpointing:
            enable_checkpointing(model)
        output = model(**random_batch([5, 3]))
        sum(mixed.square().sum() for mixed in output.mixed_states).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None and gradient.abs().sum() > 0, name
        assert largest_difference(gradients[1][name], gradient) <= TOLERANCES["parity", "float32"], name
    assert not gradients[0]["char_cnn.char_embeddings.weight"][0].any()


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_keeps_the_gradient_of_the_state(reentrant):
    batch = random_batch([4, 2])
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model().train()
        if checkpointing:
            enable_checkpointing(model, {"use_reentrant": reentrant})
        torch.manual_seed(0)
        state = tuple(torch.randn(2, 2, size).requires_grad_() for size in (24, 40))
        output = model(**batch, state=state, output_state=True)
        (output.mixed_state.square().sum() + output.state[1].sum()).backward()
        gradients.append([*(part.grad for part in state), *(parameter.grad for parameter in model.parameters())])
    for got, expected in zip(*gradients, strict=True):
        assert largest_difference(got, expected) <= TOLERANCES["parity", "float32"]


@pytest.mark.parametrize("backend", ["packed", "reference"])
def test_autocast(model, backend):
    """What `Trainer(bf16=True)` uses."""
    batch = random_batch([6, 3])
    expected = run(model, **batch).mixed_state
    other = tiny_model(lstm_backend=backend)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = run(other, **batch)
        assert largest_difference(output.mixed_state.float(), expected) <= TOLERANCES["dtype", "bfloat16"]
        again = run(other, **batch, state=output.state).mixed_state
        assert torch.isfinite(again).all()
        other.train()(**batch).mixed_state.float().square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in other.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("backend", ["packed", "reference"])
def test_dtypes(model, dtype, backend):
    batch = random_batch([6, 3])
    expected = run(model, **batch)
    other = tiny_model(lstm_backend=backend).to(dtype)
    output = run(other, **batch)
    assert output.mixed_state.dtype == output.last_hidden_state.dtype == output.state[1].dtype == dtype
    name = "float32" if dtype == torch.float64 else str(dtype).removeprefix("torch.")
    limit = TOLERANCES["parity" if dtype == torch.float64 else "dtype", name]
    assert largest_difference(output.mixed_state.float(), expected.mixed_state) <= limit


def test_saved_and_loaded_tensors_are_equal(tmp_path):
    model = tiny_model(num_scalar_mixes=2, scale=0.7)
    model.save_pretrained(tmp_path)
    loaded, info = ElmoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert list(loaded.state_dict()) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    batch = random_batch([5, 2])
    assert torch.equal(run(loaded, **batch).mixed_state, run(model, **batch).mixed_state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_saved_dtype_is_kept_or_chosen(tmp_path, dtype):
    tiny_model().to(dtype).save_pretrained(tmp_path)
    assert ElmoModel.from_pretrained(tmp_path).dtype == dtype
    assert ElmoModel.from_pretrained(tmp_path, dtype=torch.float32).dtype == torch.float32


def test_device_map_auto_and_meta_loading(tmp_path):
    pytest.importorskip("accelerate")
    model = tiny_model()
    model.save_pretrained(tmp_path)
    batch = random_batch([4, 2])
    for settings in ({"device_map": "auto"}, {"device_map": "cpu"}, {"low_cpu_mem_usage": True}):
        loaded = ElmoModel.from_pretrained(tmp_path, **settings)
        assert all(parameter.device.type == "cpu" for parameter in loaded.parameters())
        assert torch.equal(run(loaded, **batch).mixed_state, run(model, **batch).mixed_state)


def test_layers_on_another_device_than_the_rest(tmp_path):
    """Offloading moves inputs between devices as several GPUs would; meta stands for the second device."""
    accelerate = pytest.importorskip("accelerate")
    model = tiny_model()
    batch = random_batch([4, 2])
    expected = run(model, **batch).mixed_state
    accelerate.disk_offload(model, str(tmp_path), execution_device="cpu")
    assert torch.equal(run(model, **batch).mixed_state, expected)


def test_state_of_layers_on_two_devices_comes_back_together():
    """The second layer and all behind it on meta, which stands for a second accelerator."""
    hooks = pytest.importorskip("accelerate.hooks")
    model = tiny_model(lstm_backend="reference")  # "packed" reads the lengths, which meta cannot give
    for part in (model.layers[1], model.scalar_mix):
        part.to("meta")
        hooks.add_hook_to_module(part, hooks.AlignDevicesHook(execution_device="meta"))
    state = model(**random_batch([3]), output_state=True).state
    assert state[0].device == state[1].device


def test_resizing_the_vocabulary_leaves_the_characters(model):
    """Scripts call resize_token_embeddings(len(tokenizer)); the alphabet of bytes does not follow the words."""
    model = tiny_model()
    batch = random_batch([3])
    expected = run(model, **batch).mixed_state
    assert model.resize_token_embeddings(300) is model.get_input_embeddings()
    assert model.get_input_embeddings().num_embeddings == 262
    assert model.config.vocab_size == 300 and model.config.num_characters == 262
    model.resize_token_embeddings(300, pad_to_multiple_of=64)
    assert model.config.vocab_size == 320
    assert torch.equal(run(model, **batch).mixed_state, expected)


def test_missing_weights_are_initialised_and_loaded_ones_are_spared(tmp_path):
    """A checkpoint without its mix (as other exporters write) must not lose anything else."""
    from safetensors.torch import load_file, save_file

    model = tiny_model()
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    for name in ("scalar_mix.gamma", "layers.0.forward_direction.bias", "char_cnn.highways.0.bias"):
        del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    loaded, info = ElmoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert len(info["missing_keys"]) == 3
    assert torch.equal(loaded.scalar_mix.gamma, torch.ones(1))
    assert not loaded.layers[0].forward_direction.bias.any()
    assert torch.equal(loaded.char_cnn.highways[0].bias, torch.tensor([0.0] * 18 + [2.0] * 18))
    for name, tensor in tensors.items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_initial_values_are_those_of_bilm_tf():
    model = ElmoModel(tiny_config(cell_size=64, projection_size=32, char_activation="tanh"))
    embeddings = model.char_cnn.char_embeddings.weight
    assert not embeddings[0].any() and 0.9 < embeddings.max() <= 1 and -1 <= embeddings.min() < -0.9
    lstm = model.layers[0].forward_direction
    bound = (6 / (2 * 32 + 4 * 64)) ** 0.5
    for weight in (lstm.weight_ih, lstm.weight_hh):
        assert 0.98 * bound < weight.abs().max() <= bound
    assert not lstm.bias.any()
    assert model.char_cnn.convolutions[2].weight.std().item() == pytest.approx((3 * 5) ** -0.5, rel=0.2)
    relu = ElmoModel(tiny_config()).char_cnn.convolutions[2].weight
    assert 0.045 < relu.abs().max() <= 0.05


def test_long_batches_are_encoded_in_passes(monkeypatch):
    from hf_elmo.modeling import modeling_elmo

    char_cnn = modeling_elmo.CharCnn
    model = tiny_model()
    batch = random_batch([40, 30])
    expected = run(model, **batch).mixed_state
    monkeypatch.setitem(char_cnn.forward.__globals__, "WORDS_PER_PASS", 16)
    assert largest_difference(run(model, **batch).mixed_state, expected) <= INVARIANT


def test_all_orders_of_a_batch_give_the_same_rows(model):
    batch = random_batch([1, 4, 2, 3])
    expected = run(model, **batch).mixed_state
    for order in itertools.permutations(range(4)):
        rows = list(order)
        got = run(model, **{name: tensor[rows] for name, tensor in batch.items()}).mixed_state
        assert largest_difference(got, expected[rows]) <= INVARIANT
