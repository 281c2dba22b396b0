# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo compare`: the arguments, and what a comparison does from its plan to its report."""

import argparse
import hashlib
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_elmo.compare.settings import DATA_VARIABLE, DEFAULT_MODELS, Settings, find_data

if TYPE_CHECKING:
    from hf_elmo.compare.cells import Store
    from hf_elmo.compare.running import Job

SUMMARY = (
    "Compare ELMo, BERT-like models and static vectors: quality, knowledge, robustness, cost; a report with plots."
)
EXAMPLE = """examples:
  hf-elmo compare --quick --data DATA
  hf-elmo compare elmo-mini-en bert-mini-en static:vectors.txt --output comparison --data DATA
The same command goes on where it was stopped; several processes may work on one --output at once."""

STATE = "report.state"  # of which cells the report was made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="a model of the box, a folder, an id on the Hub, or static:FILE with a text file of word2vec or GloVe "
        f"({' '.join(DEFAULT_MODELS)}); shuffled:MODEL and copy:MODEL are planted: worse for sure, and the same",
    )
    parser.add_argument("--output", type=Path, default=Path("comparison"), metavar="FOLDER", help="(comparison)")
    parser.add_argument(
        "--data", metavar="FOLDER", help=f"a folder for each data set in it (${DATA_VARIABLE}, else ./data)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer tasks and examples: minutes on two cores")
    parser.add_argument(
        "--experiments", nargs="+", metavar="NAME", help="only these (all; an unknown name lists them)"
    )
    parser.add_argument("--seeds", nargs="+", type=_seed, default=[1, 2, 3], metavar="N", help="(1 2 3)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: cuda if there is one)")
    parser.add_argument("--report-only", action="store_true", help="compute nothing; make the report of what is there")
    parser.add_argument("--list-data", action="store_true", help="print where each data set can be had, and stop")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"needed is a whole number from 0, got {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Compare as asked; returns the exit code: 1 if a cell or the report failed, 130 if interrupted.

    Raises:
        ValueError, OSError: a model, an experiment, the data or the device are not there; the message is one line.
    """
    if options.list_data:
        from hf_elmo.compare.data_sources import list_data

        print(list_data(find_data(options.data)))
        return 0
    settings = settings_of(options)
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return _run(settings, options)
    except KeyboardInterrupt:
        if getattr(options, "debug", False):
            raise
        say("hf-elmo: interrupted; finished cells are kept, give the same command again to go on")
        return 128 + signal.SIGINT


def settings_of(options: argparse.Namespace) -> Settings:
    """Checked settings of parsed arguments.

    Raises:
        ValueError: an experiment, the data or the device are not there, or a seed is given twice.
    """
    from hf_elmo.compare.running import available_experiments, contender_specs
    from hf_elmo.devices import usable_device

    known = available_experiments()
    unknown = [name for name in options.experiments or () if name not in known]
    if unknown:
        raise ValueError(f"there is no experiment {unknown[0]!r}; there are {', '.join(known)}")
    if len(set(options.seeds)) < len(options.seeds):
        raise ValueError(f"a seed is given twice in {' '.join(map(str, options.seeds))}: it would count as two")
    models = tuple(options.models) or DEFAULT_MODELS
    contender_specs(models)
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f"--output {options.output} is a file; needed is a folder")
    return Settings(
        output=options.output,
        data=find_data(options.data),
        models=models,
        experiments=tuple(name for name in known if options.experiments is None or name in options.experiments),
        quick=options.quick,
        seeds=tuple(options.seeds),
        batch_size=16 if options.quick else 32,
        device=usable_device(options.device),
    )


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from hf_elmo.compare.cells import Store, command_line
    from hf_elmo.compare.running import Context, contender_facts, contender_specs, plan_jobs, run_jobs

    begun = time.perf_counter()
    store, context = Store(settings.output), Context(settings, say)
    jobs = plan_jobs(settings, context)
    if not options.report_only:
        for name in contender_specs(settings.models):
            context.contender(name)  # what cannot be loaded is told of before hours of work
    announce(settings, jobs, store, options.report_only)
    settings.output.mkdir(parents=True, exist_ok=True)
    failed: list[Any] = []
    if not options.report_only:
        failed = run_jobs(jobs, store, context, getattr(options, "debug", False)).failed
    facts = {
        "command": command_line(),
        "contenders": contender_facts(store, context, load=not options.report_only),
        "settings": settings.as_dict(),
        "seeds": list(settings.seeds),
        "left_out": [{"experiment": name, "reason": reason} for name, reason in settings.left_out],
        "failed": [{"experiment": cell.experiment, "cell": cell.id, "error": line} for cell, line in failed],
    }
    problems = _report(settings, jobs, store, facts, options.report_only)
    for line in problems:
        say(f"hf-elmo: {line}")
    if failed:
        say(f"hf-elmo: {len(failed)} cells failed, the first: {failed[0][1]} (--debug shows the traceback)")
    say(f"finished in {time.perf_counter() - begun:.0f} s")
    return 1 if failed or problems else 0


def announce(settings: Settings, jobs: "list[Job]", store: "Store", report_only: bool) -> None:
    """Say what is going to be done: contenders, cells, how long, and what is left out and why."""
    from hf_elmo.compare.running import Clock, contender_specs

    say(
        f"will compare {', '.join(contender_specs(settings.models))} on {settings.device}, seeds "
        f"{' '.join(map(str, settings.seeds))}, in {settings.output}{' (quick)' if settings.quick else ''}"
    )
    for name in settings.experiments:
        cells = [job for job in jobs if job.cell.experiment == name]
        done = sum(store.done(job.cell, job.fingerprint) for job in cells)
        say(f"  {name}: {len(cells)} cells, {done} of them done")
    for name, reason in settings.left_out:
        say(f"  left out of {name}: {reason}")
    if report_only:
        return
    clock = Clock(jobs, store, settings.quick)
    if clock.done < clock.total:
        say(f"{clock.told()} for one process; an interruption loses one cell at most")


def _report(settings: Settings, jobs: "list[Job]", store: "Store", facts: dict[str, Any], always: bool) -> list[str]:
    """Write the report, unless another process has just made it of the same cells; lines about what went wrong."""
    from filelock import FileLock

    from hf_elmo.benchmark.results import write_atomically
    from hf_elmo.compare.running import summarize

    sections, problems = summarize(jobs, store, settings)
    if not sections:
        return [*problems, "there is no result to report"]
    state = hashlib.sha256()
    for job in jobs:
        path = store.path(job.cell)
        state.update(f"{job.cell.id} {path.stat().st_mtime_ns if path.exists() else 0}\n".encode())
    (settings.output / "locks").mkdir(exist_ok=True)
    with FileLock(settings.output / "locks" / "report.lock"):
        path = settings.output / STATE
        if not always and path.exists() and path.read_text(encoding="utf-8") == state.hexdigest():
            say(f"the report in {settings.output} is up to date")
            return problems
        written = import_module("hf_elmo.compare.report").write_report(settings.output, sections, facts)
        write_atomically(path, state.hexdigest())
    for place in written.values():
        say(f"written: {place}")
    return problems


def say(line: str) -> None:
    """A line about what is going on, on stderr."""
    print(line, file=sys.stderr, flush=True)
