# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Token shards against plain counting; the same bits whatever the processes and interruptions; nothing half-written."""

import argparse
import errno
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT, SHARED, requires_shared

from hf_elmo.corpus import PreparationError, TokenShards, add_arguments, prepare, run
from hf_elmo.corpus import preparation as module
from hf_elmo.modeling import ElmoTokenizer


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_numbers_are_those_of_plain_counting(corpus, lines):
    manifest = json.loads((corpus / "manifest.json").read_text())
    split = [line.split() for line in lines]
    counts = Counter(word for line in split for word in line)
    commonest = sorted(counts, key=lambda word: (-counts[word], word))[:12]
    assert (corpus / "vocab.txt").read_text().split("\n") == ["<S>", "</S>", "<UNK>", *commonest, ""]
    part = manifest["parts"]["train"]
    assert manifest["vocabulary"]["distinct_words"] == len(counts)
    assert len(part["shards"]) > 3
    unknown = sum(count for word, count in counts.items() if word not in commonest)
    expected = {
        "words": sum(map(len, split)),
        "sentences": len(lines),
        "documents": len(lines),
        "unknown_words": unknown,
        "unknown_rate": unknown / sum(counts.values()),
        "repeated_sentences": len(lines) - len(set(lines)),
        "cut_sentences": 0,
    }
    assert {name: part[name] for name in expected} == expected
    assert part["repeated_sentences"] > 0


def test_sentences_come_back_with_unknown_words_spelt_out(corpus, lines):
    shards = TokenShards.open(corpus, verify=True)
    assert [" ".join(words) for words in shards.iter_sentences()] == lines
    assert [document for document in shards.iter_documents()] == [[line.split()] for line in lines]


def test_ids_are_those_of_the_tokenizer(corpus, lines):
    shards = TokenShards.open(corpus)
    encoded = shards.tokenizer().encode_corpus(lines, add_special_tokens=False, char_ids=False)
    ids = [shards.ids_of(shards.references(shard, sentence)) for shard in range(shards.num_shards)
           for sentence in range(len(shards.shard(shard).sentences) - 1)]  # fmt: skip
    assert np.array_equal(np.concatenate(ids), encoded.input_ids)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_do_not_change_a_bit(tmp_path, text_file, corpus, options, processes):
    prepare(text_file, tmp_path / "out", processes=processes, vocabulary_size=15, **options)
    assert contents(tmp_path / "out") == contents(corpus)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


KILLED = """
import sys
from hf_elmo.corpus import preparation

if __name__ == "__main__":
    settings = eval(sys.argv[3])
    jobs = preparation.run_jobs

    def run_jobs(*args):
        for number, done in enumerate(jobs(*args)):
            yield done
            if number == 2:
                print("in the middle", flush=True)
                sys.stdin.read()

    preparation.run_jobs = run_jobs
    preparation.prepare(sys.argv[1], sys.argv[2], processes=2, vocabulary_size=15, **settings)
"""


@pytest.mark.slow
def test_a_killed_run_ends_with_its_processes_and_goes_on(tmp_path, text_file, corpus, options):
    psutil = pytest.importorskip("psutil")
    (tmp_path / "program.py").write_text(KILLED)
    settings = repr({name: value for name, value in options.items() if name != "say"})
    arguments = [sys.executable, tmp_path / "program.py", text_file, tmp_path / "out", settings]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"in the middle\n"
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    (tmp_path / "program.py").unlink()
    assert {path.name for path in tmp_path.iterdir()} == {"out.part", "out.part.lock"}
    prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
    assert contents(tmp_path / "out") == contents(corpus)


@pytest.mark.parametrize("step", ["make_raw_shard", "count_words", "count_repeated", "encode_shard", "_move"])
@pytest.mark.parametrize("at", [0, 2])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path, text_file, corpus, options, monkeypatch, step, at):
    original, calls = getattr(module, step), []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == at + 1:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(module, step, interrupted)
    if at == 0 or step.endswith("shard"):
        with pytest.raises(KeyboardInterrupt):
            prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
        assert not (tmp_path / "out").exists()
    before = len(calls)
    prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
    assert contents(tmp_path / "out") == contents(corpus)
    if step == "make_raw_shard" and at == 2:
        assert len(calls) - before == len(list(corpus.glob("train-*"))) - 2  # two were found


