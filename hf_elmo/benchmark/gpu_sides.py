# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the benchmark of the GPU compares: ELMo's LSTM stage by each backend and precision, cuDNN's LSTM, the limits.

Shapes: B sentences, T words, N real words of a batch, D `projection_size`, M `cell_size`, L layers.
"""

import contextlib
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from hf_elmo.benchmark import options
from hf_elmo.modeling import ElmoModel
from hf_elmo.modeling.lstm_projection import LstmProjection

DEVICE = "cuda"
BACKEND = "triton"


class Side(NamedTuple):
    """One way to compute the LSTM stage; `options.GPU_SIDES` describes each."""

    implementation: str  # "triton", "packed" or "cudnn"
    precision: (
        str  # "float32", "tf32", "bfloat16" or "float16" (weights too), "autocast" (bfloat16 from float32 weights)
    )

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and word vectors."""
        return HALF.get(self.precision, torch.float32)


HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = {"": "float32", "tf32": "tf32", "bf16": "bfloat16", "fp16": "float16", "autocast": "autocast"}
IMPLEMENTATIONS = {"ours": BACKEND, "packed": "packed", "cudnn": "cudnn"}
SIDES = {
    name: Side(IMPLEMENTATIONS[name.partition("-")[0]], PRECISIONS[name.partition("-")[2]])
    for name in options.GPU_SIDES
}
# ‖out - reference‖ / ‖reference‖ that a side may have, its reference computed step by step in float64.
TOLERANCES = {"float32": 2e-5, "tf32": 3e-3, "bfloat16": 4e-2, "float16": 1e-2, "autocast": 4e-2}
GRADIENT_TOLERANCES = {"float32": 1e-3, "tf32": 2e-2, "bfloat16": 1e-1, "float16": 4e-2, "autocast": 1e-1}


def synchronize() -> None:
    """Wait until the GPU has done all that was asked of it."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Products of float32 with or without TF32."""
    flags: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        for flag, old in zip(flags, before, strict=True):
            flag.allow_tf32 = old


def autocast(name: str) -> torch.autocast:
    """bfloat16 from float32 weights for "autocast", else nothing."""
    return torch.autocast(DEVICE, torch.bfloat16, enabled=name == "autocast")


def step(stage: Any, batch: Any) -> None:
    """Forward and backward pass of a stage, from no gradients to those of all weights."""
    for parameter in stage.parameters:
        parameter.grad = None
    with precision(stage.side.precision):
        with autocast(stage.side.precision):
            loss = stage.loss(batch)
        loss.backward()


@torch.no_grad()
def infer(stage: Any, batch: Any) -> None:
    """Forward pass of a stage."""
    with precision(stage.side.precision), autocast(stage.side.precision):
        stage.outputs(batch)


def with_backend(model: nn.Module, backend: str, **changes) -> Any:
    """A copy whose LSTMs run by this backend; `changes` are attributes of theirs, as `cell_clip=""`."""
    made = copy.deepcopy(model)
    for module in made.modules():
        if isinstance(module, LstmProjection):
            module.backend = backend
            for name, value in changes.items():
                setattr(module, name, value)
    return made


class Batch(NamedTuple):
    """A batch on the GPU: word vectors (B, T, D) float32, mask (B, T) bool, and factors (B, T, 2D) of a loss."""

    words: Tensor
    mask: Tensor
    factors: Tensor


def make_batch(words: Tensor, mask: Tensor) -> Batch:
    """Vectors and mask (B, T), anywhere; the factors of the loss run from -1 to 1 and are 0 at padding."""
    width = 2 * words.shape[-1]
    factors = torch.linspace(-1, 1, mask.numel() * width, device=mask.device).view(*mask.shape, width)
    factors = factors * mask.unsqueeze(-1)
    return Batch(words.to(DEVICE), mask.to(DEVICE), factors.to(DEVICE))


class OurStage:
    """`ElmoModel` from word vectors to its top layer, the layout of the batch and the mix of layers included."""

    def __init__(self, model: ElmoModel, side: Side, **changes):
        self.side = side
        self.model = with_backend(model, side.implementation, **changes).to(DEVICE)
        if side.dtype != torch.float32:
            self.model.to(side.dtype)
        self.parameters = list(self.model.layers.parameters())

    def prepare(self, batch: Batch) -> Any:
        return batch._replace(words=batch.words.to(self.model.dtype))

    def outputs(self, batch: Batch) -> Tensor:
        return self.model(inputs_embeds=batch.words, attention_mask=batch.mask).last_hidden_state

    def padded(self, batch: Batch) -> Tensor:
        """Top layer (B, T, 2D)."""
        return self.outputs(batch)

    def loss(self, batch: Batch) -> Tensor:
        return (self.outputs(batch).float() * batch.factors).sum()

    def gradients(self) -> list[Tensor]:
        """Of all weights, of each direction in the order of `LstmProjection`'s names."""
        named = [dict(m.named_parameters()) for m in self.model.layers.modules() if isinstance(m, LstmProjection)]
        wanted = ("weight_ih", "weight_hh", "weight_hr", "bias")
        return [_gradient(direction[name]) for direction in named for name in wanted]


