# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Quality on tasks: parts of speech, named entities and their transfer, text classes, answers; frozen and fine-tuned.

All contenders get the same training and dev sentences, number of updates and batch size. The last state is scored on the
dev set: nothing is chosen on it, so it needs no half for selection.

frozen        the contender's vectors do not learn; every contender has the same task network (`task_probe`)
fine-tuned    everything learns: ELMo and BERT through their standard heads (`fine_tuning`), static vectors in the task
              network of the frozen mode, as a linear layer over a single vector would know no context at all
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hf_elmo.compare import statistics
from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.settings import Settings
from hf_elmo.compare.tasks import (
    TARGETS,
    TASKS,
    TaskSet,
    read_task,
    score_answers,
    score_labels,
    score_tags,
    shared_types,
    words_of,
)

if TYPE_CHECKING:
    from hf_elmo.compare.contenders import StaticContender

NAME = "quality"
TITLE = "Quality on tasks"
VERSION = 1
SECONDS = (5.0, None)  # on one core, median of the cells of two contenders, three tasks and four sizes of heads
FROZEN, TUNED = "frozen", "fine-tuned"
QUICK_TASKS = ("ud_ewt", "wikigold", "mr", "snips")
UNFINISHED = 1.0  # nats; with a training loss above it a score says more of the budget than of the model
UPDATES = {FROZEN: (200, 1000), TUNED: (100, 400)}  # quick, full; 400 are three epochs of 4,000 examples
QA_UPDATES = {FROZEN: (100, 400), TUNED: (100, 400)}
GROUPS = {
    "upos": ("Parts of speech", "accuracy of words, %"),
    "ner": ("Named entities", "F1 of spans, %"),
    "transfer": ("Named entities of another domain", "F1 of spans of persons, places, organisations, %"),
    "classification": ("Text classification", "accuracy of texts, %"),
    "qa": ("Extractive question answering", "F1 of answers, %"),
}


def cells(settings: Settings, names: list[str]) -> list[Cell]:
    """A cell for each task, mode, contender and seed; one cell of a named-entity set also gives its transfers."""
    tasks = [task for name, task in TASKS.items() if not settings.quick or name in QUICK_TASKS]
    if settings.quick:
        settings.missing(NAME, f"the quick comparison has {', '.join(QUICK_TASKS)} with frozen vectors only")
    found = []
    for mode in (FROZEN,) if settings.quick else (FROZEN, TUNED):
        for task in tasks:
            if settings.data_folder(task.name, NAME) is None:
                continue
            for seed in settings.seeds:
                for name in names:
                    key = (("task", task.name), ("mode", mode), ("contender", name), ("seed", seed))
                    found.append(Cell(NAME, key))
    return [cell for cell in found if cell["mode"] == FROZEN or not cell["contender"].startswith("shuffled:")]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Train on a task and score its dev set, and where there are some, the dev sets of other domains.

    Returns:
        {"metric", "score", "items", "train", "evaluated", "transfer": {target: the same}, and facts of the training}.
    """
    from hf_elmo.compare.task_probe import Budget

    task, settings = TASKS[cell["task"]], context.settings
    train = read_task(settings, task.name, "train")
    targets = [name for name in task.targets if settings.data_folder(name, NAME) is not None]
    sets = [
        read_task(settings, task.name, "validation"),
        *(read_task(settings, name, "validation") for name in targets),
    ]
    contender = context.contender(cell["contender"])
    updates = (QA_UPDATES if task.kind == "qa" else UPDATES)[cell["mode"]]
    budget = Budget(settings.choose(*updates), settings.batch_size)
    facts: dict[str, Any]
    if cell["mode"] == TUNED and contender.kind != "static":
        from hf_elmo.compare.fine_tuning import fine_tune

        found, facts = fine_tune(contender.spec, task.kind, train, sets, budget, cell["seed"], settings.device)
    else:
        found, facts = probe(contender, task, train, sets, cell["mode"], budget, cell["seed"], context)
    result = {**_score(task, sets[0], found[0]), "train": len(train), "evaluated": len(sets[0]), **facts}
    if targets:
        assert task.types is not None
        result["transfer"] = {}
        for name, dataset, tags in zip(targets, sets[1:], found[1:], strict=True):
            types = TARGETS[name].types
            assert types is not None
            gold = shared_types(dataset["tags"], types)
            scores = score_tags(gold, shared_types(tags, task.types))
            result["transfer"][name] = {**scores, "evaluated": len(dataset)}
    return result


def probe(
    contender: Any, task: TaskSet, train: Any, sets: Sequence[Any], mode: str, budget: Any, seed: int, context: Any
) -> tuple[list[list[Any]], dict[str, Any]]:
    """The task network over the contender's vectors: predictions for each set, and facts of the training."""
    from hf_elmo.compare import answer_probe, task_probe

    if task.kind == "qa":
        return answer_probe.probe(contender, train, sets, mode == TUNED, budget, seed, context)
    torch.manual_seed(seed)
    words = [words_of(dataset) for dataset in (train, *sets)]
    head = task_probe.Tagger if task.kind == "tagging" else task_probe.TextClassifier
    gold = train["tags"] if task.kind == "tagging" else train["label"]
    labels = sorted({label for row in gold for label in row} if task.kind == "tagging" else set(gold))
    numbers = {label: number for number, label in enumerate(labels)}
    targets = (
        [[numbers[tag] for tag in row] for row in gold]
        if task.kind == "tagging"
        else [numbers[label] for label in gold]
    )
    sources: list[Any]
    if mode == TUNED:
        sources, layer = word_inputs(contender, words)
    else:
        sources = [task_probe.cached_features(contender, rows, context.cache) for rows in words]
        layer = task_probe.LayerInput(sources[0])
    model = head(layer, len(labels))
    loss = task_probe.train_head(model, sources[0], targets, budget, seed, context.device)
    found = [
        _named(task_probe.predict(model, source, context.device), labels, rows)
        for source, rows in zip(sources[1:], words[1:], strict=True)
    ]
    facts: dict[str, Any] = {**budget.as_dict(), "training_loss": loss}
    if mode == FROZEN:
        shares = layer.mix.normalized_weights().tolist()
        facts["layer_shares"] = dict(zip(contender.layers, (round(share, 4) for share in shares), strict=True))
    facts["head_parameters"] = sum(p.numel() for name, p in model.named_parameters() if ".table." not in name)
    return found, facts