def test_a_shard_that_was_cut_off_is_made_again(tmp_path, text_file, corpus, options, monkeypatch):
    monkeypatch.setattr(module, "count_words", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
    monkeypatch.undo()
    cut, empty = sorted((tmp_path / "out.part").glob("raw-*"))[:2]
    cut.write_bytes(cut.read_bytes()[:-8])
    empty.write_bytes(b"")
    prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
    assert contents(tmp_path / "out") == contents(corpus)


def test_an_unfinished_run_with_other_settings_is_not_joined(tmp_path, text_file, options, monkeypatch):
    monkeypatch.setattr(module, "count_words", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(text_file, tmp_path / "out", **options)
    monkeypatch.undo()
    with pytest.raises(PreparationError, match=r"other settings or text \(min_count\): repeat .* or give --restart"):
        prepare(text_file, tmp_path / "out", min_count=2, **options)
    prepare(text_file, tmp_path / "out", min_count=2, restart=True, **options)
    assert (tmp_path / "out").is_dir()


def test_held_out_documents_are_whole_and_kept_apart(tmp_path, text_file, lines, options):
    manifest = prepare(text_file, tmp_path / "out", held_out=0.3, **options)
    parts = {name: [" ".join(words) for words in TokenShards.open(tmp_path / "out", name).iter_sentences()]
             for name in ("train", "held_out")}  # fmt: skip
    assert Counter(parts["train"] + parts["held_out"]) == Counter(lines)
    assert 0.15 < len(parts["held_out"]) / len(lines) < 0.45
    # By their text, so that equal documents stay together; words of the vocabulary are counted in the training part.
    assert not set(parts["train"]) & set(parts["held_out"])
    assert manifest["parts"]["held_out"]["sentences_in_train"] == 0
    words = {word for line in parts["train"] for word in line.split()}
    assert set((tmp_path / "out" / "vocab.txt").read_text().split()) == {"<S>", "</S>", "<UNK>", *words}


def test_held_out_sentences_that_are_also_trained_on_are_counted(tmp_path, options):
    documents = [f"opening {number}\nsame sentence\n" for number in range(60)]
    (tmp_path / "text.txt").write_text("\n".join(documents))
    options = {**options, "documents": "blank-line"}
    manifest = prepare(tmp_path / "text.txt", tmp_path / "out", held_out=0.5, **options)["parts"]
    assert manifest["train"]["documents"] + manifest["held_out"]["documents"] == 60
    assert manifest["held_out"]["sentences_in_train"] == manifest["held_out"]["documents"]
    assert manifest["train"]["repeated_sentences"] == manifest["train"]["documents"] - 1
    with pytest.raises(PreparationError, match="no document fell into the held-out part.*--documents"):
        prepare(tmp_path / "text.txt", tmp_path / "out2", held_out=1e-9, **options)


def test_a_document_can_go_on_in_the_next_shard(tmp_path, lines, options):
    (tmp_path / "text.txt").write_text("\n".join(lines))
    manifest = prepare(tmp_path / "text.txt", tmp_path / "out", **{**options, "documents": "file"})
    assert manifest["parts"]["train"]["documents"] == 1
    assert len(manifest["parts"]["train"]["shards"]) > 2
    (document,) = TokenShards.open(tmp_path / "out").iter_documents()
    assert [" ".join(words) for words in document] == lines


def test_long_sentences_are_cut(tmp_path, options):
    (tmp_path / "text.txt").write_text("a b c d e f g\nh i j\n")
    manifest = prepare(tmp_path / "text.txt", tmp_path / "out", max_sentence_words=3, **options)
    assert [" ".join(s) for s in TokenShards.open(tmp_path / "out").iter_sentences()] == [
        "a b c",
        "d e f",
        "g",
        "h i j",
    ]
    assert manifest["parts"]["train"]["cut_sentences"] == 1


@pytest.mark.parametrize("by_count", [{"min_count": 3}, {"min_count": 3, "vocabulary_size": 9}])
def test_rare_words_stay_out(tmp_path, text_file, lines, options, by_count):
    prepare(text_file, tmp_path / "out", **by_count, **options)
    counts = Counter(" ".join(lines).split())
    expected = sorted((word for word in counts if counts[word] >= 3), key=lambda word: (-counts[word], word))
    found = (tmp_path / "out" / "vocab.txt").read_text().split()[3:]
    assert found == expected[: by_count.get("vocabulary_size", 1000) - 3]


def test_a_given_vocabulary_keeps_its_file_and_its_ids(tmp_path, options):
    (tmp_path / "vocab.txt").write_bytes(b"the\n</S>\n<S>\n<UNK>\ncat \n")
    (tmp_path / "text.txt").write_text("the cat <UNK> [PAD] dog </S>\n")
    manifest = prepare(tmp_path / "text.txt", tmp_path / "out", vocabulary=str(tmp_path / "vocab.txt"), **options)
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (tmp_path / "vocab.txt").read_bytes()
    shards = TokenShards.open(tmp_path / "out")
    assert shards.ids_of(shards.references(0, 0)).tolist() == [1, 5, 4, 4, 4, 2]
    assert manifest["parts"]["train"]["unknown_words"] == 3
    assert shards.special == (3, 2, 4, 0)
    tokenizer = ElmoTokenizer(vocab_file=tmp_path / "vocab.txt")
    assert tuple(shards.special) == (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id, 0)
    for vocabulary, message in (("none.txt", "no such vocabulary file"), ("latin1.txt", "cannot be used")):
        (tmp_path / "latin1.txt").write_bytes(b"f\xe9\n")
        with pytest.raises(PreparationError, match=message):
            prepare(tmp_path / "text.txt", tmp_path / "out2", vocabulary=str(tmp_path / vocabulary), **options)


@given(st.lists(st.text(alphabet="ab \x1c\u2028\u3000<S>é\U0010ffff", min_size=1), min_size=1, max_size=20))
@settings(max_examples=12, deadline=None)
def test_words_of_any_text_survive(tmp_path_factory, texts):
    """Also words that no line of a vocabulary can hold."""
    folder = tmp_path_factory.mktemp("any")
    split = [
        ElmoTokenizer(["a"]).backend_tokenizer.pre_tokenizer.pre_tokenize_str(text) for text in texts if text.strip()
    ]
    if not split:
        return
    (folder / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    prepare(folder / "text.jsonl", folder / "out", sentences="lines", say=lambda line: None)
    found = list(TokenShards.open(folder / "out").iter_sentences())
    assert found == [[word for word, _ in words] for words in split]
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"format": "pdf"}, "format must be one of None, text, wiki, markdown, jsonl; got 'pdf'"),
        ({"documents": "page"}, "documents must be one of file, blank-line, line; got 'page'"),
        ({"splitting": "bpe"}, "splitting must be one of"),
        ({"held_out": 1.0}, "held_out is a share"),
        ({"min_count": 0}, "min_count must be at least 1"),
        ({"max_sentence_words": 0}, "max_sentence_words must be at least 1"),
        ({"vocabulary_size": 3}, "has no room for a word"),
        ({"vocabulary": "v.txt", "vocabulary_size": 9}, "a given vocabulary has its size"),
        ({"processes": 0}, "processes must be at least 1"),
    ],
)
def test_wrong_settings(tmp_path, text_file, wrong, message):
    with pytest.raises(PreparationError, match=message):
        prepare(text_file, tmp_path / "out", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_cannot_be_written(tmp_path, text_file, corpus, options, monkeypatch):
    with pytest.raises(PreparationError, match="none of the output does not exist"):
        prepare(text_file, tmp_path / "none" / "out", **options)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    for name, overwrite, message in [("mine", False, "exists already"), ("mine", True, "is not a corpus")]:
        with pytest.raises(PreparationError, match=message):
            prepare(text_file, tmp_path / name, overwrite=overwrite, **options)
    (tmp_path / "mine").rename(tmp_path / "out.part")
    with pytest.raises(PreparationError, match="is something else: move it away"):
        prepare(text_file, tmp_path / "out", **options)
    assert (tmp_path / "out.part" / "letter.txt").read_text() == "keep me"

    mkdir = Path.mkdir

    def refuse(path, *args, **kwargs):
        if path.suffix == ".part":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)  # the superuser may write anywhere
    with pytest.raises(OSError, match=r"closed cannot be written: Permission denied"):
        prepare(text_file, tmp_path / "closed", **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.part"]


def test_a_corpus_is_replaced_by_a_whole_one_only(tmp_path, text_file, corpus, options, monkeypatch):
    shutil.copytree(corpus, tmp_path / "out")
    replace = module.os.replace

    def killed(source, target):
        if Path(source).name == "out.part":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(module.os, "replace", killed)  # between the two names
    with pytest.raises(KeyboardInterrupt):
        prepare(text_file, tmp_path / "out", overwrite=True, vocabulary_size=9, **options)
    monkeypatch.undo()
    prepare(text_file, tmp_path / "out", overwrite=True, vocabulary_size=9, **options)
    assert not (tmp_path / "out" / "replaced").exists()
    assert len((tmp_path / "out" / "vocab.txt").read_text().split()) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_replaced_corpus_has_the_ids_of_its_own_vocabulary(tmp_path, text_file, corpus, options):
    """One process may have read the ids of the earlier one, in a file of the same name."""
    prepare(text_file, tmp_path / "out", vocabulary_size=9, **options)
    prepare(text_file, tmp_path / "out", overwrite=True, vocabulary_size=15, **options)
    assert contents(tmp_path / "out") == contents(corpus)


def test_a_full_disk_leaves_whole_shards_to_go_on_with(tmp_path, text_file, corpus, options, monkeypatch):
    room, fsync = [4], module.os.fsync

    def full(descriptor):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="the disk of .*out is full: make room and give the same command again"):
        prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.part"]
    assert not list((tmp_path / "out.part").glob("*.new"))
    room[0] = 10**6
    prepare(text_file, tmp_path / "out", vocabulary_size=15, **options)
    assert contents(tmp_path / "out") == contents(corpus)


