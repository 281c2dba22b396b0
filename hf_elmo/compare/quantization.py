# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What 8-bit weights cost in quality: how far the vectors move, and how many points a task loses by it.

A task network (`task_probe`) is trained on the frozen float32 vectors. The same trained network then reads the float32 vectors
and the int8 vectors of examples it was not trained on, so that nothing but the weights' format differs. A set without a large
dev part is cut into folds, each scored by a network that was trained on the others: every example counts once for each seed.

Shapes: n examples, S seeds, k counts of an example, [right, all] for accuracy or [right, found, true] spans for F1.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from hf_elmo.compare import statistics, task_probe
from hf_elmo.compare.contenders import ContenderError, ElmoContender, load_contender
from hf_elmo.compare.task_probe import LONGEST, Budget, Features
from hf_elmo.compare.tasks import SAMPLE_SEED, TASKS, score_labels, score_tags, words_of
from hf_elmo.data import load_task_data

FLOAT, INT8 = "float32", "int8"
OWN_SPLIT = {"ud_ewt"}  # sets whose dev part is large enough by itself: 25,147 words
LARGEST_LOSS, LEAST_COSINE = 0.3, 0.999  # points, mean of the words: what 8 bits may cost
MEAN_OF_LAYERS = "mean of layers"
RESAMPLES = 4000
DRAWS_AT_ONCE = 4_000_000  # numbers in memory
WORDS_AT_ONCE = 8192
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"


def load_pair(spec: str) -> dict[str, ElmoContender]:
    """A model with its float32 weights, and the same after `quantize_int8`.

    Args:
        spec: a name of the box, a folder, or an id on the Hub.
    Returns:
        {"float32": contender, "int8": contender}.
    Raises:
        ContenderError: there is no such model, it is no ELMo, or its weights have 8 bits already.
    """
    exact = load_contender(spec)
    if not isinstance(exact, ElmoContender):
        raise ContenderError(f"{spec} is no ELMo model ({exact.kind}); needed is one, for example elmo-mini-en")
    if exact.model.config.weight_format == "int8":
        raise ContenderError(f"{spec} has 8-bit weights already; give the float weights that it was made from")
    # Another name, so that its features are kept apart.
    close = ElmoContender(
        f"{exact.name}, {INT8}", spec, copy.deepcopy(exact.model).quantize_int8().eval(), exact.tokenizer
    )
    return {FLOAT: exact, INT8: close}


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights as `save_pretrained` writes them."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


# ---------------------------------------------------------------------------------------------------------- examples


