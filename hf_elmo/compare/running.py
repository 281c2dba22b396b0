# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Cells are computed one by one, by one process or several on the same folder; sections are made of what is there."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from hf_elmo.compare.cells import Cell, Section, Store
from hf_elmo.compare.contenders import Contender, ContenderError, contender_name, identity, load_contender
from hf_elmo.compare.settings import Settings

# In the order of the report; a module that is not there is passed over.
EXPERIMENTS = (
    "quality",
    "examples",
    "chinese",
    "senses",
    "polysemy",
    "probes",
    "grammar",
    "distance",
    "agreement",
    "robustness",
    "cost",
    "integration",
)
WAIT_SECONDS = 0.5  # until cells are tried again that other processes compute
FACTS = "contenders"  # the experiment whose cells hold what is known of each contender


class Context:
    """What a cell needs to run: contenders, loaded once and kept, and where things lie.

    Attributes:
        settings: of the comparison.
        data: folder of data sets, or None.
        cache: folder for features, shared by processes and seeds.
        device: of torch.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda line: None):
        self.settings, self.say = settings, say
        self.data: Path | None = settings.data
        self.cache = settings.output / "cache"
        self.device = settings.device
        self._specs = contender_specs(settings.models)
        self._loaded: dict[str, Contender] = {}

    def contender(self, name: str) -> Contender:
        """A contender by the name it has in cells.

        Raises:
            ContenderError: it cannot be loaded.
            ValueError: the comparison has none of that name.
        """
        if name not in self._loaded:
            if name not in self._specs:
                raise ValueError(f"{name!r} is not among the contenders {', '.join(self._specs)}")
            self._loaded[name] = load_contender(self._specs[name], self.device)
        return self._loaded[name]

    def identity(self, name: str) -> str:
        """What the contender is, whatever its name; empty for names of none."""
        return identity(self._specs[name]) if name in self._specs else ""


def contender_specs(models: Sequence[str]) -> dict[str, str]:
    """Names of contenders and what each is loaded from.

    Raises:
        ContenderError: two have the same name, or there are none.
    """
    specs: dict[str, str] = {}
    for spec in models:
        name = contender_name(spec)
        if name in specs:
            raise ContenderError(f"{spec} and {specs[name]} would both be called {name}: rename one, or leave it out")
        specs[name] = spec
    if not specs:
        raise ContenderError("there is nothing to compare: name a model at least")
    return specs


def available_experiments() -> tuple[str, ...]:
    """Names of the experiments that this installation has."""
    return tuple(name for name in EXPERIMENTS if find_spec(f"hf_elmo.compare.{name}") is not None)


@dataclass
class Job:
    """A cell, the experiment that computes it, and what its result depends on besides."""

    module: ModuleType
    cell: Cell
    fingerprint: str


@dataclass
class Outcome:
    """What a run came to."""

    computed: int = 0
    failed: list[tuple[Cell, str]] = field(default_factory=list)


def plan_jobs(settings: Settings, context: Context) -> list[Job]:
    """All cells of the experiments that were asked for, in order."""
    names = list(contender_specs(settings.models))
    jobs = []
    for name in settings.experiments:
        module = import_module(f"hf_elmo.compare.{name}")
        for cell in module.cells(settings, names):
            jobs.append(Job(module, cell, fingerprint_of(module, cell, settings, context)))
    return jobs


def fingerprint_of(module: ModuleType, cell: Cell, settings: Settings, context: Context) -> str:
    """What a cell's result depends on besides its key."""
    names = cell.get("models", cell.get("contender", "")).split("; ")  # a timing has several, measured in turns
    contender = "".join(map(context.identity, names))
    return settings.fingerprint(cell.experiment, getattr(module, "VERSION", 1), contender)


