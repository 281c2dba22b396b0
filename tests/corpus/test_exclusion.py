# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Documents that share a run of words with excluded text are left out, and no others, against plain sets of runs."""

import argparse
import gzip
import hashlib
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.corpus import PreparationError, TokenShards, add_arguments, exclusion, prepare, run
from hf_elmo.corpus import preparation as module
from hf_elmo.corpus.sources import Paragraph

RUN = "one two three four five six seven eight nine ten eleven twelve thirteen"


def quiet(line: str) -> None:
    pass


def kept(folder: Path) -> list[str]:
    return [
        " ".join(word for words in document for word in words)
        for document in TokenShards.open(folder).iter_documents()
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def runs_of(documents: list[list[str]], length: int) -> set[tuple[str, ...]]:
    """The oracle: every run of words, as it is."""
    return {tuple(words[start : start + length]) for words in documents for start in range(len(words) - length + 1)}


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("document", "stays"),
    [
        (f"so {RUN} or more", False),
        (f"so {RUN.title()} or MORE", False),
        ("- " + RUN.replace(" ", ", - ") + "!", False),  # marks are no words
        (RUN.replace("six ", "six.\n").replace("nine ", "nine?\n"), False),  # over sentences and paragraphs
        (RUN.replace("thirteen", "fourteen"), True),
        (RUN.replace("six", "six 6"), True),
        (RUN.replace("six ", ""), True),
        ("six five " + RUN.removeprefix("one "), True),
        (RUN.removeprefix("one "), True),  # twelve words
    ],
)
def test_a_shared_run_of_words_leaves_a_document_out(tmp_path, write, document, stays):
    source = write("text.txt", f"first document\n\n{document}\n\nlast document {RUN[:20]}\n")
    excluded = write("dev.txt", f"zero {RUN} fourteen\n")
    manifest = prepare(source, tmp_path / "out", documents="blank-line", exclude=excluded, say=quiet)
    assert manifest["left_out_documents"] == (0 if stays else 1)
    assert manifest["parts"]["train"]["documents"] == (3 if stays else 2)
    assert (kept(tmp_path / "out")[0], len(kept(tmp_path / "out"))) == ("first document", 3 if stays else 2)


def test_no_run_goes_from_one_document_to_the_next(tmp_path, write):
    start, end = RUN[:40], RUN[40:]
    source = write("text.txt", f"{start}\n\n{end}\n")
    excluded = write("dev.jsonl", json.dumps({"text": RUN}) + "\n" + json.dumps({"text": f"{end} {start}"}) + "\n")
    manifest = prepare(source, tmp_path / "out", documents="blank-line", exclude=excluded, say=quiet)
    assert manifest["left_out_documents"] == 0
    assert manifest["parts"]["train"]["documents"] == 2


words = st.lists(st.sampled_from("a b c D ? é".split()), min_size=1, max_size=12)


@given(st.lists(words, min_size=1, max_size=8), words, st.integers(1, 5), st.sampled_from([1, 7, 8_000_000]))
@settings(max_examples=10, deadline=None)
def test_documents_left_out_are_those_of_plain_sets(tmp_path_factory, documents, excluded, length, shard_characters):
    """Also where a document goes on in the next piece of text, a paragraph of two words each."""
    plain = [[word.lower() for word in document if word != "?"] for document in [*documents, excluded]]
    runs = runs_of(plain[-1:], length)
    stay = [document for document, lower in zip(documents, plain, strict=False) if not runs & runs_of([lower], length)]
    if not runs or not stay:
        return
    folder = tmp_path_factory.mktemp("any")
    paragraphs = [["\n".join(" ".join(d[i : i + 2]) for i in range(0, len(d), 2))] for d in documents]
    (folder / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for (text,) in paragraphs))
    (folder / "dev.txt").write_text(" ".join(excluded))
    options = {"exclude": [folder / "dev.txt"], "exclude_run_words": length, "shard_characters": shard_characters}
    manifest = prepare(folder / "text.jsonl", folder / "out", say=quiet, **options)
    assert kept(folder / "out") == [" ".join(document) for document in stay]
    assert manifest["left_out_documents"] == len(documents) - len(stay)


