# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Argument files and the command line: what wins, what is refused, what is kept with a run."""

import json

import pytest

from hf_elmo.finetune.arguments import (
    ArgumentsError,
    all_settings,
    key_values,
    parse_arguments,
    read_argument_file,
    save_arguments,
)

NEEDED = ["--task", "tagging", "--train_data", "a.conll", "--model", "m", "--output_dir", "o"]


def test_the_command_line_wins_over_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "task: tagging\ntrain_data: [a.conll, b.conll]\nmodel: m\noutput_dir: o\nlearning_rate: 1e-3\nseed: 3\n"
        "freeze_encoder: true\nmax_length: null\nconfig_overrides: {task_head: recurrent, classifier_dropout: 0.3}\n"
    )
    settings = parse_arguments([str(tmp_path / "a.yaml"), "--seed", "5", "--num_train_epochs", "2"])
    assert settings.training.seed == 5 and settings.training.num_train_epochs == 2
    assert settings.training.learning_rate == 0.001  # which YAML takes for a word
    assert settings.data.train_data == ["a.conll", "b.conll"] and settings.data.max_length is None
    assert settings.model.freeze_encoder is True
    assert key_values(settings.model.config_overrides, "x") == {"task_head": "recurrent", "classifier_dropout": 0.3}
    assert parse_arguments([str(tmp_path / "a.yaml"), "--freeze_encoder", "false"]).model.freeze_encoder is False
    assert parse_arguments([str(tmp_path / "a.yaml"), "--train_data", "c"]).data.train_data == ["c"]


def test_json_says_the_same_as_yaml(tmp_path):
    content = {"task": "qa", "train_data": ["a"], "from_scratch": "elmo-tiny", "output_dir": "o", "weight_decay": 0.1}
    (tmp_path / "a.json").write_text(json.dumps(content))
    settings = parse_arguments([str(tmp_path / "a.json")])
    assert settings.data.task == "qa" and settings.training.weight_decay == 0.1


def test_options_with_hyphens_and_the_defaults_of_the_command():
    settings = parse_arguments([*NEEDED, "--validation-data", "d", "--per-device-train-batch-size", "4"])
    training = settings.training
    assert training.per_device_train_batch_size == 4 and training.per_device_eval_batch_size == 64
    assert (str(training.eval_strategy.value), training.load_best_model_at_end) == ("epoch", True)
    assert training.report_to == [] and training.learning_rate is None
    assert parse_arguments(NEEDED).training.load_best_model_at_end is False  # no data to choose by


def test_saved_arguments_give_the_same_settings_again(tmp_path):
    words = [*NEEDED, "--learning_rate", "2e-5", "--config_overrides", "a=[1, 2]", "b=x", "--bf16", "false"]
    first = parse_arguments([*words, "--resume_from_checkpoint", "last"])
    save_arguments(first, tmp_path / "kept.yaml")
    again = parse_arguments([str(tmp_path / "kept.yaml")])
    assert again.training.resume_from_checkpoint is None  # belongs to that one call
    told = all_settings(again)
    assert told == all_settings(first) and told["learning_rate"] == 2e-5 and told["seed"] == 42


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--task is needed"),
        (["--task", "qa"], "--train_data is needed"),
        (NEEDED[:-2], "--output_dir is needed"),
        (["--task", "parsing"], "argument --task: invalid choice: 'parsing'"),
        (
            [*NEEDED, "--lerning_rate", "1"],
            r"unrecognized arguments: --lerning_rate \(did you mean --learning_rate\?\)",
        ),
        ([*NEEDED, "--xyzzy=1"], "unrecognized arguments: --xyzzy$"),
        ([*NEEDED, "--seed", "many"], "argument --seed: invalid int value: 'many'"),
        ([*NEEDED, "--from_scratch", "elmo-tiny"], "needed is either --model .* or --from_scratch .*, and not both"),
        (NEEDED[:4] + NEEDED[6:], "needed is either --model .* or --from_scratch .*, and not both"),
        ([*NEEDED, "--cache_features"], "--cache_features needs --freeze_encoder"),
        ([*NEEDED, "--freeze_encoder", "--gradual_unfreezing"], "--freeze_encoder leaves nothing to --gradual"),
        ([*NEEDED, "--freeze_encoder", "--encoder_learning_rate", "1e-5"], "--freeze_encoder leaves nothing to"),
        (["--task", "qa", *NEEDED[2:], "--use_crf"], "--use_crf is for --task tagging"),
        ([*NEEDED, "--push_to_hub"], "--push_to_hub would publish the model before its results and card exist"),
        ([*NEEDED, "--layer_decay", "1.5"], "--layer_decay must be above 0 and at most 1, got 1.5"),
        ([*NEEDED, "--learning_rate", "-1"], "--learning_rate must be a positive number, got -1.0"),
        ([*NEEDED, "--max_length", "0"], "--max_length must be a positive number, got 0"),
        ([*NEEDED, "--doc_stride", "-1"], "--doc_stride must be 0 or more, got -1"),
        ([*NEEDED, "--overwrite_output_dir", "--resume_from_checkpoint", "last"], "contradict each other"),
        ([*NEEDED, "--early_stopping_patience", "2"], "--early_stopping_patience needs --validation_data"),
        ([*NEEDED, "--eval_strategy", "steps"], "--eval_strategy needs --validation_data"),
        ([*NEEDED, "--warmup_steps", "-3"], "warmup_steps"),  # a check of transformers
        ([*NEEDED, "--validation_data", "d", "--eval_strategy", "steps"], "save and eval strategy to match"),
        (["args.txt", *NEEDED], r"args.txt: an argument file ends in .yaml, .yml or .json; options begin with --"),
    ],
)
def test_wrong_use_is_one_line(words, message):
    with pytest.raises(ArgumentsError, match=message) as caught:
        parse_arguments(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "- task", "must hold a mapping of option to value"),
        ("a.yaml", "task: [", "a.yaml: while parsing"),
        ("a.json", "{", "a.json: Expecting property name"),
        ("a.yaml", "lerning_rate: 1", r"unrecognized arguments: --lerning_rate \(did you mean --learning_rate\?\)"),
        ("a.yaml", "seed: [1, 2]", "unrecognized arguments: 2"),
    ],
)
def test_argument_files_that_cannot_be_read(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ArgumentsError, match=message) as caught:
        parse_arguments([str(tmp_path / name), *NEEDED])
    assert "\n" not in str(caught.value)


def test_a_missing_argument_file_is_named():
    with pytest.raises(FileNotFoundError, match="nothing.yaml"):
        read_argument_file("nothing.yaml")


def test_pairs_of_key_and_value():
    pairs = ["a=1", "b=1e-3", "c=[[1, 8], [2, 4]]", "d=", "e=x=y", "f=true"]
    assert key_values(pairs, "x") == {"a": 1, "b": 0.001, "c": [[1, 8], [2, 4]], "d": None, "e": "x=y", "f": True}
    for wrong in ("a", "=1"):
        with pytest.raises(ArgumentsError, match="argument --config_overrides: needed is KEY=VALUE, got"):
            key_values([wrong], "config_overrides")
    with pytest.raises(ArgumentsError, match="'a=\\[' has no readable value"):
        key_values(["a=["], "config_overrides")
