# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The Triton kernels of the recurrent loop against the definition, one sentence after the other in float64.

Without a GPU they run in Triton's interpreter, which knows their meaning but not the compiler: that they compile is a
test of its own. The tests marked `gpu` are the same ones on a GPU, and what only a GPU can show.
"""

import inspect
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from lstm_steps import (
    CASES,
    CLIPS,
    NAMES,
    alive_of,
    check,
    definition,
    interpret_bfloat16,
    load,
    make_inputs,
    with_gradients,
)
from tolerances import TOLERANCES


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> str:
    pytest.importorskip("triton", reason="Triton is not installed")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    return request.param


@pytest.fixture(scope="module")
def kernels(device) -> ModuleType:
    return load(interpreted=device == "cpu")


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan(monkeypatch):
    """What `new_empty` and `empty_like` return is poisoned, so that a forgotten element cannot pass by luck.

    Integers mark what a clip let pass; 0 stops the gradient.
    """
    new_empty, empty_like = torch.Tensor.new_empty, torch.empty_like

    def poisoned(tensor):
        return tensor.fill_(float("nan") if tensor.is_floating_point() else 0)

    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *a, **k: poisoned(new_empty(*a, **k)))
    monkeypatch.setattr(torch, "empty_like", lambda *a, **k: poisoned(empty_like(*a, **k)))


def compare(kernels, device, case, dtype, tolerance, use=(0, 1, 2)) -> None:
    lengths, directions, size, cell_size, projected, clips = case
    inputs = make_inputs(lengths, directions, size, cell_size, projected, dtype)
    exact = [None if x is None else x.double() for x in inputs]
    expected = with_gradients(lambda *x: definition(*x, lengths, *clips), exact, use)
    inputs = [None if x is None else x.to(device) for x in inputs]
    got = with_gradients(lambda *x: kernels.triton_steps(*x, alive_of(lengths), *clips), inputs, use)
    assert all(tensor.dtype == dtype for tensor in got.values() if tensor is not None)
    check(got, expected, tolerance)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_the_definition(kernels, device, case):
    compare(kernels, device, case, torch.float64, TOLERANCES["parity", "float64"])


@pytest.mark.parametrize("case", ["ragged", "bare and free"])
def test_float32_equals_the_definition(kernels, device, case):
    compare(kernels, device, CASES[case], torch.float32, TOLERANCES["parity", "float32"])


def test_many_tiles_and_shares_of_a_sum_equal_the_definition(kernels, device, monkeypatch):
    monkeypatch.setattr(kernels, "TILES", {name: ((16, 16, 16),) * 2 for name in kernels.TILES})
    case = ([2] * 17 + [1] * 3, 2, 20, 17, True, CLIPS)
    plan = kernels._Plan("recurrent_gradient", torch.empty(2, 1, 1), 20, 20, 4 * 17)
    assert plan.grid(20) == (2, 2, 2 * 5) and plan.constants["SPLITS"] == 5
    compare(kernels, device, case, torch.float64, TOLERANCES["parity", "float64"])


def test_both_clips_act_in_these_cases():
    for lengths, directions, size, cell_size, projected, clips in CASES.values():
        inputs = make_inputs(lengths, directions, size, cell_size, projected)
        free = definition(*inputs, lengths, *clips)[3]
        for kind, clip in zip(("cell", "output"), clips, strict=True):
            if clip is not None and free[kind]:
                assert 0 < (torch.stack(free[kind]).abs() > clip).double().mean() < 1


# A rounding that carries a value over a bound changes its gradient by a jump: bfloat16 is compared without clips.
@pytest.mark.parametrize(
    "case, dtype",
    [
        ("small", torch.float16),
        ("bare", torch.float16),
        ("free", torch.bfloat16),
        ("bare and free", torch.bfloat16),
    ],
    ids=str,
)
def test_half_precision_is_near_the_definition(kernels, device, monkeypatch, case, dtype):
    if device == "cpu":
        interpret_bfloat16(monkeypatch)
    compare(kernels, device, CASES[case], dtype, TOLERANCES["triton", str(dtype)[6:]])


@pytest.mark.parametrize("use", [(0,), (1,), (2,)], ids=NAMES[:3])
def test_results_without_gradient_count_as_zero(kernels, device, use):
    compare(kernels, device, CASES["small"], torch.float64, TOLERANCES["parity", "float64"], use)


def small(kernels, device, dtype=torch.float32):
    """A function of the tensors alone, and the tensors."""
    lengths, directions, size, cell_size, projected, clips = CASES["small"]
    inputs = [x.to(device) for x in make_inputs(lengths, directions, size, cell_size, projected, dtype)]
    return (lambda *x: kernels.triton_steps(*x, alive_of(lengths), *clips)), inputs


def test_a_value_on_the_bound_passes_its_gradient_and_one_beyond_does_not(kernels, device):
    # Forget gate 1, input gate 0 and candidate 0 to the last bit: the cell stays what it was.
    gates = torch.tensor([-80.0, -80.0, 80.0, 80.0, 0.0, 0.0, 1.0, 1.0], device=device).view(1, 1, 8)
    weight_hh, weight_hr = torch.zeros(1, 8, 2, device=device), torch.eye(2, device=device)[None]
    h0, c0 = torch.zeros(1, 1, 2, device=device), torch.tensor([[[0.5, 0.75]]], device=device, requires_grad=True)

    def gradients(cell_clip, proj_clip):
        outputs, _, c_n = kernels.triton_steps(gates, weight_hh, weight_hr, h0, c0, [1], cell_clip, proj_clip)
        passed = [torch.autograd.grad(x.sum(), c0, retain_graph=True)[0].flatten() for x in (outputs, c_n)]
        return outputs.detach().flatten(), *passed

    free, through_outputs, through_cell = gradients(None, None)
    assert (through_outputs > 0).all() and through_cell.tolist() == [1, 1]
    _, through_outputs, through_cell = gradients(0.5, None)
    assert through_outputs[0] > 0 and through_outputs[1] == 0 and through_cell.tolist() == [1, 0]
    clipped, through_outputs, through_cell = gradients(None, free[0].item())
    assert clipped.tolist() == [free[0]] * 2
    assert through_outputs[0] > 0 and through_outputs[1] == 0 and through_cell.tolist() == [1, 1]


def test_nan_is_not_clipped_away(kernels, device):
    function, inputs = small(kernels, device)
    inputs[0][0, 1] = float("nan")  # the second sentence
    outputs, h_n, c_n = function(*inputs)
    for result in (outputs, h_n, c_n):
        assert result[0, 1].isnan().all() and not result[0, 0].isnan().any()


def test_without_gradient_nothing_is_kept_and_every_bit_is_the_same(kernels, device, monkeypatch):
    function, inputs = small(kernels, device)
    expected = with_gradients(function, inputs)
    leaves = [x.requires_grad_() for x in inputs]
    allocated, new_empty = [], torch.Tensor.new_empty

    def counted(*arguments, **settings):
        tensor = new_empty(*arguments, **settings)
        allocated.append(tensor.numel())
        return tensor

    monkeypatch.setattr(torch.Tensor, "new_empty", counted)
    with torch.no_grad():
        results = function(*leaves)
    for name, result in zip(NAMES, results, strict=False):
        assert torch.equal(result, expected[name]) and not result.requires_grad
    assert 0 < max(allocated) < inputs[0].numel()  # no activated gates
    assert not any(x.requires_grad for x in function(*(x.detach() for x in inputs)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["float32", "float16"])
def test_kept_memory_is_what_the_documentation_says(kernels, device, dtype):
    function, inputs = small(kernels, device, dtype)
    directions, words, cell_size = inputs[0].shape[0], inputs[0].shape[1], inputs[0].shape[2] // 4
    (sentences, size), s = inputs[3].shape[1:], inputs[0].element_size()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.nbytes) or x, lambda x: x):
        function(*(x.requires_grad_() for x in inputs))
    per_word = s * (4 * cell_size + size) + 4 * cell_size + cell_size + size
    arguments = sum(x.nbytes for x in inputs[1:4]) + 4 * directions * sentences * cell_size  # weights, h0, c0
    assert sum(kept) == per_word * directions * words + arguments


def test_inputs_need_not_be_contiguous(kernels, device):
    function, inputs = small(kernels, device)
    expected = with_gradients(function, inputs)
    strided = [torch.stack([x, x], dim=-1)[..., 0] for x in inputs]
    assert not any(x.is_contiguous() for x in strided)
    got = with_gradients(function, strided)
    assert all(torch.equal(got[name], expected[name]) for name in NAMES)


def test_a_gradient_can_be_expanded(kernels, device):
    function, inputs = small(kernels, device)
    results = [function(*(x.detach().requires_grad_() for x in inputs)) for _ in range(2)]
    gates = [outputs.grad_fn.next_functions[0][0].variable for outputs, _, _ in results]
    expanded = torch.autograd.grad([x.sum() for x in results[0]], gates[0])
    dense = torch.autograd.grad(results[1], gates[1], [torch.ones_like(x) for x in results[1]])
    assert torch.equal(expanded[0], dense[0])


def test_the_gradient_of_the_gates_replaces_what_was_kept_unless_the_graph_is_kept(kernels, device):
    function, inputs = small(kernels, device)
    leaves = [x.requires_grad_() for x in inputs]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.data_ptr()) or x, lambda x: x):
        loss = sum((x * x).sum() for x in function(*leaves))
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    second = torch.autograd.grad(loss, leaves, retain_graph=True)
    last = torch.autograd.grad(loss, leaves)
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(first, second, last, strict=True))
    assert [x[0].data_ptr() in kept for x in (first, second, last)] == [False, False, True]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(loss, leaves)


def test_second_derivatives_are_refused(kernels, device):
    function, inputs = small(kernels, device)
    leaves = [x.requires_grad_() for x in inputs]
    (gradient,) = torch.autograd.grad((function(*leaves)[0] ** 2).sum(), leaves[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_only_what_needs_a_gradient_gets_one(kernels, device):
    function, inputs = small(kernels, device)
    expected = with_gradients(lambda *x: function(*x), inputs, use=(0,))
    for number, name in enumerate(NAMES[3:]):
        leaves = [x.detach().requires_grad_(position == number) for position, x in enumerate(inputs)]
        outputs = function(*leaves)[0]
        weights = torch.cos(torch.arange(outputs.numel(), dtype=torch.float64) * 1.7).view(outputs.shape)
        (outputs.double().cpu() * weights).sum().backward()
        assert [x.grad is not None for x in leaves] == [position == number for position in range(5)]
        assert torch.equal(leaves[number].grad, expected[name])


def test_everything_is_cast_to_the_type_of_the_gates(kernels, device):
    function, inputs = small(kernels, device, torch.float16)
    expected = with_gradients(function, inputs)
    got = with_gradients(function, [inputs[0], *(x.float() for x in inputs[1:])])
    assert all(torch.equal(got[name], expected[name].to(got[name].dtype)) for name in NAMES)
    assert [got[name].dtype for name in NAMES] == [torch.float16] * 4 + [torch.float32] * 4


def test_wrong_arguments_are_named(kernels, device):
    _, inputs = small(kernels, device)
    message = r"alive must fall from 2 sentences to no less than 1 and sum up to 3 words; got \["
    for alive in ([2], [2, 2], [1, 2], [1, 1, 1], [2, 1, 0], []):
        with pytest.raises(ValueError, match=message):
            kernels.triton_steps(*inputs, alive, None, None)
    with pytest.raises(ValueError, match=r'gates are torch.int32 on .*torch.bfloat16.* lstm_backend="packed"'):
        kernels.triton_steps(inputs[0].int(), *inputs[1:], [2, 1], None, None)


def test_available_only_where_it_runs(device, kernels):
    tensor = torch.zeros(1, device=device)
    assert kernels.triton_available(tensor) and not kernels.triton_available(tensor.int())
    assert not load(interpreted=False).triton_available(tensor.cpu())


def test_without_triton_the_module_loads_and_says_what_is_missing(monkeypatch):
    for name in ("triton", "triton.language"):
        monkeypatch.setitem(sys.modules, name, None)
    module = load(interpreted=False)
    assert not module.triton_available(torch.zeros(1))
    with pytest.raises(ValueError, match='gates are torch.float32 on cpu; needed are the package triton.*"packed"'):
        module.triton_steps(*make_inputs([1], 1, 2, 3, True, torch.float32), [1], None, None)


def test_every_multiprocessor_gets_work_in_the_original_model():
    module = load(interpreted=False)
    for dtype in (torch.bfloat16, torch.float32):
        gates = torch.empty(2, 1, 1, dtype=dtype)
        for rows in (16, 32, 128):
            plans = [
                module._Plan("cell", gates, rows, 4096),
                module._Plan("projection", gates, rows, 512),
                module._Plan("recurrent_gradient", gates, rows, 512, depth=4 * 4096),
                module._Plan("cell_gradient", gates, rows, 4096),
            ]
            programs = [np.prod(plan.grid(rows)) for plan in plans]
            assert min(programs[0], *programs[2:]) >= 128
            assert programs[1] >= 128 or plans[1].tile == [16, 16]


class _Recorder:
    """Stands for a kernel and keeps its launches."""

    def __init__(self, kernel):
        self.kernel, self.launches = kernel, []

    def __getitem__(self, grid):
        return lambda *arguments, **constants: self.launches.append((arguments, constants))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("case", ["original", "bare", "odd"])
def test_every_launch_compiles_for_hopper(monkeypatch, tmp_path, case, dtype):
    triton = pytest.importorskip("triton", reason="Triton is not installed")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    module = load(interpreted=False)
    recorders = {name: _Recorder(value) for name, value in vars(module).items() if name.endswith("_kernel")}
    for name, recorder in recorders.items():
        monkeypatch.setattr(module, name, recorder)
    monkeypatch.setattr(module, "triton_available", lambda tensor: True)
    directions, size, cell_size, rows = {
        "original": (2, 512, 4096, 128),
        "bare": (1, 64, 64, 40),
        "odd": (2, 13, 37, 9),
    }[case]
    shapes = [(rows + 1, 4 * cell_size), (4 * cell_size, size), (size, cell_size), (rows, size), (rows, cell_size)]
    inputs = [torch.zeros(directions, *shape, dtype=dtype, requires_grad=True) for shape in shapes]
    if case == "bare":
        inputs[2] = None
    outputs = module.triton_steps(*inputs, [rows, 1], 3.0, None if case == "bare" else 3.0)[0]
    outputs.sum().backward()

    short = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float64: "fp64"}
    compiled = {}
    for name, recorder in recorders.items():
        assert recorder.launches
        for arguments, constants in recorder.launches:
            parameters = list(inspect.signature(recorder.kernel.fn).parameters)
            signature, values, attributes = {}, {}, {}
            for number, parameter in enumerate(parameters):
                value = arguments[number] if number < len(arguments) else constants[parameter]
                if isinstance(value, torch.Tensor):
                    signature[parameter] = "*" + short.get(value.dtype, "u8")
                    attributes[number,] = [["tt.divisibility", 16]] if value.data_ptr() % 16 == 0 else []
                elif number < len(arguments) and value is not None:
                    signature[parameter] = "i32"
                else:
                    signature[parameter] = "constexpr"
                    values[number,] = value
            options = {key: value for key, value in constants.items() if key.startswith("num_")}
            source = ASTSource(recorder.kernel, signature, values, attributes)
            key = name, str(signature), str(values), str(attributes)
            if key not in compiled:
                compiled[key] = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert max(kernel.metadata.shared for kernel in compiled.values()) <= 227 * 1024  # what a block may have
    if case == "original" and dtype.itemsize == 2:  # the tensor cores' own instruction of this generation
        assert sum("wgmma" in kernel.asm["ptx"] for kernel in compiled.values()) >= 3


class _Compiled:
    """Stands for what the first launch of a kernel compiles."""

    def __init__(self):
        self.launches = []

    def __getitem__(self, grid):
        return lambda *arguments: self.launches.append((grid, arguments))


def test_launches_after_the_first_give_what_was_compiled_the_same_arguments(kernels):
    compiled, first = _Compiled(), []

    class Kernel:
        arg_names = ["pointer", "alive", "DEPTH", "CLIP"]

        def __getitem__(self, grid):
            return lambda *arguments, **constants: first.append((grid, arguments, constants)) or compiled

    launcher = kernels._Launcher(Kernel(), {"CLIP": None, "DEPTH": 8, "num_warps": 4})
    launcher((1, 2, 3), "tensor", 7)
    launcher((1, 1, 3), "other tensor", 6)
    launcher((1, 1, 3), "other tensor", 5)
    assert first == [((1, 2, 3), ("tensor", 7), {"CLIP": None, "DEPTH": 8, "num_warps": 4})]
    assert compiled.launches == [
        ((1, 1, 3), ("other tensor", 6, 8, None)), ((1, 1, 3), ("other tensor", 5, 8, None))
    ]  # fmt: skip


def test_the_launches_of_every_kernel_name_all_its_parameters(kernels, device, monkeypatch):
    function, inputs = small(kernels, device)
    launched = {}

    class Launcher(kernels._Launcher):
        def __call__(self, grid, *arguments):
            names = list(inspect.signature(self.kernel.fn).parameters)
            launched.setdefault(self.kernel, set()).add((len(grid), tuple(names[len(arguments) :])))
            assert set(names[len(arguments) :]) <= set(self.constants)
            super().__call__(grid, *arguments)

    monkeypatch.setattr(kernels, "_Launcher", Launcher)
    with_gradients(function, inputs)
    assert len(launched) == 4
    for forms in launched.values():
        assert len(forms) == 1 and all(length == 3 and all(map(str.isupper, names)) for length, names in forms)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_short_way_of_launching_gives_the_same_bits_on_a_gpu(monkeypatch):
    pytest.importorskip("triton", reason="Triton is not installed")
    kernels = load(interpreted=False)
    for lengths, size, cell_size in (([7, 7, 4, 1], 24, 40), ([3, 2, 2], 13, 37)):
        inputs = [x.cuda() for x in make_inputs(lengths, 2, size, cell_size, True, torch.float32)]
        inputs[3] = torch.cat([inputs[3].new_zeros(1), inputs[3].flatten()])[1:].view_as(inputs[3])  # aligned worse
        function = lambda *x: kernels.triton_steps(*x, alive_of(lengths), *CLIPS)  # noqa: B023, E731
        short = with_gradients(function, inputs)
        with monkeypatch.context() as patch:
            patch.setattr(
                kernels._Launcher, "__call__", lambda self, grid, *x: self.kernel[grid](*x, **self.constants)
            )
            long = with_gradients(function, inputs)
        assert all(torch.equal(short[name], long[name]) for name in NAMES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_equal_inputs_give_equal_bits_on_a_gpu(dtype):
    pytest.importorskip("triton", reason="Triton is not installed")
    kernels, lengths = load(interpreted=False), [9] * 40 + [5] * 60 + [1] * 28
    inputs = [x.cuda() for x in make_inputs(lengths, 2, 64, 320, True, dtype, scale=0.1)]
    runs = [with_gradients(lambda *x: kernels.triton_steps(*x, alive_of(lengths), *CLIPS), inputs) for _ in range(5)]
    for run in runs[1:]:
        assert all(torch.equal(run[name], runs[0][name]) for name in NAMES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_call_without_gradient_can_be_captured_on_a_gpu():
    pytest.importorskip("triton", reason="Triton is not installed")
    kernels, lengths = load(interpreted=False), [7, 7, 4, 1]
    inputs = [x.cuda() for x in make_inputs(lengths, 2, 24, 40, True, torch.float32)]
    with torch.no_grad():
        for x in kernels.triton_steps(*inputs, alive_of(lengths), *CLIPS):  # compiles
            assert x.isfinite().all()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = kernels.triton_steps(*inputs, alive_of(lengths), *CLIPS)
        inputs[0].mul_(-0.5)
        graph.replay()
        expected = kernels.triton_steps(*inputs, alive_of(lengths), *CLIPS)
    for got, right in zip(captured, expected, strict=True):
        assert torch.equal(got, right)
