# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Recipes and options become settings; what cannot be is refused in one line that names it."""

import subprocess
import sys
from dataclasses import asdict

import pytest
import yaml

from hf_elmo.modeling import ElmoConfig
from hf_elmo.training.settings import (
    PretrainSettings,
    SettingsError,
    parse_settings,
    read_recipe,
    recipe_names,
    settings_text,
)

BASE = ["--corpus", "c", "--output_dir", "o"]


def test_the_command_line_wins_over_the_recipe_and_config_fields_join():
    settings = parse_settings(["--recipe", "elmo-mini", *BASE, "--max_steps", "777", "--config", "cell_size=64"])
    recipe = read_recipe("elmo-mini")
    assert settings.max_steps == 777 and settings.max_tokens == recipe["max_tokens"]
    assert settings.config == {**recipe["config"], "cell_size": 64}


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_whole_and_says_its_arithmetic(name, tmp_path):
    settings = parse_settings(["--recipe", name, *BASE])
    if settings.model == "elmo":
        ElmoConfig(**settings.config)
    else:
        from transformers import BertConfig

        assert set(settings.config) <= set(BertConfig().to_dict())
    from hf_elmo.training.settings import RECIPES

    head = (RECIPES / f"{name}.yaml").read_text().partition("\nmodel:")[0]
    assert "1 update =" in head


def test_the_issue_s_recipes_are_there():
    assert {"elmo-mini", "elmo-small", "elmo-original", "bert-mini", "bert-base"} <= set(recipe_names())


def test_the_original_recipe_is_bilm_tf_s():
    settings = parse_settings(["--recipe", "elmo-original", *BASE])
    assert (settings.optimizer, settings.learning_rate, settings.adagrad_start) == ("adagrad", 0.2, 1.0)
    assert (settings.max_grad_norm, settings.loss_factor, settings.unroll_steps, settings.lanes) == (10, 20, 20, 128)
    assert settings.config["num_sampled"] == 8192 and settings.order == "lanes"


def test_kept_settings_read_back(tmp_path):
    settings = parse_settings(["--recipe", "bert-mini", *BASE, "--resume", "--report_to", "a", "b"])
    path = tmp_path / "kept.yaml"
    path.write_text(settings_text(settings))
    assert asdict(parse_settings(["--recipe", str(path)])) == {**asdict(settings), "resume": False}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--output_dir", "o"], "--corpus is missing"),
        (["--corpus", "c"], "--output_dir is missing"),
        ([*BASE, "--model", "gpt"], "--model must be one of elmo, bert; got 'gpt'"),
        ([*BASE, "--max_step", "3"], "unrecognized arguments: --max_step 3 (did you mean --max_steps?)"),
        ([*BASE, "--max_steps", "0"], "--max_steps must be above 0, got 0"),
        ([*BASE, "--learning_rate", "-1"], "--learning_rate must be above 0, got -1.0"),
        ([*BASE, "--warmup_steps", "-1"], "--warmup_steps must be 0 or more, got -1"),
        ([*BASE, "--warmup_steps", "5", "--max_steps", "5"], "--warmup_steps 5 leaves nothing of --max_steps 5"),
        ([*BASE, "--mask_fraction", "1"], "--mask_fraction is a share from 0 to 1, got 1.0"),
        ([*BASE, "--adam_beta2", "1"], "--adam_beta2 must lie between 0 and 1, got 1.0"),
        ([*BASE, "--sparse_gradient"], "--sparse_gradient needs --optimizer adagrad"),
        ([*BASE, "--config", "cell_size"], "--config takes KEY=VALUE, got 'cell_size'"),
        ([*BASE, "--recipe", "elmo-maxi"], "--recipe elmo-maxi: needed is one of bert-base, "),
        ([*BASE, "--lanes", "many"], "argument --lanes: invalid int value: 'many'"),
    ],
)
def test_wrong_settings_are_refused(words, text):
    with pytest.raises(SettingsError) as error:
        parse_settings(words)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("max_stepps: 3", "unknown setting max_stepps (did you mean max_steps?)"),
        ("max_steps: many", "max_steps must be int, got 'many'"),
        ("max_steps: true", "max_steps must be int, got True"),
        ("- a", "is no mapping of settings to values"),
        ("a: [", "is not well-formed"),
    ],
)
def test_wrong_recipe_files_are_refused(content, text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError) as error:
        read_recipe(str(path))
    assert text in str(error.value) and str(path) in str(error.value)


def test_yaml_s_numbers_that_are_text_become_numbers(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("learning_rate: 1e-3\nmax_steps: null\n")
    assert yaml.safe_load("1e-3") == "1e-3"
    assert read_recipe(str(path)) == {"learning_rate": 0.001, "max_steps": None}


def test_every_setting_has_a_help_text_and_help_loads_no_torch():
    code = (
        "import sys; sys.argv = ['hf-elmo', 'pretrain', '--help']\n"
        "from hf_elmo.cli import main\n"
        "assert main() == 0 and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in asdict(PretrainSettings()):
        assert f"--{name}" in done.stdout or f"--no-{name}" in done.stdout
