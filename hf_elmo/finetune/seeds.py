# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Several runs that differ in their seed alone, as one result: `python -m hf_elmo.finetune.seeds OUTPUT.json RUN ...`.

Every number gets its mean and the standard deviation over the seeds (n - 1 in the divisor).
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.results import write_atomically
from hf_elmo.finetune.report import RESULTS_NAME

# Settings in which runs of one experiment may differ.
OF_A_RUN = {"seed", "data_seed", "output_dir", "overwrite_output_dir", "logging_dir", "run_name"}


def summarize(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One result of several.

    Args:
        runs: name of each run and the content of its results.json.
    Returns:
        As a results.json; a metric holds `mean`, `standard_deviation` and the `values` by seed.
    Raises:
        ValueError: fewer than two runs, one seed twice, or settings, data or code that differ; names them.
    """
    if len(runs) < 2:
        raise ValueError(f"needed are at least two runs, got {len(runs)}")
    first_name, first = next(iter(runs.items()))
    for name, run in runs.items():
        for part in ("data", "code", "packages"):
            if run[part] != first[part]:
                raise ValueError(f"{name} and {first_name} have different {part}: only the seed may differ")
        ours, theirs = _settings(run), _settings(first)
        different = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        if different:
            raise ValueError(f"{name} and {first_name} differ in {', '.join(different)}: only the seed may differ")
    seeds = [run["run"]["seed"] for run in runs.values()]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"two runs have the same seed: {', '.join(map(str, seeds))}")
    metrics = {
        split: {
            name: {
                "mean": statistics.mean(values := [run["metrics"][split][name]["value"] for run in runs.values()]),
                "standard_deviation": statistics.stdev(values),
                "values": dict(zip(map(str, seeds), values, strict=True)),
                "baseline": measured["baseline"],
                "n": measured["n"],
            }
            for name, measured in scores.items()
        }
        for split, scores in first["metrics"].items()
    }
    return {
        "run": {
            "commands": [run["run"]["command"] for run in runs.values()],
            "settings": _settings(first),
            "seeds": seeds,
            "start": first["run"]["start"],
            "duration_seconds": round(sum(run["run"]["duration_seconds"] for run in runs.values()), 1),
        },
        "metrics": metrics,
        **{key: first[key] for key in ("baseline", "model", "data", "notes", "code", "packages", "machine")},
    }


def _settings(run: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in run["run"]["settings"].items() if key not in OF_A_RUN}


def table(result: Mapping[str, Any]) -> str:
    """The metrics as Markdown."""
    lines = ["| data | metric | mean | sd | majority baseline | n |", "|---|---|---|---|---|---|"]
    for split, scores in result["metrics"].items():
        for name, one in scores.items():
            baseline = "" if one["baseline"] is None else f"{one['baseline']:.4g}"
            numbers = f"{one['mean']:.4g} | {one['standard_deviation']:.2g} | {baseline} | {one['n']:,}"
            lines.append(f"| {split} | {name} | {numbers} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the runs, write their summary and print it as a table; 1 with one line if they do not fit."""
    parser = argparse.ArgumentParser(prog="python -m hf_elmo.finetune.seeds", description=__doc__)
    parser.add_argument("output", type=Path, help="JSON file to write")
    parser.add_argument("runs", type=Path, nargs="+", help="output folders of hf-elmo finetune")
    args = parser.parse_args(arguments)
    try:
        runs = {str(path): json.loads((path / RESULTS_NAME).read_text(encoding="utf-8")) for path in args.runs}
        result = summarize(runs)
        write_atomically(args.output, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    except (OSError, ValueError, KeyError) as error:
        print(f"hf_elmo.finetune.seeds: {error}", file=sys.stderr)
        return 1
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
