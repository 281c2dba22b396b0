# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""From an argument file and the command line to checked settings; the command line wins."""

import argparse
import difflib
import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml
from transformers import HfArgumentParser, TrainingArguments

from hf_elmo.finetune.options import TRAINING_DEFAULTS, DataArguments, ModelArguments, RunArguments

ARGUMENTS_NAME = "finetune_arguments.yaml"
LAST = "last"
WITHOUT_VALIDATION = {"eval_strategy": "no", "load_best_model_at_end": False}
NEED_VALIDATION = ("early_stopping_patience", "metric_for_best_model", "load_best_model_at_end", "eval_strategy")
POSITIVE = (
    "max_train_samples",
    "max_eval_samples",
    "max_length",
    "n_best_size",
    "max_answer_length",
    "vocabulary_size",
    "encoder_learning_rate",
    "learning_rate",
    "early_stopping_patience",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
)
ALWAYS_TOLD = {*TRAINING_DEFAULTS, "learning_rate", "num_train_epochs", "gradient_accumulation_steps", "seed"}
NOT_KEPT = {"resume_from_checkpoint", "overwrite_output_dir", "hub_token"}  # they belong to one call, not to the run


class ArgumentsError(ValueError):
    """The settings are wrong or contradict each other; one line for people."""


@dataclass
class FinetuneTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the defaults of `hf-elmo finetune`; `learning_rate` None: by the kind of model."""

    _argument_group_name = "transformers.TrainingArguments"

    learning_rate: float | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "The initial learning rate; None: 1e-3 for ELMo, 5e-5 for other models."}
    )
    per_device_train_batch_size: int = TRAINING_DEFAULTS["per_device_train_batch_size"]
    per_device_eval_batch_size: int = TRAINING_DEFAULTS["per_device_eval_batch_size"]
    eval_strategy: str = TRAINING_DEFAULTS["eval_strategy"]
    save_strategy: str = TRAINING_DEFAULTS["save_strategy"]
    save_total_limit: int | None = TRAINING_DEFAULTS["save_total_limit"]
    load_best_model_at_end: bool = TRAINING_DEFAULTS["load_best_model_at_end"]
    logging_steps: float = TRAINING_DEFAULTS["logging_steps"]
    report_to: None | str | list[str] = TRAINING_DEFAULTS["report_to"]


class Settings(NamedTuple):
    """All arguments of a run; `given` are those that somebody gave, to be saved with it."""

    data: DataArguments
    model: ModelArguments
    run: RunArguments
    training: FinetuneTrainingArguments
    given: dict[str, Any]


class _Parser(HfArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ArgumentsError(message)


def make_parser() -> HfArgumentParser:
    """The parser of all options; wrong use raises ArgumentsError."""
    groups = (DataArguments, ModelArguments, RunArguments, FinetuneTrainingArguments)
    return _Parser(
        groups,  # type: ignore[arg-type]
        prog="hf-elmo finetune",
        usage="hf-elmo finetune [ARGUMENTS.yaml|.json] [options]",
        allow_abbrev=False,
        argument_default=None,
    )


def parse_arguments(arguments: Sequence[str]) -> Settings:
    """Read `[FILE.yaml|FILE.json] --option value ...`; a value of the command line replaces the file's.

    Args:
        arguments: of the command line, after `hf-elmo finetune`.
    Raises:
        ArgumentsError: no such option or value, a contradiction, a file that is no mapping; names it.
        OSError: the file cannot be read.
    """
    words = list(arguments)
    from_file: list[str] = []
    if words and not words[0].startswith("-"):
        from_file = _as_words(read_argument_file(words.pop(0)))
    parser = make_parser()
    explicit = _explicit(parser, [*from_file, *words])
    ours = HfArgumentParser((DataArguments, ModelArguments, RunArguments))  # type: ignore[arg-type]
    data, model, run = ours.parse_dict(explicit, allow_extra_keys=True)
    _check(argparse.Namespace(**vars(data), **vars(model), **vars(run)), explicit)
    names = {item.name for item in fields(FinetuneTrainingArguments)}
    trainers: dict[str, Any] = {} if data.validation_data else dict(WITHOUT_VALIDATION)
    trainers |= {name: value for name, value in explicit.items() if name in names}
    try:
        training = FinetuneTrainingArguments(**trainers)
    except (ValueError, KeyError) as error:
        raise ArgumentsError(" ".join(str(error).split())) from error
    return Settings(data, model, run, training, explicit)


def _explicit(parser: argparse.ArgumentParser, words: list[str]) -> dict[str, Any]:
    """What was given, without the defaults."""
    defaults = {action: action.default for action in parser._actions}
    try:
        for action in defaults:
            action.default = argparse.SUPPRESS
        namespace, unknown = parser.parse_known_args(words)
    finally:
        for action, default in defaults.items():
            action.default = default
    if unknown:
        names = [word.split("=")[0] for word in unknown if word.startswith("--")] or unknown
        raise ArgumentsError(f"unrecognized arguments: {' '.join(names)}{_suggestion(names[0], parser)}")
    return vars(namespace)


def _suggestion(name: str, parser: argparse.ArgumentParser) -> str:
    known = [action.dest for action in parser._actions]
    close = difflib.get_close_matches(name.lstrip("-").replace("-", "_"), known, n=1)
    return f" (did you mean --{close[0]}?)" if close else ""


def read_argument_file(path: str) -> dict[str, Any]:
    """The mapping in a YAML or JSON file.

    Raises:
        ArgumentsError: another ending, not a mapping, or not well-formed.
        OSError: it cannot be read.
    """
    file = Path(path)
    if file.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise ArgumentsError(f"{path}: an argument file ends in .yaml, .yml or .json; options begin with --")
    text = file.read_text(encoding="utf-8")
    try:
        content = json.loads(text) if file.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ArgumentsError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ArgumentsError(f"{path} must hold a mapping of option to value, such as `task: tagging`")
    return content


def _as_words(content: dict[str, Any]) -> list[str]:
    """The settings of a file as they would stand on the command line, so that both are read in one way."""
    words = []
    for name, value in content.items():
        if value is None:
            continue  # as if it were not there
        if isinstance(value, dict) and name in ("config_overrides", "data_options"):
            value = [f"{key}={_one_word(item)}" for key, item in value.items()]
        if isinstance(value, list):
            words += [f"--{name}", *map(_one_word, value)]
        else:
            words.append(f"--{name}={_one_word(value)}")
    return words


def _one_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def key_values(pairs: Sequence[str] | None, option: str) -> dict[str, Any]:
    """`["a=1", "b=x"]` -> `{"a": 1, "b": "x"}`; values are read as YAML.

    Raises:
        ArgumentsError: a pair without `=`.
    """
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ArgumentsError(f"argument --{option}: needed is KEY=VALUE, got {pair!r}")
        try:
            found[name] = _as_number(yaml.safe_load(value))
        except yaml.YAMLError as error:
            raise ArgumentsError(f"argument --{option}: {pair!r} has no readable value") from error
    return found


def _as_number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for a word."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _check(options: argparse.Namespace, explicit: dict[str, Any]) -> None:
    """Contradictions among the options, before anything is loaded."""
    for name in ("task", "train_data", "output_dir"):
        if not explicit.get(name):
            raise ArgumentsError(f"--{name} is needed")
    if (options.model is None) == (options.from_scratch is None):
        raise ArgumentsError("needed is either --model (pretrained) or --from_scratch (random weights), and not both")
    if options.cache_features and not options.freeze_encoder:
        raise ArgumentsError("--cache_features needs --freeze_encoder: the features of an encoder that learns change")
    if options.freeze_encoder and (options.gradual_unfreezing or options.encoder_learning_rate is not None):
        raise ArgumentsError("--freeze_encoder leaves nothing to --gradual_unfreezing and --encoder_learning_rate")
    if explicit.get("push_to_hub"):
        raise ArgumentsError(
            "--push_to_hub would publish the model before its results and card exist; after the run: hf-elmo publish FOLDER ORG/NAME"
        )
    if options.use_crf and options.task != "tagging":
        raise ArgumentsError("--use_crf is for --task tagging")
    if not 0 < options.layer_decay <= 1:
        raise ArgumentsError(f"--layer_decay must be above 0 and at most 1, got {options.layer_decay}")
    for name in POSITIVE:
        value = explicit.get(name)
        if value is not None and not value > 0:
            raise ArgumentsError(f"--{name} must be a positive number, got {value}")
    if options.doc_stride < 0:
        raise ArgumentsError(f"--doc_stride must be 0 or more, got {options.doc_stride}")
    if options.overwrite_output_dir and explicit.get("resume_from_checkpoint"):
        raise ArgumentsError("--overwrite_output_dir and --resume_from_checkpoint contradict each other")
    if not options.validation_data:
        for name in NEED_VALIDATION:
            if explicit.get(name) not in (None, False, "no"):
                raise ArgumentsError(f"--{name} needs --validation_data")


def save_arguments(settings: Settings, path: Path) -> None:
    """Write what was given as a file that `hf-elmo finetune FILE` reads; all other options have their defaults."""
    kept = {name: value for name, value in settings.given.items() if name not in NOT_KEPT}
    lines = yaml.safe_dump(kept, sort_keys=True, allow_unicode=True, width=10_000)
    path.write_text(lines, encoding="utf-8", newline="\n")


def all_settings(settings: Settings) -> dict[str, Any]:
    """Every setting of the run by name, for its result file; those of Trainer as far as they are not its defaults."""
    found: dict[str, Any] = {}
    for part in (settings.data, settings.model, settings.run):
        found |= vars(part)
    values = settings.training.to_dict()
    for item in fields(TrainingArguments):
        value, default = values.get(item.name), None if item.default is MISSING else item.default
        if item.init and item.name not in NOT_KEPT and (value != default or item.name in ALWAYS_TOLD):
            found[item.name] = value
    return found
