# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Robustness: what is left of scores and of vectors when words are written otherwise.

labels     the task network of `quality` over frozen vectors, trained on clean text and scored on the same dev sentences as
           they are and under each transformation, at three strengths
vectors    no labels and no data: one word of a sentence changes; how far does its vector move, and those of the words
           around it? (`hf_elmo.compare.robustness_vectors`)
"""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from hf_elmo.compare.cells import Cell, Section
from hf_elmo.compare.item_bits import items_digest
from hf_elmo.compare.quality import FROZEN, UPDATES
from hf_elmo.compare.settings import Settings
from hf_elmo.compare.tasks import TASKS, read_task, words_of
from hf_elmo.compare.transformations import STRENGTHS, TRANSFORMATIONS, changed_positions

if TYPE_CHECKING:
    from hf_elmo.compare.task_probe import Features

NAME = "robustness"
TITLE = "Robustness: the same words written otherwise"
VERSION = 1
LABELS, VECTORS = "labels", "vectors"
# Dev sentences of each task: quick (0: not at all), full. Reviews are long.
DEV_SENTENCES = {"ud_ewt": (80, 500), "snips": (80, 500), "mr": (0, 300)}
CONTEXT_SENTENCES = (40, 150)
WORST = 2  # sentences kept of each transformation at full strength
LONGEST_SHOWN = 30  # words of such a sentence


def cells(settings: Settings, names: list[str]) -> list[Cell]:
    """Vectors of each contender; labels for each task, contender and seed, in a quick comparison the first seed alone."""
    found = [Cell(NAME, (("view", VECTORS), ("contender", name), ("seed", settings.seeds[0]))) for name in names]
    for task, sentences in DEV_SENTENCES.items():
        if not settings.choose(*sentences) or settings.data_folder(task, NAME) is None:
            continue
        for seed in settings.choose(settings.seeds[:1], settings.seeds):
            found += [
                Cell(NAME, (("view", LABELS), ("task", task), ("contender", name), ("seed", seed))) for name in names
            ]
    return found


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """The vectors or the labels of one contender under all transformations."""
    contender = context.contender(cell["contender"])
    if cell["view"] == VECTORS:
        from hf_elmo.compare.robustness_vectors import built_in_sentences, moved_vectors

        sentences = built_in_sentences(context.settings.choose(*CONTEXT_SENTENCES))
        return moved_vectors(contender, sentences, cell["seed"])
    return label_scores(contender, cell["task"], cell["seed"], context)


def summarize(results: list[tuple[Cell, dict]], settings: Settings) -> Section:
    """See `hf_elmo.compare.robustness_tables`."""
    from hf_elmo.compare import robustness_tables as tables

    labels = [pair for pair in results if pair[0]["view"] == LABELS]
    vectors = [pair for pair in results if pair[0]["view"] == VECTORS]
    found, tests, notes = tables.label_tables(labels)
    return {
        "experiment": NAME,
        "title": TITLE,
        "tables": found + tables.vector_tables(vectors),
        "tests": tests,
        "notes": notes + tables.vector_notes(vectors),
    }


# ------------------------------------------------------------------------------------------------------------- labels


def label_scores(contender: Any, task: str, seed: int, context: Any) -> dict[str, Any]:
    """Train on clean text, then count right answers on clean and on transformed dev sentences.

    Returns:
        "sentences", "all_words" and "digest" of them, "weights" (answers that each asks for), "clean" (right answers of
        each), and for each transformation and strength "lost" (right answers less than clean, or minus how many more)
        and "words", how many changed: lists of counts are packed, see `unpack_counts`. "worst" has the sentences that
        lost the largest shares.
    """
    settings = context.settings
    dev = read_task(settings, task, "validation")
    dev = dev.select(range(min(len(dev), settings.choose(*DEV_SENTENCES[task]))))
    probe = trained_probe(contender, task, seed, context)
    words, gold = words_of(dev), answers_of(dev)
    clean = probe.answers(words)
    right = np.array(right_answers(gold, clean))
    changed: dict[str, dict[str, Any]] = {}
    worst: list[dict[str, Any]] = []
    for name, transformation in TRANSFORMATIONS.items():
        texts = {strength: [transformation.apply(row, strength, seed) for row in words] for strength in STRENGTHS}
        answers = _answers_of_changed(probe, words, clean, texts)
        changed[name] = {
            str(strength): {
                "lost": pack_counts(right - right_answers(gold, answers[strength])),
                "words": sum(len(changed_positions(*rows)) for rows in zip(words, texts[strength], strict=True)),
            }
            for strength in STRENGTHS
        }
        worst += [{"transformation": name, **one} for one in _worst(words, texts[3], gold, clean, answers[3])]
    return {
        "sentences": len(words),
        "all_words": sum(map(len, words)),
        "digest": items_digest([words, gold]),
        "weights": pack_counts([len(row) for row in gold]),
        "clean": pack_counts(right),
        "changed": changed,
        "worst": worst,
        **probe.facts,
    }


def answers_of(dataset: Any) -> list[list[str]]:
    """The true answers for each sentence: a tag for each word, or the label of the text alone."""
    if "tags" in dataset.column_names:
        return [list(tags) for tags in dataset["tags"]]
    return [[label] for label in dataset["label"]]


def right_answers(gold: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> list[int]:
    """How many answers of each sentence are right; words beyond the longest text a head reads have none."""
    return [sum(a == b for a, b in zip(*rows, strict=False)) for rows in zip(gold, found, strict=True)]


@dataclass(frozen=True)
class Probe:
    """A trained task network over the frozen vectors of a contender."""

    contender: Any
    model: Any
    labels: list[str]
    device: Any
    facts: dict[str, Any]

    def answers(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Labels of the words of each sentence, or its own in a list."""
        from hf_elmo.compare.task_probe import predict

        if not sentences:
            return []
        found = predict(self.model, features_in_memory(self.contender, sentences), self.device)
        return [[self.labels[n] for n in (one if isinstance(one, list) else [one])] for one in found]


