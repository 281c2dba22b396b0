# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The benchmark of the GPU, without one: what it refuses, and that each part runs, on the processor in its place."""

import argparse
import json
from types import SimpleNamespace

import pytest
import torch
from lstm_steps import load

from hf_elmo import benchmark
from hf_elmo.benchmark import gpu, gpu_sides, gpu_tuning, options, workloads

TINY_RUN = ["gpu", "--sizes", "tiny", "--batch-sizes", "3", "--sentences", "6", "--runs", "2"]


@pytest.fixture
def processor(tiny, monkeypatch):
    """The processor stands for the GPU, the loop in torch for the kernels, torch's own LSTM for cuDNN."""
    monkeypatch.setattr(gpu_sides, "BACKEND", "packed")
    for name, side in gpu_sides.SIDES.items():
        if side.implementation == "triton":
            monkeypatch.setitem(gpu_sides.SIDES, name, side._replace(implementation="packed"))
    monkeypatch.setattr(gpu_sides, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "require_gpu", lambda: None)
    monkeypatch.setattr(gpu, "gpu_facts", lambda: {"name": "none"})
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "no GPU")
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    limits = gpu_sides.Limits(dict.fromkeys(("float32", "tf32", "bfloat16", "autocast"), 1e12), 1e11)
    monkeypatch.setattr(gpu_sides, "measure_limits", lambda: limits)
    monkeypatch.setattr(gpu_tuning, "compile_beforehand", lambda cells, every_variant=False: None)
    monkeypatch.setattr(gpu, "LANES", 2)
    monkeypatch.setattr(gpu, "WINDOW", 4)
    monkeypatch.setattr(gpu, "SAMPLED", 20)
    monkeypatch.setattr(gpu, "SOFTMAX_WORDS", 400)


def test_without_a_gpu_it_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main(["gpu"]) == 1
    assert (
        "error: benchmark gpu needs a CUDA device, and torch sees none; on a processor take" in capsys.readouterr().err
    )


def test_without_triton_it_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "package_version", lambda name: None)
    assert benchmark.main(["gpu", "--tune"]) == 1
    assert "the package triton is missing: pip install triton" in capsys.readouterr().err


def test_every_side_has_a_precision_and_a_description():
    assert list(gpu_sides.SIDES) == list(options.GPU_SIDES)
    assert {side.precision for side in gpu_sides.SIDES.values()} == set(gpu_sides.TOLERANCES)
    assert gpu_sides.SIDES["ours-bf16"] == ("triton", "bfloat16")
    assert gpu_sides.SIDES["cudnn"] == ("cudnn", "float32")


def test_all_parts_are_checked_and_measured(processor, tmp_path, capsys):
    path = tmp_path / "result.json"
    sides = ["ours", "ours-bf16", "packed", "cudnn"]
    assert benchmark.main([*TINY_RUN, "--sides", *sides, "--output", str(path)]) == 0
    result = json.loads(path.read_text())
    assert result["run"]["complete"] and result["machine"]["gpu"] == {"name": "none"}
    assert list(result["metrics"]) == [
        "LSTM inference, tiny, batch 3", "LSTM training step, tiny, batch 3", "whole encoder, tiny, batch 3"
    ]  # fmt: skip
    for kind in ("inference", "training step"):
        cell = result["metrics"][f"LSTM {kind}, tiny, batch 3"]
        assert list(cell["sides"]) == sides
        assert list(cell["ratios"]) == ["ours against cuDNN, float32", "Triton against none, float32"]
        assert 0 < cell["sides"]["ours"]["check"]["gradients"] < cell["sides"]["ours-bf16"]["check"]["gradients"]
        assert 0 < cell["sides"]["ours"]["share_of_floor"] < cell["sides"]["ours"]["share_with_weights_at_every_step"]
    out = capsys.readouterr().out
    assert "float32 1 TFLOP/s; tf32 1 TFLOP/s" in out and "whole encoder, tiny, batch 3: " in out


def test_a_step_of_pretraining_is_measured(processor, tmp_path, monkeypatch):
    monkeypatch.setitem(workloads.SIZES, "small", workloads.SIZES["tiny"])
    path = tmp_path / "result.json"
    args = argparse.Namespace(benchmark="gpu", seed=1, runs=2, output=path)
    result = gpu.ResultFile(args)
    gpu.measure_pretraining("small", args, result)
    cell = json.loads(path.read_text())["metrics"]["pretraining step, small, 2 x 4 words"]
    assert cell["words"] == 8 and list(cell["sides"]) == ["sparse gradient", "dense gradient"]
    assert cell["sides"]["sparse gradient"]["words_per_second"] > 0


def test_lanes_are_what_the_two_directions_read(processor):
    lanes = gpu.make_lanes(seed=1)
    sentence = workloads.make_sentences(workloads.make_spellings(1), 8, 1)[4]  # the second lane begins with it
    tokenizer = workloads.ElmoTokenizer(workloads.make_spellings(1), splitting="whitespace")
    ids = tokenizer(sentence, is_split_into_words=True)["input_ids"]
    count = min(4, len(ids) - 1)
    assert lanes["char_ids"].shape == lanes["backward_char_ids"].shape == (2, 4, 50)
    assert lanes["forward_targets"][1, :count].tolist() == ids[1 : 1 + count]
    assert lanes["backward_targets"][1, :count].tolist() == ids[::-1][1 : 1 + count]


