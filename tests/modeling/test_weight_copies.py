# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Other forms of weights: made once, made anew after every way of changing a weight, and nobody's luggage."""

import copy
import io
import pickle
import weakref

import pytest
import torch
from elmo_builders import random_batch, tiny_model
from torch import nn

from hf_elmo.modeling.weight_copies import WeightCopies, transposed


def step(module):
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD(module.parameters(), lr=0.25).step()


def write_into_data(module):
    for parameter in module.parameters():
        parameter.data.copy_(parameter.detach() + 1)


def replace(module):
    for name, parameter in list(module.named_parameters(recurse=False)):
        setattr(module, name, nn.Parameter(parameter.detach() + 1))


def replace_data(module):
    for parameter in module.parameters():
        parameter.data = parameter.detach() + 1


def add_in_place(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)


CHANGES = {
    "optimizer step": step,
    "load_state_dict": lambda module: module.load_state_dict({k: v + 1 for k, v in module.state_dict().items()}),
    "load_state_dict(assign=True)": lambda module: module.load_state_dict(
        {k: v + 1 for k, v in module.state_dict().items()}, assign=True
    ),
    "to(dtype)": lambda module: module.to(torch.bfloat16),
    "write into data": write_into_data,
    "in place": add_in_place,
    "new parameter": replace,
    "new data": replace_data,
}


class Counted:
    """A weight's copy through `WeightCopies`, and how often it was made."""

    def __init__(self, module: nn.Module):
        self.module, self.copies, self.count = module, WeightCopies(), 0

    def get(self) -> list[torch.Tensor]:
        return self.copies.get("both", list(self.module.parameters()), self.make)

    def make(self, *weights):
        self.count += 1
        assert not any(weight.requires_grad for weight in weights)
        return [weight.clone() for weight in weights]

    def check(self) -> None:
        for got, weight in zip(self.get(), self.module.parameters(), strict=True):
            assert got.dtype == weight.dtype and torch.equal(got, weight)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_makes_it_anew(change):
    counted = Counted(nn.Linear(200, 3))
    counted.check()
    change(counted.module)
    counted.check()
    counted.check()
    assert counted.count == 2


@pytest.mark.parametrize("which", ["weight", "bias"])
@pytest.mark.parametrize("element", [0, -1])
def test_one_number_of_a_small_weight_written_through_data_is_seen(which, element):
    counted = Counted(nn.Linear(8, 8))
    counted.check()
    getattr(counted.module, which).data.view(-1)[element] += 1
    counted.check()
    assert counted.count == 2


@pytest.mark.parametrize("change", ["in place", "new parameter", "new data"])
def test_one_number_of_a_large_weight_between_the_samples_is_seen(change):
    """torch counts the first change and gives other memory to the others."""
    counted = Counted(nn.Linear(1000, 1, bias=False))
    counted.check()
    module, changed = counted.module, counted.module.weight.detach().clone()
    changed[0, 1] += 1
    if change == "in place":
        with torch.no_grad():
            module.weight[0, 1] += 1
    elif change == "new parameter":
        module.weight = nn.Parameter(changed)
    else:
        module.weight.data = changed
    counted.check()
    assert counted.count == 2


def test_weights_made_in_inference_mode_are_watched():
    with torch.inference_mode():
        counted = Counted(nn.Linear(200, 3))
        counted.check()
        counted.check()
        assert counted.count == 1
        counted.module.weight.mul_(2)
        counted.check()
    assert counted.count == 2


def test_nothing_else_makes_it_anew():
    counted = Counted(nn.Linear(200, 3))
    first = counted.get()
    counted.module(torch.randn(2, 200)).sum().backward()
    counted.module.zero_grad()
    counted.module.eval().train().requires_grad_(False).float().to("cpu")
    with torch.no_grad():
        assert counted.get() is first
    with torch.inference_mode():
        assert counted.get() is first
    assert counted.count == 1


def test_names_are_kept_apart():
    copies, weight = WeightCopies(), torch.ones(2)
    assert copies.get("one", [weight], lambda x: x + 1).tolist() == [2, 2]
    assert copies.get("two", [weight], lambda x: x + 2).tolist() == [3, 3]
    assert copies.get("one", [weight], lambda x: x + 5).tolist() == [2, 2]


