# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The folder that is sent: the same weights, with the code and the settings that a stranger needs."""

import json
import shutil
import subprocess

import pytest
from support import files_a_model_imports
from transformers import BertConfig, BertForPreTraining, BertTokenizer

from hf_elmo import pretrained
from hf_elmo.publish.errors import PublishError
from hf_elmo.publish.source import list_files
from hf_elmo.publish.staging import auto_class_of, measure, stage

AUTO_MAP_OF_TOKENIZER = {"AutoTokenizer": ["tokenization_elmo.ElmoTokenizer", None]}


@pytest.fixture
def staged(tmp_path):
    (tmp_path / "staged").mkdir()
    return tmp_path / "staged"


def names_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_code(folder) -> None:
    """As `hf_elmo.pretrained.export` leaves it."""
    for path in folder.glob("*.py"):
        path.unlink()
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text())
        del settings["auto_map"]
        (folder / name).write_text(json.dumps(settings))


def test_what_save_pretrained_wrote_is_sent_as_it_is(folder, staged):
    assert stage(folder, list_files(folder)[0], staged) == []
    before, after = content_of(folder), content_of(staged)
    assert {name for name in before if before[name] != after[name]} <= {"tokenizer_config.json"}
    assert set(before) == set(after)


def test_a_model_without_code_gets_what_save_pretrained_would_have_written(folder, saved, staged):
    without_code(folder)
    untouched = content_of(folder)
    notes = stage(folder, list_files(folder)[0], staged)
    code = files_a_model_imports()
    assert notes == [f"code: {len(code)} files of this hf_elmo"]
    assert {path.name for path in staged.glob("*.py")} == code == {path.name for path in saved.glob("*.py")}
    for path in saved.glob("*.py"):
        assert (staged / path.name).read_bytes() == path.read_bytes()
    assert json.loads((staged / "config.json").read_text()) == json.loads((saved / "config.json").read_text())
    assert json.loads((staged / "tokenizer_config.json").read_text())["auto_map"] == AUTO_MAP_OF_TOKENIZER
    for name in ("model.safetensors", "tokenizer.json", "README.md"):
        assert (staged / name).read_bytes() == untouched[name]
    assert content_of(folder) == untouched


def test_own_code_is_kept_or_replaced_as_asked(folder, staged, tmp_path):
    changed = (folder / "scalar_mix.py").read_text() + "\n# mine\n"
    (folder / "scalar_mix.py").write_text(changed)
    (note,) = stage(folder, list_files(folder)[0], staged)
    assert (staged / "scalar_mix.py").read_text() == changed and "scalar_mix.py differ from this hf_elmo" in note
    shutil.rmtree(staged)
    staged.mkdir()
    (note,) = stage(folder, list_files(folder)[0], staged, code="package")
    assert (staged / "scalar_mix.py").read_text() != changed and note.endswith("instead of scalar_mix.py")


def test_code_that_is_missing_or_of_no_use_is_refused(folder, staged):
    (folder / "scalar_mix.py").unlink()
    with pytest.raises(
        PublishError, match=r"needs scalar_mix.py, which is not in the folder: --code package gives it"
    ):
        stage(folder, list_files(folder)[0], staged)
    shutil.copy(folder / "crf.py", folder / "scalar_mix.py")
    (folder / "train_it.py").write_text("")
    with pytest.raises(PublishError, match=r"train_it.py: no part of the model's code; leave it out with --exclude"):
        stage(folder, list_files(folder)[0], staged)


def test_where_a_model_was_loaded_from_is_not_told(folder, staged):
    for name, key in (("config.json", "_name_or_path"), ("tokenizer_config.json", "name_or_path")):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**settings, key: "/home/anna/secret-project", "is_local": True}))
    stage(folder, list_files(folder)[0], staged)
    for name in ("config.json", "tokenizer_config.json"):
        text = (staged / name).read_text()
        assert "anna" not in text and "is_local" not in text and "auto_map" in text


def test_a_bert_gets_no_code(tmp_path, staged):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    folder = tmp_path / "bert"
    BertForPreTraining(BertConfig(vocab_size=6, **sizes)).save_pretrained(folder)
    BertTokenizer(
        vocab={word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])}
    ).save_pretrained(folder)
    assert stage(folder, list_files(folder)[0], staged) == []
    assert names_in(staged) == names_in(folder) and not list(staged.glob("*.py"))


def test_files_are_known_by_the_hashes_of_git_and_of_lfs(folder):
    for facts in measure(folder)[::9]:
        arguments = ["git", "hash-object", "--no-filters", str(facts.path)]
        assert subprocess.run(arguments, capture_output=True, text=True).stdout.strip() == facts.git_sha1
        arguments = ["sha256sum", str(facts.path)]
        assert subprocess.run(arguments, capture_output=True, text=True).stdout.split()[0] == facts.sha256
        assert facts.size == facts.path.stat().st_size


@pytest.mark.parametrize("name", pretrained.names())
def test_the_models_of_the_box_hold_nothing_to_refuse(name):
    assert list_files(pretrained.path_of(name))[1] == []


@pytest.mark.parametrize(
    ("architecture", "auto_class"),
    [
        ("ElmoModel", "AutoModel"),
        ("ElmoForPreTraining", "AutoModel"),
        ("ElmoForTokenClassification", "AutoModelForTokenClassification"),
        ("BertForMaskedLM", "AutoModelForMaskedLM"),
        ("SomethingForNothing", "AutoModel"),
    ],
)
def test_the_snippet_names_the_class_that_loads_the_head(architecture, auto_class):
    assert auto_class_of({"architectures": [architecture]}) == auto_class
