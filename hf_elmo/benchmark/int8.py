# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What `quantize_int8` costs in quality: bytes of the weights, cosines of the vectors, points of tasks.

Vectors are computed once for each format and set, and every seed's counts are kept beside the result file until it is
complete: an interruption loses one seed at most. Tasks do not depend on each other: a resumed run may have others.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hf_elmo.benchmark.measuring import torch_threads
from hf_elmo.benchmark.options import INT8_TASKS
from hf_elmo.benchmark.results import ResultFile
from hf_elmo.compare import quantization
from hf_elmo.compare.contenders import identity
from hf_elmo.compare.data_sources import data_sources
from hf_elmo.compare.item_bits import items_digest
from hf_elmo.compare.quantization import FLOAT, INT8, Examples, SeedResult
from hf_elmo.compare.settings import DATA_VARIABLE, find_data, without_folders
from hf_elmo.compare.task_probe import Budget, cached_features
from hf_elmo.compare.tasks import TASKS
from hf_elmo.messages import say

QUICK = {"tasks": ["mr", "ud_ewt"], "seeds": [1, 2], "updates": 100, "folds": 2, "examples": 500}
WEIGHTS = "weights"


def run(args: argparse.Namespace) -> int:
    """Measure, print each figure as it is found and keep it in the result file; 130 if interrupted.

    Raises:
        ValueError: an option is out of range, the model is no float ELMo, or the data are not there or damaged.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    if args.quick:
        vars(args).update(QUICK)
    spec, data = args.model, check(args)
    args.model, args.data = without_folders(spec), data.resolve().name
    args.model_sha256 = identity(spec)  # a resumed run must be of the same model
    result = ResultFile(argparse.Namespace(**{k: v for k, v in vars(args).items() if k != "tasks"}), args.threads)
    pair = quantization.load_pair(spec)
    sets = {name: quantization.read_examples(data, name, args.examples) for name in args.tasks}
    result.data = {"model": pair[FLOAT].facts()}
    announce(args, pair[FLOAT].name, sets, result)
    try:
        with torch_threads(args.threads), work_folder(result) as folder:
            if WEIGHTS not in result.metrics:
                measure_weights(pair, result)
            for name, examples in sets.items():
                if name not in result.metrics:
                    measure_task(examples, pair, args, result, folder)
    except KeyboardInterrupt:
        return result.interrupted(len({WEIGHTS, *sets, *result.metrics}))
    result.finish()
    return 0


def check(args: argparse.Namespace) -> Path:
    """The folder of data; fills in the tasks that are there if none are named.

    Raises:
        ValueError: it, or a set that was asked for, is not there; a seed is given twice; a single fold.
    """
    if len(set(args.seeds)) < len(args.seeds):
        raise ValueError(f"a seed is given twice in {' '.join(map(str, args.seeds))}: it would count as two")
    if args.folds < 2:
        raise ValueError(f"--folds {args.folds} leaves nothing to train on; needed are 2 or more")
    data = find_data(args.data)
    if data is None:
        raise ValueError(f"int8 reads labelled data: give --data FOLDER or set {DATA_VARIABLE}")
    wanted = list(dict.fromkeys(args.tasks or INT8_TASKS))
    missing = [name for name in wanted if not (data / name).is_dir()]
    if missing and (args.tasks or len(missing) == len(wanted)):
        raise ValueError(f"{', '.join(missing)} is not in {data}; `hf-elmo compare --list-data` tells where to get it")
    for name in missing:
        say(f"left out: {name} is not in {data}")
    args.tasks = [name for name in wanted if name not in missing]
    return data


def facts_of(examples: Examples) -> dict[str, Any]:
    """What a reader needs to know which examples these were."""
    source = data_sources().get(examples.name)
    return {
        "source": None if source is None else source.url,
        "examples": len(examples.words),
        "words": sum(map(len, examples.words)),
        "trained_on_alone": examples.trained or 0,
        "digest": items_digest(zip(examples.words, examples.gold, strict=True)),
    }


def announce(args: argparse.Namespace, model: str, sets: Mapping[str, Examples], result: ResultFile) -> None:
    """Say what is going to be done."""
    say(
        f"will compare {model} in float32 and int8: bytes, cosines, and task networks of {args.updates} updates on float32 "
        f"vectors,\nscored on both; seeds {' '.join(map(str, args.seeds))}; {args.threads} thread(s)"
    )
    for name, examples in sets.items():
        how = f"{args.folds} folds" if examples.trained is None else f"after training on {examples.trained:,}"
        done = " (done)" if name in result.metrics else ""
        say(f"  {TASKS[name].title}: {len(examples.scored):,} examples, {how}{done}")


@contextmanager
def work_folder(result: ResultFile) -> Iterator[Path]:
    """Where vectors and the counts of finished seeds lie; an interruption leaves it beside the result file."""
    if result.path is None:
        with tempfile.TemporaryDirectory(prefix="hf-elmo-int8-") as name:
            yield Path(name)
        return
    folder = result.path.with_name(result.path.name + ".work")
    if folder.exists() and not result.resumed:  # of a run whose result file was removed: nobody knows its settings
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def measure_weights(pair: Mapping[str, Any], result: ResultFile) -> None:
    """Bytes of the weights in both formats."""
    sizes = {name: quantization.weight_bytes(contender.model) for name, contender in pair.items()}
    share = sizes[INT8] / sizes[FLOAT]
    print(f"weights: {sizes[FLOAT]:,} bytes in float32, {sizes[INT8]:,} in int8 ({100 * share:.1f} %)")
    result.add(WEIGHTS, {"bytes": sizes, "share": round(share, 4)})


def measure_task(
    examples: Examples, pair: Mapping[str, Any], args: argparse.Namespace, result: ResultFile, folder: Path
) -> None:
    """Cosines and the loss of one task; its vectors are removed afterwards."""
    name, title, facts = examples.name, TASKS[examples.name].title, facts_of(examples)
    cache = folder / f"{name}-features"
    say(f"{title}: vectors of {facts['words']:,} words in both formats")
    exact = cached_features(pair[FLOAT], examples.words, cache)
    close = cached_features(pair[INT8], [examples.words[row] for row in examples.scored], cache)
    scored = quantization.rows_of(exact, np.array(examples.scored))
    found = quantization.cosines(scored, close, pair[FLOAT].layers)
    words = len(scored.values)
    del scored
    budget = Budget(args.updates)
    folds = 1 if examples.trained is not None else args.folds
    seeds = []
    for place, seed in enumerate(args.seeds, 1):
        path = folder / f"{name}-{facts['digest']}-{seed}.npz"
        if not path.exists():
            begun = time.perf_counter()
            with tqdm(total=folds, desc=f"{title}, seed {seed}", leave=False, disable=None) as bar:
                keep(path, quantization.score_seed(examples, exact, close, budget, args.folds, seed, bar.update))
            left = (time.perf_counter() - begun) * (len(args.seeds) - place)
            say(f"  seed {seed}: {place} of {len(args.seeds)} done, {left / 60:.0f} minutes to go with this task")
        seeds.append(kept(path))
    metric = {
        "title": title,
        "folds": args.folds if examples.trained is None else None,
        **quantization.summarize(seeds),
        "budget": asdict(budget),
        "data": facts,
        "cosine_words": words,
        "cosine": {layer: {key: round(value, 6) for key, value in each.items()} for layer, each in found.items()},
    }
    print_task(metric)
    result.add(name, metric)
    del exact, close
    shutil.rmtree(cache)


def print_task(metric: Mapping[str, Any]) -> None:
    """Lines with the loss and with the cosines of each layer."""
    low, high = metric["loss_interval"]
    changes, score = metric["mean_per_seed"], metric["score"]
    print(
        f"\n{metric['title']}, {metric['metric']} of {metric['examples']:,} examples: {score[FLOAT]:.2f} in float32, "
        f"{score[INT8]:.2f} in int8\n"
        f"  loss {metric['loss']:.3f} points ({low:.3f} to {high:.3f}; seeds "
        f"{' '.join(f'{loss:.2f}' for loss in metric['loss_of_seeds'])}), p = {metric['p']:.3g}; at most "
        f"{metric['bar']['largest_loss']}: {metric['bar']['verdict']}\n"
        f"  {changes['changed']:.1f} of {metric['predictions']:,} predictions change ({changes['lost']:.1f} for the worse, "
        f"{changes['gained']:.1f} for the better)"
    )
    width = max(map(len, metric["cosine"]))
    for layer, each in metric["cosine"].items():
        print(
            f"  cosine, {layer:<{width}}  mean {each['mean']:.6f}, 1st percentile {each['percentile_1']:.6f}, least "
            f"{each['least']:.6f}"
        )
    sys.stdout.flush()


def keep(path: Path, result: SeedResult) -> None:
    """Write what a seed gave, whole or not at all."""
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez_compressed(file, **result._asdict())
    part.replace(path)


def kept(path: Path) -> SeedResult:
    """What `keep` wrote."""
    with np.load(path) as stored:
        values = {name: stored[name] for name in SeedResult._fields}
    return SeedResult(**{name: value if value.ndim else value.item() for name, value in values.items()})
