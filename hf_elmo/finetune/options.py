# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The options of `hf-elmo finetune` that are not Trainer's own; loads nothing, so that --help is quick."""

import argparse
from dataclasses import dataclass, field, fields
from typing import Any

SUMMARY = """\
Train an ELMo or BERT-like model for tagging, classification, question answering or multiple choice.

Over transformers.Trainer. The model of the best epoch is saved in a folder that pipeline() loads, with its results and
a card. Options may stand in a YAML or JSON file; those of the command line win."""
EXAMPLE = """\
example, a tagger from random weights in a minute:
  printf 'Anna\\tB-PER\\nsleeps\\tO\\n\\nBob\\tB-PER\\nruns\\tO\\n' > train.conll
  hf-elmo finetune --task tagging --train_data train.conll --validation_data train.conll \\
      --from_scratch elmo-tiny --num_train_epochs 20 --output_dir tagger
then in Python:
  from transformers import pipeline
  pipeline("token-classification", "tagger", trust_remote_code=True)("Anna runs")
several processes: accelerate launch --multi_gpu --num_processes 2 -m hf_elmo finetune ...
  (with --use_cpu at the end on processors; without --multi_gpu accelerate may start one process only)"""

TASKS = ("tagging", "classification", "qa", "multiple-choice")
CACHE_DTYPES = ("float32", "float16")
TASK_HEADS = ("linear", "recurrent")

# Defaults that differ from those of transformers.TrainingArguments. Every epoch is evaluated and the best one is kept.
TRAINING_DEFAULTS: dict[str, Any] = {
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 64,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "load_best_model_at_end": True,
    "logging_steps": 50,
    "report_to": "none",
}
ELMO_LEARNING_RATE = 1e-3
BERT_LEARNING_RATE = 5e-5


def _option(help_text: str, default: Any = None, metavar: str | None = None, choices: tuple | None = None) -> Any:
    """A dataclass field as HfArgumentParser reads it."""
    metadata: dict[str, Any] = {"help": help_text}
    if metavar is not None:
        metadata["metavar"] = metavar
    if choices is not None:
        metadata["choices"] = choices
    return field(default=default, metadata=metadata)


@dataclass
class DataArguments:
    """What is learned, from what."""

    _argument_group_name = "task and data"

    task: str | None = _option("what is learned", choices=TASKS)
    train_data: list[str] | None = _option(
        "training data: local files or a folder, or the id of a data set on the Hub", metavar="SOURCE"
    )
    validation_data: list[str] | None = _option("data for choosing the best epoch; scored", metavar="SOURCE")
    test_data: list[str] | None = _option("further data, scored once at the end", metavar="SOURCE")
    train_split: str | None = _option("split of a folder or a data set on the Hub (train)", metavar="NAME")
    validation_split: str | None = _option("the same for --validation_data (validation)", metavar="NAME")
    test_split: str | None = _option("the same for --test_data (test)", metavar="NAME")
    data_format: str | None = _option("format of local files, where name and content do not tell it", metavar="NAME")
    data_options: list[str] | None = _option(
        "what else hf_elmo.data.load_task_data shall know, such as column=upos", metavar="KEY=VALUE"
    )
    max_train_samples: int | None = _option("take N examples only, evenly spread, for a trial", metavar="N")
    max_eval_samples: int | None = _option("the same for validation and test", metavar="N")
    max_length: int | None = _option(
        "longest input in tokens (ELMo: words). Default: what the model can read; for qa 384", metavar="N"
    )
    doc_stride: int = _option("qa: tokens that two windows of a long context share", 128, "N")
    n_best_size: int = _option("qa: how many best starts and ends are combined to answers", 20, "N")
    max_answer_length: int = _option("qa: longest answer, in tokens", 30, "N")
    metric: str | None = _option(
        "a metric for evaluate.load, a name or a file, instead of hf_elmo.metrics", metavar="NAME_OR_PATH"
    )


