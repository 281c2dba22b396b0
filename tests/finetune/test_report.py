# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the result file says about data, code and command."""

import hashlib
import json

from hf_elmo.finetune import report


def test_files_are_known_by_their_hash_and_others_of_the_folder_are_not_named(tmp_path):
    for name in ("train.a", "train.b", "dev.a", "labels.json"):
        (tmp_path / name).write_text(name)
    found = report.describe_data([str(tmp_path)], "train")
    assert [one["file"] for one in found] == ["labels.json", "train.a", "train.b"]
    assert found[1] == {"file": "train.a", "bytes": 7, "sha256": hashlib.sha256(b"train.a").hexdigest()}
    assert report.describe_data([str(tmp_path / "dev.a"), str(tmp_path / "train.a")], "train")[0]["file"] == "dev.a"
    assert report.describe_data(["org/name"], "test") == [{"id": "org/name", "split": "test"}]


def test_the_command_can_be_typed_again():
    assert (
        report.command_line(["--train_data", "my file", "x'y"])
        == """hf-elmo finetune --train_data 'my file' 'x'"'"'y'"""
    )


def test_secrets_are_not_told():
    for words in (["--hub_token", "hf_x"], ["--hub-token", "hf_x"], ["--hub_token=hf_x"], ["--hub-token=hf_x"]):
        told = report.command_line([*words, "--seed", "1"])
        assert "hf_x" not in told and told.endswith("--seed 1")


def test_a_result_file_is_written_in_one_step(tmp_path):
    (tmp_path / "results.json").write_text("old")
    whole = report.write_results(tmp_path, {"run": {"seed": 1}, "name": "Zoë"}, threads=3)
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == whole
    assert whole["machine"]["threads"] == 3 and {"torch", "transformers", "datasets"} <= set(whole["packages"])
    assert set(whole["code"]) >= {"commit", "dirty"}
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_where_files_lie_is_not_told(tmp_path):
    word = str(tmp_path / "my data" / "train.conll")
    assert report.command_line(["--train_data", word, f"--output_dir={tmp_path}/out", "--seed", "1"]) == (
        "hf-elmo finetune --train_data train.conll --output_dir=out --seed 1"
    )
    content = {
        "run": {"settings": {"train_data": [word], "model": "/m/elmo", "task": "tagging", "root": "/"}},
        "model": {"start": "/m/elmo"},
        "metrics": {"a/b": 1.5},
        "notes": [f"{word}: 3 lines are empty", "/m/elmo2 and x/m/elmo stay"],
    }
    told = report.without_folders(content)
    assert told["run"]["settings"] == {"train_data": ["train.conll"], "model": "elmo", "task": "tagging", "root": "/"}
    assert told["model"]["start"] == "elmo" and told["metrics"] == {"a/b": 1.5}
    assert told["notes"] == ["train.conll: 3 lines are empty", "/m/elmo2 and x/m/elmo stay"]
