# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What does not fit is told in one line by the command, before any work, and leaves nothing behind."""

import json
import shutil

import pytest
from training_runs import TINY_BERT, TINY_ELMO, weights_of

from hf_elmo.cli import main
from hf_elmo.corpus import prepare


def files_of(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def refuse(corpus, tmp_path, capsys):
    """Run the command with some options; it must end with one line that has this text, and change no file."""

    def run(text: str, code: int = 1, model: str = "elmo", **options) -> None:
        given = {"model": model, "corpus": corpus, "output_dir": tmp_path / "run", "max_steps": 2, **options}
        words = [word for name, value in given.items() for word in (f"--{name}", *map(str, listed(value)))]
        before = files_of(tmp_path)
        capsys.readouterr()
        assert main(["pretrain", *words, *(["--config", *TINY_ELMO] if model == "elmo" else [])]) == code
        told = capsys.readouterr()
        assert text in told.err.splitlines()[-1] and told.out == ""
        assert "Traceback" not in told.err and "step 1" not in told.err
        assert files_of(tmp_path) == before

    return run


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("model", ["elmo", "bert"])
def test_a_corpus_that_is_none(model, refuse, tmp_path):
    empty, text = tmp_path / "empty", tmp_path / "text.txt"
    empty.mkdir()
    text.write_text("the cat sat\n")
    refuse(f"{empty} has no manifest.json: make it with hf-elmo prepare-corpus", model=model, corpus=empty)
    refuse(f"{tmp_path / 'absent'} has no manifest.json", model=model, corpus=tmp_path / "absent")
    refuse(f"--corpus {text} is a file; needed is a folder of hf-elmo prepare-corpus", model=model, corpus=text)
    (empty / "manifest.json").write_text('{"format": "another"}')
    refuse(f"{empty / 'manifest.json'} is not from hf-elmo prepare-corpus", model=model, corpus=empty)


@pytest.mark.parametrize("model", ["elmo", "bert"])
def test_a_damaged_corpus(model, refuse, corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "damaged")
    shard = next((tmp_path / "damaged").glob("train-*"))
    shard.write_bytes(shard.read_bytes()[:-10])
    refuse(f"{shard} is missing or cut off: prepare the corpus again", model=model, corpus=tmp_path / "damaged")


def test_held_out_text_of_another_vocabulary(refuse, tmp_path):
    (tmp_path / "text.txt").write_text("quite other words\n" * 5)
    prepare(tmp_path / "text.txt", tmp_path / "other", vocabulary_size=4, say=lambda line: None)
    refuse("has another vocabulary than the corpus: prepare it with --vocabulary", held_out=tmp_path / "other")


def test_output_folders_that_cannot_be(refuse, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    refuse(f"{file} is a file: give another --output_dir", output_dir=file)
    refuse(f"{file} is a file: give another --output_dir", output_dir=file / "run" / "1")


def test_output_folders_that_cannot_be_written(refuse, tmp_path, monkeypatch):
    """Told by the system, which lets an administrator write everywhere."""
    from hf_elmo.training import pretrain

    monkeypatch.setattr(pretrain.os, "access", lambda path, mode: path != tmp_path)
    refuse(f"{tmp_path} cannot be written; give another one")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"report_to": ["tensorbored"]},
            "--report_to tensorbored is no tracker of Accelerate: needed is one of aim, ",
        ),
        (
            {"mixed_precision": "fp16", "learning_rate": 0.1},
            "--mixed_precision fp16 needs a GPU; on a processor bf16 and no",
        ),
        ({"max_steps": 5, "warmup_steps": 4, "init_from": "no/such-model-folder/here"}, "no/such-model-folder/here"),
    ],
)
def test_settings_that_this_machine_cannot_do(options, text, refuse):
    refuse(text, **options)


def test_a_tracker_that_is_not_installed(refuse, monkeypatch):
    from hf_elmo.training import pretrain

    monkeypatch.setattr(pretrain, "get_available_trackers", list)
    refuse("--report_to wandb is not installed: pip install wandb", report_to=["wandb"])


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED", "MEGATRON_LM"])
def test_models_in_shards(name, refuse, monkeypatch):
    """On processors Accelerate would take DDP without a word."""
    from hf_elmo.training import pretrain

    class Launched(pretrain.Accelerator):
        def __init__(self, **settings):
            super().__init__(**settings)
            monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")  # as accelerate launch does, before

    monkeypatch.setattr(pretrain, "Accelerator", Launched)
    refuse(f"{name} is not supported: each process keeps the whole model (DDP)")