def test_too_little_room_is_seen_before_the_work(tmp_path, text_file, options, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 1000))
    with pytest.raises(PreparationError, match=r"has 0\.0 GB free, this may need"):
        prepare(text_file, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json: make it with"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "is not from hf-elmo prepare-corpus"),
        (lambda folder: (folder / "train-000001.safetensors").unlink(), "is missing or cut off"),
        (lambda folder: (folder / "train-000001.safetensors").write_bytes(b"\x09"), "is missing or cut off"),
        (lambda folder: (folder / "vocab.txt").write_text("other"), "vocab.txt has changed"),
        (lambda folder: folder.rename(folder.with_name("out.part")), "its preparation is unfinished"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, corpus, damage, message):
    folder = shutil.copytree(corpus, tmp_path / "out")
    damage(folder)
    with pytest.raises(PreparationError, match=message):
        TokenShards.open(folder, verify=True)
    with pytest.raises(PreparationError, match="has no part 'held_out', it has train"):
        TokenShards.open(corpus, "held_out")


def test_the_command_says_what_it_does_and_found(tmp_path, text_file, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = f"{text_file} {tmp_path / 'out'} --pretokenized --sentence-per-line --documents line --held-out 0.2"
    assert run(parser.parse_args([*words.split(), "--min-count", "2", "--processes", "1"])) == 0
    printed = capsys.readouterr()
    plan = (
        "will split 0.0 MB of text (1 text) at lines and whitespace, on 1 process; vocabulary: all words that occur 2 "
    )
    assert plan + "times or more; held out: 20.00% of the documents" in printed.err
    assert "words/s" in printed.err
    parts = json.loads((tmp_path / "out" / "manifest.json").read_text())["parts"]
    assert f"train: {parts['train']['words']:,} words, {parts['train']['sentences']:,} sentences" in printed.out
    assert "held-out: " in printed.out and "unknown words" in printed.out and "repeated sentences" in printed.out


@requires_shared
@pytest.mark.slow
def test_chinese_text_by_characters(tmp_path):
    source = SHARED / "data" / "lm_zh_wiki" / "dev.txt.xz"
    manifest = prepare(source, tmp_path / "out", split_cjk=True, vocabulary_size=4000, say=lambda line: None)
    part = manifest["parts"]["train"]
    assert part["documents"] == 448
    chinese = [
        word
        for words in TokenShards.open(tmp_path / "out").iter_sentences()
        for word in words
        if "一" <= word[0] <= "鿿"
    ]
    assert set(map(len, chinese)) == {1}
    assert len(chinese) > 50_000
    assert part["unknown_rate"] < 0.05