def word_inputs(contender: "StaticContender", sets: Sequence[Sequence[Sequence[str]]]) -> tuple[list[Any], Any]:
    """Words of all sets as numbers, and the layer with their vectors, which learn; unknown words begin with zeros."""
    from hf_elmo.compare.task_probe import WordInput, WordNumbers

    numbers: dict[str, int] = {}
    for words in (words for rows in sets for words in rows):
        for word in words:
            numbers.setdefault(word, len(numbers))
    table = contender.vectors([list(numbers)])[0][0]
    return [WordNumbers(rows, numbers) for rows in sets], WordInput(table)


def _named(found: list[Any], labels: list[str], words: Sequence[Sequence[str]]) -> list[Any]:
    """Names of labels for their numbers; words beyond the head's longest text count as the first label, "O" of spans."""
    if not found or not isinstance(found[0], list):
        return [labels[number] for number in found]
    rest = "O" if "O" in labels else labels[0]
    return [
        [labels[number] for number in row] + [rest] * (len(sentence) - len(row))
        for row, sentence in zip(found, words, strict=True)
    ]


def _score(task: TaskSet, dataset: Any, found: list[Any]) -> dict[str, Any]:
    if task.kind == "tagging":
        return score_tags(dataset["tags"], found)
    return score_labels(dataset["label"], found) if task.kind == "classification" else score_answers(dataset, found)


# --- the section of the report -----------------------------------------------------------------------------------------


def summarize(results: list[tuple[Cell, dict]], settings: Settings) -> Section:
    """A table for each group of tasks, paired tests of every two contenders on each, Holm's correction over a table."""
    series = _series(results)
    tables, tests = [], []
    for group, (title, unit) in GROUPS.items():
        of_group = {key: found for key, found in series.items() if key[0] == group}
        if not of_group:
            continue
        columns = list(dict.fromkeys(key[1] for key in of_group))
        rows = []
        for mode, contender in dict.fromkeys((key[2], key[3]) for key in of_group):
            values = {
                column: _figure(of_group[group, column, mode, contender])
                for column in columns
                if (group, column, mode, contender) in of_group
            }
            rows.append({"label": f"{contender}, {mode}", "contender": contender, "group": mode, "values": values})
        tables.append(
            {
                "id": f"{NAME}-{group}",
                "title": title,
                "unit": unit,
                "higher_is_better": True,
                "columns": columns,
                "rows": rows,
                "plot": {"kind": "bars", "x": columns, "log_x": False},
            }
        )
        tests += _tests(f"{NAME}-{group}", of_group)
    return {"experiment": NAME, "title": TITLE, "tables": tables, "tests": tests, "notes": _notes(results, settings)}


Series = list[tuple[Cell, dict]]  # one contender, task and mode: a result for each seed


def _series(results: list[tuple[Cell, dict]]) -> dict[tuple[str, str, str, str], Series]:
    """(group, column, mode, contender) -> (cell, result) of each seed, in the order of the tasks and seeds."""
    found: dict[tuple[str, str, str, str], Series] = {}
    for cell, result in sorted(results, key=lambda pair: (list(TASKS).index(pair[0]["task"]), pair[0]["seed"])):
        task = TASKS[cell["task"]]
        found.setdefault((task.group, task.title, cell["mode"], cell["contender"]), []).append((cell, result))
        for target, transfer in result.get("transfer", {}).items():
            column = f"{task.title} → {TARGETS[target].title}"
            found.setdefault(("transfer", column, cell["mode"], cell["contender"]), []).append((cell, transfer))
    return found


