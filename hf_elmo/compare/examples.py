# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores against the number of training examples: the task network over frozen vectors, trained on 1 to 100 % of a set.

Every seed draws its own examples; a smaller share is part of the larger one, and all contenders get the same. All shares are
trained for the same number of updates: few examples are read more often, and none is stopped before it has learned them.
"""

from functools import lru_cache
from itertools import combinations
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.quality import FROZEN, Series, compare_series, probe
from hf_elmo.compare.settings import Settings
from hf_elmo.compare.statistics import LEVEL, holm, mean_sd
from hf_elmo.compare.tasks import TASKS, read_task, score_labels, score_tags

NAME = "examples"
TITLE = "Scores against the number of training examples"
TASK_NAMES = ("ud_ewt", "snips")
SHARES = ((1, 10, 100), (1, 3, 10, 30, 100))  # percent: quick, full
UPDATES = (40, 400)  # of a head, quick, full
SHARE_OF_THE_BEST = 0.95


def cells(settings: Settings, names: list[str]) -> list[Cell]:
    """A cell for each task, share of its training examples, contender and seed."""
    tasks = [task for task in TASK_NAMES if settings.data_folder(task, NAME) is not None]
    return [
        Cell(NAME, (("task", task), ("share", share), ("contender", name), ("seed", seed)))
        for task in tasks
        for share in settings.choose(*SHARES)
        for seed in settings.seeds
        for name in names
    ]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Train the task network on a share of the examples and score the whole dev set.

    Returns:
        {"metric", "score", "items" as `hf_elmo.compare.tasks` gives them, "examples", and facts of the training}.
    """
    from hf_elmo.compare.task_probe import Budget

    settings, task = context.settings, TASKS[cell["task"]]
    train, dev = _read(settings.data, settings.quick, task.name)
    chosen = train.select(rows_of_share(len(train), cell["share"], cell["seed"]))
    budget = Budget(settings.choose(*UPDATES), settings.batch_size)
    contender = context.contender(cell["contender"])
    found, facts = probe(contender, task, chosen, [dev], FROZEN, budget, cell["seed"], context)
    tagging = task.kind == "tagging"
    score = score_tags(dev["tags"], found[0]) if tagging else score_labels(dev["label"], found[0])
    return {**score, "examples": len(chosen), **facts}


@lru_cache(maxsize=2)
def _read(data: Path | None, quick: bool, name: str) -> tuple[Any, Any]:
    """Training and dev set, kept for the next cell: reading takes as long as a head."""
    settings = Settings(Path(), data, quick=quick)
    return read_task(settings, name, "train"), read_task(settings, name, "validation")


def rows_of_share(total: int, share: int, seed: int) -> list[int]:
    """Rows of `share` percent of the examples, one at least, in rising order; drawn without replacement.

    Args:
        total: how many examples there are.
        share: 1 to 100.
        seed: of the draw; the rows of a smaller share are among those of a larger one.
    """
    order = np.random.default_rng(seed).permutation(total)
    return sorted(order[: max(1, round(total * share / 100))].tolist())


# ------------------------------------------------------------------------------------------------------------ summary


