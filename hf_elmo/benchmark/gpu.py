# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Words per second on a CUDA GPU: the LSTM stage beside cuDNN's LSTM, the whole encoder, and steps of pretraining.

Results are compared with the definition in float64 before anything is timed. Time is that on the wall, from an idle GPU
to an idle GPU, so that what the processor needs to launch the kernels counts.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch

from hf_elmo.benchmark import gpu_sides, gpu_tuning, options, workloads
from hf_elmo.benchmark.gpu_sides import SIDES, autocast, precision, synchronize
from hf_elmo.benchmark.measuring import Progress, alternate, package_version, ratio, summary
from hf_elmo.benchmark.report import print_cell
from hf_elmo.benchmark.results import ResultFile
from hf_elmo.modeling import ElmoConfig, ElmoForPreTraining, ElmoModel

VOCABULARY = 30_000
# The pretraining of Peters et al. 2018: 128 sentences side by side, 20 words a step, 8192 sampled words.
LANES, WINDOW, SAMPLED = 128, 20, 8192
SOFTMAX_WORDS = 793_471
CHECKED = 16  # words of each sentence that are compared; the definition keeps 1 MB for each in float64
QUICK = {"sizes": ["small"], "batch_sizes": [128], "runs": 3, "sides": ["ours", "ours-bf16", "cudnn", "cudnn-fp16"]}
# title -> (slower side, faster side): how many times faster the second one is
COMPARISONS = {
    "ours against cuDNN, float32": ("cudnn", "ours"),
    "ours against cuDNN, TF32": ("cudnn-tf32", "ours-tf32"),
    "ours against cuDNN, bfloat16": ("cudnn-bf16", "ours-bf16"),
    "ours against cuDNN, float16": ("cudnn-fp16", "ours-fp16"),
    "ours in bfloat16 against cuDNN in float16": ("cudnn-fp16", "ours-bf16"),
    "ours under autocast against cuDNN, bfloat16": ("cudnn-bf16", "ours-autocast"),
    "Triton against none, float32": ("packed", "ours"),
    "Triton against none, bfloat16": ("packed-bf16", "ours-bf16"),
}


def run(args: argparse.Namespace) -> int:
    """Measure, print each measurement as it is done and keep it in the result file.

    Returns:
        0; 1 if a side of the LSTM stage was left out, its results being wrong; 130 if interrupted.
    Raises:
        ValueError: there is no CUDA device or no Triton, or the vectors of the whole encoder are wrong.
    """
    require_gpu()
    if args.tune:
        return gpu_tuning.run(args)
    if args.quick:
        vars(args).update({name: value for name, value in QUICK.items() if name != "sides" or args.sides is None})
    args.sides = [name for name in SIDES if args.sides is None or name in args.sides]
    result = ResultFile(args, threads=torch.get_num_threads())
    result.facts["machine"]["gpu"] = gpu_facts()
    text = workloads.make_text(args.text, VOCABULARY, args.seed, args.batch_sizes)
    result.data = text.facts
    cells = [f"{size}, batch {batch_size}" for size in args.sizes for batch_size in args.batch_sizes]
    pretrained = [] if args.no_pretraining else [size for size in ("small", "original") if size in args.sizes]
    print(
        f"will measure {', '.join(args.sides)} on {', '.join(cells)} and pretraining of {', '.join(pretrained) or 'none'}, "
        f"{args.runs} runs after one to warm up, on {torch.cuda.get_device_name()}; two to three minutes for all",
        file=sys.stderr,
    )
    try:
        gpu_tuning.compile_beforehand(
            [(size, batch, kind) for size in args.sizes for batch in args.batch_sizes for kind in _kinds(args.sides)]
        )
        limits = gpu_sides.measure_limits()
        result.data["limits"] = {"operations_per_second": limits.operations, "bytes_per_second": limits.bytes}
        print("; ".join(f"{name} {rate / 1e12:.0f} TFLOP/s" for name, rate in limits.operations.items()), end="; ")
        print(f"copy {limits.bytes / 1e12:.2f} TB/s")
        for size in args.sizes:
            model = workloads.build_model(workloads.SIZES[size], args.seed)
            for batch_size in args.batch_sizes:
                if f"whole encoder, {size}, batch {batch_size}" not in result.metrics:
                    measure(size, batch_size, model, text, args, result, limits)
            del model
        for size in pretrained:
            if pretraining_title(size) not in result.metrics:
                measure_pretraining(size, args, result)
    except KeyboardInterrupt:
        return result.interrupted(len(cells) + len(pretrained))
    result.finish()
    return 1 if "not_measured" in result.data else 0