def test_the_old_copy_goes_before_the_new_one_is_made():
    copies, weight, gone = WeightCopies(), torch.ones(2), []
    old = weakref.ref(copies.get("one", [weight], lambda x: x + 1))
    weight += 1
    copies.get("one", [weight], lambda x: gone.append(old() is None))
    assert gone == [True]


def test_transposed_is_contiguous():
    weight = torch.randn(3, 5)
    copies = WeightCopies()
    got = transposed(copies, "weight", weight)
    assert got.is_contiguous() and got.tolist() == [list(column) for column in zip(*weight.tolist(), strict=True)]
    assert transposed(copies, "weight", weight) is got


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.deepcopy,
        lambda x: pickle.loads(pickle.dumps(x)),
        lambda x: torch.load(save(x), weights_only=False),
    ],
    ids=["deepcopy", "pickle", "torch.save"],
)
def test_copies_are_not_carried_along(duplicate):
    counted = Counted(nn.Linear(200, 3))
    counted.check()
    other = duplicate(counted)
    other.check()
    assert (counted.count, other.count) == (1, 2)
    counted.check()
    assert counted.count == 1


def save(thing) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    buffer.seek(0)
    return buffer


# The model


BATCH = random_batch([4, 1, 3])


def built(kind: str, seed: int = 0):
    model = tiny_model(seed, num_hidden_layers=1)
    return model.quantize_int8() if kind == "int8" else model


NEVER_USED = {kind: built(kind) for kind in ("float", "int8")}


def vectors(model) -> list[torch.Tensor]:
    with torch.no_grad():
        output = model(**BATCH, output_state=True)
    return [output.last_hidden_state, output.mixed_state, *output.state]


def as_never_used(model):
    """The same weights in a model that has no copies yet."""
    fresh = copy.deepcopy(NEVER_USED[model.config.weight_format]).to(model.dtype)
    fresh.load_state_dict(model.state_dict())
    return fresh


def check_against_never_used(model) -> None:
    for got, expected in zip(vectors(model), vectors(as_never_used(model)), strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_the_model_follows_each_weight_alone(kind):
    model = built(kind)
    before = vectors(model)
    for name, parameter in model.named_parameters():
        parameter.data.copy_(-parameter.detach() if parameter.dtype == torch.int8 else parameter.detach() * 1.5)
        after = vectors(model)
        assert not all(torch.equal(a, b) for a, b in zip(after, before, strict=True)), name
        check_against_never_used(model)
        before = after


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_float_model_follows_changes_of_all_weights(change):
    model = built("float")
    vectors(model)
    for module in model.modules() if change is replace else [model]:
        change(module)
    check_against_never_used(model)


def replace_all(model, other):
    for module, source in zip(model.modules(), other.modules(), strict=True):
        for name, parameter in list(source.named_parameters(recurse=False)):
            setattr(module, name, parameter)


INT8_CHANGES = {
    "load_state_dict": lambda model, other: model.load_state_dict(other.state_dict()),
    "load_state_dict(assign=True)": lambda model, other: model.load_state_dict(other.state_dict(), assign=True),
    "write into data": lambda model, other: [
        a.data.copy_(b) for a, b in zip(model.parameters(), other.parameters(), strict=True)
    ],
    "new parameter": replace_all,
    "to(dtype)": lambda model, other: model.to(torch.bfloat16),
}


@pytest.mark.parametrize("change", INT8_CHANGES.values(), ids=INT8_CHANGES)
def test_the_int8_model_follows_changes_of_all_weights(change):
    model = built("int8")
    before = vectors(model)
    change(model, built("int8", seed=1))
    assert not torch.equal(vectors(model)[0], before[0])
    check_against_never_used(model)


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_use_adds_nothing_to_what_is_saved_or_copied(kind):
    model = built(kind)
    keys, size = list(model.state_dict()), len(pickle.dumps(model))
    vectors(model)
    assert list(model.state_dict()) == keys and not list(model.buffers())
    assert len(pickle.dumps(model)) == size
    other = copy.deepcopy(model)
    assert len(pickle.dumps(other)) == size
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.neg_()
    check_against_never_used(other)
    check_against_never_used(model)


def test_a_write_that_spares_one_column_is_seen():
    weight = torch.nn.Parameter(torch.randn(128, 64))
    copies = WeightCopies()
    before = transposed(copies, "weight", weight)
    weight.data[:, 1:] = 0  # not counted by torch; evenly spread samples could all stand in the first column
    assert not torch.equal(transposed(copies, "weight", weight), before)
