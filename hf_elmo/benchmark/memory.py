# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Peak memory of the encoder for one long document, above what the weights take.

The document is computed by `ElmoModel.forward_in_segments` in a process of its own, so that nothing else counts. Before
that a shorter one is compared with the whole sequence at once: by the baseline, and by `ElmoModel.forward`.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hf_elmo.benchmark import workloads
from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent
from hf_elmo.benchmark.measuring import torch_threads
from hf_elmo.benchmark.results import ResultFile
from hf_elmo.benchmark.sides import TOLERANCE
from hf_elmo.modeling import ElmoTokenizer


def run(args: argparse.Namespace) -> int:
    """Check, measure and print every size, and write the result file.

    Raises:
        ValueError: the long form differs from the baseline, or the process that measures failed.
    """
    result = ResultFile(args, args.threads)
    result.data = {"text": "made", "seed": args.seed}
    with torch_threads(args.threads):
        for size in args.sizes:
            sizes = workloads.SIZES[size]
            print(
                f"will compare {args.check_words:,} words on {size} with the baseline, then measure {args.words:,} words "
                "in a process of its own",
                file=sys.stderr,
            )
            check, seconds = compare(sizes, args.check_words, args.seed)
            print(
                f"largest difference {check['largest_difference']:.1e}; {args.words:,} words will take about "
                f"{seconds / args.check_words * args.words / 60:.0f} minutes",
                file=sys.stderr,
            )
            metric = {**measure(sizes, args.words, args.seed, args.threads), "check": check}
            print(
                f"{size}, one document of {args.words:,} words: peak {metric['peak_above_weights_mb']:,} MB above the "
                f"weights ({metric['after_loading_mb']:,} MB after loading), {metric['words_per_second']:,} words/s; "
                f"largest difference on {args.check_words:,} words {check['largest_difference']:.1e} from the baseline, "
                f"{check['largest_difference_from_forward']:.1e} from forward"
            )
            result.add(f"memory, {size}, {args.words} words", metric)
    result.finish()
    return 0


def make_document(tokenizer: ElmoTokenizer, words: int, seed: int) -> dict[str, Any]:
    """One text of so many words as a batch of one."""
    sentences = workloads.make_sentences(workloads.make_spellings(seed), words // workloads.SHORTEST + 1, seed)
    text = list(itertools.islice(itertools.chain.from_iterable(sentences), words))
    return dict(tokenizer([text], is_split_into_words=True, return_tensors="pt"))


@torch.inference_mode()
def compare(sizes: Mapping[str, Any], words: int, seed: int) -> tuple[dict[str, Any], float]:
    """Largest differences from the whole text at once in any number of mix or top layer, and the seconds ours took.

    Raises:
        ValueError: it is larger than `TOLERANCE`.
    """
    model = workloads.build_model(sizes, seed)
    document = make_document(ElmoTokenizer(), words, seed)
    started = time.perf_counter()
    output = model.forward_in_segments(**document, words_per_segment=max(1, words // 3))
    seconds = time.perf_counter() - started
    mix, layers = AllenNlpEquivalent(model).eval()(document["char_ids"])
    whole = model(**document)
    references = {"the baseline": (mix, layers[-1]), "forward": (whole.mixed_state, whole.last_hidden_state)}
    differences = {}
    for name, wanted in references.items():
        pairs = zip((output.mixed_state, output.last_hidden_state), wanted, strict=True)
        differences[name] = max((got - other).abs().max().item() for got, other in pairs)
        if not differences[name] <= TOLERANCE:  # NaN is wrong, too
            raise ValueError(
                f"a document of {words} words differs from {name} by {differences[name]:.1e}, allowed are "
                f"{TOLERANCE:.0e}; nothing was measured"
            )
    check = {
        "kind": "largest difference from the whole text at once",
        "words": words,
        "largest_difference": differences["the baseline"],
        "largest_difference_from_forward": differences["forward"],
        "tolerance": TOLERANCE,
    }
    return check, seconds


def measure(sizes: Mapping[str, Any], words: int, seed: int, threads: int) -> dict[str, Any]:
    """What `measure_here` finds in a fresh process.

    Raises:
        ValueError: that process failed; with the end of what it said.
    """
    settings = json.dumps({"sizes": sizes, "words": words, "seed": seed, "threads": threads})
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", __name__, settings]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-300:]
        raise ValueError(f"the process that measures ended with {done.returncode}: {said}")
    return json.loads(done.stdout.splitlines()[-1])


@torch.inference_mode()
def measure_here(sizes: Mapping[str, Any], words: int, seed: int, threads: int) -> dict[str, Any]:
    """Load a model, encode and compute the document; memory of this process before and at its peak in between."""
    torch.set_num_threads(threads)
    model = workloads.build_model(sizes, seed)
    parameters = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    reset = _reset_peak()
    loaded = _resident_mb("VmRSS")
    document = make_document(ElmoTokenizer(), words, seed)
    encoded = _resident_mb("VmRSS")
    started = time.perf_counter()
    vectors = model.forward_in_segments(**document).mixed_state
    seconds = time.perf_counter() - started
    peak = _resident_mb("VmHWM")
    assert vectors is not None
    return {
        "words": words,
        "words_per_second": round(words / seconds, 1),
        "seconds": round(seconds, 1),
        "peak_above_weights_mb": round(peak - loaded),
        "after_loading_mb": round(loaded),
        "weights_mb": round(parameters / 1e6),
        "inputs_mb": round(encoded - loaded),
        "outputs_mb": round(2 * vectors.numel() * vectors.element_size() / 1e6),  # the top layer, too
        "peak_counted_from_loading": reset,
    }


def _resident_mb(field: str) -> float:
    """VmRSS, the memory in use, or VmHWM, its peak, in units of 10^6 bytes; elsewhere than on Linux the peak for both."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _reset_peak() -> bool:
    """Forget the peak that loading had, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(measure_here(**json.loads(sys.argv[1]))))
