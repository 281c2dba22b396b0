# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The benchmark of the training step: gradients are compared before anything is timed."""

import json

import pytest
import torch

from hf_elmo import benchmark
from hf_elmo.benchmark import training
from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent

TINY_RUN = ["training", "--sizes", "tiny", "--runs", "2", "--sentences", "4"]


def test_training_steps_are_measured(tiny, tmp_path, capsys):
    path = tmp_path / "result.json"
    assert benchmark.main([*TINY_RUN, "--batch-sizes", "2", "4", "--output", str(path)]) == 0
    result = json.loads(path.read_text())
    assert list(result["metrics"]) == ["training, tiny, batch 2", "training, tiny, batch 4"]
    for cell in result["metrics"].values():
        assert list(cell["sides"]) == ["allennlp-equivalent", "ours"] and cell["ratios"] == {}
        assert 0 < cell["sides"]["ours"]["check"]["largest_difference"] <= training.TOLERANCE
        assert cell["sides"]["ours"]["ratio"]["median"] > 0
    assert "training, tiny, batch 4: " in capsys.readouterr().out


@pytest.mark.parametrize("parameter", ["char_cnn.char_embeddings.weight", "layers.1.backward_direction.bias"])
def test_wrong_gradients_are_not_measured(parameter, tiny, monkeypatch, capsys):
    right = AllenNlpEquivalent.__init__

    def wrong(self, model):
        right(self, model)
        dict(self.named_parameters())[parameter].register_hook(lambda gradient: gradient * 1.001)

    monkeypatch.setattr(AllenNlpEquivalent, "__init__", wrong)
    assert benchmark.main([*TINY_RUN, "--batch-sizes", "2"]) == 1
    message = "error: ours: gradients differ from the baseline's by 1.0e-03 of their size, allowed are 1e-04"
    assert message in capsys.readouterr().err


def test_a_parameter_without_gradient_is_an_error(tiny, monkeypatch, capsys):
    monkeypatch.setattr(
        training.workloads, "build_model", _frozen(training.workloads.build_model, "scalar_mix.scalar_parameters")
    )
    assert benchmark.main([*TINY_RUN, "--batch-sizes", "2"]) == 1
    assert "ours gives no gradient for scalar_mix.scalar_parameters" in capsys.readouterr().err


def _frozen(build, name):
    def build_frozen(sizes, seed):
        model = build(sizes, seed)
        dict(model.named_parameters())[name].requires_grad_(False)
        return model

    return build_frozen


def test_every_run_starts_without_gradients(tiny, monkeypatch):
    seen = []
    right = training.Trainee.step

    def look(self, batches, weights):
        seen.append(all(parameter.grad is None for parameter in self.module.parameters()))
        return right(self, batches, weights)

    monkeypatch.setattr(training.Trainee, "step", look)
    assert benchmark.main([*TINY_RUN, "--batch-sizes", "4"]) == 0
    assert seen == [True] * 8  # both sides: the check, the warm-up, two runs


def test_an_interruption_keeps_what_was_measured(tiny, monkeypatch, tmp_path, capsys):
    right = training.measure

    def stop_at_second(cell, *args):
        if cell.batch_size == 4:
            raise KeyboardInterrupt
        right(cell, *args)

    arguments = [*TINY_RUN, "--batch-sizes", "2", "4", "--output", str(tmp_path / "result.json")]
    monkeypatch.setattr(training, "measure", stop_at_second)
    assert benchmark.main(arguments) == 130
    monkeypatch.setattr(training, "measure", right)
    assert benchmark.main([*arguments, "--resume"]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["run"]["complete"] and len(result["metrics"]) == 2
    assert torch.is_grad_enabled()
