# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The facts of a model that its card tells: one YAML file for each model of the published set."""

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

FACTS = Path(__file__).resolve().parent / "facts"
LANGUAGES = ("en", "zh")  # of the cards
KINDS = ("elmo", "bert")
ORIGINS = ("trained", "converted")

Texts = dict[str, str]  # one text for each language of the cards


@dataclass(frozen=True)
class TrainingText:
    """A part of the training text: what it is, which part was taken, and under which licence."""

    text: Texts
    part: Texts
    licence: Texts


@dataclass(frozen=True)
class Evaluation:
    """A measured result for the metadata (`model-index`): where it stands, and what the Hub calls it.

    Attributes:
        task: type of the task on the Hub, and `task_name`.
        dataset: id on the Hub, or a name of our own.
        metric: type of the metric on the Hub, and `metric_name`.
        file, path: place of the value in the results.
        scale: factor of the value, 100 for percent.
    """

    task: str
    task_name: str
    dataset: str
    dataset_name: str
    split: str
    metric: str
    metric_name: str
    file: str
    path: str
    scale: float = 1.0
    config: str | None = None


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model. What is not known is left out: the card then says nothing of it, or that it is unknown.

    Texts may hold `{{ result(...) }}` and `{{ cited(...) }}`, see `hf_elmo.model_cards.rendering`; a measured number that
    is typed is found by the tests.

    Attributes:
        name: of the model, as in `hf-elmo card NAME`.
        kind: "elmo" or "bert".
        origin: "trained" by this project, or "converted" from published weights.
        language: ISO 639 code of the model's text.
        license: identifier of the Hub; "unknown" where nobody stated one.
        licence: what it covers, in words.
        pipeline_tag, tags, datasets: metadata; data sets are ids that exist on the Hub.
        summary: begins the card: input, output and its shape, and what the model is not.
        citations: keys of the papers to cite.
        known_model: name in `hf-elmo convert --list`, of a converted one.
        published_by: who trained a converted model.
        figures: name of the source values under which its published scores stand (`NAME_srl`, `NAME_parsing`).
        training: how it was trained.
        training_texts: table of the training text.
        repeat: commands that train it again, a shell script.
        structure: what it consists of.
        abilities, limits: what was measured that it can and cannot do; limits is a list of items.
        bias: result file of `hf_elmo.model_cards.bias`.
        evaluations: for the metadata.
    """

    name: str
    kind: str
    origin: str
    language: str
    license: str
    licence: Texts
    pipeline_tag: str
    tags: list[str]
    summary: Texts
    citations: list[str]
    structure: Texts
    training: Texts
    datasets: list[str] = field(default_factory=list)
    known_model: str | None = None
    published_by: Texts | None = None
    figures: str | None = None
    training_texts: list[TrainingText] = field(default_factory=list)
    training_note: Texts | None = None
    repeat: str | None = None
    abilities: Texts | None = None
    limits: list[Texts] = field(default_factory=list)
    bias: str | None = None
    evaluations: list[Evaluation] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("origin", ORIGINS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} of {self.name} is {getattr(self, name)!r}; needed is {' or '.join(allowed)}")
        if (self.origin == "converted") != (self.known_model is not None):
            raise ValueError(f"{self.name} is {self.origin}: known_model is for converted models, and needed there")


def names() -> tuple[str, ...]:
    """The published set: names of all facts files, in alphabetical order."""
    return tuple(sorted(path.stem for path in FACTS.glob("*.yaml")))


def full_name(name: str) -> str:
    """The name of a card: `name` itself, or that of the converted model that `hf-elmo convert` calls so (original, 5.5B).

    Raises:
        ValueError: no card has that name.
    """
    for candidate in (name, f"elmo-{name.lower()}", f"elmo-original-{name.lower()}"):
        if candidate in names():
            return candidate
    raise ValueError(f"there is no card for {name!r}{_meant(name, names())}")


def load_facts(name_or_file: str | Path) -> CardFacts:
    """The facts of a model of the published set, or of a YAML file.

    Raises:
        OSError: there is no such file.
        ValueError: no model has that name; the file is no YAML, lacks a fact, has an unknown one or one of a wrong type.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = FACTS / f"{full_name(str(name_or_file))}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OSError(f"{path}: no such facts file") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    return _build(CardFacts, content, str(path))


def _meant(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _build(kind: Any, content: Any, place: str) -> Any:
    """A dataclass from a mapping; refuses unknown keys, missing ones and values of another type."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{place} holds {type(content).__name__}; needed are names with values")
    known = {item.name: item for item in fields(kind)}
    for key in content:
        if key not in known:
            raise ValueError(f"{place}: unknown fact {key!r}{_meant(str(key), tuple(known))}")
    for name, item in known.items():
        if name not in content and item.default is MISSING and item.default_factory is MISSING:
            raise ValueError(f"{place} lacks {name!r}")
    return kind(**{key: _value(known[key].type, value, f"{place}: {key}") for key, value in content.items()})


def _value(kind: Any, value: Any, place: str) -> Any:
    """A value of the file as the type of its field asks."""
    if kind == Texts:
        _check_texts(value, place)
    elif get_origin(kind) is list:
        (inner,) = get_args(kind)
        if not isinstance(value, list):
            raise ValueError(f"{place} must be a list, not {value!r}")
        return [_value(inner, item, f"{place}[{index}]") for index, item in enumerate(value)]
    elif kind == Texts | None:
        _check_texts(value, place)
    elif kind in (str, str | None):
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{place} must be a text, not {value!r}; leave out what is not known")
    elif kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{place} must be a number, not {value!r}")
    else:
        return _build(kind, value, place)
    return value


def _check_texts(value: Any, place: str) -> None:
    if not isinstance(value, Mapping) or set(value) != set(LANGUAGES):
        raise ValueError(f"{place} must have a text for each of {', '.join(LANGUAGES)}, not {value!r}")
    for language, text in value.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{place}.{language} must be a text, not {text!r}; leave out what is not known")