class PackedBatch(NamedTuple):
    """What cuDNN reads: both directions' words in its own order, sorted and packed before the time is taken."""

    ahead: PackedSequence
    back: PackedSequence
    factors: tuple[Tensor, Tensor]
    batch: Batch


class CudnnStage:
    """The layers as two stacks of `torch.nn.LSTM(proj_size=D)` with the skip connection, over packed sequences.

    The case best for cuDNN: sorting, packing and putting the vectors back in place are left out of its time.
    """

    def __init__(self, model: ElmoModel, side: Side):
        self.side = side
        self.dtype = side.dtype
        self.stacks = nn.ModuleList(
            nn.ModuleList(_torch_lstm(getattr(layer, name)) for layer in model.layers)
            for name in ("forward_direction", "backward_direction")
        ).to(DEVICE, self.dtype)
        for lstm in self.stacks.modules():
            if isinstance(lstm, nn.LSTM):
                lstm.flatten_parameters()
        self.parameters = list(self.stacks.parameters())

    def prepare(self, batch: Batch) -> PackedBatch:
        lengths, order = batch.mask.sum(dim=1).sort(descending=True, stable=True)
        columns = torch.arange(batch.mask.shape[1], device=batch.mask.device)
        self.order, self.lengths = order, lengths
        self.reverse = (lengths.unsqueeze(1) - 1 - columns).clamp(min=0).unsqueeze(-1)
        size = batch.words.shape[-1]

        def pack(padded: Tensor, reverse: bool, dtype: torch.dtype) -> PackedSequence:
            padded = padded[order].to(dtype)
            if reverse:
                padded = padded.gather(1, self.reverse.expand(-1, -1, padded.shape[-1]))
            return pack_padded_sequence(padded.contiguous(), lengths.cpu(), batch_first=True)

        factors = batch.factors.split(size, dim=-1)
        of_loss = (pack(factors[0], False, torch.float32).data, pack(factors[1], True, torch.float32).data)
        return PackedBatch(pack(batch.words, False, self.dtype), pack(batch.words, True, self.dtype), of_loss, batch)

    def outputs(self, batch: PackedBatch) -> list[PackedSequence]:
        results = []
        for stack, hidden in zip(self.stacks, (batch.ahead, batch.back), strict=True):
            for number, lstm in enumerate(cast(nn.ModuleList, stack)):
                outputs, _ = lstm(hidden)
                data = outputs.data + hidden.data if number else outputs.data
                hidden = PackedSequence(data, hidden.batch_sizes)
            results.append(hidden)
        return results

    def padded(self, batch: PackedBatch) -> Tensor:
        """Top layer (B, T, 2D)."""
        width = batch.batch.mask.shape[1]
        ahead, back = (pad_packed_sequence(one, True, total_length=width)[0] for one in self.outputs(batch))
        back = back.gather(1, self.reverse.expand(-1, -1, back.shape[-1]))
        both = torch.cat([ahead, back], dim=-1)[self.order.argsort()]
        return both * batch.batch.mask.unsqueeze(-1)

    def loss(self, batch: PackedBatch) -> Tensor:
        ahead, back = self.outputs(batch)
        return (ahead.data.float() * batch.factors[0]).sum() + (back.data.float() * batch.factors[1]).sum()

    def gradients(self) -> list[Tensor]:
        """Of all weights, in the order of `OurStage.gradients`."""
        layers = zip(*self.stacks, strict=True)
        wanted = ("weight_ih_l0", "weight_hh_l0", "weight_hr_l0", "bias_ih_l0")
        return [_gradient(getattr(lstm, name)) for pair in layers for lstm in pair for name in wanted]


def _torch_lstm(direction: LstmProjection) -> nn.LSTM:
    """`nn.LSTM` with the weights of a direction; torch wants a second bias."""
    weights = direction.float_weights()
    assert weights.weight_hr is not None
    size, cell_size = weights.weight_hr.shape
    lstm = nn.LSTM(size, cell_size, proj_size=size)
    values = {
        "weight_ih_l0": weights.weight_ih,
        "weight_hh_l0": weights.weight_hh,
        "bias_ih_l0": weights.bias,
        "bias_hh_l0": torch.zeros_like(weights.bias),
        "weight_hr_l0": weights.weight_hr,
    }
    lstm.load_state_dict({name: value.detach() for name, value in values.items()})
    return lstm