# ----------------------------------------------------------------------------------------- files, identity, processes


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> tuple[Path, Path]:
    """Sixty documents of random words in a file, and what every fifth of them holds in a packed one."""
    folder, chance = tmp_path_factory.mktemp("texts"), random.Random(5)
    vocabulary = [f"word{number}" for number in range(50)]
    documents = [[chance.choice(vocabulary) for _ in range(80)] for _ in range(60)]
    (folder / "text.txt").write_text("\n\n".join(" ".join(document) for document in documents))
    excluded = "\n".join(" ".join(document[30:50]) for document in documents[::5])
    (folder / "dev.txt.gz").write_bytes(gzip.compress(excluded.encode()))
    return folder / "text.txt", folder / "dev.txt.gz"


SMALL = {"documents": "blank-line", "shard_characters": 3000, "say": quiet}


def test_the_manifest_names_the_excluded_files_and_what_they_cost(tmp_path, texts):
    source, excluded = texts
    manifest = prepare(source, tmp_path / "out", exclude=[excluded], held_out=0.3, **SMALL)
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text())
    (entry,) = manifest["exclude"]
    text = gzip.decompress(excluded.read_bytes())
    assert (entry["name"], entry["size"]) == (str(excluded), len(text))
    assert entry["sha256"] == hashlib.sha256(text).hexdigest()
    assert manifest["settings"]["exclude_run_words"] == 13
    assert manifest["left_out_documents"] == 12
    assert sum(part["documents"] for part in manifest["parts"].values()) == 48  # of both parts
    plain = prepare(source, tmp_path / "plain", **SMALL)
    assert (plain["exclude"], plain["left_out_documents"]) == ([], 0)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".txt", ".safetensors"}
    assert not list((tmp_path / "out").glob("*left*")) and not list((tmp_path / "out").glob("excluded*"))


def test_a_folder_of_files_is_excluded_as_the_files_themselves(tmp_path, texts, write):
    source, excluded = texts
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "a.txt.gz").write_bytes(excluded.read_bytes())
    (tmp_path / "dev" / "b.md").write_text(f"# {RUN}\n")
    manifest = prepare(source, tmp_path / "out", exclude=str(tmp_path / "dev"), format="text", **SMALL)
    assert [(Path(entry["name"]).name, entry["kind"]) for entry in manifest["exclude"]] == [
        ("a.txt.gz", "text"),
        ("b.md", "markdown"),  # `format` is that of the sources
    ]
    assert manifest["left_out_documents"] == 12


def test_rows_of_a_data_set_are_left_out(tmp_path, write):
    pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    rows = [f"first {RUN}", "second", f"third\n{RUN}", "fourth"]
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    excluded = write("dev.txt", RUN)
    manifest = prepare(f"datasets:{tmp_path / 'data'}", tmp_path / "out", exclude=excluded, say=quiet)
    assert kept(tmp_path / "out") == ["second", "fourth"]
    assert manifest["left_out_documents"] == 2


def test_text_that_changes_after_the_comparison_is_refused():
    paragraphs = [Paragraph("a", True), Paragraph("b", False), Paragraph("c", True), Paragraph("d", False)]
    assert list(exclusion.leave_out(paragraphs, {0}, 2)) == paragraphs[2:]
    assert list(exclusion.leave_out(paragraphs, {1}, 2)) == paragraphs[:2]
    with pytest.raises(
        PreparationError, match="had 3 documents when it was compared .* and has 2 now: give --restart"
    ):
        list(exclusion.leave_out(paragraphs, {0}, 3))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_do_not_change_what_is_left_out(tmp_path, texts, processes):
    source, excluded = texts
    prepare(source, tmp_path / "one", exclude=excluded, **SMALL)
    prepare(source, tmp_path / "many", exclude=excluded, processes=processes, **SMALL)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