def summarize(results: list[tuple[Cell, dict]], settings: Settings) -> Section:
    """A curve for each task and contender, how many examples each needs, and paired tests at every number of examples."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    needed: dict[str, dict[str, dict[str, Any]]] = {}  # contender -> task -> figure
    for task in dict.fromkeys(cell["task"] for cell, _ in results):
        curves = _curves([(cell, result) for cell, result in results if cell["task"] == task])
        columns = [str(number) for number in sorted({number for curve in curves.values() for number in curve})]
        rows = [
            {
                "label": name,
                "contender": name,
                "group": None,
                "values": {str(number): _figure(series) for number, series in sorted(curve.items())},
            }
            for name, curve in curves.items()
        ]
        title = TASKS[task].title
        section["tables"].append(
            {
                "id": f"{NAME}-{task}",
                "title": f"{title}: accuracy by training examples, frozen vectors",
                "unit": "accuracy, %",
                "higher_is_better": True,
                "columns": columns,
                "rows": rows,
                "plot": {"kind": "lines", "x": f"training examples of {title}", "log_x": True},
            }
        )
        section["tests"] += _tests(task, curves)
        for name, found in _needed(curves).items():
            needed.setdefault(name, {})[title] = found
    if needed:
        section["tables"].append(_needed_table(needed))
        section["notes"] = _notes(settings)
    for test, adjusted in zip(section["tests"], holm([test["p"] for test in section["tests"]]), strict=True):
        test["p_holm"] = adjusted
        test["significant"] = adjusted < LEVEL and test["same_sign"]
    return section


def _curves(results: list[tuple[Cell, dict]]) -> dict[str, dict[int, Series]]:
    """Contender -> number of examples -> its seeds."""
    curves: dict[str, dict[int, Series]] = {}
    for cell, result in sorted(results, key=lambda pair: pair[0]["seed"]):
        curves.setdefault(cell["contender"], {}).setdefault(result["examples"], []).append((cell, result))
    order = list(dict.fromkeys(cell["contender"] for cell, _ in results))
    return {name: curves[name] for name in order}


def _figure(series: Series) -> dict[str, Any]:
    mean, sd = mean_sd([result["score"] for _, result in series])
    return figure(mean, [cell.id for cell, _ in series], sd=sd, n=len(series))


def _tests(task: str, curves: dict[str, dict[int, Series]]) -> list[dict[str, Any]]:
    tests = []
    for first, second in combinations(curves, 2):
        for number in sorted(curves[first].keys() & curves[second].keys()):
            test = compare_series(curves[first][number], curves[second][number])
            if test is not None:
                where = {"table": f"{NAME}-{task}", "column": str(number), "a": first, "b": second}
                tests.append({**where, **test})
    return tests


def _needed(curves: dict[str, dict[int, Series]]) -> dict[str, dict[str, Any]]:
    """Examples at which each contender first has a share of the best score of all; none for those that never do."""
    means = {
        name: {
            number: mean_sd([result["score"] for _, result in series])[0] for number, series in sorted(curve.items())
        }
        for name, curve in curves.items()
    }
    goal = SHARE_OF_THE_BEST * max(score for curve in means.values() for score in curve.values())
    found = {}
    for name, curve in means.items():
        number = examples_needed(curve, goal)
        if number is not None:
            found[name] = figure(number, [cell.id for series in curves[name].values() for cell, _ in series])
    return found


def examples_needed(curve: dict[int, float], goal: float) -> float | None:
    """Number of examples at which a curve first reaches a score, read off between its points on a logarithmic axis.

    Args:
        curve: number of examples -> score, numbers rising.
        goal: the score.
    Returns:
        the number, the curve's first if that already has the score, None if no point has.
    """
    before: tuple[int, float] | None = None
    for number, score in curve.items():
        if score >= goal:
            if before is None:
                return float(number)
            part = (goal - before[1]) / (score - before[1])
            return exp(log(before[0]) + part * (log(number) - log(before[0])))
        before = number, score
    return None


def _needed_table(needed: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    return {
        "id": f"{NAME}-needed",
        "title": f"Training examples needed for {SHARE_OF_THE_BEST:.0%} of the best accuracy of all",
        "unit": "training examples",
        "higher_is_better": False,
        "columns": list(dict.fromkeys(task for tasks in needed.values() for task in tasks)),
        "rows": [
            {"label": name, "contender": name, "group": None, "values": values} for name, values in needed.items()
        ],
        "plot": None,
    }


def _notes(settings: Settings) -> list[str]:
    return [
        "The task network over frozen vectors, as in the section on quality. Each seed draws its own examples, the same "
        "for every contender; a smaller share is part of the larger one.",
        f"{settings.choose(*UPDATES):,} updates of at most {settings.batch_size} examples for every share; the last state is "
        "scored on the dev set.",
        f"Examples needed: where the curve of means first has {SHARE_OF_THE_BEST:.0%} of the best mean accuracy of any "
        "contender, between its points on a logarithmic axis; empty where it never has.",
        "± is the standard deviation over seeds. Tests: as in the section on quality, Holm's correction over all of them.",
    ]
