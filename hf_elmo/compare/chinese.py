# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A demonstration that the path works for Chinese: a small ELMo from random weights, trained to tag and find names.

The box has no Chinese language model, so nothing here tells how well a pretrained one would do. Words are those of the
data. ELMo reads the UTF-8 bytes of a word, three for most Chinese characters. Beside it stand word vectors that begin as
random numbers and learn with the task network, and each word's most frequent tag.
"""

import tempfile
from collections import Counter
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.quality import TUNED, Series, compare_series, probe
from hf_elmo.compare.settings import Settings
from hf_elmo.compare.statistics import LEVEL, holm, mean_sd
from hf_elmo.compare.tasks import SAMPLE_SEED, TaskSet, score_tags

NAME = "chinese"
TITLE = "Chinese, a demonstration without pretraining"
TASKS = {
    "ud_zh_gsdsimp": TaskSet("ud_zh_gsdsimp", "tagging", "upos", "parts of speech, accuracy"),
    "uner_zh_gsdsimp": TaskSet("uner_zh_gsdsimp", "tagging", "ner", "named entities, F1"),
}
QUICK_TASKS = ("ud_zh_gsdsimp",)
ELMO, STATIC, MAJORITY = "ELMo from random weights", "random word vectors that learn", "most frequent tag of the word"
SYSTEMS = (ELMO, STATIC, MAJORITY)
EXAMPLES = {"train": (400, 3000), "validation": (100, 500)}  # at most: quick, full
UPDATES = (100, 800)  # quick, full
MODELS = ("elmo-tiny", "elmo-mini")  # quick, full; of `hf-elmo finetune --from_scratch`
DIMENSION = 64  # of the random word vectors


def cells(settings: Settings, names: list[str]) -> list[Cell]:
    """A cell for each task, system and seed; the contenders of the comparison know no Chinese and are left out."""
    tasks = [name for name in TASKS if not settings.quick or name in QUICK_TASKS]
    return [
        Cell(NAME, (("task", task), ("system", system), ("seed", seed)))
        for task in tasks
        if settings.data_folder(task, NAME) is not None
        for seed in settings.seeds
        for system in SYSTEMS
    ]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Train a system on a task and score its dev set.

    Returns:
        {"metric", "score", "items" as `hf_elmo.compare.tasks` gives them, "train", "evaluated", facts of the training}.
    """
    from hf_elmo.compare.task_probe import Budget

    settings, task = context.settings, TASKS[cell["task"]]
    train, dev = _read(settings.data, settings.quick, task.name)
    budget = Budget(settings.choose(*UPDATES), settings.batch_size)
    facts: dict[str, Any] = {}
    if cell["system"] == MAJORITY:
        found = most_frequent_tags(train, dev["tokens"])
    elif cell["system"] == STATIC:
        contender = random_vectors(train["tokens"], cell["seed"])
        (found,), facts = probe(contender, task, train, [dev], TUNED, budget, cell["seed"], context)
    else:
        model = settings.choose(*MODELS)
        (found,), facts = _train_elmo(model, task.kind, train, dev, budget, cell["seed"], context.device)
    return {**score_tags(dev["tags"], found), "train": len(train), "evaluated": len(dev), **facts}


@lru_cache(maxsize=2)
def _read(data: Path, quick: bool, name: str) -> tuple[Any, Any]:
    """A sample of the training and of the dev set, kept for the next cell."""
    from hf_elmo.data import load_task_data

    parts = []
    for split, sizes in EXAMPLES.items():
        dataset = load_task_data(TASKS[name].kind, data / name, split)
        order = np.random.default_rng(SAMPLE_SEED).permutation(len(dataset))
        parts.append(dataset.select(order[: sizes[0 if quick else 1]]))
    return parts[0], parts[1]


def most_frequent_tags(train: Any, sentences: list[list[str]]) -> list[list[str]]:
    """The commonest tag of each word in the training set, for unknown words the commonest of all."""
    counts: dict[str, Counter[str]] = {}
    for words, tags in zip(train["tokens"], train["tags"], strict=True):
        for word, tag in zip(words, tags, strict=True):
            counts.setdefault(word, Counter())[tag] += 1
    ((commonest, _),) = sum(counts.values(), Counter()).most_common(1)
    best = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    return [[best.get(word, commonest) for word in words] for words in sentences]