def make_stage(name: str, model: ElmoModel) -> Any:
    """The stage of a side, with weights of its own on the GPU."""
    side = SIDES[name]
    return CudnnStage(model, side) if side.implementation == "cudnn" else OurStage(model, side)


class Expected(NamedTuple):
    """The definition step by step in float64, with the clips and without: top layer, and gradients of the weights."""

    clipped: tuple[Tensor, list[Tensor]]
    free: tuple[Tensor, list[Tensor]]


def expect(model: ElmoModel, batch: Batch) -> Expected:
    """Compute it on the GPU, by torch's own operations."""
    results = []
    for changes in ({}, {"cell_clip": "", "proj_clip": ""}):
        stage = OurStage(model.double(), Side("reference", "float64"), **changes)
        exact = batch._replace(words=batch.words.double())
        outputs = stage.outputs(exact)
        (outputs * batch.factors).sum().backward()
        results.append((outputs.detach(), stage.gradients()))
        del stage, outputs
    model.float()
    return Expected(*results)


def check(name: str, stage: Any, batch: Any, expected: Expected) -> dict[str, Any]:
    """Relative errors of a side's top layer and of its worst gradient.

    Raises:
        ValueError: one of them is too large.
    """
    side = SIDES[name]
    right, right_gradients = expected.free if side.implementation == "cudnn" else expected.clipped
    with torch.no_grad(), precision(side.precision), autocast(side.precision):
        forward = relative_error(stage.padded(batch), right)
    step(stage, batch)
    gradients = max(map(relative_error, stage.gradients(), right_gradients))
    for kind, error, allowed in (
        ("vectors", forward, TOLERANCES[side.precision]),
        ("gradients", gradients, GRADIENT_TOLERANCES[side.precision]),
    ):
        if not error <= allowed:  # NaN is wrong, too
            raise ValueError(
                f"{name}: {kind} differ from the definition by {error:.1e} of their norm, allowed are {allowed:.0e}; "
                "nothing was measured"
            )
    return {"kind": "relative error of vectors and gradients", "vectors": forward, "gradients": gradients}


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def relative_error(got: Tensor, right: Tensor) -> float:
    """‖got - right‖ / ‖right‖, in float64."""
    return float((got.detach().double() - right.double()).norm() / right.double().norm())


class Limits(NamedTuple):
    """What this GPU reached: operations per second of large products by precision, bytes per second of a copy."""

    operations: dict[str, float]
    bytes: float


def measure_limits(size: int = 8192, copied: int = 2**31) -> Limits:
    """The rate of one large product for each precision, and of a device-to-device copy (bytes read plus written)."""
    operations = {}
    for name, dtype, side in (
        ("float32", torch.float32, size // 2),
        ("tf32", torch.float32, size),
        ("bfloat16", torch.bfloat16, size),
    ):
        left, right = (torch.randn(side, side, device=DEVICE, dtype=dtype) for _ in range(2))
        with precision(name):
            operations[name] = 2 * side**3 / seconds_of(partial(torch.mm, left, right))
        del left, right
    operations["autocast"] = operations["float16"] = operations["bfloat16"]
    source = torch.randn(copied // 4, device=DEVICE)
    target = torch.empty_like(source)
    return Limits(operations, 2 * source.nbytes / seconds_of(lambda: target.copy_(source)))


def seconds_of(work: Callable[[], Any], runs: int = 10) -> float:
    """Median seconds of a call, the GPU's work included, after one to warm up."""
    seconds = []
    for number in range(runs + 1):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        if number:
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def floor(model: ElmoModel, batches: list[Batch], limits: Limits, name: str, training: bool) -> dict[str, float]:
    """Seconds that no version of the LSTM stage can go below, from operations and from bytes.

    Operations are those of all products (three times as many with the backward pass). `bytes` counts weights, word
    vectors and results once per layer. `weights_at_every_step` reads the recurrent weights anew for each step, as any
    loop does whose weights do not fit on the chip: no true floor, but what to compare a loop with.
    """
    config = model.config
    size, cell_size, layers = config.projection_size, config.cell_size, config.num_hidden_layers
    words = sum(int(batch.mask.sum()) for batch in batches)
    steps = sum(int(batch.mask.sum(dim=1).max()) for batch in batches)
    width = 4 if name in ("float32", "tf32") else 2
    passes = 3 if training else 1
    both = 2 * layers  # directions and layers
    operations = passes * both * words * 2 * 9 * size * cell_size
    moved = passes * both * (len(batches) * 9 * size * cell_size + 2 * words * size) * width
    every_step = (2 if training else 1) * both * steps * 5 * size * cell_size * width
    return {
        "operations": operations / limits.operations[name],
        "bytes": moved / limits.bytes,
        "weights_at_every_step": every_step / limits.bytes,
    }
