# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Whole models on a GPU against the definition in float64 on the processor: vectors, states, losses and gradients.

The kernels alone are tested in test_lstm_triton.py, the losses over a large vocabulary in test_sampled_softmax.py.
"""

import copy

import pytest
import torch
from elmo_builders import random_batch
from language_models import SENTENCES, lanes_of, tiny_language_model, with_labels
from tolerances import TOLERANCES

from hf_elmo.benchmark import workloads
from hf_elmo.benchmark.gpu_sides import precision
from hf_elmo.modeling import bidirectional_lstm
from hf_elmo.modeling.lstm_projection import LstmProjection

DEVICE = "cuda"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")]

CHARACTERS = {"char_embedding_size": 16, "char_filters": [[1, 8], [2, 16], [3, 40]], "num_highway_layers": 1}
RAGGED = [9, 9, 7, 4, 4, 1, 1]
# name -> D, M, lengths of the sentences, their order being any
SIZES = {
    "one to train from scratch": (128, 896, [4, 9, 1, 7, 9, 1, 4]),
    "original": (512, 4096, [3, 5, 1]),
    "odd": (13, 37, RAGGED),
    "one word": (24, 40, [1]),
    "many sentences": (32, 64, [5] * 70 + [2] * 60 + [1] * 20),
}


@pytest.fixture(autouse=True)
def products_of_float32_are_exact():
    pytest.importorskip("triton", reason="Triton is not installed")
    with precision("float32"):
        yield


def build(size: int, cell_size: int, backend: str = "triton", **settings):
    """A float32 model on the processor with weights as large as trained ones'."""
    shape = {"projection_size": size, "cell_size": cell_size, "num_hidden_layers": 2}
    return workloads.build_model({**CHARACTERS, **shape, "lstm_backend": backend, **settings}, seed=1)


def definition_of(model):
    """The same weights in float64 on the processor, word after word."""
    exact = copy.deepcopy(model).cpu().double()
    for module in exact.modules():
        if isinstance(module, LstmProjection):
            module.backend = "reference"
    return exact


def on(device: str, batch: dict) -> dict:
    return {name: tensor.to(device) for name, tensor in batch.items()}


def vectors_of(model, batch: dict) -> dict[str, torch.Tensor]:
    output = model(**batch, output_state=True)
    return {"top": output.last_hidden_state, "mix": output.mixed_state, "h": output.state[0], "c": output.state[1]}


def with_gradients(model, batch: dict, kind: torch.dtype | None = None) -> tuple[dict, dict]:
    """Vectors and states, and the gradient of every parameter of a sum over all of them with weights of both signs."""
    for parameter in model.parameters():
        parameter.grad = None
    with torch.autocast(DEVICE, kind, enabled=kind is not None):
        vectors = vectors_of(model, batch)
    loss = 0
    for number, vector in enumerate(vectors.values()):
        weights = torch.cos(torch.arange(vector.numel(), dtype=torch.float64) * 1.7 + number).view(vector.shape)
        loss = loss + (vector.double() * weights.to(vector.device)).sum()
    loss.backward()
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    return vectors, gradients


def assert_near(got: dict, right: dict, tolerance: float, what: str) -> None:
    """‖got - right‖ / ‖right‖ of every tensor; the gradient of a tensor that is nearly zero is held against 1e-3."""
    assert list(got) == list(right) and right
    errors = {
        name: float((got[name].detach().cpu().double() - one.detach()).norm() / one.detach().norm().clamp(min=1e-3))
        for name, one in right.items()
    }
    worst = max(errors, key=lambda name: (errors[name] != errors[name], errors[name]))
    print(f"\n{what}: largest relative error {errors[worst]:.1e} ({worst}), allowed {tolerance:.0e}")
    assert errors[worst] <= tolerance, f"{what}, {worst}: {errors[worst]:.1e}"