def random_vectors(sentences: list[list[str]], seed: int) -> Any:
    """Static vectors of normal random numbers for the words of some sentences."""
    from hf_elmo.compare.contenders import StaticContender

    rows: dict[str, int] = {}
    for word in (word for words in sentences for word in words):
        rows.setdefault(word, len(rows))
    matrix = np.random.default_rng(seed).normal(size=(len(rows), DIMENSION)).astype(np.float32)
    return StaticContender(STATIC, STATIC, rows, matrix)


def _train_elmo(
    name: str, kind: str, train: Any, dev: Any, budget: Any, seed: int, device: str
) -> tuple[list[Any], dict]:
    """Predictions for the dev set by an ELMo whose weights were drawn by the seed, all of them trained."""
    import torch

    from hf_elmo.auto import register_auto_classes
    from hf_elmo.compare.fine_tuning import fine_tune
    from hf_elmo.compare.task_probe import HIDDEN
    from hf_elmo.conversion.verify import quiet
    from hf_elmo.finetune.models import BUILT_IN
    from hf_elmo.modeling import ElmoConfig, ElmoModel, ElmoTokenizer

    register_auto_classes()
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory(prefix="hf_elmo_chinese_") as folder:
        # the BiLSTM that the word vectors also have, and less dropout than a pretrained encoder bears
        settings = {**BUILT_IN[name], "task_head": "recurrent", "task_hidden_size": HIDDEN, "embedding_dropout": 0.1}
        model = ElmoModel(ElmoConfig(**settings))
        with quiet():
            model.save_pretrained(folder)
        ElmoTokenizer(max_characters_per_token=model.config.max_characters_per_token).save_pretrained(folder)
        return fine_tune(folder, kind, train, [dev], budget, seed, device)


# ------------------------------------------------------------------------------------------------------------ summary


def summarize(results: list[tuple[Cell, dict]], settings: Settings) -> Section:
    """A row for each system, a column for each task, and paired tests between systems."""
    section: Section = {"experiment": NAME, "title": TITLE, "tables": [], "tests": [], "notes": []}
    if not results:
        return section
    series: dict[str, dict[str, Series]] = {}
    for cell, result in sorted(results, key=lambda pair: (SYSTEMS.index(pair[0]["system"]), pair[0]["seed"])):
        series.setdefault(cell["system"], {}).setdefault(TASKS[cell["task"]].title, []).append((cell, result))
    columns = [task.title for task in TASKS.values() if any(task.title in found for found in series.values())]
    section["tables"].append(
        {
            "id": NAME,
            "title": "Chinese from random weights",
            "unit": "%",
            "higher_is_better": True,
            "columns": columns,
            "rows": [
                {
                    "label": system,
                    "contender": None,
                    "group": None,
                    "values": {column: _figure(found[column]) for column in columns if column in found},
                }
                for system, found in series.items()
            ],
            "plot": {"kind": "bars", "x": columns, "log_x": False},
        }
    )
    section["tests"] = _tests(series, columns)
    section["notes"] = _notes(results, settings)
    return section


def _figure(found: Series) -> dict[str, Any]:
    mean, sd = mean_sd([result["score"] for _, result in found])
    return figure(mean, [cell.id for cell, _ in found], sd=sd, n=len(found))


def _tests(series: dict[str, dict[str, Series]], columns: list[str]) -> list[dict[str, Any]]:
    tests = []
    for column in columns:
        for first, second in combinations([system for system in series if column in series[system]], 2):
            test = compare_series(series[first][column], series[second][column])
            if test is not None:
                tests.append({"table": NAME, "column": column, "a": first, "b": second, **test})
    for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
        test["significant"] = adjusted < LEVEL and test["same_sign"]
    return tests


def _notes(results: list[tuple[Cell, dict]], settings: Settings) -> list[str]:
    sizes = {TASKS[cell["task"]].title: (result["train"], result["evaluated"]) for cell, result in results}
    sentences = "; ".join(f"{train:,} for training and {dev:,} dev ({title})" for title, (train, dev) in sizes.items())
    return [
        "A demonstration that the same commands work on Chinese: no model here was pretrained on Chinese text, so the figures "
        "say nothing about what a pretrained ELMo or BERT would reach.",
        f"Sentences: {sentences}. {settings.choose(*UPDATES):,} updates of {settings.batch_size} sentences. Words are those "
        f"of the data; ELMo, {settings.choose(*MODELS)} from random weights with a BiLSTM of the same size, reads their UTF-8 bytes.",
        "± is the standard deviation over seeds. Tests: as in the section on quality, Holm's correction over all of them.",
    ]
