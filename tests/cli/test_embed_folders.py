# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What `hf-elmo embed` finds in the place of its output and of its pieces: it removes nothing that is not its own."""

import contextlib
import json

import pytest

from hf_elmo import embed_corpus
from hf_elmo.cli import main


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("The cat sat.\n\na b , c\n", encoding="utf-8")
    return path


def run(folder, source, output, *options):
    return main(["embed", str(folder), str(source), str(output), *options])


def line_of(capsys):
    """The last line of stderr."""
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--overwrite", "--restart"]])
def test_a_folder_of_somebody_else_is_refused_before_the_work(corpus, tmp_path, capsys, options):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("mine", encoding="utf-8")
    for output, message in {
        f"{tmp_path}/precious/": "precious is a folder with files that are not from hf-elmo embed (thesis.txt)",
        f"{tmp_path}/precious": "precious is a folder, and hdf5 is one file: give another name",
    }.items():
        kind = [] if output.endswith("/") else ["--output-format", "hdf5"]
        assert run("no/model", corpus, output, *kind, *options) == 1  # it does not come to look for the model
        assert message in line_of(capsys)
        assert (tmp_path / "precious" / "thesis.txt").read_text(encoding="utf-8") == "mine"
        assert not (tmp_path / "precious.part").exists()


def test_a_numpy_folder_of_ours_is_replaced_on_request(folder, corpus, tmp_path, capsys):
    output = f"{tmp_path}/v/"
    assert run(folder, corpus, output) == 0
    assert run(folder, corpus, output) == 1
    assert "v exists already: give --overwrite, or another name" in line_of(capsys)
    assert run(folder, corpus, output, "--overwrite", "--layers", "top") == 0
    assert json.loads((tmp_path / "v" / "info.json").read_text(encoding="utf-8"))["layers"] == "top"


@pytest.mark.parametrize("content", [None, "{}", "[]", '{"epochs": 3}', "no json"])
@pytest.mark.parametrize("options", [[], ["--restart"]])
def test_a_part_folder_of_somebody_else_is_refused(corpus, tmp_path, capsys, options, content):
    part = tmp_path / "v.h5.part"
    part.mkdir()
    (part / "input.txt").write_text("mine", encoding="utf-8")
    (part / "thesis.txt").write_text("mine", encoding="utf-8")
    if content is not None:
        (part / "run.json").write_text(content, encoding="utf-8")
    names = {path.name for path in part.iterdir()}
    assert run("no/model", corpus, tmp_path / "v.h5", *options) == 1
    assert "v.h5.part, where the pieces would go, is not from hf-elmo embed: move it away" in line_of(capsys)
    assert {path.name for path in part.iterdir()} == names


def test_a_part_that_is_a_file_is_refused(corpus, tmp_path, capsys):
    (tmp_path / "v.h5.part").write_text("mine", encoding="utf-8")
    assert run("no/model", corpus, tmp_path / "v.h5", "--restart") == 1
    assert "v.h5.part, where the pieces would go, is not from hf-elmo embed: move it away" in line_of(capsys)
    assert (tmp_path / "v.h5.part").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "names",
    [[], ["lock"], ["lock", "input.new.txt"], ["lock", "run.json.new"], ["run.json", "shard-000000.safetensors"]],
)
def test_what_an_early_end_leaves_is_no_obstacle(folder, corpus, tmp_path, names):
    (tmp_path / "v.h5.part").mkdir()
    for name in names:  # empty, as after a power failure
        (tmp_path / "v.h5.part" / name).touch()
    assert run(folder, corpus, tmp_path / "v.h5", "--restart") == 0
    assert not (tmp_path / "v.h5.part").exists()


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_the_lock_is_free_before_its_file_is_removed(folder, corpus, tmp_path, monkeypatch, ends):
    """Windows removes no open file."""
    there = []
    real = embed_corpus._alone

    @contextlib.contextmanager
    def alone(part, output):
        with real(part, output):
            try:
                yield
            finally:
                there.append((part / "lock").exists())

    monkeypatch.setattr(embed_corpus, "_alone", alone)
    if ends == "well":
        assert run(folder, corpus, tmp_path / "v.h5") == 0
    else:
        assert run("no/model", corpus, tmp_path / "v.h5") == 1
    assert there == [True]
    assert not (tmp_path / "v.h5.part").exists()


def test_an_error_is_not_hidden_by_the_tidying_up(corpus, tmp_path, monkeypatch, capsys):
    def fail(_):
        raise PermissionError("in use")

    monkeypatch.setattr(embed_corpus, "_clear", fail)
    assert run("no/model", corpus, tmp_path / "v.h5") == 1
    assert "no/model: " in line_of(capsys)