@pytest.mark.parametrize("backend", ["triton", "auto"])
@pytest.mark.parametrize("case", SIZES)
def test_float32_equals_the_definition(case, backend):
    size, cell_size, lengths = SIZES[case]
    model, batch = build(size, cell_size, backend), random_batch(lengths)
    right, right_gradients = with_gradients(definition_of(model), batch)
    got, gradients = with_gradients(model.to(DEVICE), on(DEVICE, batch))
    assert len(gradients) == len(list(model.parameters()))
    assert_near(got, right, TOLERANCES["gpu_relative", "float32"], f"{case}, {backend}")
    assert_near(gradients, right_gradients, TOLERANCES["gpu_gradient_relative", "float32"], "gradients")
    with torch.no_grad():
        assert_near(vectors_of(model, on(DEVICE, batch)), right, TOLERANCES["gpu_relative", "float32"], "no gradient")


def test_auto_takes_the_kernels_for_every_layer(monkeypatch):
    calls, right = [], bidirectional_lstm.triton_steps
    monkeypatch.setattr(bidirectional_lstm, "triton_steps", lambda *x: calls.append(1) or right(*x))
    build(24, 40, "auto").to(DEVICE)(**on(DEVICE, random_batch([3, 1])))
    assert len(calls) == 2


@pytest.mark.parametrize(
    "cell_clip, proj_clip",
    [(0.4, 0.25), (0.4, None), (None, 0.25), (None, None)],
    ids=["both", "cell", "output", "no"],
)
def test_clips_act_as_in_the_definition(cell_clip, proj_clip):
    model = build(128, 896, cell_clip=cell_clip, proj_clip=proj_clip)
    free, batch = build(128, 896, cell_clip=None, proj_clip=None), random_batch(RAGGED)
    with torch.no_grad():
        difference = float(
            (vectors_of(definition_of(free), batch)["h"] - vectors_of(definition_of(model), batch)["h"]).norm()
        )
    assert (difference > 0.1) == (cell_clip is not None or proj_clip is not None)
    right, right_gradients = with_gradients(definition_of(model), batch)
    got, gradients = with_gradients(model.to(DEVICE), on(DEVICE, batch))
    assert_near(got, right, TOLERANCES["gpu_relative", "float32"], "clips")
    assert_near(gradients, right_gradients, TOLERANCES["gpu_clipped_gradient_relative", "float32"], "gradients")


def test_without_projection_it_equals_the_definition():
    model, batch = build(96, 96, use_lstm_projection=False), random_batch(RAGGED, side="left")
    right, right_gradients = with_gradients(definition_of(model), batch)
    got, gradients = with_gradients(model.to(DEVICE), on(DEVICE, batch))
    assert_near(got, right, TOLERANCES["gpu_relative", "float32"], "no projection")
    assert_near(gradients, right_gradients, TOLERANCES["gpu_gradient_relative", "float32"], "gradients")


@pytest.mark.parametrize("weights", ["float32 under autocast", "bfloat16"])
@pytest.mark.parametrize("case", ["one to train from scratch", "original", "many sentences"])
def test_bfloat16_is_near_the_definition(case, weights):
    """From word vectors: among windows of characters nearly alike, bfloat16 finds another one the strongest."""
    size, cell_size, lengths = SIZES[case]
    model = build(
        size, cell_size, cell_clip=None, proj_clip=None
    )  # a rounding over a bound changes a gradient by a jump
    for part in (model.char_cnn, model.scalar_mix):
        part.requires_grad_(False)
    mask = random_batch(lengths)["attention_mask"]
    batch = {"inputs_embeds": torch.randn(*mask.shape, size), "attention_mask": mask}
    right, right_gradients = with_gradients(definition_of(model), batch)
    model.to(DEVICE, torch.bfloat16 if weights == "bfloat16" else torch.float32)
    kind = None if weights == "bfloat16" else torch.bfloat16
    got, gradients = with_gradients(model, on(DEVICE, batch), kind)
    assert got["top"].dtype == torch.bfloat16
    assert_near(got, right, TOLERANCES["gpu_relative", "bfloat16"], f"{case}, {weights}")
    assert_near(gradients, right_gradients, TOLERANCES["gpu_gradient_relative", "bfloat16"], "gradients")


