# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Compression, encodings, tables and JSON: what is wrong is said with file and place."""

import bz2
import gzip
import json
import lzma
import re
import subprocess
import sys

import pytest
from support import ROOT

from hf_elmo.data import DataError, load_classification, load_qa, load_tagging

PACKERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".XZ": lzma.compress}
ROWS = "text,label\nféz,pos\ngéant,neg\n"


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_compressed_files_and_byte_order_marks(tmp_path, ending, mark):
    path = tmp_path / f"train.csv{ending}"
    path.write_bytes(PACKERS[ending](mark + ROWS.encode()))
    assert load_classification(path)[:] == {"text": ["féz", "géant"], "label": ["pos", "neg"]}


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2"])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"no archive at all"])
def test_damaged_archives(tmp_path, ending, damage):
    path = tmp_path / f"train.csv{ending}"
    path.write_bytes(damage(PACKERS[ending](ROWS.encode() * 50)))
    with pytest.raises(DataError, match=r"train\.csv.* is damaged or cut off after line \d+"):
        load_classification(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text,label\nf\xe9z,pos\n", "line 2: not UTF-8 (byte 0xe9 at position 2 of the line); convert the file"),
        (ROWS.encode("utf-16"), "line 1: not UTF-8 (byte 0xff at position 1 of the line); convert the file first, "
         "for example iconv -f utf-16 -t utf-8"),
    ],
)  # fmt: skip
def test_other_encodings(tmp_path, data, message):
    path = tmp_path / "train.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=re.escape(f"{path}, {message}")):
        load_classification(path)


def test_missing_files_folders_and_archives(tmp_path):
    (tmp_path / "dev.tar.xz").write_bytes(b"")
    for source, message in [
        (tmp_path / "none.csv", "none.csv: no such file"),
        (tmp_path, "is a folder: name files, or give the folder to load_task_data"),
        (tmp_path / "dev.tar.xz", "dev.tar.xz is an archive of several files: unpack it"),
        ([], "no data file given"),
    ]:
        with pytest.raises(DataError, match=message):
            load_classification(source)


@pytest.mark.parametrize(
    ("name", "text", "options", "expected"),
    [
        ("a.csv", 'text,label\n"a, ""b""\nc",x\n\nd,y\n', {}, ['a, "b"\nc', "d"]),
        ("a.csv", "label;text\nx;a, b\ny;c\n", {}, ["a, b", "c"]),
        ("a.csv", "text\tlabel\na, b\tx\nc\ty\n", {}, ["a, b", "c"]),
        ("a.csv", "text|label\na|x\n", {"delimiter": "|"}, ["a"]),
        ("a.tsv", 'text\tlabel\n"a\tx\nb"\ty\n', {}, ['"a', 'b"']),
        ("a.tsv", 'text\tlabel\n"a\tb"\tx\n', {"quoted": True}, ["a\tb"]),
        ("a.tsv", "x\ta\ny\tb\n", {"header": False, "text_column": 1, "label_column": 0}, ["a", "b"]),
    ],
)
def test_tables(tmp_path, name, text, options, expected):
    (tmp_path / name).write_text(text)
    assert load_classification(tmp_path / name, **options)["text"][:] == expected


BAD_TABLES = [
    ("a.csv", "text,label\na,b,c\n", "line 2: 3 fields, but the first line has 2 (separated by ',', with quotes)"),
    ("a.tsv", 'text\tlabel\n"a\n', "line 2: 1 fields, but the first line has 2 (separated by '\\t', without quotes)"),
    ("a.csv", "text,text\na,b\n", "line 1: two columns are called 'text'; rename one"),
    ("a.csv", 'text,label\n"a,b\nc,d\n', "unexpected end of data; a quote inside a quoted field is written twice"),
    ("a.csv", f"text,label\n{'a' * 200_000},b\n", "line 2: field larger than field limit"),
    ("a.csv", "text,label\n", "a.csv holds no example"),
    ("a.csv", "", "a.csv is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), BAD_TABLES)
def test_bad_tables(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=re.escape(message)) as error:
        load_classification(tmp_path / name)
    assert name in str(error.value)


RECORDS = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
JSON_FORMS = {
    "list.json": json.dumps(RECORDS),
    "over_lines.json": json.dumps(RECORDS, indent=2),
    "data.json": json.dumps({"version": 1, "data": RECORDS}),
    "lines.json": "\n".join(map(json.dumps, RECORDS)),  # as Dataset.to_json writes it
    "lines.jsonl": "\n\n".join(map(json.dumps, RECORDS)) + "\n",
    "lines.ndjson": "\r\n".join(map(json.dumps, RECORDS)),
}


@pytest.mark.parametrize("name", JSON_FORMS)
def test_forms_of_json(tmp_path, name):
    (tmp_path / name).write_text(JSON_FORMS[name], newline="")
    assert load_classification(tmp_path / name)[:] == {"text": ["a", "b"], "label": ["x", "y"]}


BAD_JSON = [
    ("a.json", '[\n{"text": "a",}\n]', "a.json, line 2, column"),
    ("a.jsonl", '{"text": "a", "label": "b"}\n{"text"\n', "a.jsonl, line 2, column 8: not JSON"),
    ("a.jsonl", '["a", "b"]\n', "a.jsonl, line 1: a list; needed is an object with named fields"),
    ("a.json", '["a", "b"]', "a.json, record 1: a string; needed is an object"),
    ("a.json", "3", "a.json holds one number; needed is a list of objects, or an object a line"),
    ("a.json", '[{"text": "a\\ud83d", "label": "b"}]', "record 1: 'text' has half of a surrogate pair, '\\ud83d', at character 2"),
    ("a.json", "[]", "a.json holds no example"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), BAD_JSON)
def test_bad_json(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        load_classification(tmp_path / name)


def test_without_the_package_datasets(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "a.conll").write_text("a O\n")
    with pytest.raises(ImportError, match=re.escape('pip install "hf-elmo[train]"')):
        load_tagging(tmp_path / "a.conll")


def test_importing_the_package_imports_no_datasets():
    code = "import sys; sys.argv[0] = 'hf-elmo'; import hf_elmo.data, hf_elmo.metrics; print({'datasets', 'evaluate'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_reading_writes_nothing_beside_the_data(tmp_path):
    (tmp_path / "a.csv").write_text(ROWS)
    load_classification(tmp_path / "a.csv")
    with pytest.raises(DataError, match="unknown format"):
        load_qa(tmp_path / "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