def trained_probe(contender: Any, task: str, seed: int, context: Any) -> Probe:
    """The task network of `hf_elmo.compare.quality`, frozen mode: same data, size and budget."""
    import torch

    from hf_elmo.compare.task_probe import Budget, LayerInput, Tagger, TextClassifier, cached_features, train_head

    settings = context.settings
    train = read_task(settings, task, "train")
    gold = answers_of(train)
    labels = sorted({label for row in gold for label in row})
    number = {label: index for index, label in enumerate(labels)}
    tagging = TASKS[task].kind == "tagging"
    targets: list[Any] = [[number[label] for label in row] if tagging else number[row[0]] for row in gold]
    budget = Budget(settings.choose(*UPDATES[FROZEN]), settings.batch_size)
    torch.manual_seed(seed)
    features = cached_features(contender, words_of(train), context.cache)
    model = (Tagger if tagging else TextClassifier)(LayerInput(features), len(labels))
    loss = train_head(model, features, targets, budget, seed, context.device)
    facts = {**budget.as_dict(), "training_loss": loss, "train": len(train), "labels": len(labels)}
    return Probe(contender, model, labels, context.device, facts)


def features_in_memory(contender: Any, sentences: Sequence[Sequence[str]]) -> "Features":
    """As `task_probe.cached_features` has them, but not kept: changed sentences are needed once."""
    from hf_elmo.compare.task_probe import LONGEST, Features, as_stored

    parts = [as_stored(vectors) for vectors in contender.vectors([list(words[:LONGEST]) for words in sentences])]
    return Features(np.concatenate(parts), np.cumsum([0, *map(len, parts)]))


def _answers_of_changed(
    probe: Probe, words: list[list[str]], clean: list[list[str]], texts: dict[int, list[list[str]]]
) -> dict[int, list[list[str]]]:
    """Answers for each strength; a sentence that does not change, or is the same at two strengths, is computed once."""
    known = {tuple(row): answer for row, answer in zip(words, clean, strict=True)}
    new = list(dict.fromkeys(key for rows in texts.values() for row in rows if (key := tuple(row)) not in known))
    known |= zip(new, probe.answers(new), strict=True)
    return {strength: [known[tuple(row)] for row in rows] for strength, rows in texts.items()}


def _worst(
    words: list[list[str]],
    changed: list[list[str]],
    gold: list[list[str]],
    clean: list[list[str]],
    found: list[list[str]],
) -> list[dict[str, Any]]:
    """Sentences that lost the largest share of their answers, short ones before long ones, with what was lost."""
    lost = [
        [at for at, (label, a, b) in enumerate(zip(*row, strict=False)) if a == label != b]
        for row in zip(gold, clean, found, strict=True)
    ]
    candidates = [row for row, places in enumerate(lost) if places and len(words[row]) <= LONGEST_SHOWN]
    candidates.sort(key=lambda row: (-len(lost[row]) / len(gold[row]), len(words[row]), row))
    return [
        {
            "before": " ".join(words[row]),
            "after": " ".join(changed[row]),
            "answers": len(gold[row]),
            # Text or word, true answer, answer after the change; no more than a reader takes in.
            "lost": [
                [changed[row][at] if len(gold[row]) == len(words[row]) > 1 else "", gold[row][at], found[row][at]]
                for at in lost[row][:5]
            ],
        }
        for row in candidates[:WORST]
    ]


def pack_counts(counts: ArrayLike) -> str:
    """Small whole numbers, compressed, as text: a hundred bytes for 500 sentences instead of thousands."""
    array = np.asarray(counts, dtype="<i2")
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def unpack_counts(packed: str) -> np.ndarray:
    """The (n,) int16 that `pack_counts` was given."""
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype="<i2")