@pytest.mark.parametrize("step", ["write_index", "screen", "make_raw_shard", "count_words"])
def test_an_interrupted_run_leaves_out_the_same_documents(tmp_path, texts, monkeypatch, step):
    source, excluded = texts
    prepare(source, tmp_path / "whole", exclude=excluded, **SMALL)
    original, calls = getattr(module, step), []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == (1 if step in ("write_index", "count_words") else 2):
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(module, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", exclude=excluded, **SMALL)
    assert (tmp_path / "out.part").exists() == (step in ("make_raw_shard", "count_words"))
    monkeypatch.undo()
    screened = []
    monkeypatch.setattr(
        module, "screen", lambda *args, **kwargs: screened.append(1) or exclusion.screen(*args, **kwargs)
    )
    prepare(source, tmp_path / "out", exclude=excluded, **SMALL)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert bool(screened) == (step in ("write_index", "screen"))  # else what was found stands in a file


def test_an_unfinished_run_with_other_excluded_text_is_not_joined(tmp_path, texts, write, monkeypatch):
    source, excluded = texts
    other = write("other.txt", RUN)
    monkeypatch.setattr(module, "count_words", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(source, tmp_path / "out", exclude=excluded, **SMALL)
    monkeypatch.undo()
    for changed, name in (
        ({"exclude": other}, "exclude"),
        ({}, "exclude"),
        ({"exclude": excluded, "exclude_run_words": 12}, "exclude_run_words"),
    ):
        with pytest.raises(PreparationError, match=rf"other settings or text \({name}\): repeat .* or give --restart"):
            prepare(source, tmp_path / "out", **changed, **SMALL)
    manifest = prepare(source, tmp_path / "out", exclude=other, restart=True, **SMALL)
    assert manifest["left_out_documents"] == 0
    # In one process, with an index of the same name:
    manifest = prepare(source, tmp_path / "out", exclude=excluded, overwrite=True, **SMALL)
    assert manifest["left_out_documents"] == 12


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"exclude": "nowhere.txt"}, r"exclude: nowhere.txt: no such file or folder"),
        ({"exclude": ["datasets:org/name"]}, r"exclude: datasets:org/name is a data set; needed are files or folders"),
        ({"exclude_run_words": 0}, "exclude_run_words must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_excluded_is_refused_before_the_work(tmp_path, texts, wrong, message):
    with pytest.raises(PreparationError, match=message):
        prepare(texts[0], tmp_path / "out", **wrong, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_excluded_text_without_a_run_is_refused(tmp_path, texts, write):
    short = write("short.txt", "word1 word2, word3\n")
    with pytest.raises(PreparationError, match=r"short.txt has no document of 13 words.*--exclude-run-words"):
        prepare(texts[0], tmp_path / "out", exclude=[texts[1], short], **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["short.txt"]
    assert prepare(texts[0], tmp_path / "out", exclude=short, exclude_run_words=3, **SMALL)["left_out_documents"] == 0


def test_a_corpus_of_excluded_documents_only_is_refused(tmp_path, texts):
    with pytest.raises(PreparationError, match="every document shares 13 words in a row with the excluded text: give"):
        prepare(texts[0], tmp_path / "out", exclude=texts[0], **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_the_command_takes_excluded_files_and_says_what_they_cost(tmp_path, texts, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    source, excluded = map(str, texts)
    arguments = [source, str(tmp_path / "out"), "--documents", "blank-line", "--processes", "1"]
    assert run(parser.parse_args([*arguments, "--exclude", excluded, "--exclude-run-words", "9"])) == 0
    printed = capsys.readouterr()
    assert "will leave out documents that share 9 words in a row with 0.0 MB of excluded text (1 file)" in printed.err
    assert re.search("screening.* 12 documents left out", printed.err)
    assert "left out: 12 documents that share 9 words in a row with excluded text" in printed.out
    assert run(parser.parse_args([*arguments, "--overwrite"])) == 0
    printed = capsys.readouterr()
    assert "left out" not in printed.out + printed.err and "screening" not in printed.err
