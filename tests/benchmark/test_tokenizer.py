# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The benchmark of the tokenizer: refuses wrong results, writes what is needed to repeat a run."""

import gzip
import json
import lzma

import pytest
import torch
from plain_characters import char_ids_of

from hf_elmo import benchmark
from hf_elmo.benchmark import tokenizer as tokenizer_benchmark
from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

QUICK = ["tokenizer", "--runs", "2", "--words", "400", "--vocabulary-size", "50"]


def test_result_file_and_table(tmp_path, capsys):
    threads = torch.get_num_threads()
    assert benchmark.main([*QUICK, "--output", str(tmp_path / "result.json")]) == 0
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert set(result) == {"run", "metrics", "code", "packages", "data", "machine"}
    assert result["run"]["settings"]["words"] == 400 and result["run"]["settings"]["runs"] == 2
    assert result["machine"]["threads"] == 1 and set(result["packages"]) >= {"torch", "transformers", "tokenizers"}
    assert result["data"]["vocabulary"] == 50 and 0 < result["data"]["unknown_fraction"] < 1
    for output in ("tensors", "lists"):
        ours, stock, ratio = (
            result["metrics"][f"call, {output}, {name}"] for name in ("ElmoTokenizer", "stock", "ratio")
        )
        assert ours["slowest"] <= ours["value"] <= ours["fastest"] and ours["runs"] == 2
        assert ratio["value"] == pytest.approx(ours["value"] / stock["value"], rel=0.01)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in printed] == list(result["metrics"])
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("packed", [None, gzip, lzma])
def test_a_text_file_is_measured(packed, tmp_path):
    path = tmp_path / ("text" + {None: ".txt", gzip: ".gz", lzma: ".xz"}[packed])
    content = "the cat sat .\n\n  \n北京 don't\n".encode()
    path.write_bytes(packed.compress(content) if packed else content)
    assert tokenizer_benchmark.read_lines(path) == ["the cat sat .", "北京 don't"]
    arguments = ["tokenizer", "--runs", "1", "--text", str(path), "--vocabulary-text", str(path)]
    assert benchmark.main([*arguments, "--output", str(tmp_path / "result.json")]) == 0
    data = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["data"]
    assert (data["text"], data["sentences"], data["words"]) == (path.name, 2, 8)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output", "absent/result.json"], "the folder of --output, absent, does not exist"),
        (["--text", "absent.txt"], "absent.txt"),
    ],
)
def test_wrong_options_are_refused_in_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert benchmark.main([*QUICK, *arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and message in errors[0]


def test_an_empty_text_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\n")
    with pytest.raises(ValueError, match="empty.txt has no text in it"):
        tokenizer_benchmark.read_lines(tmp_path / "empty.txt")


def test_wrong_results_are_not_measured(monkeypatch, capsys):
    right = tokenizer_benchmark.plain_char_ids
    monkeypatch.setattr(tokenizer_benchmark, "plain_char_ids", lambda word: right(word)[::-1])
    assert benchmark.main(QUICK) == 1
    assert "wrong ids, nothing was measured" in capsys.readouterr().err
    tokenizer = ElmoTokenizer(["a"])
    with pytest.raises(ValueError, match="encode_corpus gives wrong ids"):
        tokenizer_benchmark.check_corpus(tokenizer, ["a b"])


def test_the_plain_computation_is_that_of_the_oracle():
    for word in ("", "cat", "<S>", "</S>", "<UNK>", "\ud800", "é" * 30, "x" * 48, "\x00"):
        assert tokenizer_benchmark.plain_char_ids(word) == char_ids_of(word)


def test_the_made_text_is_always_the_same():
    lines = tokenizer_benchmark.made_text(1000)
    assert lines == tokenizer_benchmark.made_text(1000)
    words = " ".join(lines).replace(",", "").split()
    assert len(words) == 1000 + len(lines)
    assert 1 < words.count(".") < len(words) / 5 and len(set(words)) < len(words)