@dataclass
class ModelArguments:
    """What learns it."""

    _argument_group_name = "model"

    model: str | None = _option(
        "where training starts: elmo-mini-en or bert-mini-en (in the box), or folder or Hub id of an ELMo or a BERT-like "
        "model",
        metavar="NAME_OR_PATH",
    )
    from_scratch: str | None = _option(
        "instead of --model, random weights: elmo-tiny or elmo-mini (built in), or the configuration and tokenizer of "
        "a folder or Hub id",
        metavar="NAME_OR_PATH",
    )
    config_overrides: list[str] | None = _option(
        "change the configuration, for example classifier_dropout=0.3", metavar="KEY=VALUE"
    )
    tokenizer: str | None = _option("another tokenizer than the model's", metavar="NAME_OR_PATH")
    split_cjk: bool = _option("with a built-in model: every Chinese character is a word", False)
    revision: str | None = _option("branch, tag or commit on the Hub", metavar="NAME")
    trust_remote_code: bool = _option("run code that comes with a model from the Hub (ELMo's is built in)", False)
    ignore_mismatched_sizes: bool = _option("make a head anew that was trained for other labels", False)
    task_head: str | None = _option(
        "ELMo: a linear layer (default), or the small task networks ELMo was published with", choices=TASK_HEADS
    )
    use_crf: bool = _option("ELMo, tagging: a conditional random field on top", False)
    static_vectors: str | None = _option(
        "ELMo: word2vec or GloVe text file, or word2vec-mini-en of the box, put beside the ELMo vectors (in place of "
        "them with --config_overrides use_elmo_vectors=false)",
        metavar="FILE",
    )
    vocabulary_size: int | None = _option(
        "ELMo: make a vocabulary of the N commonest words of the training data (with --static_vectors one is made "
        "anyway, of all words of the data, at most 400000)",
        metavar="N",
    )
    freeze_encoder: bool = _option("train the head (and ELMo's scalar mix) only", False)
    cache_features: bool = _option(
        "ELMo, with --freeze_encoder: run the encoder once and keep its layers on disk", False
    )
    cache_dtype: str = _option("numbers in that file", "float32", choices=CACHE_DTYPES)
    feature_cache_dir: str | None = _option("its folder (default: $HF_HOME/hf_elmo/features)", metavar="FOLDER")


@dataclass
class RunArguments:
    """How it is learned, beyond Trainer's own options."""

    _argument_group_name = "training"

    encoder_learning_rate: float | None = _option(
        "of the encoder's top layer (default: --learning_rate)", metavar="RATE"
    )
    layer_decay: float = _option("factor of the rate from a layer to the one below; ULMFiT: 0.38", 1.0, "FACTOR")
    gradual_unfreezing: bool = _option("the head learns alone at first, every epoch one layer more joins", False)
    early_stopping_patience: int | None = _option("stop after N evaluations without a better one", metavar="N")
    early_stopping_threshold: float = _option("what counts as better", 0.0, "X")
    overwrite_output_dir: bool = _option("use an output folder that holds files of an earlier run", False)
    save_predictions: bool = _option("write predictions_validation.jsonl and predictions_test.jsonl", False)


GROUPS = (DataArguments, ModelArguments, RunArguments)

TRAINER_OPTIONS = """\
and all options of transformers.TrainingArguments, of which these matter most (here with their defaults):
  --output_dir FOLDER                       where everything goes; needed
  --num_train_epochs 3   --max_steps -1     how long
  --learning_rate RATE                      1e-3 for ELMo, 5e-5 for other models
  --per_device_train_batch_size 32  --per_device_eval_batch_size 64
  --gradient_accumulation_steps 1  --warmup_steps 0  --lr_scheduler_type linear  --weight_decay 0  --max_grad_norm 1
  --seed 42              --full_determinism --bf16  --use_cpu
  --eval_strategy epoch  --save_strategy epoch  --save_total_limit 2  --metric_for_best_model NAME
  --resume_from_checkpoint last|FOLDER      go on with a run that was stopped
  --report_to none|tensorboard|trackio      --logging_steps 50  --disable_tqdm True
--help_all shows each of them."""


def add_help(parser: argparse.ArgumentParser) -> None:
    """Show the options in the help of `hf-elmo finetune`; they are read by `hf_elmo.finetune.arguments`."""
    parser.usage = (
        "hf-elmo finetune [ARGUMENTS.yaml|.json] --task TASK --train_data SOURCE ... --output_dir FOLDER [options]"
    )
    for group in GROUPS:
        section = parser.add_argument_group(group._argument_group_name)
        for item in fields(group):
            shown: dict[str, Any] = {"help": item.metadata["help"].replace("%", "%%")}
            if item.default is False:
                shown["action"] = "store_true"
            else:
                shown["metavar"] = item.metadata.get("metavar") or "|".join(item.metadata["choices"])
                if "list" in str(item.type):
                    shown["nargs"] = "+"
                if item.default is not None:
                    shown["help"] += f" (default: {item.default})"
            section.add_argument(f"--{item.name}", **shown)
    parser.add_argument_group("Trainer", TRAINER_OPTIONS)
