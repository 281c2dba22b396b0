# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The compiled LSTM loop: against the definition in float64, in any company, and what happens where it cannot run."""

import multiprocessing
import platform
import shutil
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from elmo_builders import (
    ALLENNLP_SMALL,
    SMALL_MODELS,
    largest_difference,
    random_batch,
    read_arrays,
    read_fixture,
    tiny_model,
    with_boundaries,
)
from lstm_builders import (
    LENGTHS,
    SIZES,
    agree,
    check_that_infinite_words_saturate_the_gates,
    make_weights,
    run,
    to_float,
)
from tolerances import TOLERANCES

from hf_elmo.modeling import bidirectional_lstm, lstm_native, lstm_projection

FLOAT32 = TOLERANCES["parity", "float32"]
CAPABILITY = torch.backends.cpu.get_cpu_capability()
pytestmark = [
    pytest.mark.usefixtures("own_kernel"),
    pytest.mark.skipif(
        not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
    ),
    pytest.mark.skipif(
        platform.machine() not in ("aarch64", "arm64") and CAPABILITY not in ("AVX2", "AVX512"),
        reason="the processor has none of the instructions the kernel is written for",
    ),
]
narrower = pytest.mark.skipif(CAPABILITY != "AVX512", reason="AVX2 is what the machine has anyway")


def forbid_fallback(monkeypatch) -> None:
    def refuse(*arguments):
        raise AssertionError("the packed loop ran")

    assert lstm_native.native_kernel() is not None
    monkeypatch.setattr(lstm_native, "lstm_over_packed_words", refuse)


@pytest.fixture
def no_fallback(monkeypatch):
    forbid_fallback(monkeypatch)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_native_equals_reference(no_fallback, sizes, lengths):
    weights = make_weights(*sizes)
    settings = {"cell_clip": 0.5, "proj_clip": 0.3}
    expected = run("reference", weights, lengths, **settings)
    got = run("native", to_float(weights), lengths, **settings)
    agree(got, expected)
    assert sizes[2] is False or max(lengths) == 1 or got[0].abs().max() == np.float32(0.3)
    assert got[2][torch.tensor(lengths) > 0].abs().max() == 0.5