def require_gpu() -> None:
    """Refuse to run without a GPU and Triton.

    Raises:
        ValueError: one of them is missing; says which.
    """
    if not torch.cuda.is_available():
        raise ValueError(
            "benchmark gpu needs a CUDA device, and torch sees none; on a processor take hf-elmo benchmark encoder"
        )
    if package_version("triton") is None:
        raise ValueError(
            "benchmark gpu measures Triton kernels, and the package triton is missing: pip install triton"
        )


def gpu_facts() -> dict[str, Any]:
    """Name, memory, multiprocessors and driver of the GPU, and the versions of what runs on it."""
    properties = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        driver = None
    return {
        "name": properties.name,
        "memory_gb": round(properties.total_memory / 1e9, 1),
        "multiprocessors": properties.multi_processor_count,
        "capability": f"{properties.major}.{properties.minor}",
        "driver": driver,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cudnn_takes": [
            str(dtype)[6:]
            for dtype in (torch.float32, torch.bfloat16, torch.float16)
            if torch.backends.cudnn.is_acceptable(torch.empty(1, device=gpu_sides.DEVICE, dtype=dtype))
        ],
        "triton": package_version("triton"),
    }


def _kinds(sides: list[str]) -> list[str]:
    """Precisions in which Triton's kernels will run."""
    kinds = {SIDES[name].precision for name in sides if SIDES[name].implementation == "triton"}
    return sorted({"bfloat16" if kind == "autocast" else kind for kind in kinds})


def measure(size: str, batch_size: int, model: ElmoModel, text, args, result: ResultFile, limits) -> None:
    """Check and time the LSTM stage (inference and training step), then the whole encoder."""
    workload = workloads.make_workload(text, batch_size, "corpus", args.sentences)
    title = f"{size}, batch {batch_size}"
    with torch.no_grad():
        whole = cast(Any, model).to(gpu_sides.DEVICE)
        batches = []
        for batch in workload.batches:
            mask = batch["attention_mask"].bool()
            words = whole._words_of(
                slice(None), None, batch["char_ids"].to(gpu_sides.DEVICE), None, mask.to(whole.device)
            )
            batches.append(gpu_sides.make_batch(words, mask))
    begun = gpu_sides.make_batch(batches[0].words[:, :CHECKED], batches[0].mask[:, :CHECKED])
    expected = gpu_sides.expect(model, begun)
    stages, prepared, checks = {}, {}, {}
    for name in args.sides:
        try:
            stage = gpu_sides.make_stage(name, model)
            checks[name] = gpu_sides.check(name, stage, stage.prepare(begun), expected)
        except (ValueError, RuntimeError) as error:  # wrong, or torch has no such LSTM: the others are measured
            result.data.setdefault("not_measured", {})[f"{name}, {title}"] = str(error)
            print(f"error: {error}", file=sys.stderr)
            continue
        stages[name] = stage
        prepared[name] = [stage.prepare(batch) for batch in batches]
    if not stages:
        return
    del expected

    for kind, function in (("inference", gpu_sides.infer), ("training step", gpu_sides.step)):
        training = kind == "training step"
        to_do: dict[str, Callable[[], Any]] = {
            name: partial(on_all, function, stages[name], prepared[name]) for name in stages
        }
        memory = {name: peak_above(work, stages[name].parameters) for name, work in to_do.items()}
        seconds = timed(f"LSTM {kind}, {title}", to_do, args.runs)
        content = describe(workload, seconds, COMPARISONS)
        for name, measured in content["sides"].items():
            measured |= {"check": checks[name], "peak_megabytes": memory[name]}
            floors = gpu_sides.floor(model, batches, limits, SIDES[name].precision, training)
            median = statistics.median(seconds[name])
            measured["floor_seconds"] = {key: round(value, 6) for key, value in floors.items()}
            measured["share_of_floor"] = round(max(floors["operations"], floors["bytes"]) / median, 6)
            measured["share_with_weights_at_every_step"] = round(max(floors.values()) / median, 6)
        keep(f"LSTM {kind}, {title}", content, result)
        for stage in stages.values():
            for parameter in stage.parameters:
                parameter.grad = None
    del stages, prepared, to_do
    measure_whole(title, model, workload, args, result)


