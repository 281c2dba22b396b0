# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo prepare-corpus` as it is typed."""

from hf_elmo.cli import main
from hf_elmo.corpus import TokenShards


def test_text_becomes_shards_that_can_be_read(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("One day. Two days.\n\nThe end came.\n")
    assert main(["prepare-corpus", str(tmp_path / "text.txt"), str(tmp_path / "corpus"), "--processes", "1"]) == 0
    assert "10 words, 3 sentences" in capsys.readouterr().out
    sentences = list(TokenShards.open(tmp_path / "corpus").iter_sentences())
    assert sorted(map(list, sentences)) == [
        ["One", "day", "."],
        ["The", "end", "came", "."],
        ["Two", "days", "."],
    ]


def test_wrong_sources_are_one_line_and_leave_nothing(tmp_path, capsys):
    assert main(["prepare-corpus", str(tmp_path / "none.txt"), str(tmp_path / "corpus")]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("hf-elmo: ") and "none.txt: no such file" in error and "\n" not in error
    assert not list(tmp_path.iterdir())
