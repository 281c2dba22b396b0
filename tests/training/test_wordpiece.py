# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Word pieces of a corpus against the saved tokenizer; the same bits whatever happens on the way; plain refusals."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from piece_corpora import make_corpus, make_documents, make_pieces, quiet
from support import ROOT
from transformers import AutoTokenizer

from hf_elmo.corpus import PreparationError, TokenShards
from hf_elmo.corpus.shard_files import map_arrays
from hf_elmo.training import piece_vocabulary, wordpiece
from hf_elmo.training.piece_shards import PieceShards
from hf_elmo.training.piece_vocabulary import count_words, train_vocabulary
from hf_elmo.training.wordpiece import prepare_pieces

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_pieces(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="module")
def corpus(folder):
    return folder.parent / "corpus"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def encoded(folder: Path, split: str = "train") -> list[list[list[int]]]:
    """Documents of sentences of pieces, read from the shards' arrays."""
    documents: list[list[list[int]]] = []
    for path in sorted(folder.glob(f"{split}-*.safetensors")):
        arrays, _ = map_arrays(path)
        bounds, begins = arrays["sentences"].tolist(), set(arrays["documents"].tolist())
        for number, (start, end) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            if number in begins:
                documents.append([])
            documents[-1].append(arrays["pieces"][start:end].tolist())
    return documents


