# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Nearest senses of vectors in which the sense is planted, or is not; reading the sense corpora."""

import json

import pytest
from sense_archives import PlantedContender, context, write_archive
from support import SHARED, requires_shared

from hf_elmo.compare import senses
from hf_elmo.compare.item_bits import unpack_bits
from hf_elmo.compare.sense_corpus import LONGEST, Sense, read_documents
from hf_elmo.data import DataError

TRAIN = [
    ["the bank/NOUN/river was steep by the water"] * 3 + ["his bank/NOUN/money lent cash"],
    ["the bank/NOUN/money has cash", "they run/VERB/go", "no senses here"],
]
# Of 6 items: 4 of "bank", 1 of a lemma with one sense, 1 of a lemma that is not in the training part.
DEV = [
    ["a bank/NOUN/money full of cash", "cash is in the bank/NOUN/money", "some bank/NOUN/money for cash"],
    ["the bank/NOUN/river near water", "we run/VERB/go", "an owl/NOUN/bird"],
]


def topic(words, place):
    return "money" if "cash" in words else "river"


def opposite(words, place):
    return "river" if "cash" in words else "money"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "wsd_noad"
    folder.mkdir()
    write_archive(folder / "train.tar.xz", TRAIN)
    write_archive(folder / "dev.tar.xz", DEV)
    return tmp_path


def run(data, contender):
    (cell,) = senses.cells(context(data).settings, [contender.name])
    return cell, json.loads(json.dumps(senses.run(cell, context(data, contender))))


def accuracy(row, column):
    return row["values"][column]["value"]


def test_a_layer_that_holds_the_topic_gives_every_sense_and_one_without_context_the_most_frequent(data):
    contender = PlantedContender("planted", {"characters": None, "lstm1": topic})
    cell, result = run(data, contender)
    bits = {name: unpack_bits(text, 6).tolist() for name, text in result["right"].items()}
    assert bits["lstm1"] == [True, True, True, True, True, False]  # the owl has no training example
    # All uses of "bank" have one vector: the river's sense is the most frequent one.
    assert bits["characters"] == bits[senses.BASELINE] == [False, False, False, True, True, False]
    section = senses.summarize([(cell, result)], context(data).settings)
    rows = {row["label"]: row for row in section["tables"][0]["rows"]}
    assert accuracy(rows["planted, lstm1"], senses.AMBIGUOUS) == 100
    assert accuracy(rows["planted, characters"], senses.AMBIGUOUS) == 25
    # 5 of 5 answers right, 5 of 6 words: F1 = 2 * 1 * (5/6) / (1 + 5/6).
    assert accuracy(rows["planted, lstm1"], senses.ALL) == pytest.approx(100 * 10 / 11)
    assert rows["planted, lstm1"]["values"]["nouns"]["n"] == 4
    assert all(value["cells"] == [cell.id] for row in rows.values() for value in row["values"].values())


def test_nearest_is_by_the_average_of_a_sense_not_by_its_name(data):
    # The topic is swapped in the development part alone.
    class Swapped(PlantedContender):
        def vectors(self, sentences):
            self.knows = {"words": None, "swapped": opposite if sentences[0][0] == "a" else topic}
            return super().vectors(sentences)

    _, result = run(data, Swapped("swapped", {"words": None, "swapped": topic}))
    assert unpack_bits(result["right"]["swapped"], 6).tolist() == [False] * 4 + [True, False]


def test_planted_differences_are_found_and_a_copy_has_none(tmp_path):
    folder = tmp_path / "wsd_noad"
    folder.mkdir()
    write_archive(folder / "train.tar.xz", TRAIN)
    write_archive(folder / "dev.tar.xz", [DEV[0] * 10])
    results = []
    for name, finds in (("one", topic), ("same", topic)):
        results.append(run(tmp_path, PlantedContender(name, {"characters": None, "lstm1": finds})))
    static = PlantedContender("static", {"vectors": None})
    results.append(run(tmp_path, static))
    section = senses.summarize(results, context(tmp_path).settings)
    found = {(test["a"], test["b"]): test for test in section["tests"]}
    for floor in ("one, characters", "static, vectors", senses.BASELINE):
        test = found["one, lstm1", floor]
        assert test["difference"] == 100 and test["p_holm"] < 0.001 and test["n"] == 30
        assert (test["table"], test["column"]) == ("senses", senses.AMBIGUOUS)
    assert any("one, lstm1: better than one, characters (+100.0 points" in note for note in section["notes"])


def test_without_data_there_are_no_cells_and_a_reason(tmp_path):
    settings = context(None).settings
    assert senses.cells(settings, ["any"]) == [] and "give --data" in settings.left_out[0][1]
    settings = context(tmp_path).settings
    assert senses.cells(settings, ["any"]) == [] and "wsd_noad is not in" in settings.left_out[0][1]
    assert senses.summarize([], settings)["tables"] == []


# -------------------------------------------------------------------------------------------------------- the corpus


def test_sentences_begin_at_breaks_and_lemmas_are_small(tmp_path):
    long = " ".join(["word"] * (LONGEST + 1)) + " bank/NOUN/river"
    (document,) = read_documents(write_archive(tmp_path / "one.tar", [["no sense", "my bank/NOUN/money", long]]))
    assert [sentence.words for sentence in document] == [["my", "bank"], ["word", "bank"]]
    assert document[0].senses == [Sense(1, "bank", "NOUN", "bank.money")]


def test_some_documents_are_spread_over_the_archive(tmp_path):
    path = write_archive(tmp_path / "ten.tar.xz", [[f"w{number} a/NOUN/b"] for number in range(10)])
    found = read_documents(path, 3)
    assert [document[0].words[0] for document in found] == ["w0", "w3", "w6"]
    assert len(read_documents(path, 99)) == 10


def test_what_is_no_sense_corpus_is_refused(tmp_path):
    (tmp_path / "text.tar").write_text("no archive")
    with pytest.raises(DataError, match="text.tar cannot be read: .*needed is a .tar archive of XML files"):
        read_documents(tmp_path / "text.tar")
    with pytest.raises(DataError, match="none.tar cannot be read"):
        read_documents(tmp_path / "none.tar")
    with pytest.raises(DataError, match="bare.tar has no word with a sense"):
        read_documents(write_archive(tmp_path / "bare.tar", [["no sense"]]))


@requires_shared
def test_the_published_corpus_is_read_whole():
    documents = read_documents(SHARED / "data" / "wsd_noad" / "dev.tar.xz")
    items = [sense for document in documents for sentence in document for sense in sentence.senses]
    assert (len(documents), len(items)) == (39, 9107)
    assert all(0 < len(sentence.words) <= LONGEST for document in documents for sentence in document)
