# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""bilm-tf's recorded updates, computed again: losses, gradient norms, states, clipping, Adagrad and the weights after."""

import pytest
import torch
from elmo_builders import largest_difference, read_arrays
from language_models import MANIFEST, TRAINING, recorded_model, recorded_tensors
from tolerances import TOLERANCES

UNROLL_STEPS, MAX_NORM = MANIFEST["options"]["unroll_steps"], MANIFEST["options"]["all_clip_norm_val"]
STEPS = read_arrays(TRAINING, "steps")


def recorded_batch(step: int) -> dict[str, torch.Tensor]:
    """Ids of words and of characters are one less in bilm-tf's training: it has no padding."""
    names = {
        "char_ids": "tokens_characters",
        "backward_char_ids": "tokens_characters_reverse",
        "forward_targets": "next_token_id",
        "backward_targets": "next_token_id_reverse",
    }
    return {ours: torch.from_numpy(STEPS[f"step{step}.{theirs}"]).long() + 1 for ours, theirs in names.items()}


def recorded_state(step: int, part: str) -> torch.Tensor:
    """(L, B, both directions), forward half first."""
    layers = [
        [torch.from_numpy(STEPS[f"step{step}.state.{direction}_layer{layer}_{part}"]) for layer in range(2)]
        for direction in ("forward", "backward")
    ]
    return torch.cat([torch.stack(states) for states in layers], dim=-1)


def recorded_adagrad(model) -> torch.optim.Adagrad:
    """torch's Adagrad is bilm-tf's with this start and no epsilon; rows that bilm-tf has not begin with the 1.0."""
    rate = MANIFEST["options"]["learning_rate"]
    optimizer = torch.optim.Adagrad(model.parameters(), lr=rate, initial_accumulator_value=1.0, eps=0)
    # abs: sums of squares do not change their sign with the weights of the highway's gate.
    sums = {name: tensor.abs() for name, tensor in recorded_tensors("adagrad_start").items()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            optimizer.state[parameter]["sum"].copy_(torch.where(sums[name] == 0, 1.0, sums[name]))
    return optimizer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_six_updates_of_bilm_tf(dtype):
    tolerance = TOLERANCES["recorded_training", str(dtype)[6:]]
    model = recorded_model(dtype, lstm_dropout=0.0).train()
    optimizer, state = recorded_adagrad(model), None
    for step in range(MANIFEST["n_steps"]):
        output = model(**recorded_batch(step), state=state, output_state=True)
        state = output.state
        losses = torch.stack([output.forward_loss, output.backward_loss])
        assert largest_difference(losses, STEPS[f"step{step}.losses_forward_backward"]) <= tolerance
        assert largest_difference(output.loss, STEPS[f"step{step}.total_loss"]) <= tolerance
        for part, ours in zip("hc", state, strict=True):
            assert largest_difference(ours, recorded_state(step, part)) <= tolerance

        optimizer.zero_grad()
        (output.loss * UNROLL_STEPS).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        assert largest_difference(norm, STEPS[f"step{step}.grad_global_norm_before_clip"]) <= tolerance
        optimizer.step()
    expected = recorded_tensors("weights_end", "softmax_end")
    before = recorded_tensors("weights_start", "softmax_start")
    assert max(largest_difference(before[name], expected[name]) for name in expected) > 0.1  # they did learn
    for name, parameter in model.named_parameters():
        assert largest_difference(parameter.detach(), expected[name]) <= tolerance, name