def test_pieces_are_those_of_the_tokenizer_for_the_text(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    expected = [tokenizer(sentences, add_special_tokens=False)["input_ids"] for sentences in make_documents()]
    assert encoded(folder) == expected
    assert sum(len(sentence) for document in expected for sentence in document) > 5000
    assert len(list(folder.glob("train-*"))) > 10


def test_the_tokenizer_is_a_cased_bert_tokenizer(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    assert tokenizer.is_fast and type(tokenizer).__name__ == "BertTokenizer"
    assert tokenizer.convert_ids_to_tokens(range(5)) == SPECIAL
    assert (tokenizer.model_max_length, tokenizer.do_lower_case) == (512, False)
    assert 100 < len(tokenizer) <= 300
    pair = tokenizer("Baba.", "Ce.")
    assert tokenizer.decode(pair["input_ids"]) == "[CLS] Baba. [SEP] Ce. [SEP]"
    assert pair["token_type_ids"][-1] == 1
    assert tokenizer.tokenize("Baba")[0].startswith("B")


def test_numbers_are_those_of_plain_counting(folder, corpus):
    manifest = json.loads((folder / "manifest.json").read_text())
    flat = [piece for document in encoded(folder) for sentence in document for piece in sentence]
    part = manifest["parts"]["train"]
    documents = make_documents()
    assert part["pieces"] == len(flat) and part["unknown_pieces"] == flat.count(1)
    assert part["words"] == TokenShards.open(corpus).words
    assert (part["documents"], part["sentences"]) == (20, sum(map(len, documents)))
    assert part["pieces_per_word"] == len(flat) / part["words"] > 1
    assert manifest["vocabulary"]["special_ids"] == {piece: number for number, piece in enumerate(SPECIAL)}


def test_words_are_counted_with_their_spelling(corpus, monkeypatch):
    shards = TokenShards.open(corpus)
    expected = Counter(word for sentence in shards.iter_sentences() for word in sentence)
    assert count_words(shards) == expected
    assert shards.unknown_words > 100
    monkeypatch.setattr(piece_vocabulary, "_MOST_DISTINCT", 30)
    some = count_words(shards)
    known = {word for word in expected if word in shards.tokenizer().get_vocab()}
    assert known <= set(some) and len(some) <= len(known) + 30
    assert all(some[word] == expected[word] for word in known)


def test_frequent_words_become_one_piece_and_rare_characters_unknown(tmp_path):
    documents = [["common words are common " * 20, "so words are"] for _ in range(40)] + [["rare ꙮ."]]
    tokenizer = AutoTokenizer.from_pretrained(make_pieces(tmp_path, documents, 120) / "tokenizer")
    assert tokenizer.tokenize("common words are ꙮ") == ["common", "words", "are", "[UNK]"]


VOCABULARY = """
import hashlib, json, random, sys
sys.orig_argv, sys.argv = ["python", "-m", "hf_elmo"], ["-m"]  # a command loads no torch
from hf_elmo.training.piece_vocabulary import train_vocabulary
rng = random.Random(1)
words = {"".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 6))): 2 for _ in range(3000)}
print(hashlib.sha256(json.dumps(sorted(train_vocabulary(words, 700, False).items())).encode()).hexdigest())
"""


def test_the_vocabulary_is_the_same_in_every_process():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [subprocess.run([sys.executable, "-c", VOCABULARY], env=environment, capture_output=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != b"", runs[0].stderr


def test_large_counts_are_scaled_down_together(monkeypatch):
    monkeypatch.setattr(piece_vocabulary, "_MOST_WORDS", 1000)
    shown = Counter(" ".join(piece_vocabulary._as_text({"a": 30_000, "b": 20_000, "c": 49})).split())
    assert shown == {"a": 588, "b": 392}  # divided by 51
    monkeypatch.setattr(piece_vocabulary, "_MOST_WORDS", 100_000)
    shown = Counter(" ".join(piece_vocabulary._as_text({"a": 30_000, "b": 20_000, "c": 49})).split())
    assert shown == {"a": 30_000, "b": 20_000, "c": 49}


def test_lowercase_and_accents(corpus, tmp_path):
    prepare_pieces(corpus, tmp_path / "lower", vocab_size=300, lowercase=True, say=quiet)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "lower" / "tokenizer")
    assert tokenizer.tokenize("BÀBA") == tokenizer.tokenize("baba")
    assert not any(piece != piece.lower() for piece in set(tokenizer.get_vocab()) - set(SPECIAL))
    expected = [tokenizer(sentences, add_special_tokens=False)["input_ids"] for sentences in make_documents()]
    assert encoded(tmp_path / "lower") == expected


def test_a_given_vocabulary_is_used_for_other_text(folder, tmp_path):
    other = make_corpus(tmp_path, [["Bada gogo.", "Zaza ha."], ["Ki"]])
    manifest = prepare_pieces(other, tmp_path / "out", vocabulary_from=folder, vocab_size=9, say=quiet)
    assert contents(tmp_path / "out" / "tokenizer") == contents(folder / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    assert encoded(tmp_path / "out") == [
        tokenizer(sentences, add_special_tokens=False)["input_ids"]
        for sentences in (["Bada gogo.", "Zaza ha."], ["Ki"])
    ]
    assert manifest["settings"]["vocab_size"] == len(tokenizer)


def test_the_held_out_part_has_the_vocabulary_of_the_training_part(tmp_path):
    folder = make_pieces(tmp_path, held_out=0.3)
    train, held_out = PieceShards.open(folder), PieceShards.open(folder, "held_out")
    assert held_out.documents > 2 and train.documents + held_out.documents == 20
    assert train.manifest["vocabulary"]["learnt_from_words"] == train.words
    assert train.fingerprint != held_out.fingerprint


def test_special_pieces_in_a_text_are_text(tmp_path):
    folder = make_pieces(tmp_path, [["a [MASK] b [SEP]"] * 9], 120, splitting="whitespace")
    pieces = {piece for document in encoded(folder) for sentence in document for piece in sentence}
    assert not pieces & {0, 2, 3, 4} and len(pieces) > 3


def test_sentences_without_pieces_are_left_out(tmp_path):
    documents = [["\u200b", "ab ba"], ["\u200b \u200b"], ["ba", "\u200b", "ab"]]
    folder = make_pieces(tmp_path, documents, 120, splitting="whitespace", shard_characters=1)
    found = encoded(folder)
    assert [len(document) for document in found] == [1, 2]
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    assert [tokenizer.decode(sentence) for document in found for sentence in document] == ["ab ba", "ba", "ab"]
    assert PieceShards.open(folder).documents == 2


# ------------------------------------------------------------------------------------------------ interrupted and again


@pytest.mark.slow
def test_processes_do_not_change_a_bit(folder, corpus, tmp_path):
    prepare_pieces(corpus, tmp_path / "out", vocab_size=300, processes=2, say=quiet)
    assert contents(tmp_path / "out") == contents(folder)


@pytest.mark.parametrize("after", [0, 3])
def test_a_stopped_run_goes_on_to_the_same_bits(folder, corpus, tmp_path, monkeypatch, after):
    made = []
    encode = wordpiece.encode_shard

    def stop(path, *arguments):
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(path.name)
        return encode(path, *arguments)

    monkeypatch.setattr(wordpiece, "encode_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=quiet)
    assert not (tmp_path / "out").exists() and (tmp_path / "out.part").is_dir()
    if made:  # cut off as by a full disk
        os.truncate(tmp_path / "out.part" / made[0], 100)
    again = []
    monkeypatch.setattr(wordpiece, "encode_shard", lambda path, *rest: again.append(path.name) or encode(path, *rest))
    said = []
    prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=said.append)
    assert contents(tmp_path / "out") == contents(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert set(made[1:]).isdisjoint(again) and made[:1] == again[: len(made[:1])]
    assert "the vocabulary is there from an earlier run" in said
    assert prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=said.append)["parts"]
    assert said[-1] == f"{tmp_path / 'out'} holds these pieces already"


def test_an_unfinished_run_of_other_settings_is_started_anew(folder, corpus, tmp_path):
    shutil.copytree(folder, tmp_path / "out.part")
    (tmp_path / "out.part" / "run.json").write_text('{"format": "hf_elmo pieces"}')
    said = []
    prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=said.append)
    assert f"{tmp_path / 'out.part'} is of another corpus or other settings: starting anew" in said
    assert contents(tmp_path / "out") == contents(folder)


# ------------------------------------------------------------------------------------------------------------- refusals


def test_what_is_no_corpus(folder, tmp_path):
    with pytest.raises(
        PreparationError, match=f"{tmp_path} has no manifest.json: make it with hf-elmo prepare-corpus"
    ):
        prepare_pieces(tmp_path, tmp_path / "out", say=quiet)
    with pytest.raises(PreparationError, match="manifest.json is not from hf-elmo prepare-corpus"):
        prepare_pieces(folder, tmp_path / "out", say=quiet)
    assert not list(tmp_path.iterdir())


def test_a_vocabulary_too_small_for_the_characters(corpus, tmp_path):
    with pytest.raises(PreparationError) as refusal:
        prepare_pieces(corpus, tmp_path / "out", vocab_size=60, say=quiet)
    words = count_words(TokenShards.open(corpus))
    counts = Counter(character for word in words.elements() for character in word).most_common()
    needed = 1
    while sum(count for _, count in counts[:needed]) < 0.99 * sum(count for _, count in counts):
        needed += 1
    assert str(refusal.value) == (
        f"vocab_size=60 is too small for this text: {needed} characters make up 99% of it; give at least {needed * 4 + 5}"
    )
    assert len(train_vocabulary(words, needed * 4 + 5, False)) <= needed * 4 + 5
    assert not (tmp_path / "out").exists()


def test_outputs_that_are_something_else(folder, corpus, tmp_path):
    with pytest.raises(PreparationError, match="the folder .*nowhere of the output does not exist: make it first"):
        prepare_pieces(corpus, tmp_path / "nowhere" / "out", say=quiet)
    (tmp_path / "out").mkdir()
    with pytest.raises(PreparationError, match="out exists and holds no word pieces: give another name"):
        prepare_pieces(corpus, tmp_path / "out", say=quiet)
    with pytest.raises(
        PreparationError, match="pieces holds pieces of another corpus or other settings: remove it, or give another"
    ):
        prepare_pieces(corpus, folder, vocab_size=400, say=quiet)
    (tmp_path / "new.part").mkdir()
    (tmp_path / "new.part" / "mine.txt").touch()
    with pytest.raises(PreparationError, match="new.part, where the work would go, is something else: move it away"):
        prepare_pieces(corpus, tmp_path / "new", say=quiet)
    with pytest.raises(PreparationError, match="processes must be at least 1, got 0"):
        prepare_pieces(corpus, tmp_path / "new", processes=0, say=quiet)


def test_a_damaged_token_shard(folder, corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "corpus")
    os.truncate(tmp_path / "corpus" / "train-000002.safetensors", 200)
    with pytest.raises(
        PreparationError, match="train-000002.safetensors is missing or cut off: prepare the corpus again"
    ):
        prepare_pieces(tmp_path / "corpus", tmp_path / "out", vocab_size=300, say=quiet)
    with pytest.raises(PreparationError, match="corpus has no manifest.json|is not of word pieces: it is of a corpus"):
        prepare_pieces(corpus, tmp_path / "out", vocabulary_from=corpus, say=quiet)
    assert not (tmp_path / "out").exists()


def test_a_full_disk(corpus, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wordpiece, "write_arrays", full)
    with pytest.raises(OSError, match="the disk of .*out is full: make room and give the same command again to go on"):
        prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=quiet)
    monkeypatch.undo()
    prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=quiet)


def test_a_folder_that_cannot_be_written(corpus, tmp_path, monkeypatch):
    def forbidden(path, *arguments):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(wordpiece, "write_arrays", forbidden)
    with pytest.raises(OSError, match="out cannot be written: Permission denied"):
        prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=quiet)