def test_which_of_several_processes_failed(refuse, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    refuse(f"process 3: {tmp_path / 'absent'} has no manifest.json", corpus=tmp_path / "absent")


def test_wrong_use_has_another_code(refuse):
    refuse("--max_steps must be above 0, got 0", code=2, max_steps=0)


def test_rows_longer_than_the_model_s(settings_of, corpus, tmp_path, capsys):
    words = ["--model", "bert", "--corpus", str(corpus), "--output_dir", str(tmp_path / "run"), "--vocab_size", "100"]
    words += [
        "--config",
        "hidden_size=8",
        "num_hidden_layers=1",
        "num_attention_heads=2",
        "max_position_embeddings=16",
    ]
    assert main(["pretrain", *words]) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1].endswith("--max_length 128 is more than max_position_embeddings=16")
    )
    # What was finished is whole and is used by the next run; other pieces are told, not used.
    assert (tmp_path / "run" / "pieces" / "manifest.json").is_file() and not list((tmp_path / "run").glob("*.part"))
    assert main(["pretrain", *words, "--max_length", "16", "--max_steps", "1"]) == 0
    assert "holds these pieces already" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run" / "checkpoint-1")
    assert main(["pretrain", *words, "--max_length", "16", "--max_steps", "1", "--lowercase"]) == 1
    assert "holds pieces of another corpus or other settings: remove it" in capsys.readouterr().err


def test_held_out_text_of_one_document_has_no_pairs(corpus, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("the cat sat on a mat\n" * 9)
    prepare(tmp_path / "text.txt", tmp_path / "one", vocabulary_size=9, say=lambda line: None)
    words = ["--model", "bert", "--corpus", str(corpus), "--held_out", str(tmp_path / "one"), "--vocab_size", "100"]
    words += ["--output_dir", str(tmp_path / "run"), "--max_steps", "1", "--max_length", "16", "--config", *TINY_BERT]
    assert main(["pretrain", *words]) == 1
    told = capsys.readouterr().err
    assert "step 1" not in told and not list((tmp_path / "run").glob("checkpoint-*"))
    assert told.splitlines()[-1].endswith(
        "pieces-held-out has a single document in its part 'train', but a random next sentence is of another one: "
        "prepare the corpus with smaller documents (--documents blank-line), or give --no-next_sentence (in Python "
        "next_sentence=False)"
    )
    assert main(["pretrain", *words, "--no-final_evaluation"]) == 0
    shutil.rmtree(tmp_path / "run" / "checkpoint-1")
    assert main(["pretrain", *words, "--no-next_sentence"]) == 0
    assert "held-out text: masked lm loss" in capsys.readouterr().err


def test_the_command_trains_and_prints_the_figures(corpus, tmp_path, capsys):
    words = ["--corpus", str(corpus), "--output_dir", str(tmp_path / "run"), "--max_steps", "3", "--max_tokens", "128"]
    assert main(["pretrain", *words, "--mixed_precision", "bf16", "--report_to", "none", "--config", *TINY_ELMO]) == 0
    out = capsys.readouterr().out.splitlines()
    result = json.loads((tmp_path / "run" / "results.json").read_text())
    assert f"held-out perplexity: {result['metrics']['held_out']['perplexity']:.5g}" in out
    assert out[-1] == f"saved in {tmp_path / 'run'}/model, figures in {tmp_path / 'run'}/results.json"
    assert result["run"]["settings"]["mixed_precision"] == "bf16"
    assert all(tensor.dtype.itemsize == 4 for tensor in weights_of(tmp_path / "run").values())
    assert main(["pretrain", *words, "--config", *TINY_ELMO]) == 1
    assert "holds checkpoints of an earlier run: go on with --resume" in capsys.readouterr().err


def test_a_corpus_without_held_out_text_trains_and_says_so(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("the cat sat on the mat\n" * 9)
    prepare(tmp_path / "text.txt", tmp_path / "corpus", vocabulary_size=9, say=lambda line: None)
    words = ["--corpus", str(tmp_path / "corpus"), "--output_dir", str(tmp_path / "run"), "--max_steps", "1"]
    assert main(["pretrain", *words, "--config", *TINY_ELMO]) == 0
    told = capsys.readouterr()
    assert "no held-out text, so nothing will be evaluated: give --held_out" in told.err
    assert told.out.splitlines() == [f"saved in {tmp_path / 'run'}/model, figures in {tmp_path / 'run'}/results.json"]
    assert "No held-out text was evaluated." in (tmp_path / "run" / "loss.svg").read_text()
