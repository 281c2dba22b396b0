# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo's LSTM loop without gradients as one call of compiled C: float32, on a CPU, chosen by `lstm_backend="native"`.

`lstm_native_int8` is the same with 8-bit weights, and `linear` calls the kernel for the character encoder.

The first use compiles `lstm_native_source` with the system's C compiler (`$CC`, cc, gcc or clang; 1 to 2 seconds) and
keeps the library in `HF_HOME/hf_elmo_<user id>` (`~/.cache/huggingface/hf_elmo_...` if nothing else is set), one file
for each compiler and kind of processor. Where the kernel cannot be had or does not apply, the packed loop runs. Large
matrices go through the tile units of processors with AMX (`lstm_native_amx_source`), unless the environment variable
`HF_ELMO_NO_AMX` holds something; both ways are float32, with other last bits.

A sentence's numbers are equal to the bit in any company: every sum has a fixed order. A layer's two directions run in
two of torch's threads if it may use more than one; further threads are not used there, so that with many cores and large
batches the packed loop is faster. All weights it reads are kept a second time, in the order in which they are read.

Shapes: N words of the batch as `PackedWords` orders them, n sentences (the longest first), D `projection_size`, M
`cell_size`.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import constants
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.utils import logging

from .lstm_native_amx_source import AMX_SOURCE
from .lstm_native_int8_source import INT8_SOURCE
from .lstm_native_source import SOURCE as FLOAT_SOURCE
from .lstm_packed import LstmWeights, lstm_over_packed_words
from .weight_copies import WeightCopies

logger = logging.get_logger(__name__)

# No -ffast-math: NaN has to stay NaN, and sums keep their order.
FLAGS = ["-O3", "-shared", "-fPIC", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-x", "c", "-"]
SECONDS_TO_COMPILE = 120
# Another order of summation than the packed loop's, and other activations.
LARGEST_DIFFERENCE = 1e-5
SOURCE = FLOAT_SOURCE + INT8_SOURCE + AMX_SOURCE
# Whatever is added to them or multiplied with them here stays finite; a bfloat16 number reaches as far as float32.
LARGEST_WEIGHT = 2.0**64
NO_AMX = "HF_ELMO_NO_AMX"  # environment variable
# Numbers of a matrix from which on tiles are faster, for any number of rows: it does not fit into the second cache (2 MB of
# float32 are 2^19), so that splitting it costs no time of its own. In ELMo: from "medium" on, and all highway layers.
TILES_FROM = 2**21
AMX_ROWS = 16  # of a tile


class Kernel(NamedTuple):
    """The compiled functions, and what they expect of the packed weights."""

    lstm: Callable[..., None]
    linear: Callable[..., None]
    convolution: Callable[..., None]
    lstm_int8: Callable[..., int] | None  # processors with VNNI; not 0 if numbers are not finite
    linear_int8: Callable[..., int] | None
    lstm_amx: Callable[..., None] | None  # processors with AMX, if the system lets this process use it
    linear_amx: Callable[..., None] | None
    times_sigmoid: Callable[..., None]
    tanh_times_sigmoid: Callable[..., None]
    width: int  # units of a panel; 4 times as many columns
    depth: int  # rows of weight_hr that stand together
    depth_int8: int
    block_words: int  # words whose input gates are held at once, or those of one step if they are more
    amx_terms: int  # rows of weights come in multiples of it
    amx_depth: int
    amx_block_rows: int
    amx_one_row: ctypes.c_int64  # in the library: whether vectors multiply a single row in the tiles' stead


_lock = threading.Lock()
_loaded: list[Kernel | None] = []  # empty until the first call


def native_kernel() -> Kernel | None:
    """The kernel of this machine, compiled or found on the first call; None if there is none, which is logged once."""
    with _lock:
        if not _loaded:
            kernel = None
            try:
                kernel = _checked(_load_or_build())
            except (OSError, subprocess.SubprocessError, RuntimeError, AttributeError, ValueError) as error:
                said = getattr(error, "stderr", None) or ""
                logger.info(f'lstm_backend="native" is not available here, "packed" runs instead: {error} {said}')
            _loaded.append(kernel)
        return _loaded[0]


def _load_or_build() -> Kernel:
    if os.name != "posix":
        raise RuntimeError("it is compiled on Linux and macOS only")
    compiler = _find_compiler()
    macros = _compile(compiler, ["-dM", "-E", "-x", "c", os.devnull]).stdout  # version and processor, all of it
    key = hashlib.sha256("\0".join([SOURCE, *compiler, *FLAGS, macros]).encode()).hexdigest()[:20]
    folder = _cache_folder()
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="hf_elmo_") as private:  # a loaded library needs its file no more
            return _load(_build(compiler, Path(private), key))
    for path in sorted(folder.glob(f"lstm_{key}_*.so")):
        if _is_intact(path):
            return _load(path)
    return _load(_build(compiler, folder, key))