@pytest.mark.parametrize("clips", [(None, None), (0.5, None), (None, 0.3)], ids=["free", "cell", "output"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_backwards_from_zeros_with_each_clip_equals_reference(no_fallback, sizes, clips):
    weights, lengths = make_weights(*sizes), LENGTHS["with empty"]
    settings = {"reverse": True, "cell_clip": clips[0], "proj_clip": clips[1], "state": False}
    agree(run("native", to_float(weights), lengths, **settings), run("reference", weights, lengths, **settings))


@narrower
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_avx2_alone_equals_reference(monkeypatch, nothing_loaded, sizes):
    monkeypatch.setenv("CC", f"{lstm_native._find_compiler()[0]} -mno-avx512f")
    forbid_fallback(monkeypatch)
    assert lstm_native.native_kernel().width == 8
    weights, settings = make_weights(*sizes), {"cell_clip": 0.5, "proj_clip": 0.3}
    for lengths in (LENGTHS["every number of rows"], LENGTHS["many"]):
        agree(run("native", to_float(weights), lengths, **settings), run("reference", weights, lengths, **settings))


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_a_sentence_has_the_same_bits_in_any_company(no_fallback, sizes):
    weights, lengths = to_float(make_weights(*sizes)), [*range(1, 24), *[5] * 130]
    inputs = torch.randn(len(lengths), 24, sizes[0])
    before = torch.randn(len(lengths), sizes[0]), torch.randn(len(lengths), sizes[1])

    def outputs_of(rows):
        state = tuple(part[rows] for part in before)
        outputs, last = lstm_projection(
            inputs[rows], weights, torch.tensor(lengths)[rows], state, cell_clip=0.9, backend="native"
        )
        return outputs, *last

    together = outputs_of(list(range(len(lengths))))
    for company in ([4], [4, 30], [0, 4, 9], [22, 4, 21, 20], [4, *range(30, 37)], [4, *range(14, 29)]):
        place = company.index(4)
        for alone, among in zip(outputs_of(company), together, strict=True):
            assert torch.equal(alone[place], among[4])


def activation(name: str, x: np.ndarray, gate: np.ndarray) -> np.ndarray:
    x, gate = (np.resize(part, -(-len(x) // 16) * 16).astype(np.float32) for part in (x, gate))
    out = np.empty_like(x)
    getattr(lstm_native.native_kernel(), name)(*(part.ctypes.data for part in (x, gate, out)), len(x))
    return out


GRID = np.concatenate([np.linspace(-87, 87, 400_001), np.linspace(-1, 1, 100_001), np.logspace(-37, -1, 5_000)])
GRID = np.concatenate([GRID, -GRID]).astype(np.float32)
UNIT = 2.0**-24  # half a unit in the last place of 1


def test_sigmoid_is_accurate():
    got = activation("times_sigmoid", np.ones_like(GRID), GRID)[: len(GRID)]
    expected = 1 / (1 + np.exp(-GRID.astype(np.float64)))
    assert np.abs(got / expected - 1).max() <= 5 * UNIT


def test_tanh_is_accurate_also_near_zero():
    got = activation("tanh_times_sigmoid", GRID, np.full_like(GRID, 100))[: len(GRID)]
    expected = np.tanh(GRID.astype(np.float64))
    nonzero = expected != 0
    assert np.abs(got[nonzero] / expected[nonzero] - 1).max() <= 6 * UNIT
    assert not got[~nonzero].any()
    assert np.abs(got).max() == 1


def test_tanh_times_sigmoid_is_accurate():
    x, gate = np.random.default_rng(0).normal(size=(2, 100_000)).astype(np.float32) * 4
    expected = np.tanh(x.astype(np.float64)) / (1 + np.exp(-gate.astype(np.float64)))
    assert np.abs(activation("tanh_times_sigmoid", x, gate) / expected - 1).max() <= 8 * UNIT


def test_activations_of_what_is_no_number():
    nan, inf = np.float32("nan"), np.float32("inf")
    gates = np.array([inf, -inf, 1e30, -1e30, nan, 0], np.float32)
    assert np.allclose(activation("times_sigmoid", np.ones(6), gates)[:6], [1, 0, 1, 0, nan, 0.5], 0, 1e-37, True)
    always = np.full(6, inf)
    assert np.array_equal(activation("tanh_times_sigmoid", gates, always)[:6], [1, -1, 1, -1, nan, 0], True)
    assert np.isnan(activation("tanh_times_sigmoid", np.ones(6), np.full(6, nan))).all()


@pytest.mark.parametrize("clips", [(None, None), (0.5, 0.3)], ids=["free", "clipped"])
def test_nan_stays_in_its_sentence(no_fallback, clips):
    weights, lengths = to_float(make_weights(6, 10, True)), [4, 6, 5]
    inputs = torch.randn(3, 7, 6)
    settings = {"cell_clip": clips[0], "proj_clip": clips[1]}
    whole = run("native", weights, lengths, inputs, **settings)
    inputs[1, 2, 3] = float("nan")
    outputs, h, c = run("native", weights, lengths, inputs, **settings)
    assert outputs[1, 2:6].isnan().all() and h[1].isnan().all() and c[1].isnan().all()
    outputs[1, 2:6] = whole[0][1, 2:6]
    h[1], c[1] = whole[1][1], whole[2][1]
    assert all(torch.equal(a, b) for a, b in zip((outputs, h, c), whole, strict=True))


def test_infinite_words_saturate_the_gates(no_fallback):
    check_that_infinite_words_saturate_the_gates()


@pytest.mark.parametrize("name", SMALL_MODELS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_equals_allennlp(monkeypatch, no_fallback, name, threads):
    pairs, together = [], bidirectional_lstm.run_together
    monkeypatch.setattr(bidirectional_lstm, "run_together", lambda a: (pairs.append(a), together(a))[1])
    model = read_fixture(ALLENNLP_SMALL / name, lstm_backend="native")
    arrays = read_arrays(ALLENNLP_SMALL / name, "bilm_reset")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for batch in range(6):
            char_ids, mask = with_boundaries(arrays[f"b{batch}.char_ids"])
            with torch.no_grad():
                output = model(char_ids=char_ids, attention_mask=mask, output_hidden_states=True, output_state=True)
            assert largest_difference(torch.stack(output.hidden_states), arrays[f"b{batch}.activations"]) <= FLOAT32
            assert largest_difference(output.state[0], arrays[f"b{batch}.state_h"]) <= FLOAT32
            assert largest_difference(output.state[1], arrays[f"b{batch}.state_c"]) <= FLOAT32
    finally:
        torch.set_num_threads(before)
    assert bool(pairs) == (threads == 2)


def test_changed_weights_are_noticed(no_fallback):
    model, batch = tiny_model(lstm_backend="native"), random_batch([4, 2])
    with torch.no_grad():
        model(**batch)
        for layer in model.layers:
            for parameter in layer.parameters():
                parameter.mul_(0.5)
        expected = tiny_model(lstm_backend="reference")
        expected.load_state_dict(model.state_dict())
        agree([model(**batch).mixed_state], [expected(**batch).mixed_state])


# --- where it cannot run ----------------------------------------------------------------------------------------------


def mixed(backend: str, change=None) -> torch.Tensor:
    model = tiny_model(lstm_backend=backend)
    if change is not None:
        change(model)
    with torch.no_grad():
        return model(**random_batch([4, 2])).mixed_state


@pytest.mark.parametrize("compiler", ["missing", "failing"])
def test_without_a_working_compiler_it_is_the_packed_loop_and_says_so_once(
    monkeypatch, nothing_loaded, tmp_path, caplog, compiler
):
    if compiler == "failing":  # names the processor, but compiles nothing
        script = tmp_path / "cc"
        script.write_text('#!/bin/sh\ncase "$*" in *-dM*) exit 0;; esac\necho "no such thing" >&2\nexit 1\n')
        script.chmod(0o700)
        monkeypatch.setenv("CC", str(script))
    else:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level("INFO", logger=lstm_native.__name__):
        assert torch.equal(mixed("native"), mixed("packed"))
        mixed("native")
    assert lstm_native.native_kernel() is None
    said = [record.getMessage() for record in caplog.records if record.name == lstm_native.__name__]
    assert len(said) == 1 and 'lstm_backend="native" is not available here, "packed" runs instead' in said[0]
    assert ("no such thing" if compiler == "failing" else "there is no C compiler") in said[0]


def test_a_kernel_that_computes_something_else_is_not_used(monkeypatch, nothing_loaded, quickly):
    source = lstm_native.SOURCE.replace("-clip, clip)", "-clip, clip + 0.1f)")
    assert source != lstm_native.SOURCE
    monkeypatch.setattr(lstm_native, "SOURCE", source)
    assert lstm_native.native_kernel() is None


@pytest.mark.parametrize("change", [torch.nn.Module.double, torch.nn.Module.bfloat16])
def test_other_number_formats_take_the_packed_loop(change):
    assert lstm_native.native_kernel() is not None
    assert torch.equal(mixed("native", change), mixed("packed", change))


def test_gradients_take_the_packed_loop():
    gradients = []
    for backend in ("native", "packed"):
        model = tiny_model(lstm_backend=backend)
        model(**random_batch([4, 2])).mixed_state.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


# --- the compiled file ------------------------------------------------------------------------------------------------


@pytest.fixture
def quickly(monkeypatch, nothing_loaded):
    monkeypatch.setattr(lstm_native, "FLAGS", ["-O0", *lstm_native.FLAGS[1:]])


@pytest.fixture
def built(monkeypatch, tmp_path, quickly):
    """A fresh cache folder with the kernel in it; none is loaded."""
    monkeypatch.setattr(lstm_native.constants, "HF_HOME", str(tmp_path / "home"))
    assert lstm_native.native_kernel() is not None
    lstm_native._loaded.clear()
    (path,) = (tmp_path / "home").glob("hf_elmo_*/*")
    return path


def count_builds(monkeypatch) -> list:
    builds, build = [], lstm_native._build
    monkeypatch.setattr(lstm_native, "_build", lambda *a: (builds.append(a), build(*a))[1])
    return builds


def test_the_second_process_compiles_nothing(monkeypatch, built):
    builds = count_builds(monkeypatch)
    assert lstm_native.native_kernel() is not None and not builds
    assert built.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["half", "empty", "writable"])
def test_a_damaged_file_is_built_again(monkeypatch, built, damage):
    builds = count_builds(monkeypatch)
    if damage == "writable":
        built.chmod(0o777)
    else:
        half = built.read_bytes()[: built.stat().st_size // 2 if damage == "half" else 0]
        built.unlink()  # another process may still run the old one
        built.write_bytes(half)
    assert lstm_native.native_kernel() is not None and len(builds) == 1
    lstm_native._loaded.clear()
    assert lstm_native.native_kernel() is not None and len(builds) == 1


@pytest.mark.parametrize("obstacle", ["no folder", "open folder"])
def test_without_a_private_cache_folder_it_leaves_nothing_behind(monkeypatch, tmp_path, built, obstacle):
    if obstacle == "no folder":
        shutil.rmtree(built.parent)
        built.parent.write_text("a file")
    else:
        built.parent.chmod(0o777)
    monkeypatch.setattr(lstm_native.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    builds = count_builds(monkeypatch)
    assert lstm_native.native_kernel() is not None
    assert [folder.parent for _, folder, _ in builds] == [tmp_path / "temporary"]
    assert not list((tmp_path / "temporary").iterdir())


def test_two_processes_may_build_at_the_same_time(tmp_path, quickly):
    arguments = lstm_native._find_compiler(), tmp_path, "key"
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        paths = [job.result() for job in [pool.submit(lstm_native._build, *arguments) for _ in range(2)]]
    for path in paths:
        assert lstm_native._is_intact(path)
    assert sorted(tmp_path.iterdir()) == sorted(set(paths))
    lstm_native._checked(lstm_native._load(paths[0]))