def test_two_runs_with_the_same_output(corpus, tmp_path):
    with (
        FileLock(tmp_path / "out.part.lock"),
        pytest.raises(PreparationError, match="another process is writing .*out: wait for it, or stop it"),
    ):
        prepare_pieces(corpus, tmp_path / "out", vocab_size=300, say=quiet)


def test_text_without_any_piece(tmp_path):
    corpus = make_corpus(tmp_path, [["\u200b"], ["\u200b\u200b"]], splitting="whitespace")
    with pytest.raises(PreparationError, match=f"no word of the train part of {corpus} has pieces; is it text?"):
        prepare_pieces(corpus, tmp_path / "out", say=quiet)
    assert not (tmp_path / "out").exists()


def test_a_token_shard_that_is_damaged_meanwhile(folder, corpus, tmp_path):
    shutil.copy(corpus / "train-000001.safetensors", tmp_path / "shard.safetensors")
    os.truncate(tmp_path / "shard.safetensors", 300)
    with pytest.raises(PreparationError, match="shard.safetensors is missing or cut off: prepare the corpus again"):
        wordpiece.encode_shard(tmp_path / "shard.safetensors", tmp_path / "new", folder / "none", 300, {})


# -------------------------------------------------------------------------------------------------------------- reading


def test_shards_tell_their_documents_also_when_they_go_on(folder, corpus):
    shards, plain = PieceShards.open(folder), encoded(folder)
    expected = []
    for index in range(shards.num_shards):
        text = shards.text([index])
        for place, document in enumerate(text.numbers.tolist()):
            start, end = text.documents[place : place + 2].tolist()
            for sentence in range(start, end):
                expected.append((document, text.pieces[slice(*text.sentences[sentence : sentence + 2])].tolist()))
    assert expected == [(number, sentence) for number, document in enumerate(plain) for sentence in document]
    spans = [shards.text([index]).numbers for index in range(shards.num_shards)]
    assert any(one[-1] == other[0] for one, other in zip(spans[:-1], spans[1:], strict=True))
    together = shards.text([4, 2])
    assert together.pieces.tolist() == [*shards.text([4]).pieces, *shards.text([2]).pieces]
    assert together.numbers.tolist() == [*spans[4], *spans[2]]
    assert np.array_equal(
        together.sentences,
        [*shards.text([4]).sentences, *(shards.text([2]).sentences[1:] + len(shards.text([4]).pieces))],
    )