@pytest.mark.parametrize("kind", [None, torch.bfloat16], ids=["float32", "autocast"])
def test_equal_inputs_give_equal_bits(kind):
    model = build(128, 896).to(DEVICE)
    mask = random_batch(RAGGED)["attention_mask"]
    batch = on(DEVICE, {"inputs_embeds": torch.randn(*mask.shape, 128), "attention_mask": mask})
    runs = [with_gradients(model, batch, kind) for _ in range(3)]
    for vectors, gradients in runs[1:]:
        for got, first in ((vectors, runs[0][0]), (gradients, runs[0][1])):
            for name in first:  # the sums of the two mix weights run over all words, by a kernel of torch's own
                assert name.startswith("scalar_mix") or torch.equal(got[name], first[name]), name


def test_a_sentence_gets_the_same_vectors_in_any_company():
    model, batch = build(128, 896).to(DEVICE), on(DEVICE, random_batch(RAGGED))
    with torch.no_grad():
        together = model(**batch).mixed_state
        for row, length in enumerate(RAGGED):
            alone = model(**{name: tensor[row : row + 1, :length] for name, tensor in batch.items()}).mixed_state
            difference = (together[row, :length] - alone[0]).abs().max()
            assert float(difference) <= TOLERANCES["batch_invariance", "float32"]


@pytest.mark.parametrize("trained", [True, False], ids=["with gradient", "without"])
def test_the_character_encoder_equals_itself_on_the_processor(trained):
    encoder = build(128, 896).char_cnn.requires_grad_(trained)
    exact, char_ids = copy.deepcopy(encoder).double(), random_batch(RAGGED, seed=3)["char_ids"]
    right, got = exact(char_ids), encoder.to(DEVICE)(char_ids.to(DEVICE))
    assert_near({"words": got}, {"words": right}, TOLERANCES["gpu_relative", "float32"], "words")
    if trained:
        weights = torch.cos(torch.arange(right.numel(), dtype=torch.float64) * 1.7).view(right.shape)
        for words in (right, got):
            (words.double() * weights.to(words.device)).sum().backward()
        pairs = [{name: one.grad for name, one in module.named_parameters()} for module in (encoder, exact)]
        assert_near(*pairs, TOLERANCES["gpu_gradient_relative", "float32"], "gradients")


def losses_and_gradients(model, batch: dict, **settings) -> tuple[dict, dict]:
    for parameter in model.parameters():
        parameter.grad = None
    output = model(**batch, output_state=True, **settings)
    output.objective.backward()
    dense = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    dense = {name: one.to_dense() if one.is_sparse else one for name, one in dense.items()}
    return {"loss": output.objective, "h": output.state[0], "c": output.state[1]}, dense


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # of torch itself, by its version
@pytest.mark.parametrize("sampled", [False, "dense", "sparse"])
@pytest.mark.parametrize("form", ["sentences", "lanes"])
def test_pretraining_equals_the_definition(form, sampled):
    model = tiny_language_model(dtype=torch.float32, lstm_backend="triton")
    exact = definition_of(model)
    lanes = [SENTENCES[:3], [SENTENCES[2], SENTENCES[1], SENTENCES[0]]]
    batch = lanes_of(*lanes) if form == "lanes" else with_labels(SENTENCES)
    state = [torch.randn(2, len(next(iter(batch.values()))), 2 * width) * 0.3 for width in (12, 20)]

    def settings(device: str, dtype: torch.dtype) -> dict:
        chosen: dict = {"state": tuple(part.to(device, dtype) for part in state)}
        if sampled:  # drawn on the processor: the same words for both
            generator = torch.Generator().manual_seed(5)
            chosen |= {"num_sampled": 6, "sparse_gradient": sampled == "sparse", "generator": generator}
        return chosen

    right, right_gradients = losses_and_gradients(exact, batch, **settings("cpu", torch.float64))
    got, gradients = losses_and_gradients(model.to(DEVICE), on(DEVICE, batch), **settings(DEVICE, torch.float32))
    assert_near(got, right, TOLERANCES["gpu_relative", "float32"], f"{form}, {sampled}")
    assert_near(gradients, right_gradients, TOLERANCES["gpu_gradient_relative", "float32"], "gradients")
