# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every form of text becomes the same documents; text that is none is refused before any work."""

import bz2
import gzip
import json
import lzma
import re

import pytest

from hf_elmo.corpus import PreparationError, TokenShards, prepare
from hf_elmo.data import DataError

DOCUMENTS = [["First book", "The cat sat .", "It slept ."], ["Second book", "A dog ran ."]]

FORMS = {
    "blank.txt": "First book\nThe cat sat .\nIt slept .\n\n\nSecond book\nA dog ran .\n",
    "windows.txt": "\ufeffFirst book\r\nThe cat sat .\r\nIt slept .\r\n\r\nSecond book\r\nA dog ran .",
    "wiki_00": '<doc id="1" url="u" title="First book">\nFirst book\n\nThe cat sat . It slept .\n\n</doc>\n'
    '<doc id="2" url="u" title="Second book">\nSecond book\n\nA dog ran .\n</doc>\n',
    "records.jsonl": '{"text": "First book\\nThe cat sat . It slept ."}\n\n{"id": 5, "text": "Second book\\n\\nA dog ran ."}\n',
    "book.md": "# First book\n\nThe *cat*\nsat . It\n> slept .\n\n-----\n\n# [Second](x) book #\n- **A** dog ![](p.png) ran .\n",
}


@pytest.mark.parametrize(
    ("name", "pack"), [*((name, None) for name in FORMS), *(("book.md", pack) for pack in (gzip, lzma, bz2))]
)
def test_forms_of_text(tmp_path, name, pack):
    ending = {None: "", gzip: ".gz", lzma: ".xz", bz2: ".bz2"}[pack]
    content = FORMS[name].encode()
    (tmp_path / (name + ending)).write_bytes(content if pack is None else pack.compress(content))
    prepare(tmp_path / (name + ending), tmp_path / "out", documents="blank-line", say=lambda line: None)
    found = [
        [" ".join(sentence) for sentence in document]
        for document in TokenShards.open(tmp_path / "out").iter_documents()
    ]
    assert found == DOCUMENTS


def test_folders_are_read_by_name_and_others_left_out(tmp_path):
    folder = tmp_path / "text"
    (folder / "deep").mkdir(parents=True)
    for name, text in {"b.txt": "two", "a.jsonl": '{"body": "one"}', "deep/c.md": "three", "e.txt": ""}.items():
        (folder / name).write_text(text)
    (folder / "picture.png").write_bytes(b"\0\1")
    (folder / ".hidden.txt").write_text("four")
    said: list[str] = []
    prepare(folder, tmp_path / "out", text_field="body", say=said.append)
    assert list(TokenShards.open(tmp_path / "out").iter_sentences()) == [["one"], ["two"], ["three"]]
    assert [line for line in said if "3 files" in line and "picture.png" in line]


def test_data_sets_are_streamed(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    rows = [{"text": "The cat sat. It slept."}, {"text": "A dog ran."}]
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare(f"datasets:{tmp_path / 'data'}", tmp_path / "out", say=lambda line: None)
    shards = TokenShards.open(tmp_path / "out")
    assert [len(document) for document in shards.iter_documents()] == [2, 1]
    with pytest.raises(PreparationError, match="cannot load .*none, split train"):
        prepare(f"datasets:{tmp_path / 'none'}", tmp_path / "out2", say=lambda line: None)


BAD = {
    "empty.txt": (b"", "is empty"),
    "blank.txt": (b" \n\n\t\n", "holds nothing but white space"),
    "empty.txt.gz": (gzip.compress(b""), "is empty"),
    "binary.txt": (b"text\n\0\1\2", "is no text: it has a zero byte at position 5"),
    "latin1.txt": ("good\nfé\n".encode("latin1"), "line 2: not UTF-8 (byte 0xe9 at position 2 of the line)"),
    "utf16.txt": ("text\n".encode("utf-16"), "-f utf-16 -t utf-8"),
    "cut.txt": ("é".encode()[:1], "line 1: not UTF-8"),
    "damaged.txt.xz": (lzma.compress(b"text\n" * 999)[:-20], "is damaged or cut off"),
    "other.txt.gz": (b"no archive", "is damaged or cut off"),
    "one_line.txt": (b"word " * 40_000, "200,000 bytes and no line break"),
    "long_line.txt": (b"short\n" + b"word " * 10_000_000, "has a line of more than 1 MB after 1 line breaks"),
    "bad.jsonl": (b'{"text": "a"}\n{"text": \n', "line 2, column"),
    "other.jsonl": (b'{"body": "a"}\n', "line 1: there is no 'text'; the columns are 'body'"),
    "half.jsonl": (b'{"text": "\\ud83d"}\n', "half of a surrogate pair"),
    "no_words.md": (b"# #\n\n----\n", "the text has no words"),
    "archive.tar.gz": (b"", "is an archive of several files"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_text_is_refused_in_one_line_and_leaves_nothing(tmp_path, name):
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises((PreparationError, DataError), match=re.escape(message)) as caught:
        prepare(tmp_path / name, tmp_path / "out", say=lambda line: None)
    assert name in str(caught.value) or name == "no_words.md"
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("sources", "message"),
    [([], "no text is given"), ("none.txt", "none.txt: no such file or folder"), (".", "has no text files")],
)
def test_missing_text(tmp_path, monkeypatch, sources, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PreparationError, match=message):
        prepare(sources, "out", say=lambda line: None)
    assert list(tmp_path.iterdir()) == []