def test_damaged_and_changed_shards(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "pieces")
    path = tmp_path / "pieces" / "train-000001.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"\1\1")
    PieceShards.open(tmp_path / "pieces")
    with pytest.raises(PreparationError, match="train-000001.safetensors has changed: prepare the pieces again"):
        PieceShards.open(tmp_path / "pieces", verify=True)
    for damage in (lambda: path.write_bytes(data[:-2]), lambda: path.write_bytes(b""), path.unlink):
        damage()
        with pytest.raises(
            PreparationError, match="train-000001.safetensors is missing or cut off: prepare the pieces"
        ):
            PieceShards.open(tmp_path / "pieces")
    PieceShards.open(folder, verify=True)


def test_folders_without_these_pieces(folder, corpus, tmp_path):
    with pytest.raises(PreparationError, match="has no part 'held_out', it has train"):
        PieceShards.open(folder, "held_out")
    with pytest.raises(PreparationError, match="nothing has no manifest.json: make it with prepare_pieces"):
        PieceShards.open(tmp_path / "nothing")
    (tmp_path / "nothing.part").mkdir()
    with pytest.raises(PreparationError, match="has no manifest.json: its preparation is unfinished, repeat that"):
        PieceShards.open(tmp_path / "nothing")
    with pytest.raises(PreparationError, match="it is of a corpus, turn that into pieces with prepare_pieces"):
        PieceShards.open(corpus)
    manifest = json.loads((folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "version": 2, "hf_elmo": "9.9"}))
    with pytest.raises(PreparationError, match=r"is from a newer version of hf_elmo \(9.9\): update this one"):
        PieceShards.open(tmp_path)