@dataclass(frozen=True)
class Examples:
    """A labelled set: the words of each example, its label or its words' tags, and how it is divided.

    Attributes:
        name: of TASKS.
        words: lists of at most `LONGEST` words.
        gold: a label for each example, or a tag for each word.
        trained: how many at the beginning are for training alone; None: all are scored, by folds.
    """

    name: str
    words: list[list[str]]
    gold: list[Any]
    trained: int | None

    @property
    def scored(self) -> range:
        """The examples that are scored."""
        return range(self.trained or 0, len(self.words))

    def divisions(self, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(training examples, scored examples): once for a set with a part of its own, else for every fold.

        Raises:
            ValueError: there are fewer examples than folds.
        """
        if self.trained is not None:
            yield np.arange(self.trained), np.array(self.scored)
            return
        if len(self.words) < folds:
            raise ValueError(f"{self.name} has {len(self.words)} examples, too few for {folds} folds")
        parts = np.array_split(np.random.default_rng(seed).permutation(len(self.words)), folds)
        for place, part in enumerate(parts):
            rest = np.concatenate(parts[:place] + parts[place + 1 :])
            yield np.sort(rest), np.sort(part)


def read_examples(data: Path, name: str, most: int | None = None) -> Examples:
    """All of a set, its train part first.

    Args:
        data: folder with a folder for each set.
        name: of TASKS, for tagging or classification.
        most: examples of each part, drawn at random; None takes all.
    Raises:
        DataError: the files are not there or damaged.
    """
    task = TASKS[name]
    words: list[list[str]] = []
    gold: list[Any] = []
    sizes = []
    for split in ("train", "validation"):
        dataset = load_task_data(task.kind, data / name, split)
        if most is not None:
            dataset = dataset.select(np.random.default_rng(SAMPLE_SEED).permutation(len(dataset))[:most])
        words += [row[:LONGEST] for row in words_of(dataset)]
        gold += [tags[:LONGEST] for tags in dataset["tags"]] if task.kind == "tagging" else list(dataset["label"])
        sizes.append(len(dataset))
    return Examples(name, words, gold, sizes[0] if name in OWN_SPLIT else None)


# ----------------------------------------------------------------------------------------------------------- vectors


def rows_of(features: Features, rows: Sequence[int] | np.ndarray) -> Features:
    """The features of some sentences, in memory."""
    lengths = np.diff(features.offsets)[rows]
    offsets = np.cumsum([0, *lengths])
    values = np.empty((offsets[-1], *features.values.shape[1:]), features.values.dtype)
    for place, row in enumerate(rows):
        values[offsets[place] : offsets[place + 1]] = features.values[
            features.offsets[row] : features.offsets[row + 1]
        ]
    return Features(values, offsets)


def cosines(exact: Features, close: Features, layers: Sequence[str]) -> dict[str, dict[str, float]]:
    """Cosine between two forms of every word's vector, in each layer and in the mean of the layers.

    Features are float16, whose rounding takes less than 1e-6 from a cosine.

    Args:
        exact, close: features of the same sentences.
        layers: their names.
    Returns:
        layer -> {"mean", "percentile_1", "least"} over the words.
    Raises:
        ValueError: the features are not of the same sentences.
    """
    if exact.values.shape != close.values.shape or not np.array_equal(exact.offsets, close.offsets):
        raise ValueError(
            f"features of shapes {exact.values.shape} and {close.values.shape} are not of the same sentences"
        )
    found = []
    for begin in range(0, len(exact.values), WORDS_AT_ONCE):
        first, second = (with_mean(each.values[begin : begin + WORDS_AT_ONCE]) for each in (exact, close))
        found.append(torch.cosine_similarity(first, second, dim=-1).numpy())
    every = np.concatenate(found)  # (words, layers and their mean)
    return {
        name: {
            "mean": float(column.mean()),
            "percentile_1": float(np.percentile(column, 1)),
            "least": float(column.min()),
        }
        for name, column in zip([*layers, MEAN_OF_LAYERS], every.T, strict=True)
    }


def with_mean(vectors: np.ndarray) -> torch.Tensor:
    """Vectors (words, layers, dimension) and the mean of the layers behind them, float64."""
    values = torch.from_numpy(vectors.astype(np.float64))
    return torch.cat([values, values.mean(dim=1, keepdim=True)], dim=1)


# ------------------------------------------------------------------------------------------------------------- tasks


class SeedResult(NamedTuple):
    """Both formats on the scored examples, with the networks of one seed.

    Attributes:
        counts: (2, n, k) int of float32 and int8.
        changed: predictions that differ between the two; `lost` were right and are wrong, `gained` the other way round.
        predictions: of texts, or of words.
        training_loss: mean of the networks.
    """

    counts: np.ndarray
    changed: int
    lost: int
    gained: int
    predictions: int
    training_loss: float


def score_seed(
    examples: Examples,
    exact: Features,
    close: Features,
    budget: Budget,
    folds: int,
    seed: int,
    tick: Callable[[], Any] = lambda: None,
) -> SeedResult:
    """Train on float32 vectors and score both formats.

    Args:
        examples: the set.
        exact: float32 features of all its examples.
        close: int8 features of the scored examples.
        budget, seed: of the training; the seed draws the folds, too.
        folds: see `Examples.divisions`.
        tick: called after every training.
    Raises:
        ValueError: a training diverged, or there are fewer examples than folds.
    """
    tagging = TASKS[examples.name].kind == "tagging"
    scored = examples.scored
    found: dict[str, list[Any]] = {name: [None] * len(scored) for name in (FLOAT, INT8)}
    losses = []
    for train, test in examples.divisions(folds, seed):
        gold = [examples.gold[row] for row in train]
        labels = sorted({tag for tags in gold for tag in tags} if tagging else set(gold))
        numbers = {label: number for number, label in enumerate(labels)}
        targets = [[numbers[tag] for tag in each] if tagging else numbers[each] for each in gold]
        torch.manual_seed(seed)
        source = rows_of(exact, train)
        head = task_probe.Tagger if tagging else task_probe.TextClassifier
        model = head(task_probe.LayerInput(source), len(labels))
        losses.append(task_probe.train_head(model, source, targets, budget, seed, "cpu"))
        places = test - scored.start
        for name, features in ((FLOAT, rows_of(exact, test)), (INT8, rows_of(close, places))):
            for place, best in zip(places, task_probe.predict(model, features, "cpu"), strict=True):
                found[name][place] = [labels[number] for number in best] if tagging else labels[best]
        tick()
    return _compared([examples.gold[row] for row in scored], found[FLOAT], found[INT8], float(np.mean(losses)))


def _compared(gold: list[Any], exact: list[Any], close: list[Any], training_loss: float) -> SeedResult:
    if isinstance(gold[0], list):
        counts = [score_tags(gold, found)["items"] for found in (exact, close)]
        gold, exact, close = ([tag for tags in rows for tag in tags] for rows in (gold, exact, close))
    else:
        counts = [[[right, 1] for right in score_labels(gold, found)["items"]] for found in (exact, close)]
    pairs = list(zip(gold, exact, close, strict=True))
    return SeedResult(
        np.array(counts),
        changed=sum(one != other for _, one, other in pairs),
        lost=sum(one == true != other for true, one, other in pairs),
        gained=sum(one != true == other for true, one, other in pairs),
        predictions=len(pairs),
        training_loss=training_loss,
    )


# --------------------------------------------------------------------------------------------------------- statistics


def score_of(counts: np.ndarray) -> np.ndarray:
    """Percent (...) of summed counts (..., k): accuracy of [right, all], F1 of [right, found, true]."""
    if counts.shape[-1] == 3:
        return 100 * statistics.f1(counts)
    return 100 * counts[..., 0] / np.maximum(counts[..., 1], 1)


def loss_interval(exact: np.ndarray, close: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean loss in points: percentile bootstrap in which examples and seeds are drawn anew.

    Args:
        exact, close: counts (S, n, k) of the same examples in the same order.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    seeds, examples, kinds = exact.shape
    both = np.concatenate([exact, close]).transpose(1, 0, 2).reshape(examples, -1).astype(np.float64)
    losses = []
    for begin in range(0, RESAMPLES, size := max(1, DRAWS_AT_ONCE // examples)):
        count = min(size, RESAMPLES - begin)
        drawn = generator.multinomial(examples, np.full(examples, 1 / examples), count)
        sums = (drawn @ both).reshape(count, 2, seeds, kinds)
        of_seeds = score_of(sums[:, 0]) - score_of(sums[:, 1])  # (count, S)
        losses.append((of_seeds * generator.multinomial(seeds, np.full(seeds, 1 / seeds), count)).sum(axis=1) / seeds)
    low, high = np.percentile(np.concatenate(losses), [2.5, 97.5])
    return float(low), float(high)


def verdict(interval: tuple[float, float]) -> str:
    """Whether the loss is at most `LARGEST_LOSS`: it holds or fails where the whole interval says so."""
    low, high = interval
    return HOLDS if high <= LARGEST_LOSS else FAILS if low > LARGEST_LOSS else UNDECIDED


def summarize(results: Sequence[SeedResult]) -> dict[str, Any]:
    """Loss of a task in points over all seeds, with interval and test, and how many predictions changed.

    Args:
        results: one for each seed, on the same examples in the same order.
    """
    exact, close = (np.stack([result.counts[side] for result in results]) for side in (0, 1))  # (S, n, k)
    scores = {name: score_of(counts.sum(axis=1)) for name, counts in ((FLOAT, exact), (INT8, close))}
    losses = scores[FLOAT] - scores[INT8]
    interval = loss_interval(exact, close)
    spans = exact.shape[2] == 3
    test = (
        statistics.paired_f1_test(exact, close) if spans else statistics.paired_test(exact[..., 0], close[..., 0])
    )  # of a loss of zero
    changes = {
        name: float(np.mean([getattr(result, name) for result in results])) for name in ("changed", "lost", "gained")
    }
    mean, sd = statistics.mean_sd(losses.tolist())
    return {
        "metric": "f1" if spans else "accuracy",
        "examples": exact.shape[1],
        "predictions": results[0].predictions,
        "score": {name: round(float(each.mean()), 3) for name, each in scores.items()},
        "score_sd": {name: _rounded(statistics.mean_sd(each.tolist())[1]) for name, each in scores.items()},
        "loss": round(mean, 4),
        "loss_interval": [round(end, 4) for end in interval],
        "loss_sd": _rounded(sd),
        "loss_of_seeds": [round(float(loss), 4) for loss in losses],
        "test": test["test"],
        "p": round(test["p"], 5),
        "bar": {"largest_loss": LARGEST_LOSS, "verdict": verdict(interval)},
        "mean_per_seed": {**changes, "changed_percent": round(100 * changes["changed"] / results[0].predictions, 4)},
        "training_loss": round(float(np.mean([result.training_loss for result in results])), 4),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