def _find_compiler() -> list[str]:
    tuned = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
    for command in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return [*words, tuned]
    raise RuntimeError("there is no C compiler: neither $CC nor cc, gcc or clang")


def _compile(compiler: Sequence[str], arguments: Sequence[str], source: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [*compiler, *arguments], input=source, capture_output=True, text=True, check=True, timeout=SECONDS_TO_COMPILE
    )


def _cache_folder() -> Path | None:
    """Where compiled kernels are kept; None if that cannot be written or others could write there."""
    folder = Path(constants.HF_HOME) / f"hf_elmo_{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if private and os.access(folder, os.W_OK) else None


def _build(compiler: Sequence[str], folder: Path, key: str) -> Path:
    """Compile under a name of its own, then move: processes that build at the same time do not meet."""
    handle, temporary = tempfile.mkstemp(dir=folder, prefix="building_", suffix=".so")
    os.close(handle)
    try:
        _compile(compiler, [*FLAGS, "-o", temporary], SOURCE)
        path = folder / f"lstm_{key}_{_digest(Path(temporary))}.so"
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20]


def _is_intact(path: Path) -> bool:
    """Whether the file is the user's own and what was once built: loading half a file could end the process."""
    status = path.lstat()
    own = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return own and path.stem.endswith(f"_{_digest(path)}")


def _load(path: Path) -> Kernel:
    library = ctypes.CDLL(str(path))  # lets other Python threads run during a call
    sizes = (ctypes.c_int64,) * 3 + (ctypes.c_float,) * 2

    def function(name: str, pointers: int, others: tuple, result=None) -> Callable[..., Any]:
        found = getattr(library, f"hf_elmo_{name}")
        found.restype, found.argtypes = result, (ctypes.c_void_p,) * pointers + others
        return found

    def number(name: str) -> int:
        return ctypes.c_int64.in_dll(library, f"hf_elmo_{name}").value

    has_int8 = number("depth_int8") > 0
    has_amx = number("amx_terms") > 0 and not os.environ.get(NO_AMX) and library.hf_elmo_amx_permission() == 0
    return Kernel(
        function("lstm", 12, sizes),
        function("linear", 4, sizes[:3]),
        function("convolution", 5, (ctypes.c_int64,) * 5),
        function("lstm_int8", 17, sizes, ctypes.c_int) if has_int8 else None,
        function("linear_int8", 7, sizes[:3], ctypes.c_int) if has_int8 else None,
        function("lstm_amx", 14, sizes) if has_amx else None,
        function("linear_amx", 6, (ctypes.c_int64,) * 5) if has_amx else None,
        function("times_sigmoid", 3, sizes[:1]),
        function("tanh_times_sigmoid", 3, sizes[:1]),
        number("width"),
        number("depth"),
        number("depth_int8"),
        number("block_words"),
        number("amx_terms"),
        number("amx_depth"),
        number("amx_block_rows"),
        ctypes.c_int64.in_dll(library, "hf_elmo_amx_one_row"),
    )


def _checked(kernel: Kernel) -> Kernel:
    """The kernel, after a small comparison with the packed loop: a compiler may be wrong."""

    def numbers(*shape: int) -> Tensor:
        count = torch.Size(shape).numel()
        return torch.arange(count, dtype=torch.float32, device="cpu").mul_(1.7).sin_().view(shape)

    size, cell, alive = 70, kernel.width + 3, [8, 8, 2, 1]
    gates, projection = (4 * cell, size), numbers(size, cell) / 4
    projection[::2] *= 2.0**-120  # some outputs, of products whose parts are below the least normal number
    weights = LstmWeights(numbers(*gates) / 4, numbers(*gates) / 4, numbers(4 * cell), projection)
    arguments = numbers(sum(alive), size), weights, alive, numbers(8, size), numbers(8, cell), 0.9, 0.8
    with torch.no_grad():
        expected = lstm_over_packed_words(*arguments, WeightCopies())

        def difference(run: NativeRun) -> float:
            run()
            return max(float((a - b).abs().max()) for a, b in zip((run.outputs, run.last_c), expected, strict=True))

        if not (found := difference(FloatRun(kernel, *arguments, WeightCopies()))) <= LARGEST_DIFFERENCE:
            raise RuntimeError(f"the compiled kernel is off by {found:.1e}")
        by_tiles, by_vectors = (amx_run(kernel, *arguments, WeightCopies()) for _ in range(2))
        if by_tiles is None or by_vectors is None:
            return kernel
        kernel.amx_one_row.value = False
        if not (found := difference(by_tiles)) <= LARGEST_DIFFERENCE:
            logger.info(f"the compiled kernel is off by {found:.1e} with AMX, which is not used")
            return kernel._replace(lstm_amx=None, linear_amx=None)
        kernel.amx_one_row.value = True
        by_vectors()
        # False on a processor that rounds in another way.
        pairs = (by_tiles.outputs, by_vectors.outputs), (by_tiles.last_c, by_vectors.last_c)
        kernel.amx_one_row.value = all(torch.equal(*pair) for pair in pairs)
    return kernel


