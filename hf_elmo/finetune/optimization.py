# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Parameters from the head down to the characters, each depth with a learning rate of its own."""

import re
from typing import Any

from torch import nn

# In the base model, yet made for the task: learned with the head, never frozen with the encoder.
HEAD_PARTS = re.compile(r"(^|\.)(pooler|scalar_mix|extra_scalar_mixes)(\.|$)")
LAYER_LISTS = {"layers", "layer", "h", "blocks"}  # what models call the list of their layers
NO_DECAY = re.compile(r"(^|\.)(scalar_mix|extra_scalar_mixes)\.|bias|(^|[._])(layer_?norm|ln|norm)", re.IGNORECASE)

NamedParameters = list[tuple[str, nn.Parameter]]


def parameters_by_depth(model: Any) -> dict[str, NamedParameters]:
    """All parameters of a model with a head, from the top to the bottom.

    Args:
        model: a transformers model; its `base_model` is the encoder.
    Returns:
        "head" (with scalar mixes and pooler), "layer L-1" ... "layer 0", "embeddings" (for ELMo the character CNN) ->
        (name, parameter) pairs. Layers are the entries of the `ModuleList` with `config.num_hidden_layers` entries; a
        model without one (such as ALBERT, whose layers share their weights) has the single depth "layer 0" between
        head and embeddings. Empty depths are left out.
    """
    prefix, stack = _layer_stack(model)
    below = _children_before(model.base_model, stack.removeprefix(prefix))
    count = model.config.num_hidden_layers if stack else 1
    groups: dict[str, NamedParameters] = {"head": []}
    groups |= {f"layer {index}": [] for index in reversed(range(count))} | {"embeddings": []}
    for name, parameter in model.named_parameters():
        inner = name.removeprefix(prefix)
        if not name.startswith(prefix) or HEAD_PARTS.search(inner):
            depth = "head"
        elif stack and name.startswith(stack):
            depth = f"layer {int(name[len(stack) :].split('.')[0])}"
        elif inner.split(".")[0] in below:
            depth = "embeddings"
        else:
            depth = f"layer {count - 1}"  # what stands above all layers, such as a last norm
        groups[depth].append((name, parameter))
    return {depth: group for depth, group in groups.items() if group}


def _layer_stack(model: Any) -> tuple[str, str]:
    """Prefixes of the names of the encoder's parameters and of its layers' ("" without a stack of layers)."""
    base = model.base_model
    prefix = "" if base is model else f"{model.base_model_prefix}."
    for name, module in base.named_modules():
        if isinstance(module, nn.ModuleList) and name.split(".")[-1] in LAYER_LISTS:
            if len(module) == model.config.num_hidden_layers:
                return prefix, f"{prefix}{name}."
    return prefix, ""


def _children_before(base: nn.Module, stack: str) -> set[str]:
    """Names of the base model's parts that come before the one that holds the layers, and of that part itself."""
    names = [name for name, _ in base.named_children()]
    if not stack:
        return {name for name in names if "embedding" in name}
    return set(names[: names.index(stack.split(".")[0]) + 1])


def optimizer_grouped_parameters(
    model: Any,
    learning_rate: float,
    encoder_learning_rate: float | None = None,
    layer_decay: float = 1.0,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimizer, with discriminative learning rates.

    As in ULMFiT (Howard & Ruder 2018, arXiv:1801.06146, section 3.2; they divide by 2.6 from layer to layer): the head
    learns at `learning_rate`, the top layer of the encoder at `encoder_learning_rate`, each layer below at
    `layer_decay` times the rate of the layer above it, and the embeddings, for ELMo the character CNN, at the lowest.

    Args:
        model: an ELMo or BERT-like model with a head.
        learning_rate: of everything outside of the encoder, and of scalar mixes and poolers.
        encoder_learning_rate: of the encoder's top layer; None: `learning_rate`.
        layer_decay: factor from a layer to the one below it, above 0 and at most 1.
        weight_decay: for all but biases, norms and scalar mixes, which have none.
    Returns:
        Groups with "params", "lr", "weight_decay", and "name" to read; the head first. Parameters that need no
        gradient are in none.
    Raises:
        ValueError: a rate is not positive, `layer_decay` out of range, or nothing is to be trained.
    """
    for name, value in (("learning_rate", learning_rate), ("encoder_learning_rate", encoder_learning_rate)):
        if value is not None and not value > 0:
            raise ValueError(
                f"{name} must be a positive number, got {value}; leave out of training with freeze_encoder"
            )
    if not 0 < layer_decay <= 1:
        raise ValueError(
            f"layer_decay must be above 0 and at most 1 (the same rate for all layers), got {layer_decay}"
        )
    groups = []
    rate = learning_rate if encoder_learning_rate is None else encoder_learning_rate
    for depth, named in parameters_by_depth(model).items():
        for decays in (True, False):
            chosen = [p for name, p in named if p.requires_grad and bool(NO_DECAY.search(name)) != decays]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": learning_rate if depth == "head" else rate,
                        "weight_decay": weight_decay if decays else 0.0,
                        "name": depth if decays else f"{depth}, no decay",
                    }
                )
        if depth != "head":
            rate *= layer_decay
    if not groups:
        raise ValueError("no parameter of the model needs a gradient: nothing would be trained")
    return groups


def freeze_encoder(model: Any) -> None:
    """Take the encoder, but not its scalar mix or pooler, out of the training: no gradients."""
    for depth, named in parameters_by_depth(model).items():
        if depth != "head":
            for _, parameter in named:
                parameter.requires_grad_(False)
