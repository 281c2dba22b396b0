# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The table of data sets names each file the comparison reads, and finds files that are missing, other or damaged."""

import gzip
import hashlib
import json
import lzma
import re
import subprocess

import pytest
from support import ROOT, SHARED, requires_shared

from hf_elmo.compare import data_sources as module
from hf_elmo.compare.data_sources import check_data, data_sources, list_data
from hf_elmo.compare.tasks import TARGETS, TASKS

TEXTS = {"dev.txt.gz": b"one\n" * 5000, "dev.txt.xz": b"two\n" * 5000, "names.json": b"{}\n"}
PACKED = {".gz": gzip.compress, ".xz": lzma.compress, ".json": bytes}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data set of three files, and a table that tells of it."""
    files = {name: hashlib.sha256(text).hexdigest() for name, text in TEXTS.items()}
    rest = dict.fromkeys(("use", "repository", "commit", "folder", "licence", "cite", "made"), "a/b")
    (tmp_path / "table.json").write_text(json.dumps([{"name": "tiny", **rest, "files": files}]), encoding="utf-8")
    monkeypatch.setattr(module, "TABLE", tmp_path / "table.json")
    data_sources.cache_clear()
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    for name, text in TEXTS.items():
        (tmp_path / "data" / "tiny" / name).write_bytes(PACKED[name[name.rindex(".") :]](text))
    yield tmp_path / "data"
    data_sources.cache_clear()


def test_whole_files_are_the_same_however_they_were_packed(folder):
    same = dict.fromkeys(TEXTS, "same")
    assert check_data(folder) == {"tiny": same}
    (folder / "tiny" / "dev.txt.gz").write_bytes(gzip.compress(TEXTS["dev.txt.gz"], 1))
    assert check_data(folder) == {"tiny": same}


@pytest.mark.parametrize("name", TEXTS)
def test_missing_other_and_damaged_files_are_found(name, folder):
    path, pack = folder / "tiny" / name, PACKED[name[name.rindex(".") :]]
    whole = path.read_bytes()
    other = [whole[:-4], b"", pack(TEXTS[name] + b"x"), bytes([*whole[:20], 255, *whole[21:]])]
    for content in other:
        path.write_bytes(content)
        assert check_data(folder)["tiny"] == {**dict.fromkeys(TEXTS, "same"), name: "other"}
    path.unlink()
    assert check_data(folder)["tiny"][name] == "missing"
    text = list_data(folder)
    assert "2 files with the same content, 0 files with another content, 1 files missing" in text
    assert f"    {name}  missing\n" in text + "\n"


def test_every_set_has_address_licence_and_files():
    sources = data_sources()
    for source in sources.values():
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/tree/[0-9a-f]{7}(/[\w/]+)?", source.url)
        assert source.licence and source.cite and source.made and source.use
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.files.values()) and source.files
    assert len({tuple(source.files.values()) for source in sources.values()}) == len(sources)


def test_every_labelled_set_of_the_comparison_is_listed():
    assert set(TASKS) | set(TARGETS) <= set(data_sources())


def test_every_set_that_an_experiment_asks_for_is_listed():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "hf_elmo" / "compare").rglob("*.py"))
    asked = re.findall(r'^DATA = "([\w]+)"', code, re.MULTILINE) + re.findall(r'data_folder\("([\w]+)"', code)
    assert asked and set(asked) <= set(data_sources())


def test_the_list_names_all():
    text = list_data()
    for source in data_sources().values():
        assert f"\n{source.name}: {source.use}\n    {source.url}\n    licence: {source.licence}\n" in text
        assert all(
            f"    {name}  sha256 of the unpacked file {digest}" in text for name, digest in source.files.items()
        )


@requires_shared
def test_the_table_is_that_of_the_data():
    states = check_data(SHARED / "data")
    assert {state for files in states.values() for state in files.values()} == {"same"}
    # coreutils and the packers' own programs share no code with the check
    for name, tool in (("mr/dev.pos.gz", "gzip"), ("ud_zh_gsdsimp/dev.conllu.xz", "xz")):
        command = f"{tool} -dc {SHARED / 'data' / name} | sha256sum"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        folder, file = name.split("/")
        assert done.stdout.split()[0] == data_sources()[folder].files[file]


@requires_shared
def test_addresses_and_licences_are_those_of_the_data_readme():
    readme = (SHARED / "data" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", readme, re.MULTILINE))
    for source in data_sources().values():
        assert source.name in rows
        assert f"{source.repository}@{source.commit}" in rows[source.name] or "as above" in rows[source.name]
        assert f"| {source.licence} |" in rows[source.name] or "| as above |" in rows[source.name]