def native_applies(*of_call: Tensor | None) -> bool:
    """Whether the kernel takes these tensors: plain, float32, on a CPU, no gradient wanted, and there is a kernel."""
    tensors = [tensor for tensor in of_call if tensor is not None]
    if torch.jit.is_tracing() or (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        return False
    for tensor in tensors:
        plain = type(tensor) in (Tensor, nn.Parameter) and tensor.device.type == "cpu"
        if not plain or tensor.dtype != torch.float32:
            return False
    return native_kernel() is not None


def lstm_over_packed_words_native(
    words: Tensor,
    weights: LstmWeights,
    alive: Sequence[int],
    h: Tensor,
    c: Tensor,
    cell_clip: float | None,
    proj_clip: float | None,
    copies: WeightCopies,
) -> tuple[Tensor, Tensor]:
    """`lstm_over_packed_words` by the compiled kernel where it applies (`native_applies`), else as it is."""
    arguments = words, weights, alive, h, c, cell_clip, proj_clip, copies
    if not native_applies(words, *weights, h, c):
        return lstm_over_packed_words(*arguments)
    run = float_run(native_kernel(), *arguments)
    run()
    return run.outputs, run.last_c


class NativeRun:
    """One direction, ready to be called: addresses of all tensors, which it keeps, and the results."""

    outputs: Tensor  # (N, D)
    last_c: Tensor  # (n, M)

    def __init__(self, function, tensors, alive, size, cell_size, cell_clip, proj_clip):
        self._function = function
        self.answer = None
        self._kept = tensors  # for as long as their addresses are used
        unbounded = float("inf")
        self._arguments: list[Any] = [
            *(part.data_ptr() if isinstance(part, Tensor) else part for part in tensors),
            (ctypes.c_int64 * len(alive))(*alive),
            len(alive),
            size,
            cell_size,
            unbounded if cell_clip is None else cell_clip,
            unbounded if proj_clip is None else proj_clip,
        ]

    def __call__(self) -> None:
        self.answer = self._function(*self._arguments)


def float_run(kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies) -> NativeRun:
    """One direction with float32 weights, by tiles where that is faster: the same choice for every batch of a model."""
    arguments = kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies
    return (amx_run(*arguments) if tiles_pay(weights.weight_hh) else None) or FloatRun(*arguments)


def tiles_pay(weight: Tensor) -> bool:
    """Whether a matrix is so large that tiles are faster than vectors."""
    return weight.numel() >= TILES_FROM


def amx_run(kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies) -> "AmxRun | None":
    """One direction by tiles; None where processor or weights do not allow it."""
    if kernel.lstm_amx is None:
        return None
    forms = {"ih": pack_gate_halves, "hh": pack_gate_halves, "hr": pack_halves}
    matrices = [
        for_tiles(kernel, copies, f"amx_{name}", getattr(weights, f"weight_{name}"), pack)
        for name, pack in forms.items()
    ]
    if matrices.count(None) > (weights.weight_hr is None):
        return None
    return AmxRun(kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies, matrices)


def for_tiles(kernel, copies: WeightCopies, name: str, weight: Tensor | None, pack) -> Tensor | None:
    """`pack(weight, kernel)`, made once; None without a weight, or if it holds numbers whose parts do not add up to them."""
    if weight is None:
        return None
    return copies.get(
        name, [weight], lambda weight: pack(weight, kernel) if all_below(LARGEST_WEIGHT, weight) else None
    )


def all_below(bound: float, numbers: Tensor) -> bool:
    """Whether all absolute values are smaller; NaN is not."""
    return bool((numbers.abs() < bound).all())


class FloatRun(NativeRun):
    """One direction with float32 weights: the arguments of `lstm_over_packed_words`."""

    def __init__(self, kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies):
        width, size, cell_size = kernel.width, words.shape[1], c.shape[1]
        rows, c_padded = min(max(alive[0], kernel.block_words), len(words)), pad_cells(c, width)
        weight_hr = None
        if weights.weight_hr is not None:
            weight_hr = copies.get("native_hr", [weights.weight_hr], lambda w: pack_weight_hr(w, width, kernel.depth))
        self.outputs = torch.empty_like(words, memory_format=torch.contiguous_format)
        self.last_c = c_padded[:, :cell_size]
        tensors = [
            words.contiguous(),
            copies.get("native_ih", [weights.weight_ih], lambda w: pack_gates(w, width)),
            copies.get("native_hh", [weights.weight_hh], lambda w: pack_gates(w, width)),
            pack_gates(weights.bias.unsqueeze(1), width),
            weight_hr,
            h.contiguous(),
            c_padded,
            torch.empty_like(c_padded),  # hidden
            words.new_empty(rows * 4 * c_padded.shape[1]),  # gates
            words.new_empty(len(c) * (-(-size // (4 * width)) * 4 * width)),  # projected
            self.outputs,
        ]
        super().__init__(kernel.lstm, tensors, alive, size, cell_size, cell_clip, proj_clip)


class AmxRun(NativeRun):
    """One direction with float32 weights, its products by tiles: as `FloatRun`, with the three matrices packed."""

    def __init__(self, kernel, words, weights, alive, h, c, cell_clip, proj_clip, copies, matrices):
        width, size, cell_size = kernel.width, words.shape[1], c.shape[1]
        rows, c_padded, panel = min(max(alive[0], kernel.block_words), len(words)), pad_cells(c, width), 4 * width
        self.outputs = torch.empty_like(words, memory_format=torch.contiguous_format)
        self.last_c = c_padded[:, :cell_size]
        tensors = [
            words.contiguous(),
            *matrices[:2],
            pack_gates(weights.bias.unsqueeze(1), width),
            matrices[2],
            h.contiguous(),
            c_padded,
            torch.empty_like(c_padded),  # hidden
            words.new_empty(rows * 4 * c_padded.shape[1]),  # gates
            words.new_empty(len(c) * (-(-size // panel) * panel)),  # projected
            self.outputs,
            *amx_room(words, rows, max(size + -size % kernel.amx_terms, kernel.amx_depth)),
        ]
        super().__init__(kernel.lstm_amx, tensors, alive, size, cell_size, cell_clip, proj_clip)


def pad_cells(c: Tensor, width: int) -> Tensor:
    """A copy of c (n, M) with zeros up to a multiple of `width`, row after row however c lies in memory."""
    padded = c.new_zeros(len(c), -(-c.shape[1] // width) * width)
    padded[:, : c.shape[1]] = c
    return padded


def amx_room(like: Tensor, rows: int, terms: int) -> tuple[Tensor, Tensor]:
    """Room for so many rows in three parts of bfloat16, and for a mark of each."""
    return (
        like.new_empty((rows + AMX_ROWS) * 3 * terms, dtype=torch.int16),
        like.new_empty(rows, dtype=torch.uint8),
    )


def pack_gates(weight: Tensor, width: int) -> Tensor:
    """Rows of all gates (4M, D) -> (M / width rounded up, D, 4 * width): all gates of `width` units side by side."""
    size, panels = weight.shape[1], -(-weight.shape[0] // (4 * width))
    gates = weight.detach().view(4, -1, size)
    gates = F.pad(gates, (0, 0, 0, panels * width - gates.shape[1]))
    return gates.view(4, panels, width, size).permute(1, 3, 0, 2).contiguous()


def pack_weight_hr(weight: Tensor, width: int, depth: int) -> Tensor:
    """The projection (D, M) -> flat: for every `depth` of M the panels of 4 * `width` outputs one after another."""
    return pack_columns(weight, width, depth, 1)


def pack_columns(weight: Tensor, width: int, depth: int, neighbours: int) -> Tensor:
    """As `pack_weight_hr`, with so many neighbours of M, a multiple of which M is, side by side in a panel."""
    outputs = F.pad(weight, (0, 0, 0, -weight.shape[0] % (4 * width)))  # (D rounded up, M)
    panels = outputs.view(-1, 4 * width, weight.shape[1] // neighbours, neighbours).transpose(1, 2)
    return torch.cat([part.flatten() for part in panels.split(depth // neighbours, dim=1)])


def pack_gate_halves(weight: Tensor, kernel: Kernel) -> Tensor:
    """As `pack_gates`, the gates i and f of `width` units before g and o: (panels, 2, D rounded up, 2 * width)."""
    panels = pack_gates(F.pad(weight, (0, -weight.shape[1] % kernel.amx_terms)), kernel.width)
    return panels.unflatten(2, (2, -1)).transpose(1, 2).contiguous()


def pack_halves(weight: Tensor, kernel: Kernel) -> Tensor:
    """A matrix (O, I) -> flat: for every `amx_depth` of I the half panels of 2 * `width` outputs one after another."""
    half, outputs, inputs = 2 * kernel.width, *weight.shape
    padded = F.pad(weight, (0, -inputs % kernel.amx_terms, 0, -outputs % (2 * half)))
    halves = padded.unflatten(0, (-1, half)).transpose(1, 2)  # (half panels, I, half)
    return torch.cat([part.flatten() for part in halves.split(kernel.amx_depth, dim=1)])