def run_jobs(jobs: Sequence[Job], store: Store, context: Context, debug: bool = False) -> Outcome:
    """Compute what is not done yet; what another process computes is passed over and waited for at the end.

    A cell that fails is told of and left out; the others go on. Timings (modules with EXCLUSIVE = True) come last, in one
    process at a time.
    """
    outcome = Outcome()
    clock = Clock(jobs, store, context.settings.quick)
    alone = [bool(getattr(job.module, "EXCLUSIVE", False)) for job in jobs]
    together = [job for job, exclusive in zip(jobs, alone, strict=True) if not exclusive]
    _run_all(together, store, context, outcome, clock, debug)
    timings = [job for job, exclusive in zip(jobs, alone, strict=True) if exclusive]
    if any(not store.done(job.cell, job.fingerprint) for job in timings):
        (store.folder / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(store.folder / "locks" / "exclusive.lock"):
            _run_all(timings, store, context, outcome, clock, debug)
    return outcome


def _run_all(
    jobs: Sequence[Job], store: Store, context: Context, outcome: Outcome, clock: "Clock", debug: bool
) -> None:
    waiting = [job for job in jobs if not store.done(job.cell, job.fingerprint)]
    while waiting:
        locked = []
        for job in waiting:
            lock = store.lock(job.cell)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                locked.append(job)
                continue
            try:
                if not store.done(job.cell, job.fingerprint):
                    _run_job(job, store, context, outcome, clock, debug)
            finally:
                lock.release()
        waiting = [job for job in locked if not store.done(job.cell, job.fingerprint)]
        if waiting and len(waiting) == len(locked):
            time.sleep(WAIT_SECONDS)


def _run_job(job: Job, store: Store, context: Context, outcome: Outcome, clock: "Clock", debug: bool) -> None:
    begun = time.perf_counter()
    try:
        result = job.module.run(job.cell, context)
        seconds = time.perf_counter() - begun
        store.write(job.cell, result, seconds, job.fingerprint)
    except Exception as error:  # one experiment must not cost the others
        if debug:
            traceback.print_exc(file=sys.stderr)
        line = f"{type(error).__name__}: {' '.join(str(error).split())}"
        outcome.failed.append((job.cell, line))
        context.say(f"failed: {job.cell.experiment} {job.cell.id}: {line}")
        return
    outcome.computed += 1
    clock.finished(job, seconds)
    clock.look_for_others(store)
    context.say(
        f"{job.cell.experiment}: {' '.join(str(value) for _, value in job.cell.key)} in {seconds:.1f} s; "
        f"{clock.done} of {clock.total} cells done, {clock.told()} left"
    )


class Clock:
    """How long the rest will take, from the seconds that cells of the same experiment and contender took."""

    def __init__(self, jobs: Sequence[Job], store: Store, quick: bool = False):
        self.total, self._quick = len(jobs), quick
        self._open: dict[str, Job] = {}
        self._seconds: dict[tuple, list[float]] = {}
        for job in jobs:
            content = store.content(job.cell, job.fingerprint)
            if content is None:
                self._open[job.cell.id] = job
            else:
                self._note(job, float(content["seconds"]))

    @property
    def done(self) -> int:
        return self.total - len(self._open)

    def finished(self, job: Job, seconds: float) -> None:
        self._open.pop(job.cell.id, None)
        self._note(job, seconds)

    def _note(self, job: Job, seconds: float) -> None:
        for kind in _kinds(job.cell):
            self._seconds.setdefault(kind, []).append(seconds)

    def look_for_others(self, store: Store) -> None:
        """Take note of what other processes have finished meanwhile."""
        for job in list(self._open.values()):
            if store.path(job.cell).exists() and (found := store.content(job.cell, job.fingerprint)):
                self.finished(job, float(found["seconds"]))

    def seconds_left(self) -> tuple[float, list[str]]:
        """Sum over the open cells of the mean of cells like them, and experiments of which nothing is known yet.

        Where no cell of an experiment is done, its module's SECONDS (for a cell: quick, full) stand in, if it has them.
        """
        total, unknown = 0.0, []
        for job in self._open.values():
            known = next((self._seconds[kind] for kind in _kinds(job.cell) if kind in self._seconds), None)
            guess = getattr(job.module, "SECONDS", (None, None))[0 if self._quick else 1]
            if known is None and guess is not None:
                known = [guess]
            if known is None:
                unknown.append(job.cell.experiment)
            else:
                total += sum(known) / len(known)
        return total, list(dict.fromkeys(unknown))

    def told(self) -> str:
        """The time left in words, for one process."""
        seconds, unknown = self.seconds_left()
        missing = f" and what {', '.join(unknown)} may take" if unknown else ""
        return f"about {duration(seconds)}{missing}"


def _kinds(cell: Cell) -> list[tuple]:
    """From the likest cells, which differ in the seed alone, to all of the experiment."""
    without_seed = tuple(pair for pair in cell.key if pair[0] != "seed")
    without_contender = tuple(pair for pair in without_seed if pair[0] != "contender")
    return [(cell.experiment, without_seed), (cell.experiment, without_contender), (cell.experiment,)]


def summarize(jobs: Sequence[Job], store: Store, settings: Settings) -> tuple[list[Section], list[str]]:
    """A section for each experiment that has a result, and lines about those whose section failed."""
    sections, problems = [], []
    for name in settings.experiments:
        of_experiment = [job for job in jobs if job.cell.experiment == name]
        results = [(job.cell, store.read(job.cell)) for job in of_experiment if store.done(job.cell, job.fingerprint)]
        if not results:
            continue
        try:
            sections.append(of_experiment[0].module.summarize(results, settings))
        except Exception as error:
            problems.append(f"{name} has no section: {type(error).__name__}: {' '.join(str(error).split())}")
    return sections, problems


def contender_facts(store: Store, context: Context, load: bool) -> list[dict[str, Any]]:
    """What is known of each contender, kept in cells of their own.

    Args:
        load: load a contender whose facts are not kept yet; otherwise it is left out.
    """
    found = []
    for name in contender_specs(context.settings.models):
        cell = Cell(FACTS, (("contender", name),))
        fingerprint = context.settings.fingerprint(FACTS, 1, context.identity(name))
        with store.lock(cell):
            if not store.done(cell, fingerprint) and load:
                begun = time.perf_counter()
                store.write(cell, context.contender(name).facts(), time.perf_counter() - begun, fingerprint)
        if store.done(cell, fingerprint):
            found.append(store.read(cell))
    return found


def duration(seconds: float) -> str:
    """A time for people: 45 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