def _figure(series: Series) -> dict[str, Any]:
    mean, sd = statistics.mean_sd([result["score"] for _, result in series])
    return figure(mean, [cell.id for cell, _ in series], sd=sd, n=len(series), interval=_interval(series))


def _interval(series: Series) -> tuple[float, float]:
    """95 % interval over the items (sentences, texts, questions) of the score's mean over seeds."""
    items = np.array([result["items"] for _, result in series], dtype=np.float64)
    if items.ndim == 2:  # classification: 0 or 1; questions: percent
        factor = 100.0 if series[0][1]["metric"] == "accuracy" else 1.0
        low, high = statistics.bootstrap_interval(items * factor)
        return low, high
    counts = items.sum(axis=0)
    score = statistics.f1 if counts.shape[1] == 3 else lambda sums: sums[..., 0] / np.maximum(sums[..., 1], 1)
    draws = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=2000)
    low, high = np.percentile(100 * score(draws @ counts), [2.5, 97.5])
    return float(low), float(high)


def _tests(table: str, of_group: dict[tuple[str, str, str, str], Series]) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = []
    for column, mode in dict.fromkeys((key[1], key[2]) for key in of_group):
        sides = {key[3]: found for key, found in of_group.items() if key[1:3] == (column, mode)}
        for first, second in combinations(sides, 2):
            test = compare_series(sides[first], sides[second])
            if test is not None:
                tests.append({"table": table, "column": column, "group": mode, "a": first, "b": second, **test})
    for test, adjusted in zip(tests, statistics.holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
        test["significant"] = adjusted < statistics.LEVEL and test["same_sign"]
    return tests


def compare_series(a: Series, b: Series) -> dict[str, Any] | None:
    """A paired test over items, their scores averaged or added over the seeds that both have; None without such.

    `same_sign` tells whether the difference has its sign with every seed: a test over items knows nothing of how another
    seed would have come out, so that a difference counts only if both hold.
    """
    first, second = ({cell["seed"]: (cell, result) for cell, result in side} for side in (a, b))
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        return None
    scores = [[side[seed][1]["score"] for seed in seeds] for side in (first, second)]
    ours, theirs = (np.array([side[seed][1]["items"] for seed in seeds], dtype=np.float64) for side in (first, second))
    if ours.shape != theirs.shape:
        return None  # of different samples
    if ours.ndim == 2:
        test = statistics.paired_test(ours, theirs)
    elif ours.shape[2] == 3:
        test = statistics.paired_f1_test(ours, theirs)
    else:
        test = statistics.paired_test(ours[..., 0], theirs[..., 0])
    differences = np.subtract(scores[0], scores[1])
    over_seeds = statistics.seeds_test(scores[0], scores[1])
    return {
        **test,
        "difference": float(differences.mean()),
        "p_seeds": over_seeds["p"],
        "same_sign": bool((differences > 0).all() or (differences < 0).all()),
        "cells": [side[seed][0].id for side in (first, second) for seed in seeds],
    }


def _notes(results: list[tuple[Cell, dict]], settings: Settings) -> list[str]:
    rates = sorted(
        {(cell["mode"], result["learning_rate"], result["updates"], result["batch_size"]) for cell, result in results}
    )
    budgets = "; ".join(
        f"{mode}: rate {rate:g}, {updates} updates, batches of {batch}" for mode, rate, updates, batch in rates
    )
    trained = [result["train"] for _, result in results]
    losses: dict[str, list[float]] = {}
    for cell, result in results:
        if cell["mode"] == TUNED and TASKS[cell["task"]].kind != "qa":  # of answers it is above 1 at any rate
            losses.setdefault(f"{TASKS[cell['task']].title} {cell['contender']}", []).append(result["training_loss"])
    unfinished = [f"{name} {loss:.1f}" for name, each in losses.items() if (loss := float(np.mean(each))) > UNFINISHED]
    return [
        "The number of updates is fixed and the last state is scored on the dev set; nothing is chosen on it.",
        f"Training examples: {min(trained):,} to {max(trained):,}, the same for every contender and seed. {budgets}.",
        "Learning rates: task networks 3e-3 (Qi et al. 2018); fine-tuned ELMo 1e-3; BERT models of at most 512 numbers "
        "3e-4 (Turc et al. 2019), wider ones 5e-5 (Devlin et al. 2019).",
        "Fine-tuned static vectors learn together with the task network of the frozen mode.",
        "± is the standard deviation over seeds; intervals are over the dev items. A difference is significant if the test "
        "over items, corrected by Holm over the table, gives p < 0.05 and its sign is the same with every seed.",
        "Transfer: trained on the first set, tried on another domain; only persons, places and organisations count.",
        *(
            [
                f"Far from the end of their training (mean loss of the last updates), fine-tuned: {', '.join(unfinished)}."
            ]
            if unfinished
            else []
        ),
    ]
