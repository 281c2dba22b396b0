# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The four tasks: from examples to features and batches, from logits to predictions, from predictions to scores.

Every class reads from top to bottom in the order in which a run calls it.
"""

import statistics
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers import DataCollatorForMultipleChoice, DataCollatorForTokenClassification, DataCollatorWithPadding

from hf_elmo.data.tags import is_bio
from hf_elmo.finetune.options import DataArguments
from hf_elmo.finetune.qa import best_answers, encode_questions
from hf_elmo.metrics import load_metric

EXAMPLES_PER_CALL = 1000  # of a tokenizer
UNSEEN = -100  # the label of what losses leave out, such as a label that the training data lack
QA_LENGTH = 384  # of a window in tokens, as in BERT's run_squad


class TaskError(ValueError):
    """The data do not fit the task; one line for people."""


class Encoded(NamedTuple):
    """A data set as the model reads it."""

    features: list[dict[str, Any]]  # inputs and labels; what the collator gets
    extra: list[Any]  # for each feature, what `predict` needs beside the logits
    notes: list[str]  # what was left out or cut


class Task(ABC):
    """What a task needs beyond the Trainer; `train` are the training data, whose labels the model learns."""

    auto_class: str
    pretokenized = False
    token_loss = False  # the loss is a mean over tokens, of which batches have different numbers

    metric: Any

    def __init__(self, options: DataArguments, train: Any):
        self.options = options

    def config_changes(self) -> dict[str, Any]:
        """What the model's configuration must say about the labels."""
        return {}

    @abstractmethod
    def texts(self, dataset: Any) -> Iterator[str] | Iterator[list[str]]:
        """All texts of a data set, for a vocabulary."""

    @abstractmethod
    def encode(self, dataset: Any, tokenizer: Any, limit: int | None, training: bool) -> Encoded:
        """Features of a data set, at most `limit` tokens long; `training`: leave out what cannot be learned from."""

    def collator(self, tokenizer: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """The stock collator for these features."""
        return DataCollatorWithPadding(tokenizer)

    def reduce_logits(self, logits: Any, labels: Any) -> Any:
        """What of the model's outputs is kept until the end of an evaluation."""
        return logits[0] if isinstance(logits, tuple) else logits

    @abstractmethod
    def predict(self, logits: Any, encoded: Encoded, dataset: Any) -> list[Any]:
        """One prediction for each example of the data set."""

    @abstractmethod
    def score(self, predictions: list[Any], dataset: Any) -> dict[str, float]:
        """Metrics of predictions against the labels of the data set."""

    @abstractmethod
    def best_metric(self) -> str:
        """The metric by which the best model is chosen."""

    @abstractmethod
    def describe_baseline(self) -> str:
        """What `baseline` answers, in words."""

    @abstractmethod
    def baseline(self, dataset: Any) -> list[Any]:
        """Predictions of who knows the training labels and does not look at the text."""

    def count(self, dataset: Any) -> dict[str, int]:
        """Sizes of a data set, by name."""
        return {"examples": len(dataset)}

    def _score(self, predictions: list[Any], references: list[Any], **own: Any) -> dict[str, float]:
        """Numbers that the metric gives; `own` are settings of our metrics alone."""
        if self.options.metric is not None:
            own = {}
        results = self.metric.compute(predictions=predictions, references=references, **own)
        scores = {name: float(value) for name, value in results.items() if isinstance(value, float | np.floating)}
        if not scores:
            raise TaskError(f"--metric {self.options.metric} gives no fraction, but {results}")
        return scores


def _load_metric(options: DataArguments, name: str, config_name: str | None = None) -> Any:
    """The metric of --metric, else ours."""
    if options.metric is None:
        return load_metric(name, config_name)
    import evaluate

    try:
        return evaluate.load(options.metric)
    except (OSError, ValueError, ImportError) as error:
        raise TaskError(f"--metric {options.metric}: {' '.join(str(error).split())}") from error


def _batches(dataset: Any) -> Iterator[dict[str, list]]:
    for start in range(0, len(dataset), EXAMPLES_PER_CALL):
        yield dataset[start : start + EXAMPLES_PER_CALL]


def _inputs(encodings: Any, tokenizer: Any, row: int) -> dict[str, Any]:
    """The model's inputs out of one row of a batch; character ids as a compact array (T, C)."""
    names = [name for name in tokenizer.model_input_names if name in encodings]
    inputs = {name: encodings[name][row] for name in names}
    if "char_ids" in inputs:
        inputs["char_ids"] = np.asarray(inputs["char_ids"], dtype=np.int16)
    return inputs


def _length_options(limit: int | None) -> dict[str, Any]:
    return {"truncation": limit is not None, "max_length": limit}


class Tagging(Task):
    """A tag for each word; of a word in pieces the first piece carries it."""

    auto_class = "AutoModelForTokenClassification"
    pretokenized = True
    token_loss = True

    def __init__(self, options: DataArguments, train: Any):
        super().__init__(options, train)
        self.metric = _load_metric(options, "tagging")
        counts = Counter(tag for tags in train["tags"] for tag in tags)
        self.labels = sorted(counts)
        self.is_bio = is_bio(self.labels)
        self.common = _commonest(counts)

    def config_changes(self) -> dict[str, Any]:
        return _label_changes(self.labels)

    def texts(self, dataset: Any) -> Iterator[list[str]]:
        return iter(dataset["tokens"])

    def encode(self, dataset: Any, tokenizer: Any, limit: int | None, training: bool) -> Encoded:
        ids = {label: number for number, label in enumerate(self.labels)}
        encoded = Encoded([], [], [])
        cut = 0
        for batch in _batches(dataset):
            encodings = tokenizer(batch["tokens"], is_split_into_words=True, **_length_options(limit))
            for row, tags in enumerate(batch["tags"]):
                words = encodings.word_ids(row)
                first = {word: place for place, word in reversed(list(enumerate(words))) if word is not None}
                labels = [UNSEEN] * len(words)
                for word, place in first.items():
                    labels[place] = ids.get(tags[word], UNSEEN)
                cut += len(tags) - len(first)
                encoded.features.append({**_inputs(encodings, tokenizer, row), "labels": labels})
                encoded.extra.append(first)
        if cut:
            encoded.notes.append(
                f"{cut:,} words without a prediction: beyond {limit} tokens, or nothing to the tokenizer"
            )
        return encoded

    def collator(self, tokenizer: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        return DataCollatorForTokenClassification(tokenizer)

    def reduce_logits(self, logits: Any, labels: Any) -> Any:
        return super().reduce_logits(logits, labels).argmax(dim=-1)

    def predict(self, logits: Any, encoded: Encoded, dataset: Any) -> list[list[str]]:
        missing = "O" if self.is_bio else ""  # for words that were cut off: always wrong, but for O
        return [
            [self.labels[row[first[word]]] if word in first else missing for word in range(len(tags))]
            for row, first, tags in zip(logits, encoded.extra, dataset["tags"], strict=True)
        ]

    def score(self, predictions: list[list[str]], dataset: Any) -> dict[str, float]:
        return self._score(predictions, list(dataset["tags"]), spans=self.is_bio)

    def best_metric(self) -> str:
        return "f1" if self.is_bio else "accuracy"

    def describe_baseline(self) -> str:
        return f"the commonest tag, {self.common}, for every word"

    def baseline(self, dataset: Any) -> list[list[str]]:
        return [[self.common] * len(tags) for tags in dataset["tags"]]

    def count(self, dataset: Any) -> dict[str, int]:
        return {"examples": len(dataset), "words": sum(map(len, dataset["tokens"]))}


def problem_type(label: Any) -> str:
    """What transformers' configurations call a classification with labels of this type."""
    if isinstance(label, str):
        return "single_label_classification"
    return "multi_label_classification" if isinstance(label, list) else "regression"


class Classification(Task):
    """A class, any number of classes, or a number for each text or pair of texts, by the type of the labels."""

    auto_class = "AutoModelForSequenceClassification"

    def __init__(self, options: DataArguments, train: Any):
        super().__init__(options, train)
        labels = list(train["label"])
        self.problem = problem_type(labels[0])
        self.common: Any
        if self.problem == "regression":
            self.labels: list[str] = []
            self.common = statistics.fmean(labels)
        elif self.problem == "multi_label_classification":
            self.labels = sorted({name for names in labels for name in names})
            self.common = list(_commonest(Counter(tuple(sorted(names)) for names in labels)))
        else:
            counts = Counter(labels)
            self.labels, self.common = sorted(counts), _commonest(counts)
        self.metric = _load_metric(options, "classification", self.problem)
        if self.problem != "regression" and len(self.labels) < 2:
            raise TaskError(
                f"the training data have {len(self.labels)} label(s), {self.labels}: at least 2 are needed"
            )

    def config_changes(self) -> dict[str, Any]:
        labels = _label_changes(self.labels) if self.labels else {"num_labels": 1}
        return {**labels, "problem_type": self.problem}

    def texts(self, dataset: Any) -> Iterator[str]:
        for column in _text_columns(dataset):
            yield from dataset[column]

    def encode(self, dataset: Any, tokenizer: Any, limit: int | None, training: bool) -> Encoded:
        encoded = Encoded([], [], [])
        unseen = 0
        for batch in _batches(dataset):
            texts = [batch[column] for column in _text_columns(dataset)]
            encodings = tokenizer(*texts, **_length_options(limit))
            for row, label in enumerate(batch["label"]):
                inputs = _inputs(encodings, tokenizer, row)
                target = self._target(label)
                unseen += target == UNSEEN
                encoded.features.append({**inputs, "labels": target})
        if unseen:
            encoded.notes.append(f"{unseen} examples have a label that the training data lack: always wrong")
        return encoded

    def _target(self, label: Any) -> Any:
        if self.problem == "regression":
            return float(label)
        if self.problem == "multi_label_classification":
            return [float(name in label) for name in self.labels]
        return self.labels.index(label) if label in self.labels else UNSEEN

    def predict(self, logits: Any, encoded: Encoded, dataset: Any) -> list[Any]:
        if self.problem == "regression":
            return [float(row[0]) for row in logits]
        if self.problem == "multi_label_classification":
            return [[name for name, logit in zip(self.labels, row, strict=True) if logit > 0] for row in logits]
        return [self.labels[row.argmax()] for row in logits]

    def score(self, predictions: list[Any], dataset: Any) -> dict[str, float]:
        gold = list(dataset["label"])
        if self.problem == "regression":
            return self._score(predictions, gold)
        if self.problem == "multi_label_classification":
            names = sorted({*self.labels, *(name for row in gold for name in row)})
            return self._score(*([[int(n in row) for n in names] for row in rows] for rows in (predictions, gold)))
        ids = {label: number for number, label in enumerate(dict.fromkeys([*self.labels, *gold]))}
        return self._score([ids[label] for label in predictions], [ids[label] for label in gold])

    def best_metric(self) -> str:
        return {"regression": "pearson", "multi_label_classification": "micro_f1"}.get(self.problem, "accuracy")

    def describe_baseline(self) -> str:
        if self.problem == "regression":
            return f"the mean of the training data, {self.common:.4g}, for every text"
        shown = self.common if isinstance(self.common, str) else ", ".join(self.common) or "no label"
        return f"the commonest answer, {shown}, for every text"

    def baseline(self, dataset: Any) -> list[Any]:
        return [self.common] * len(dataset)


class QuestionAnswering(Task):
    """A span of the context that answers a question; long contexts are read in overlapping windows."""

    auto_class = "AutoModelForQuestionAnswering"

    def __init__(self, options: DataArguments, train: Any):
        super().__init__(options, train)
        self.metric = _load_metric(options, "qa")
        answers = [row["text"][0] for row in train["answers"] if row["text"]]
        if not answers:
            raise TaskError("the training data have no answer to learn from")
        self.may_be_unanswerable = len(answers) < len(train)
        self.common_length = int(statistics.median(len(answer.split()) for answer in answers))
        self.details: list[list[dict[str, Any]]] = []  # n best answers of the last prediction

    def texts(self, dataset: Any) -> Iterator[str]:
        yield from dataset["question"]
        yield from dict.fromkeys(dataset["context"])  # each stands there once for each of its questions

    def encode(self, dataset: Any, tokenizer: Any, limit: int | None, training: bool) -> Encoded:
        length = min(limit or QA_LENGTH, self.options.max_length or QA_LENGTH)
        return Encoded(*encode_questions(dataset, tokenizer, length, self.options.doc_stride, training, _inputs))

    def reduce_logits(self, logits: Any, labels: Any) -> Any:
        return logits[:2]

    def predict(self, logits: Any, encoded: Encoded, dataset: Any) -> list[str]:
        starts, ends = logits
        self.details = best_answers(
            starts,
            ends,
            encoded.extra,
            list(dataset["context"]),
            n_best=self.options.n_best_size,
            max_length=self.options.max_answer_length,
            no_answer=self.may_be_unanswerable,
        )
        return [found[0]["text"] for found in self.details]

    def score(self, predictions: list[str], dataset: Any) -> dict[str, float]:
        ids = list(map(str, dataset["id"]))
        return self._score(
            [{"id": key, "prediction_text": text} for key, text in zip(ids, predictions, strict=True)],
            [{"id": key, "answers": gold} for key, gold in zip(ids, dataset["answers"], strict=True)],
        )

    def best_metric(self) -> str:
        return "f1"

    def describe_baseline(self) -> str:
        return f"the first {self.common_length} words of the context, the median length of an answer"

    def baseline(self, dataset: Any) -> list[str]:
        return [" ".join(context.split()[: self.common_length]) for context in dataset["context"]]

    def count(self, dataset: Any) -> dict[str, int]:
        return {"examples": len(dataset), "contexts": len(set(dataset["context"]))}


class MultipleChoice(Task):
    """One of several continuations or answers; every example has the same number of them."""

    auto_class = "AutoModelForMultipleChoice"

    def __init__(self, options: DataArguments, train: Any):
        super().__init__(options, train)
        self.metric = _load_metric(options, "classification", "single_label_classification")
        self.choices = len(train["choices"][0])
        self.common = int(_commonest(Counter(train["label"])))

    def texts(self, dataset: Any) -> Iterator[str]:
        for context, choices in zip(dataset["context"], dataset["choices"], strict=True):
            yield from (text for text in (context, *choices) if text)

    def encode(self, dataset: Any, tokenizer: Any, limit: int | None, training: bool) -> Encoded:
        for row, choices in enumerate(dataset["choices"]):
            if len(choices) != self.choices:
                raise TaskError(
                    f"example {row} has {len(choices)} choices, the first of the training data {self.choices}"
                )
        has_context = any(dataset["context"])
        encoded = Encoded([], [], [])
        for batch in _batches(dataset):
            choices = [choice for row in batch["choices"] for choice in row]
            contexts = [context for context in batch["context"] for _ in range(self.choices)]
            encodings = tokenizer(*([contexts, choices] if has_context else [choices]), **_length_options(limit))
            for row, label in enumerate(batch["label"]):
                rows = range(row * self.choices, (row + 1) * self.choices)
                inputs = [_inputs(encodings, tokenizer, one) for one in rows]
                encoded.features.append(
                    {name: [one[name] for one in inputs] for name in inputs[0]} | {"labels": label}
                )
        return encoded

    def collator(self, tokenizer: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        return DataCollatorForMultipleChoice(tokenizer)

    def predict(self, logits: Any, encoded: Encoded, dataset: Any) -> list[int]:
        return [int(row.argmax()) for row in logits]

    def score(self, predictions: list[int], dataset: Any) -> dict[str, float]:
        scores = self._score(predictions, list(dataset["label"]))
        return scores if self.options.metric else {"accuracy": scores["accuracy"]}  # places are no classes to average

    def best_metric(self) -> str:
        return "accuracy"

    def describe_baseline(self) -> str:
        return f"the commonest place of the right choice, {self.common} (from 0), for every example"

    def baseline(self, dataset: Any) -> list[int]:
        return [self.common] * len(dataset)


def _label_changes(labels: Sequence[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}


def _commonest(counts: Mapping[Any, int]) -> Any:
    return min(counts, key=lambda label: (-counts[label], label))


def _text_columns(dataset: Any) -> Iterable[str]:
    return [column for column in ("text", "text_pair") if column in dataset.column_names]


TASK_CLASSES: dict[str, type[Task]] = {
    "tagging": Tagging,
    "classification": Classification,
    "qa": QuestionAnswering,
    "multiple-choice": MultipleChoice,
}