def on_all(function: Callable[[Any, Any], None], stage: Any, batches: list[Any]) -> None:
    """Call a function of a stage and a batch on every batch."""
    for batch in batches:
        function(stage, batch)


def measure_whole(title: str, model: ElmoModel, workload: workloads.Workload, args, result: ResultFile) -> None:
    """Time the whole encoder on char_ids that lie on the GPU, checked against the same on the processor."""
    batches = [
        {name: batch[name].to(gpu_sides.DEVICE) for name in ("char_ids", "attention_mask")}
        for batch in workload.batches
    ]
    ours = gpu_sides.with_backend(model, gpu_sides.BACKEND).to(gpu_sides.DEVICE)
    part = {name: tensor[:8] for name, tensor in batches[0].items()}
    exact = gpu_sides.with_backend(model.double(), "reference").cpu()
    model.float()
    with torch.no_grad():
        right = exact(**{name: tensor.cpu() for name, tensor in part.items()}).mixed_state.to(gpu_sides.DEVICE)
    del exact
    to_do: dict[str, Callable[[], Any]] = {}
    checks = {}
    for name, kind in (("float32", "float32"), ("autocast", "autocast")):

        @torch.no_grad()
        def work(kind: str = kind) -> None:
            with precision(kind), autocast(kind):
                for batch in batches:
                    ours(**batch)

        with torch.no_grad(), precision(kind), autocast(kind):
            error = gpu_sides.relative_error(ours(**part).mixed_state, right)
        if not error <= gpu_sides.TOLERANCES[kind]:
            raise ValueError(
                f"whole encoder, {name}: vectors differ by {error:.1e} of their norm; nothing was measured"
            )
        to_do[name], checks[name] = work, {"kind": "relative error of the mix", "vectors": error}
    memory = {name: peak_above(work, ()) for name, work in to_do.items()}
    content = describe(workload, timed(f"whole encoder, {title}", to_do, args.runs), {})
    for name, measured in content["sides"].items():
        measured |= {"check": checks[name], "peak_megabytes": memory[name]}
    keep(f"whole encoder, {title}", content, result)


def pretraining_title(size: str) -> str:
    """Name of a measurement of pretraining."""
    return f"pretraining step, {size}, {LANES} x {WINDOW} words"


def measure_pretraining(size: str, args, result: ResultFile) -> None:
    """Time forward and backward pass of `ElmoForPreTraining` on lanes, under autocast, with sampled words."""
    encoder = workloads.build_model(workloads.SIZES[size], args.seed)
    settings = {**encoder.config.to_dict(), "vocab_size": SOFTMAX_WORDS + 1, "lstm_backend": gpu_sides.BACKEND}
    config = ElmoConfig(**{name: value for name, value in settings.items() if name != "hidden_size"})
    with torch.device(gpu_sides.DEVICE):
        model = ElmoForPreTraining(config)
    model.elmo.load_state_dict(encoder.state_dict())
    model = cast(Any, model).to(gpu_sides.DEVICE).train()
    lanes = {name: tensor.to(gpu_sides.DEVICE) for name, tensor in make_lanes(args.seed).items()}
    generator = torch.Generator(gpu_sides.DEVICE).manual_seed(args.seed)

    def step(sparse: bool) -> float:
        for parameter in model.parameters():
            parameter.grad = None
        with autocast("autocast"):
            output = model(**lanes, num_sampled=SAMPLED, sparse_gradient=sparse, generator=generator)
        output.sampled_loss.backward()
        return float(output.sampled_loss.detach())

    loss = step(True)
    gradients = [
        p.grad.coalesce().values() if p.grad.is_sparse else p.grad for p in model.parameters() if p.grad is not None
    ]
    if not (loss > 0 and all(bool(gradient.isfinite().all()) for gradient in gradients)):
        raise ValueError(f"pretraining of {size}: loss {loss} or a gradient is not finite; nothing was measured")
    del gradients
    to_do = {"sparse gradient": lambda: step(True), "dense gradient": lambda: step(False)}
    memory = {name: peak_above(work, list(model.parameters())) for name, work in to_do.items()}
    title = pretraining_title(size)
    seconds = timed(title, to_do, args.runs)
    content = {
        "words": LANES * WINDOW,
        "clock": "time on the wall",
        "sampled_words": SAMPLED,
        "softmax_words": SOFTMAX_WORDS,
        "sides": {
            name: summary(LANES * WINDOW, one) | {"peak_megabytes": memory[name]} for name, one in seconds.items()
        },
        "ratios": {},
    }
    keep(title, content, result)


