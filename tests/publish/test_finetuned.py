# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What `hf-elmo finetune` leaves in a folder is published as it is, and tells nothing of the machine it was made on."""

import json
import os
from pathlib import Path

import pytest
import yaml

from hf_elmo.cli import main
from hf_elmo.publish.errors import RefusedFiles

SENTENCES = "Anna\tB-PER\nsleeps\tO\n\nthe\tO\nfilm\tO\n\nBob\tB-PER\nruns\tO\n\na\tO\ncat\tO\n"


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


@pytest.fixture
def finetuned(saved, tmp_path) -> Path:
    """A tiny model fine-tuned with absolute paths for everything, with checkpoints and predictions."""
    (tmp_path / "private data").mkdir()
    source, out = tmp_path / "private data" / "train.conll", tmp_path / "tagger"
    source.write_text(SENTENCES)
    words = ["--task", "tagging", "--model", str(saved), "--train_data", str(source), "--validation_data", str(source)]
    words += [f"--output_dir={out}", "--disable_tqdm", "True", "--use_cpu", "--save_predictions"]
    words += ["--num_train_epochs", "2", "--per_device_train_batch_size", "4", "--save_total_limit", "3"]
    assert main(["finetune", *words]) == 0
    return out


@pytest.mark.slow
def test_finetune_then_publish(finetuned, publish, hub, saved, capsys):
    before = {path: path.read_bytes() for path in finetuned.rglob("*") if path.is_file()}
    assert any("checkpoint-2" in str(path) for path in before)
    assert publish(source=finetuned, load_check=True) == 0
    files = hub.files("org/elmo")
    assert {"model.safetensors", "config.json", "tokenizer_config.json", "README.md", "results.json"} <= set(files)
    sent = {name: content.decode() for name, content in files.items() if not name.endswith(".safetensors")}
    for place in (str(finetuned.parent), str(saved.parent), os.path.expanduser("~/")):
        assert not [name for name, text in sent.items() if place in text]
    data = front_matter(sent["README.md"])
    assert data["license"] == "apache-2.0"  # of the card beside the model that training started from
    assert "base_model" not in data
    printed = capsys.readouterr().out
    assert "left out  checkpoint-1/, checkpoint-2/, predictions_validation.jsonl, training_args.bin" in printed
    assert "finetune_arguments.yaml: left out, it tells where files lie on this machine" in printed
    result = json.loads(sent["results.json"])
    assert result["run"]["settings"]["output_dir"] == "tagger" and result["model"]["start"] == saved.name
    assert result["run"]["settings"]["train_data"] == ["train.conll"]
    assert "--train_data train.conll" in result["run"]["command"] and "--output_dir=tagger" in sent["README.md"]
    assert {path: path.read_bytes() for path in finetuned.rglob("*") if path.is_file()} == before
    assert publish(source=finetuned) == 0 and len(hub.commits("org/elmo")) == 2


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "results.json", "tokenizer_config.json"])
def test_a_file_that_tells_where_it_lay_is_refused(name, publish, hub, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "Zoë"))
    for place in (folder, tmp_path / "Zoë" / "corpus"):
        before = (folder / name).read_text() if (folder / name).exists() else None
        content = json.loads(before) if before and name.endswith(".json") else {}
        text = f"{before or ''}\nMade of `{place}`.\n"
        (folder / name).write_text(json.dumps({**content, "from": f"{place}/x"}) if name.endswith(".json") else text)
        with pytest.raises(RefusedFiles, match=rf"tell where files lie .* --exclude {name}") as raised:
            publish()
        assert raised.value.problems[0].startswith(f"{name}: line ") and not hub.asked("POST")
        (folder / name).unlink() if before is None else (folder / name).write_text(before)


def test_records_of_a_run_are_sent_if_they_tell_no_places(publish, hub, folder):
    (folder / "finetune_arguments.yaml").write_text("train_data:\n- data/train.conll\noutput_dir: tagger\n")
    (folder / "trainer_state.json").write_text('{"best_model_checkpoint": "/data/tagger/checkpoint-3"}')
    (folder / "vocab.txt").write_text(f"{folder}\n")  # a word
    (folder / "NOTICE").write_text(f"see https://example.org{folder}, {folder}2 and .{folder}\n")
    assert publish() == 0
    assert "finetune_arguments.yaml" in hub.files("org/elmo") and "trainer_state.json" not in hub.files("org/elmo")
