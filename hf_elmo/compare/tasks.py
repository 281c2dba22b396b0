# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The labelled data of a comparison: which sets there are, how much of them is used, and how answers are scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities

from hf_elmo.compare.settings import Settings
from hf_elmo.compare.statistics import f1
from hf_elmo.data import load_task_data
from hf_elmo.metrics import load_metric
from hf_elmo.modeling.character_encoding import build_pre_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset

# Types that all named-entity sets share in substance; what has no counterpart is no entity in a transfer.
WIKIGOLD_TYPES = {"PER": "PER", "LOC": "LOC", "ORG": "ORG"}
WNUT_TYPES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
CROSSNER_TYPES = {
    **dict.fromkeys(("person", "politician", "scientist", "writer", "musicalartist"), "PER"),
    **dict.fromkeys(("location", "country"), "LOC"),
    **dict.fromkeys(("organisation", "politicalparty", "university", "band"), "ORG"),
}
TRANSFER_TARGETS = ("crossner_politics", "crossner_science", "crossner_music", "uner_ewt")


@dataclass(frozen=True)
class TaskSet:
    """A data set with labels: `kind` as in `load_task_data`, `group` is where its figures stand in the report."""

    name: str
    kind: str
    group: str
    title: str
    types: Mapping[str, str] | None = None  # of entities, to those that are shared
    targets: tuple[str, ...] = ()  # sets a model trained on this one is also tried on


TASKS = {
    task.name: task
    for task in (
        TaskSet("ud_ewt", "tagging", "upos", "UD EWT"),
        TaskSet("gum_open", "tagging", "upos", "GUM"),
        TaskSet("wikigold", "tagging", "ner", "WikiGold", WIKIGOLD_TYPES, TRANSFER_TARGETS),
        TaskSet("wnut17", "tagging", "ner", "WNUT 17", WNUT_TYPES, TRANSFER_TARGETS),
        TaskSet("mr", "classification", "classification", "MR (sentiment)"),
        TaskSet("subj", "classification", "classification", "SUBJ"),
        TaskSet("snips", "classification", "classification", "Snips"),
        TaskSet("banking77", "classification", "classification", "Banking77"),
        TaskSet("clinc150", "classification", "classification", "CLINC150"),
        TaskSet("squadshifts_newwiki", "qa", "qa", "SQuADShifts New Wiki"),
    )
}
TARGETS = {
    target.name: target
    for target in (
        TaskSet("crossner_politics", "tagging", "ner", "politics", CROSSNER_TYPES),
        TaskSet("crossner_science", "tagging", "ner", "science", CROSSNER_TYPES),
        TaskSet("crossner_music", "tagging", "ner", "music", CROSSNER_TYPES),
        TaskSet("uner_ewt", "tagging", "ner", "web", WIKIGOLD_TYPES),
    )
}
EXAMPLES = {"train": (600, 4000), "validation": (300, 1000)}  # at most: quick, full
QUESTIONS = {"train": (400, 3000), "validation": (150, 500)}
OF_TARGETS = {"train": (0, 0), "validation": (150, 500)}
SAMPLE_SEED = 0  # one sample for all contenders and seeds


def read_task(settings: Settings, name: str, split: str) -> "Dataset":
    """A split of a data set, or a sample of it; the same whoever asks, and any first part of it is a sample as well.

    Args:
        settings: with the folder of data.
        name: of TASKS or TARGETS.
        split: "train" or "validation" (the sets' dev files).
    Returns:
        Columns as `hf_elmo.data.load_task_data` gives them, in random order.
    Raises:
        DataError: the files are not there or damaged.
        ValueError: there is no folder of data.
    """
    task = TASKS.get(name) or TARGETS[name]
    if settings.data is None:
        raise ValueError(f"{name} needs the folder of data: give --data")
    dataset = load_task_data(task.kind, settings.data / name, split)
    sizes = OF_TARGETS if name in TARGETS else QUESTIONS if task.kind == "qa" else EXAMPLES
    most = settings.choose(*sizes[split])
    order = np.random.default_rng(SAMPLE_SEED).permutation(len(dataset))
    return dataset.select(order[:most])


def words_of(dataset: "Dataset") -> list[list[str]]:
    """Words of tagged sentences, or of texts split at white space and punctuation: the same for every contender."""
    if "tokens" in dataset.column_names:
        return [list(words) for words in dataset["tokens"]]
    return [split_words(text) for text in dataset["text"]]


def split_words(text: str) -> list[str]:
    """Words of a text, each punctuation mark one of its own."""
    return [word for word, _ in word_places(text)]


def word_places(text: str) -> list[tuple[str, tuple[int, int]]]:
    """Words of a text with their (begin, end) in it."""
    return _SPLITTER.pre_tokenize_str(text)


_SPLITTER = build_pre_tokenizer("punctuation", split_cjk=False)


def score_tags(gold: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Accuracy of words, or F1 of spans (as conlleval reads tags) where tags mark spans, with counts of every sentence.

    Returns:
        {"metric": "accuracy" | "f1", "score" in percent, "items"}; items of accuracy are [right, words], of F1
        [right, found, true] of each sentence.
    """
    if not any(tag == "O" for tags in gold for tag in tags):
        items = [
            [sum(a == b for a, b in zip(*rows, strict=True)), len(rows[0])] for rows in zip(gold, found, strict=True)
        ]
        right, words = np.sum(items, axis=0)
        return {"metric": "accuracy", "score": 100 * float(right) / max(1, float(words)), "items": items}
    spans = [[set(get_entities(list(tags))) for tags in rows] for rows in zip(gold, found, strict=True)]
    items = [[len(true & own), len(own), len(true)] for true, own in spans]
    return {"metric": "f1", "score": 100 * float(f1(np.sum(items, axis=0))), "items": items}


def score_labels(gold: Sequence[str], found: Sequence[str]) -> dict[str, Any]:
    """Accuracy of texts in percent; items are 1 for right and 0 for wrong."""
    items = [int(a == b) for a, b in zip(gold, found, strict=True)]
    return {"metric": "accuracy", "score": 100 * sum(items) / max(1, len(items)), "items": items}


def score_answers(dataset: "Dataset", found: Sequence[str]) -> dict[str, Any]:
    """SQuAD's F1 in percent, mean over the questions; items are the F1 of each, in percent."""
    metric = load_metric("qa")
    items = [
        metric.compute(
            predictions=[{"id": row["id"], "prediction_text": text}],
            references=[{"id": row["id"], "answers": row["answers"]}],
            language="english",
        )["f1"]
        for row, text in zip(dataset, found, strict=True)
    ]
    return {"metric": "f1", "score": float(np.mean(items)), "items": [round(item, 2) for item in items]}


def shared_types(tags: Sequence[Sequence[str]], types: Mapping[str, str]) -> list[list[str]]:
    """Tags with entities of the shared types only; the others become O."""
    return [[f"{tag[:2]}{types[tag[2:]]}" if tag[2:] in types else "O" for tag in row] for row in tags]
