# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Compiled and exported models give the same numbers for every batch size and length."""

import pytest
import torch
from elmo_builders import largest_difference, random_batch, tiny_model
from tolerances import TOLERANCES

COMPILED = TOLERANCES["compiled", "float32"]
# (lengths, padding side): another batch size, length, side, a single word, an empty sentence
SHAPES = [
    ([5, 2, 3], "right"),
    ([9, 4], "left"),
    ([7, 7, 1, 2], "right"),
    ([1], "right"),
    ([0, 30, 3, 11, 30], "left"),
]


def inputs_of(lengths, side) -> dict:
    batch = random_batch(lengths, side=side)
    return {"input_ids": batch["attention_mask"] * 3, **batch}


def check(run, model) -> None:
    for lengths, side in SHAPES:
        inputs = inputs_of(lengths, side)
        with torch.no_grad():
            got, expected = run(**inputs), model(**inputs)
        assert largest_difference(got.mixed_state, expected.mixed_state) <= COMPILED
        assert largest_difference(got.last_hidden_state, expected.last_hidden_state) <= COMPILED


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.slow
def test_exported_program_takes_any_batch_and_length():
    model = tiny_model(num_hidden_layers=1)
    inputs = inputs_of([5, 3, 4], "right")
    axes = {0: torch.export.Dim("sentences"), 1: torch.export.Dim("words")}
    program = torch.export.export(model, (), kwargs=inputs, dynamic_shapes=dict.fromkeys(inputs, axes))
    check(program.module(), model)


@pytest.mark.slow
def test_exported_program_survives_saving(tmp_path):
    model = tiny_model(num_hidden_layers=1)
    inputs = inputs_of([5, 3], "right")
    axes = {0: torch.export.Dim("sentences"), 1: torch.export.Dim("words")}
    torch.export.save(
        torch.export.export(model, (), kwargs=inputs, dynamic_shapes=dict.fromkeys(inputs, axes)),
        tmp_path / "elmo.pt2",
    )
    check(torch.export.load(tmp_path / "elmo.pt2").module(), model)


@pytest.mark.extended
@pytest.mark.slow
def test_compiled_with_the_loop_outside_of_the_graph():
    """aot_eager traces as inductor does and leaves the code generation out, which costs a minute."""
    model = tiny_model(num_hidden_layers=1)
    check(torch.compile(model, backend="aot_eager"), model)


def test_auto_is_not_for_one_graph():
    with pytest.raises(torch._dynamo.exc.Unsupported, match="lstm_backend"):
        torch.compile(tiny_model(), fullgraph=True, backend="eager")(**inputs_of([3], "right"))


@pytest.mark.slow
def test_exported_with_state_in_and_out():
    model = tiny_model()
    state = (torch.randn(2, 3, 24), torch.randn(2, 3, 40))
    inputs = {**inputs_of([5, 3, 4], "right"), "state": state, "output_state": True}
    sentences, words = torch.export.Dim("sentences"), torch.export.Dim("words")
    axes = dict.fromkeys(["input_ids", "char_ids", "attention_mask"], {0: sentences, 1: words})
    axes |= {"state": ({1: sentences}, {1: sentences}), "output_state": None}
    program = torch.export.export(model, (), kwargs=inputs, dynamic_shapes=axes).module()
    other = {**inputs_of([7, 2], "left"), "state": tuple(part[:, :2] for part in state), "output_state": True}
    with torch.no_grad():
        got, expected = program(**other), model(**other)
    assert largest_difference(got.mixed_state, expected.mixed_state) <= COMPILED
    assert largest_difference(got.state[1], expected.state[1]) <= COMPILED


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"dynamic": True}], ids=["default", "dynamic"])
def test_compiled_by_default(settings):
    model = tiny_model()
    check(torch.compile(model, **settings), model)


@pytest.mark.extended
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_in_one_graph(backend):
    model = tiny_model(lstm_backend="scan")
    check(torch.compile(model, fullgraph=True, dynamic=True, backend=backend), model)


@pytest.mark.extended
@pytest.mark.slow
def test_compiled_training_gives_the_same_gradients():
    model, inputs = tiny_model().train(), inputs_of([5, 2], "right")
    model(**inputs).mixed_state.square().sum().backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    torch.compile(model)(**inputs).mixed_state.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert largest_difference(parameter.grad, expected[name]) <= COMPILED * max(1, expected[name].abs().max()), (
            name
        )
