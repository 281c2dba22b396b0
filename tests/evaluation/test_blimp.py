# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Minimal pairs: what is read from archives and folders, and how scores become accuracies."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest
from support import SHARED, requires_shared

from hf_elmo.data.files import DataError
from hf_elmo.evaluation.blimp import Pair, accuracies, count_identical, distinct_sentences, read_pairs


def line(good, bad, uid, field="syntax", term="ellipsis", **more):
    found = {"sentence_good": good, "sentence_bad": bad, "UID": uid, "field": field, "linguistics_term": term}
    return json.dumps({**found, **more}) + "\n"


TEXTS = {
    "b_two.jsonl": line("A cat sits.", "A cat sit.", "two") + line("Cats sit.", "Cats sits.", "two"),
    "a_one.jsonl": line("It is.", "It are.", "one", "syntax/semantics", "s-selection", pairID="0") + "\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "README.md").write_text("not a pair")
    return tmp_path


def archive_of(path, members, mode="w:xz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.size = len(content.encode())
                archive.addfile(member, io.BytesIO(content.encode()))
            else:
                member.type, member.linkname = content
                archive.addfile(member)
    return path


EXPECTED = [
    Pair("It is.", "It are.", "one", "syntax_semantics", "argument_structure"),
    Pair("A cat sits.", "A cat sit.", "two", "syntax", "ellipsis"),
    Pair("Cats sit.", "Cats sits.", "two", "syntax", "ellipsis"),
]


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz", "tar.xz", "gz"])
def test_pairs_are_read_from_folders_archives_and_files(kind, folder, tmp_path):
    path = folder
    if kind.startswith("tar"):
        path = archive_of(tmp_path / f"pairs.{kind}", TEXTS, f"w:{kind[4:]}" if kind != "tar" else "w")
    if kind == "gz":
        path = tmp_path / "all.jsonl.gz"
        path.write_bytes(gzip.compress("".join(TEXTS.values()).encode()))
    assert read_pairs(path) == EXPECTED


def test_paradigms_and_the_number_of_their_pairs_can_be_chosen(folder):
    assert read_pairs(folder, ["two"]) == EXPECTED[1:]
    assert read_pairs(folder, max_pairs=1) == EXPECTED[:2]


def test_an_archive_cannot_write_or_lead_elsewhere(folder, tmp_path):
    secret = tmp_path / "secret.jsonl"
    secret.write_text(TEXTS["a_one.jsonl"])
    before = sorted(tmp_path.iterdir())
    members = {
        "../../escaped.jsonl": TEXTS["b_two.jsonl"],
        "link.jsonl": (tarfile.SYMTYPE, str(secret)),
        "hard.jsonl": (tarfile.LNKTYPE, "../secret.jsonl"),
        "pipe.jsonl": (tarfile.FIFOTYPE, ""),
    }
    path = archive_of(tmp_path / "bad.tar", members, "w")
    assert read_pairs(path) == EXPECTED[1:]  # its text, and nothing of the links
    assert sorted(tmp_path.iterdir()) == sorted([*before, path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none", None, "none: no such file or folder; needed is BLiMP"),
        ("x.tar.xz", b"no archive", "x.tar.xz is damaged or cut off"),
        ("x.tar", b"no archive" + bytes(2000), "x.tar is damaged"),
        ("x.jsonl", b"{", "x.jsonl, line 1: not JSON"),
        (
            "x.jsonl",
            b'{"sentence_good": "A.", "sentence_bad": 3}',
            "line 1: sentence_bad is missing; needed are texts in",
        ),
        ("x.jsonl", b"[]", "x.jsonl, line 1: sentence_good is missing"),
        ("x.jsonl", b"\n", "has no minimal pairs: needed are .jsonl files with sentence_good"),
    ],
)
def test_what_is_no_benchmark_is_refused(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_pairs(tmp_path / name)


def test_an_archive_that_grows_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_elmo.evaluation.blimp.MAX_ARCHIVE_BYTES", 100)
    with pytest.raises(DataError, match="x.tar.xz holds more than 100 bytes: it is not BLiMP"):
        read_pairs(archive_of(tmp_path / "x.tar.xz", TEXTS))


def test_an_unknown_paradigm_is_named_with_those_there_are(folder):
    with pytest.raises(DataError, match="has no paradigm 'three'; it has one, two"):
        read_pairs(folder, ["one", "three"])


def test_a_cut_off_archive_is_refused(tmp_path):
    whole = archive_of(tmp_path / "x.tar.xz", TEXTS).read_bytes()
    (tmp_path / "x.tar.xz").write_bytes(whole[:-40])
    with pytest.raises(DataError, match="x.tar.xz is damaged or cut off"):
        read_pairs(tmp_path / "x.tar.xz")
    between_two_members = archive_of(tmp_path / "x.tar", TEXTS, "w").read_bytes()[:1024]
    (tmp_path / "x.tar").write_bytes(between_two_members)
    with pytest.raises(DataError, match="x.tar is cut off or no tar archive"):
        read_pairs(tmp_path / "x.tar")


def test_accuracies_by_paradigm_field_and_term_with_ties_as_half():
    def pairs(count, *names):
        return [Pair(f"g{number}", "b", *names) for number in range(count)]

    judged = [
        *pairs(4, "p", "syntax", "islands"),
        *pairs(1, "q", "syntax", "ellipsis"),
        *pairs(2, "r", "meaning", "npi"),
    ]
    scores = [(-1, -2), (-3, -2), (-5, -5), (-5 + 1e-13, -5)] + [(-9, -10)] + [(-1, -np.inf), (-np.inf, -np.inf)]
    found = accuracies(judged, np.array(scores))
    assert found["paradigm"] == {
        "p": {"accuracy": 0.5, "pairs": 4, "ties": 2},
        "q": {"accuracy": 1.0, "pairs": 1, "ties": 0},
        "r": {"accuracy": 0.75, "pairs": 2, "ties": 1},
    }
    assert found["overall"] == 0.75 and found["ties"] == 3
    assert found["field"] == {"meaning": 0.75, "syntax": 0.75}
    assert found["term"] == {"ellipsis": 1.0, "islands": 0.5, "npi": 0.75}


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"1 pairs have a score that is not a number \(nan\)"):
        accuracies(EXPECTED[:2], np.array([[0, np.nan], [0, 1]]))
    with pytest.raises(ValueError, match="there are no pairs to judge"):
        accuracies([], np.empty((0, 2)))


def test_each_sentence_is_scored_once_and_finds_its_pairs():
    repeated = [EXPECTED[0], EXPECTED[1], EXPECTED[1]._replace(good=EXPECTED[0].bad)]
    sentences, places = distinct_sentences(repeated)
    assert len(sentences) == len(set(sentences)) == 4
    assert [[sentences[place] for place in row] for row in places] == [[pair.good, pair.bad] for pair in repeated]


def test_pairs_whose_differing_words_are_all_unknown_are_counted():
    assert count_identical([(1, 3, 3, 2), (1, 3, 3, 2), (1, 3, 4, 2)], np.array([[0, 1], [0, 2], [1, 1]])) == 2


@requires_shared
def test_the_published_data_are_67_paradigms_in_4_fields_and_12_terms():
    pairs = read_pairs(SHARED / "data" / "blimp" / "dev.tar.xz")
    assert len(pairs) == 53_600
    assert [len({getattr(pair, name) for pair in pairs}) for name in ("paradigm", "field", "term")] == [67, 4, 12]
