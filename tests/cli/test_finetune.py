# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo finetune` as a command: help, exit codes, one line for everything that goes wrong."""

import gc
import json
import os
import subprocess
import sys
import textwrap

import pytest
import torch
import yaml
from support import ROOT

from hf_elmo.cli import main
from hf_elmo.finetune.options import (
    BERT_LEARNING_RATE,
    ELMO_LEARNING_RATE,
    EXAMPLE,
    TRAINER_OPTIONS,
    TRAINING_DEFAULTS,
)


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect():
    """Trainer collects garbage at the begin of each training: a quarter of a second for all that was imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "train.conll").write_text("Anna\tB-PER\nsleeps\tO\n\nBob\tB-PER\n")
    (folder / "texts.csv").write_text("text,label\ngood,a\nbad,b\n")
    (folder / "bad.conll").write_text("one\ttwo\tthree\nfour\n")
    article = {
        "context": "one two",
        "qas": [{"id": "1", "question": "?", "answers": [{"text": "x", "answer_start": 0}]}],
    }
    (folder / "unaligned.json").write_text(json.dumps({"data": [{"paragraphs": [article]}]}))
    return folder


def words(files, tmp_path, *more):
    """A call that would work, and what is to be different: the last value of an option counts."""
    source = str(files / "train.conll")
    base = ["--task", "tagging", "--train_data", source, "--validation_data", source, "--from_scratch", "elmo-tiny"]
    base += ["--output_dir", str(tmp_path / "out"), "--use_cpu", "--disable_tqdm", "True", "--max_steps", "1"]
    return ["finetune", *base, *map(str, more)]


def test_help_shows_our_options_and_an_example(capsys):
    assert main(["finetune", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: hf-elmo finetune [ARGUMENTS.yaml|.json] --task TASK")
    for option in (
        "--train_data",
        "--from_scratch",
        "--freeze_encoder",
        "--layer_decay",
        "--output_dir",
        "--help_all",
    ):
        assert f"  {option}" in text
    assert len(text.splitlines()) < 150 and text.endswith(EXAMPLE + "\n")


@pytest.mark.slow
def test_the_example_of_the_help_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shell, python = EXAMPLE.split("example, a tagger from random weights in a minute:\n")[1].split("then in Python:\n")
    script = textwrap.dedent(shell).replace("hf-elmo", f"{sys.executable} -m hf_elmo")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-ec", script], check=True, capture_output=True, env=environment, timeout=120)
    code = textwrap.dedent(python.split("several processes")[0])
    setup, call = code.strip().splitlines()
    names: dict = {}
    exec(setup, names)
    assert [found["entity"] for found in eval(call, names)] == ["B-PER"]


def test_the_help_names_defaults_that_are_true():
    from hf_elmo.finetune.arguments import FinetuneTrainingArguments

    defaults = {name: item.default for name, item in FinetuneTrainingArguments.__dataclass_fields__.items()}
    assert {name: defaults[name] for name in TRAINING_DEFAULTS} == TRAINING_DEFAULTS
    assert "1e-3 for ELMo, 5e-5 for other models" in TRAINER_OPTIONS
    assert (ELMO_LEARNING_RATE, BERT_LEARNING_RATE) == (1e-3, 5e-5)
    told = TRAINER_OPTIONS.replace("|", " ").split()
    for place, word in enumerate(told):
        if word.startswith("--") and word != "--help_all":
            assert word[2:] in defaults, word
            value = told[place + 1]
            if value.lstrip("-").replace(".", "").isdigit():
                assert float(value) == defaults[word[2:]], word


def test_help_loads_no_torch():
    code = (
        "import sys; sys.argv = ['hf-elmo', 'finetune', '--help']; from hf_elmo.cli import main; assert main() == 0; "
        "print(sorted({'torch', 'transformers', 'numpy', 'datasets'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_help_all_has_the_options_of_trainer(capsys):
    assert main(["finetune", "--help_all"]) == 0
    text = capsys.readouterr().out
    assert "--lr_scheduler_kwargs" in text and "--static_vectors" in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--lerning_rate", "1"], "unrecognized arguments: --lerning_rate (did you mean --learning_rate?)"),
        (["--task", "parsing"], "argument --task: invalid choice: 'parsing'"),
        (["--model", "m"], "needed is either --model (pretrained) or --from_scratch (random weights), and not both"),
        (
            ["--report_to", "trackio_of_mine"],
            "--report_to trackio_of_mine: not installed (pip install trackio_of_mine)",
        ),
        (
            ["--metric_for_best_model", "bleu"],
            "--metric_for_best_model bleu: needed is one of loss, precision, recall, f1",
        ),
        (["--config_overrides", "nonsense=1"], "argument --config_overrides: ElmoConfig has no setting 'nonsense'"),
        (["--per_device_train_batch_size", "0"], "--per_device_train_batch_size must be a positive number, got 0"),
        (["--data_options", "nonsense=1"], "argument --data_options: load_tagging() got an unexpected keyword"),
    ],
)
def test_wrong_use_exits_with_2_and_one_line(more, message, files, tmp_path, capsys):
    assert main(words(files, tmp_path, *more)) == 2
    out, err = capsys.readouterr()
    usage, error = err.splitlines()[0], err.splitlines()[-1]
    assert usage.startswith("usage: hf-elmo finetune") and out == ""
    assert error.startswith(f"hf-elmo finetune: error: {message}")
    assert not (tmp_path / "out" / "results.json").exists()


def test_an_input_longer_than_the_model_reads(files, tmp_path, capsys):
    from transformers import BertConfig, BertTokenizer

    BertConfig(max_position_embeddings=16, hidden_size=8, num_attention_heads=1).save_pretrained(tmp_path / "bert")
    BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}).save_pretrained(tmp_path / "bert")
    base = words(files, tmp_path, "--max_length", 17)
    base[base.index("elmo-tiny")] = str(tmp_path / "bert")
    assert main(base) == 2
    assert capsys.readouterr().err.endswith("error: --max_length 17: the model reads at most 16 tokens\n")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--train_data", "nothing.conll"], "nothing.conll"),
        (["--train_data", "{files}/bad.conll"], "line 2: 1 columns where the first token line has 3"),
        (
            ["--from_scratch", "./nothing"],
            "./nothing: no such folder; give a saved model, an id on the Hub, elmo-mini-en or bert-mini-en, or elmo-tiny",
        ),
        (["--from_scratch", "{files}"], "has no config.json: give a saved model"),
        (["--static_vectors", "./nothing"], "./nothing: no such file or folder"),
        (["--task", "classification"], "all texts are of the class 'conll', by the name of the file"),
        (
            [*"--task qa --train_data {files}/unaligned.json --validation_data {files}/unaligned.json".split()]
            + ["--data_options", "keep_unaligned=true"],
            "nothing of the train data is left to learn from",
        ),
    ],
)
def test_a_failure_exits_with_1_and_one_line(more, message, files, tmp_path, capsys):
    assert main(words(files, tmp_path, *(word.format(files=files) for word in more))) == 1
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert err.splitlines()[-1].startswith("hf-elmo: ") and message in err.splitlines()[-1], err


def test_a_missing_argument_file(capsys):
    assert main(["finetune", "nothing.yaml"]) == 1
    assert capsys.readouterr().err == "hf-elmo: nothing.yaml: no such file or folder\n"


def test_debug_shows_where_it_failed(files, tmp_path):
    with pytest.raises(OSError):
        main(words(files, tmp_path, "--static_vectors", "./nothing", "--debug"))


def test_a_training_that_diverged_saves_nothing(files, tmp_path, capsys, monkeypatch):
    from hf_elmo.finetune.trainer import FinetuneTrainer

    original = FinetuneTrainer.train

    def train(self, *args, **kwargs):
        output = original(self, *args, **kwargs)
        with torch.no_grad():
            self.model.classifier.weight[0, 0] = float("nan")
        return output

    monkeypatch.setattr(FinetuneTrainer, "train", train)
    assert main(words(files, tmp_path)) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "hf-elmo: the training diverged: classifier.weight is not finite; lower --learning_rate"
    )
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_an_argument_file_and_what_the_run_keeps_of_it(files, tmp_path, capsys):
    content = {"task": "tagging", "train_data": [str(files / "train.conll")], "from_scratch": "elmo-tiny", "seed": 1}
    content |= {"output_dir": str(tmp_path / "out"), "use_cpu": True, "max_steps": 1, "learning_rate": 1e-3}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    assert main(["finetune", str(tmp_path / "run.yaml"), "--seed", "7", "--disable_tqdm", "True"]) == 0
    kept = yaml.safe_load((tmp_path / "out" / "finetune_arguments.yaml").read_text())
    assert kept == {**content, "seed": 7, "disable_tqdm": True}
    assert json.loads((tmp_path / "out" / "results.json").read_text())["run"]["seed"] == 7
