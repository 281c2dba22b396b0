# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The settings of a pretraining run: a recipe first, then the command line, checked before anything is loaded.

Loads neither torch nor transformers.
"""

import argparse
import difflib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn, get_args, get_origin

import yaml

MODELS = ("elmo", "bert")
ORDERS = ("sentences", "lanes")
OPTIMIZERS = ("adamw", "adagrad")
SCHEDULES = ("constant", "linear", "cosine")
PRECISIONS = ("no", "bf16", "fp16")
SETTINGS_NAME = "pretrain_settings.yaml"
RECIPES = Path(__file__).parent / "recipes"
# They belong to one call and not to the run: how long, where, and what is told. Text counts by its content.
OF_A_CALL = {"output_dir", "resume", "max_hours", "report_to", "logging_steps", "save_steps", "save_total_limit"}
OF_A_CALL |= {"eval_steps", "eval_sentences", "final_evaluation", "prefetch_batches", "use_cpu", "corpus", "held_out"}


class SettingsError(ValueError):
    """The settings are wrong or contradict each other; one line for people, shown with the usage."""


class PretrainError(ValueError):
    """Settings and what is there do not fit: corpus, model, folders, processes; one line for people."""


def _option(help: str, default: Any = None, choices: Sequence[str] | None = None, metavar: str | None = None) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices, "metavar": metavar})


@dataclass
class PretrainSettings:
    """All that decides a run."""

    corpus: str | None = _option(
        "training text: a folder of hf-elmo prepare-corpus; for bert it is cut into pieces once"
    )
    output_dir: str | None = _option("where checkpoints, the model and results.json go")
    held_out: str | None = _option(
        "a corpus of held-out text; default: the part held out of --corpus, if there is one"
    )
    model: str = _option("what is trained", "elmo", MODELS)
    config: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "fields of ElmoConfig or BertConfig", "metavar": "KEY=VALUE"}
    )
    init_from: str | None = _option(
        "go on with a trained model: a name of the package's, folder or Hub id; its configuration is kept"
    )
    order: str = _option(
        "elmo: whole sentences from zero states, or bilm-tf's lanes with carried state", "sentences", ORDERS
    )
    max_tokens: int = _option("elmo, sentences: words of a batch of one process, padding included", 8192)
    lanes: int = _option("elmo, lanes: rows of a batch of one process", 128)
    unroll_steps: int = _option("elmo, lanes: words of a row in a batch", 20)
    sparse_gradient: bool = _option(
        "elmo, sampled softmax: gradients of the rows used only (adagrad, one process)", False
    )
    vocab_size: int = _option("bert: word pieces of a new vocabulary", 8192)
    lowercase: bool = _option("bert: a vocabulary without capital letters", False)
    batch_size: int = _option("bert: pairs of a batch of one process", 128)
    max_length: int = _option("bert: longest pair, in pieces", 128)
    next_sentence: bool = _option("bert: predict whether the second segment follows (NSP)", True)
    whole_word_masking: bool = _option("bert: mask all pieces of a word together", False)
    mask_fraction: float = _option("bert: share of the pieces to predict, 0 to 1", 0.15)
    gradient_accumulation_steps: int = _option("batches of an update", 1)
    optimizer: str = _option("adagrad is bilm-tf's", "adamw", OPTIMIZERS)
    learning_rate: float = _option("highest learning rate", 1e-3)
    lr_scheduler_type: str = _option("after the warm-up: constant, or down to 0 at the last step", "linear", SCHEDULES)
    warmup_steps: int = _option("updates over which the rate rises from 0", 0)
    weight_decay: float = _option("adamw: of matrices; biases and normalisation have none", 0.0)
    adam_beta2: float = _option("adamw: memory of the squared gradient", 0.999)
    adagrad_start: float = _option("adagrad: value its sums begin with", 1.0)
    max_grad_norm: float = _option("bound on the joint norm of all gradients", 1.0)
    loss_factor: float = _option("factor of the loss before gradients are clipped; bilm-tf: unroll_steps", 1.0)
    max_steps: int | None = _option("updates; default: by --num_train_epochs")
    num_train_epochs: float = _option("passes over the text", 1.0)
    max_hours: float | None = _option("stop after this much time of training, resumed runs added up")
    mixed_precision: str = _option("numbers of the products; the weights stay float32", "no", PRECISIONS)
    seed: int = _option("decides weights, order, dropout, masks and sampled words", 42)
    logging_steps: int = _option("updates between lines of progress", 100)
    eval_steps: int | None = _option("updates between evaluations; default: only at the end")
    eval_sentences: int | None = _option("of these evaluations; default: all held-out text; the last takes all")
    final_evaluation: bool = _option("evaluate all held-out text at the end", True)
    save_steps: int = _option("updates between checkpoints", 1000)
    save_total_limit: int = _option("checkpoints to keep", 2)
    report_to: list[str] = field(
        default_factory=list, metadata={"help": "trackers: trackio, tensorboard, wandb", "metavar": "NAME"}
    )
    resume: bool = _option("go on from the last whole checkpoint in --output_dir", False)
    use_cpu: bool = _option("use no GPU, with several processes too", False)
    prefetch_batches: int = _option("batches made ahead in a thread", 4)

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            SettingsError: names the setting, what came and what is needed.
        """
        for name in ("corpus", "output_dir"):
            if not getattr(self, name):
                raise SettingsError(f"--{name} is missing")
        for item in fields(self):
            value, choices = getattr(self, item.name), item.metadata.get("choices")
            if choices and value not in choices:
                raise SettingsError(f"--{item.name} must be one of {', '.join(choices)}; got {value!r}")
        for name in POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingsError(f"--{name} must be above 0, got {value}")
        for name in ("warmup_steps", "weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise SettingsError(f"--{name} must be 0 or more, got {getattr(self, name)}")
        if not 0 < self.mask_fraction < 1:
            raise SettingsError(f"--mask_fraction is a share from 0 to 1, got {self.mask_fraction}")
        if not 0 < self.adam_beta2 < 1:
            raise SettingsError(f"--adam_beta2 must lie between 0 and 1, got {self.adam_beta2}")
        if self.sparse_gradient and (self.optimizer != "adagrad" or self.mixed_precision == "fp16"):
            raise SettingsError("--sparse_gradient needs --optimizer adagrad, and not --mixed_precision fp16")
        if self.max_steps is not None and self.warmup_steps >= self.max_steps:
            raise SettingsError(f"--warmup_steps {self.warmup_steps} leaves nothing of --max_steps {self.max_steps}")

    def of_the_run(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        return {name: value for name, value in asdict(self).items() if name not in OF_A_CALL}


POSITIVE = (
    "max_tokens",
    "lanes",
    "unroll_steps",
    "vocab_size",
    "batch_size",
    "max_length",
    "learning_rate",
    "gradient_accumulation_steps",
    "max_grad_norm",
    "loss_factor",
    "max_steps",
    "num_train_epochs",
    "max_hours",
    "logging_steps",
    "eval_steps",
    "eval_sentences",
    "save_steps",
    "save_total_limit",
    "adagrad_start",
    "prefetch_batches",
)


def recipe_names() -> list[str]:
    """Recipes of the package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(name: str) -> dict[str, Any]:
    """The settings of a recipe of the package, or of a YAML or JSON file.

    Raises:
        SettingsError: neither, or not a mapping of settings.
        OSError: the file cannot be read.
    """
    known = name in recipe_names()
    path = RECIPES / f"{name}.yaml" if known else Path(name)
    if not known and path.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise SettingsError(f"--recipe {name}: needed is one of {', '.join(recipe_names())}, or a .yaml or .json file")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not well-formed: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{path} is no mapping of settings to values")
    names = [item.name for item in fields(PretrainSettings)]
    for key, value in found.items():
        if key not in names:
            raise SettingsError(f"{path}: unknown setting {key}{_suggestion(str(key), names)}")
        found[key] = _checked(key, value, str(path))
    return found


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name.lstrip("-").replace("-", "_"), known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _type_of(name: str) -> tuple[type, bool]:
    """The plain type of a setting, and whether it may be absent."""
    annotation = PretrainSettings.__annotations__[name]
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if NoneType in get_args(annotation):
        return parts[0], True
    return get_origin(annotation) or annotation, False  # type: ignore[return-value]


def _checked(name: str, value: Any, source: str) -> Any:
    """A value of a file as the type of its setting; YAML reads 1e-3 as text."""
    kind, optional = _type_of(name)
    if value is None and optional:
        return None
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise SettingsError(f"{source}: {name} must be {kind.__name__}, got {value!r}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for every setting to a parser, and `--recipe`; without defaults, which come from the recipe."""
    parser.add_argument(
        "--recipe", metavar="NAME", help=f"settings to start from: {', '.join(recipe_names())}, or a YAML or JSON file"
    )
    for item in fields(PretrainSettings):
        kind, _ = _type_of(item.name)
        shown: dict[str, Any] = {"help": item.metadata["help"].replace("%", "%%"), "default": argparse.SUPPRESS}
        if isinstance(item.default, int | float | str) and not isinstance(item.default, bool):
            shown["help"] += f" ({item.default})"
        if kind is bool:
            shown["action"] = argparse.BooleanOptionalAction if item.default else "store_true"
        elif kind in (list, dict):
            shown |= {"nargs": "+", "metavar": item.metadata["metavar"]}
        else:
            choices = item.metadata["choices"]
            shown |= {"type": kind, "metavar": "|".join(choices) if choices else item.metadata["metavar"] or "N"}
            if kind is str and not choices and item.metadata["metavar"] is None:
                shown["metavar"] = "PATH"
        parser.add_argument(f"--{item.name}", **shown)


def parse_settings(words: Sequence[str]) -> PretrainSettings:
    """Settings from `--recipe` and the options after it, checked; `--config KEY=VALUE` changes the recipe's fields.

    Raises:
        SettingsError: no such setting or value, or a contradiction.
        OSError: a recipe file cannot be read.
    """
    parser = _Parser(prog="hf-elmo pretrain", allow_abbrev=False, add_help=False)
    add_options(parser)
    namespace, unknown = parser.parse_known_args(list(words))
    if unknown:
        names = [f"--{item.name}" for item in fields(PretrainSettings)]
        raise SettingsError(f"unrecognized arguments: {' '.join(unknown)}{_suggestion(unknown[0], names)}")
    given = vars(namespace)
    recipe = given.pop("recipe")
    values = read_recipe(recipe) if recipe else {}
    if "config" in given:
        given["config"] = {**values.get("config", {}), **_key_values(given["config"])}
    settings = PretrainSettings(**{**values, **given})
    settings.check()
    return settings


def _key_values(pairs: Sequence[str]) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key:
            raise SettingsError(f"--config takes KEY=VALUE, got {pair!r}")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def settings_text(settings: PretrainSettings) -> str:
    """The settings as a YAML file that `--recipe` reads."""
    kept = {name: value for name, value in asdict(settings).items() if name != "resume" and value is not None}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


__all__ = ["PretrainError", "PretrainSettings", "SettingsError", "parse_settings", "read_recipe", "recipe_names"]