@pytest.mark.parametrize("part, message", [("outputs", "vectors"), ("gradients", "gradients")])
def test_a_side_with_wrong_results_is_left_out_and_told(processor, part, message, monkeypatch, tmp_path, capsys):
    right = getattr(gpu_sides.CudnnStage, "padded" if part == "outputs" else part)

    def wrong(self, *arguments):
        results = right(self, *arguments)
        return results * 1.01 if part == "outputs" else [*results[:-1], results[-1] * 1.01]

    monkeypatch.setattr(gpu_sides.CudnnStage, "padded" if part == "outputs" else part, wrong)
    path = tmp_path / "result.json"
    assert benchmark.main([*TINY_RUN, "--sides", "cudnn", "packed", "--output", str(path)]) == 1
    result = json.loads(path.read_text())
    assert list(result["metrics"]["LSTM inference, tiny, batch 3"]["sides"]) == ["packed"]
    assert list(result["data"]["not_measured"]) == ["cudnn, tiny, batch 3"]
    assert f"error: cudnn: {message} differ from the definition by 1.0e-02 of their norm" in capsys.readouterr().err


def test_the_floor_counts_operations_and_bytes():
    config = SimpleNamespace(projection_size=10, cell_size=100, num_hidden_layers=2)
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]], dtype=torch.bool)
    limits = gpu_sides.Limits({"bfloat16": 1e6}, 1e6)
    batch = gpu_sides.Batch(torch.empty(0), mask, torch.empty(0))
    floor = gpu_sides.floor(SimpleNamespace(config=config), [batch], limits, "bfloat16", training=False)
    # 4 words, 3 steps, 2 directions x 2 layers; matrices of 4M x D twice and D x M
    assert floor["operations"] == pytest.approx(4 * 4 * 2 * 9000 / 1e6)
    assert floor["bytes"] == pytest.approx(4 * (9000 + 2 * 4 * 10) * 2 / 1e6)
    assert floor["weights_at_every_step"] == pytest.approx(4 * 3 * 5000 * 2 / 1e6)
    training = gpu_sides.floor(SimpleNamespace(config=config), [batch], limits, "bfloat16", training=True)
    assert training["operations"] == pytest.approx(3 * floor["operations"])


def test_tf32_is_allowed_only_where_it_is_meant():
    for name, allowed in (("float32", False), ("tf32", True), ("bfloat16", False)):
        with gpu_sides.precision(name):
            assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is allowed
            assert (torch.backends.cuda.matmul.fp32_precision == "tf32") is allowed  # what the kernels ask


def fake_passes(arguments, alive):
    plan = gpu_tuning.lstm_triton._Plan("cell", arguments[0], alive[0], arguments[4].shape[2])
    assert plan.constants["num_stages"] > 0
    return [arguments[0].detach()]


def test_tiles_are_tried_and_left_as_they_were(processor, monkeypatch, capsys):
    monkeypatch.setitem(gpu_tuning.SHAPES, "tiny", (12, 20))
    names = (*gpu_tuning.NAMES, "output_gradient")
    monkeypatch.setattr(gpu_tuning, "kernel_micros", lambda *arguments: dict.fromkeys(names, 1.0))
    monkeypatch.setattr(gpu_tuning, "both_passes", fake_passes)
    monkeypatch.setattr(gpu_tuning, "seconds_of_forward", lambda *arguments: 1e-3)
    before = gpu_tuning.lstm_triton.TILES, gpu_tuning.lstm_triton._Plan
    for kind in ("float32", "bfloat16"):
        found = gpu_tuning.tune("tiny", 3, kind)
        assert list(found) == [variant.name for variant in gpu_tuning.variants(kind)]
        assert all(one["wall"]["both"] > 0 for one in found.values()), found
    assert before == (gpu_tuning.lstm_triton.TILES, gpu_tuning.lstm_triton._Plan)
    assert "best cell: now" in capsys.readouterr().out


def test_a_variant_is_what_the_loop_is_launched_with():
    gates = torch.empty(2, 1, 1)
    for variant in gpu_tuning.variants("float32"):
        with gpu_tuning.chosen(variant):
            plan = gpu_tuning.lstm_triton._Plan("projection", gates, 4096, 4096, SPLITS=1)
        one = variant.settings["projection"]
        assert (*plan.tile, plan.constants["BLOCK_DEPTH"]) == one.tile
        assert (plan.constants["num_warps"], plan.constants["num_stages"]) == (one.warps, one.stages)
        assert plan.constants["PRECISION"] == variant.exactness
    assert len({variant.settings["cell"] for variant in gpu_tuning.variants("bfloat16")}) == 6


def test_the_passes_that_are_timed_are_those_of_the_kernels(processor, monkeypatch):
    pytest.importorskip("triton", reason="Triton is not installed")
    monkeypatch.setitem(gpu_tuning.SHAPES, "tiny", (3, 5))
    arguments, alive = gpu_tuning.problem("tiny", 1, "float32", [1])
    monkeypatch.setattr(gpu_tuning, "lstm_triton", load(interpreted=True))
    outputs, *gradients = gpu_tuning.both_passes(arguments, alive)
    assert outputs.shape == (2, 1, 3)
    assert [one.shape for one in gradients] == [one.shape for one in arguments[:3]]


def test_a_tile_that_does_not_fit_is_told(processor, monkeypatch, capsys):
    monkeypatch.setitem(gpu_tuning.SHAPES, "tiny", (12, 20))

    def refuse(*arguments):
        raise RuntimeError("out of resource")

    monkeypatch.setattr(gpu_tuning, "both_passes", refuse)
    found = gpu_tuning.tune("tiny", 3, "float32")
    assert {one["error"] for one in found.values()} == {"RuntimeError: out of resource"}