def make_lanes(seed: int) -> dict[str, torch.Tensor]:
    """Streams of made-up sentences cut into one window: char ids and targets (LANES, WINDOW) of both directions."""
    spellings = workloads.make_spellings(seed)
    tokenizer = workloads.ElmoTokenizer(spellings, splitting="whitespace")
    sentences = workloads.make_sentences(spellings, 4 * LANES, seed)
    rows: dict[str, list] = {"char_ids": [], "backward_char_ids": [], "forward_targets": [], "backward_targets": []}
    for lane in range(LANES):
        encoded = [tokenizer(words, is_split_into_words=True) for words in sentences[4 * lane : 4 * lane + 4]]
        for suffix, order in (("forward", 1), ("backward", -1)):
            chars = [word for one in encoded for word in one["char_ids"][::order][:-1]]
            targets = [word for one in encoded for word in one["input_ids"][::order][1:]]
            rows["char_ids" if order == 1 else "backward_char_ids"].append(chars[:WINDOW])
            rows[f"{suffix}_targets"].append(targets[:WINDOW])
    return {name: torch.tensor(values) for name, values in rows.items()}


def peak_above(work: Callable[[], Any], kept: Any) -> float:
    """Megabytes that a call takes at most beyond what there was before it; gradients of `kept` are dropped first."""
    for parameter in kept:
        parameter.grad = None
    work()
    for parameter in kept:
        parameter.grad = None
    synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    work()
    synchronize()
    return round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)


def timed(title: str, to_do: dict[str, Callable[[], Any]], runs: int) -> dict[str, list[float]]:
    """Seconds of the sides in turns, from an idle GPU to an idle GPU."""

    def whole(work: Callable[[], Any]) -> Callable[[], None]:
        def call() -> None:
            work()
            synchronize()

        return call

    with Progress(title, to_do, runs) as progress:

        def before(name: str) -> None:
            progress(name)
            synchronize()

        return alternate({name: whole(work) for name, work in to_do.items()}, runs, threads=0, before=before)


def describe(workload: workloads.Workload, seconds: dict[str, list[float]], comparisons) -> dict[str, Any]:
    """What a result file says about a measurement: the work, each side, and ratios between them."""
    return {
        **workload.facts,
        "clock": "time on the wall",
        "sides": {
            name: {"about": options.GPU_SIDES.get(name, name), **summary(workload.words, one)}
            for name, one in seconds.items()
        },
        "ratios": {
            title: {"of": [slow, fast], **ratio(seconds[slow], seconds[fast])}
            for title, (slow, fast) in comparisons.items()
            if slow in seconds and fast in seconds
        },
    }


def keep(title: str, content: dict[str, Any], result: ResultFile) -> None:
    """Print a measurement and write it into the result file."""
    print_cell(title, content)
    for name, measured in content["sides"].items():
        if "share_of_floor" in measured:
            check = measured["check"]
            print(
                f"  {name:<14} floor {measured['share_of_floor']:6.1%}, with weights at every step "
                f"{measured['share_with_weights_at_every_step']:6.1%}, {measured['peak_megabytes']:,.0f} MB, "
                f"errors {check['vectors']:.0e} {check['gradients']:.0e}"
            )
        else:
            print(f"  {name:<16} {measured['peak_megabytes']:,.0f} MB above weights")
    result.add(title, content)
