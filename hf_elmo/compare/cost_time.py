# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The time that training a whole model takes until it has a given score: runs of rising length, each timed as a whole."""

import time
from collections.abc import Sequence
from typing import Any

from hf_elmo.compare.cells import Cell, figure, table
from hf_elmo.compare.examples import examples_needed
from hf_elmo.compare.tasks import TASKS, read_task, score_tags

TASK = "ud_ewt"
UPDATES = ((8, 32), (25, 100, 400))  # quick, full: of the runs
BATCH_SIZE = 32
SEED = 1
SHARE_OF_THE_BEST = 0.95


def time_training(contenders: Sequence[Any], updates: int, context: Any) -> dict[str, Any]:
    """Train each contender with a layer that labels words for so many updates, and score the dev set.

    Static vectors learn below the task network of `hf_elmo.compare.quality`. The seconds are those of everything: loading,
    encoding, training, predicting.

    Returns:
        for each contender "seconds" on the wall and "score", the accuracy in percent.
    """
    from hf_elmo.compare.fine_tuning import fine_tune
    from hf_elmo.compare.quality import TUNED, probe
    from hf_elmo.compare.task_probe import Budget

    task = TASKS[TASK]
    train, dev = (read_task(context.settings, TASK, split) for split in ("train", "validation"))
    budget = Budget(updates, BATCH_SIZE)

    def trained(contender: Any, examples: Any, scored: Any, budget: Any) -> list[Any]:
        if contender.kind == "static":
            return probe(contender, task, examples, [scored], TUNED, budget, SEED, context)[0][0]
        return fine_tune(contender.spec, task.kind, examples, [scored], budget, SEED, context.device)[0][0]

    found = {}
    few = train.select(range(min(len(train), BATCH_SIZE)))
    for contender in contenders:
        trained(contender, few, few, Budget(1, BATCH_SIZE))  # what is compiled or loaded once is not counted
        begun = time.perf_counter()
        predictions = trained(contender, train, dev, budget)
        seconds = time.perf_counter() - begun
        found[contender.name] = {
            "seconds": round(seconds, 3),
            "score": score_tags(dev["tags"], predictions)["score"],
        }
    return {"text": TASK, "examples": len(train), "evaluated": len(dev), "runs": found}


def time_tables(found: list[tuple[Cell, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Scores and seconds of the runs, and the seconds at which each contender has 95 % of the best score."""
    found = sorted(found, key=lambda pair: pair[0]["updates"])
    names = list(dict.fromkeys(name for _, result in found for name in result["runs"]))
    if not names:
        return []
    title = TASKS[TASK].title
    columns = [str(cell["updates"]) for cell, _ in found]

    def rows(what: str) -> list[dict[str, Any]]:
        return [
            _row(
                name,
                {
                    str(cell["updates"]): figure(result["runs"][name][what], [cell.id])
                    for cell, result in found
                    if name in result["runs"]
                },
            )
            for name in names
        ]

    best = max(run["score"] for _, result in found for run in result["runs"].values())
    goal = SHARE_OF_THE_BEST * best
    column = f"{goal:.1f} %"
    needed = []
    for name in names:
        runs = sorted(
            (result["runs"][name]["seconds"], result["runs"][name]["score"])
            for _, result in found
            if name in result["runs"]
        )
        seconds = examples_needed(dict(runs), goal)  # read off between runs on a logarithmic axis
        if seconds is not None:
            ids = [cell.id for cell, result in found if name in result["runs"]]
            needed.append(_row(name, {column: figure(seconds, ids)}))
    lines = {"kind": "lines", "x": f"updates on {title}", "log_x": True}
    tables = [
        table(
            "cost-score-by-updates",
            f"{title}: accuracy of the whole model, trained",
            "accuracy of words, %",
            True,
            columns,
            rows("score"),
            lines,
        ),
        table(
            "cost-seconds-by-updates",
            f"{title}: time of the whole run, scoring included",
            "s",
            False,
            columns,
            rows("seconds"),
            None,
        ),
    ]
    if needed:
        what = f"{title}: time until {100 * SHARE_OF_THE_BEST:.0f} % of the best accuracy of all"
        tables.append(table("cost-time-to-score", what, "s", False, [column], needed, {"kind": "bars"}))
    return tables


def _row(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"label": name, "contender": name, "group": None, "values": values}
