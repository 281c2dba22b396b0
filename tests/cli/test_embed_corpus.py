# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo embed`: files in, files out, and going on after a kill."""

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from tolerances import TOLERANCES

from hf_elmo import ElmoModel, ElmoTokenizer, embed, embed_corpus, embed_sentences
from hf_elmo.cli import main
from hf_elmo.vector_files import Shards

TEXT = "The cat sat.\n\na b , c\nThe cat sat.\n" + "".join(f"line {i} with some words .\n" for i in range(60))
LINES = TEXT.splitlines()


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def many_windows(monkeypatch):
    """Windows of a few lines, so that a small text has many pieces."""
    monkeypatch.setattr(embed, "WINDOW_BYTES", 1)


def run(folder, source, output, *options):
    return main(["embed", str(folder), str(source), str(output), *options])


def line_of(capsys):
    """The last line of stderr."""
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def wanted(folder):
    model, tokenizer = ElmoModel.from_pretrained(folder), ElmoTokenizer.from_pretrained(folder)

    def compute(lines=LINES, **options):
        return list(embed_sentences(model, tokenizer, lines, **options))

    return compute


def assert_close(vectors, other):
    assert vectors.shape == other.shape
    np.testing.assert_allclose(vectors, other, rtol=0, atol=TOLERANCES["batch_invariance", "float32"])


def test_safetensors_by_line_number(folder, corpus, tmp_path, wanted, capsys):
    assert run(folder, corpus, tmp_path / "v.safetensors") == 0
    out, err = capsys.readouterr()
    assert out.strip() == f"{tmp_path / 'v.safetensors'}: 64 sentences, 372 words, each (n, 8) float32"
    assert "64 lines" in err and "empty lines: 1; each gets an array of no words, (0, 8)" in err
    with safe_open(tmp_path / "v.safetensors", framework="numpy") as file:
        assert len(file.keys()) == 64
        assert file.metadata()["layers"] == "mix" and file.metadata()["words"] == "372"
        for line, other in enumerate(wanted()):
            assert_close(file.get_tensor(str(line)), other)
    assert not (tmp_path / "v.safetensors.part").exists()


def test_hdf5_as_allennlps_command_writes_it(folder, corpus, tmp_path, wanted):
    assert run(folder, corpus, tmp_path / "v.hdf5", "--layers", "all", "--pretokenized") == 0
    with h5py.File(tmp_path / "v.hdf5") as file:
        vectors = wanted([line.split() for line in LINES], layers="all")
        assert set(file) == {*map(str, range(64)), "sentence_to_index"}
        for line, other in enumerate(vectors):
            assert_close(file[str(line)][...], other)
        assert file["1"].shape == (3, 0, 8) and file["0"].shape == (3, 3, 8)  # "sat." is one word here
        index = json.loads(file["sentence_to_index"][0])
        assert index["The cat sat."] == "3" and index["a b , c"] == "2"


def test_hdf5_variants(folder, tmp_path):
    corpus = tmp_path / "in.txt"
    corpus.write_text("a b\nc / d\n", encoding="utf-8")
    assert run(folder, corpus, tmp_path / "v.h5", "--forget-sentences") == 0
    with h5py.File(tmp_path / "v.h5") as file:
        assert set(file) == {"0", "1"}
    assert run(folder, corpus, tmp_path / "k.h5", "--use-sentence-keys", "--keep-boundaries") == 0
    with h5py.File(tmp_path / "k.h5") as file:
        assert file["a b"].shape == (4, 8) and file["c / d"].shape == (5, 8)


def test_a_numpy_folder(folder, corpus, tmp_path, wanted):
    assert run(folder, corpus, f"{tmp_path}/v/", "--layers", "2", "--dtype", "float16") == 0
    vectors, offsets = np.load(tmp_path / "v" / "vectors.npy", mmap_mode="r"), np.load(tmp_path / "v" / "offsets.npy")
    assert vectors.dtype == np.float16
    for line, other in enumerate(wanted(layers=2, dtype="float16")):
        item = vectors[offsets[line] : offsets[line + 1]].astype(np.float64)
        np.testing.assert_allclose(item, other, rtol=0, atol=TOLERANCES["half_file_against_half", "float16"])


def test_a_repeated_run_writes_the_same_bytes(folder, corpus, tmp_path, many_windows):
    for name in ("a.hdf5", "b.hdf5", "a.safetensors", "b.safetensors"):
        assert run(folder, corpus, tmp_path / name, "--max-batch-words", "20") == 0
    for suffix in ("hdf5", "safetensors"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_packed_input(folder, corpus, tmp_path, suffix):
    packed = tmp_path / f"in.txt.{suffix}"
    packed.write_bytes({"gz": gzip, "xz": lzma, "bz2": bz2}[suffix].compress(TEXT.encode()))
    for source, name in ((corpus, "a"), (packed, "b")):
        assert run(folder, source, tmp_path / f"{name}.h5") == 0
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_a_cut_off_archive_is_named(folder, tmp_path, suffix, capsys):
    packed = tmp_path / f"in.txt.{suffix}"
    packed.write_bytes({"gz": gzip, "xz": lzma, "bz2": bz2}[suffix].compress(TEXT.encode())[:-20])
    assert run(folder, packed, tmp_path / "v.h5") == 1
    assert f"in.txt.{suffix} is damaged or cut off" in line_of(capsys)


def feed_stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_stdin_is_an_input_like_a_file(folder, corpus, tmp_path, monkeypatch):
    assert run(folder, corpus, tmp_path / "a.h5") == 0
    feed_stdin(monkeypatch, TEXT.encode())
    assert run(folder, "-", tmp_path / "b.h5") == 0
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_stdin_that_is_not_utf8_is_called_by_its_name(folder, tmp_path, monkeypatch, capsys):
    feed_stdin(monkeypatch, b"fine\nbad \xff\n")
    assert run(folder, "-", tmp_path / "v.h5") == 1
    assert "standard input, line 2: not UTF-8" in line_of(capsys)


def test_lines_end_at_newlines_only(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbfa b\r\nc\xc2\x85d\xe2\x80\xa8e\x0cf\n\nlast")
    assert list(embed_corpus.read_lines(path)) == ["a b", "c\x85d\u2028e\x0cf", "", "last"]


def test_text_that_is_not_utf8_is_found_before_the_work(folder, tmp_path, capsys):
    path = tmp_path / "in.txt"
    path.write_bytes(b"fine\ncaf\xe9\n")
    assert run(folder, path, tmp_path / "v.h5") == 1
    assert "in.txt, line 2: not UTF-8 (byte 0xe9 at position 4 of the line); convert the file" in line_of(capsys)
    assert not (tmp_path / "v.h5.part").exists()


def test_an_empty_file_gives_an_empty_result(folder, tmp_path):
    (tmp_path / "in.txt").touch()
    assert run(folder, tmp_path / "in.txt", tmp_path / "v.h5") == 0
    with h5py.File(tmp_path / "v.h5") as file:
        assert set(file) == {"sentence_to_index"}


class Killed(BaseException):
    """Nothing in the program catches this."""


def kill_after(monkeypatch, pieces):
    real = Shards.append

    def append(self, arrays):
        if self.count == pieces:
            raise Killed
        real(self, arrays)

    monkeypatch.setattr(Shards, "append", append)


@pytest.mark.parametrize("kind", ["a.safetensors", "a.hdf5", "a/"])
def test_a_stopped_run_goes_on_to_the_same_bytes(folder, corpus, tmp_path, many_windows, monkeypatch, kind, capsys):
    options = ["--max-batch-words", "10", "--layers", "all"]
    whole, output = tmp_path / "whole" / kind, tmp_path / kind
    whole.parent.mkdir()
    assert run(folder, corpus, str(whole) + "/" * kind.endswith("/"), *options) == 0
    for pieces in (2, 5):
        with monkeypatch.context() as patch:
            kill_after(patch, pieces)
            with pytest.raises(Killed):
                run(folder, corpus, str(output) + "/" * kind.endswith("/"), *options)
        assert len(list(output.with_name(output.name + ".part").glob("shard-*"))) == pieces
        assert not output.exists()
    capsys.readouterr()
    assert run(folder, corpus, str(output) + "/" * kind.endswith("/"), *options) == 0
    assert "going on after line" in capsys.readouterr().err
    for path in whole.iterdir() if whole.is_dir() else [whole]:
        other = output / path.name if whole.is_dir() else output
        assert path.read_bytes() == other.read_bytes()
    assert not output.with_name(output.name + ".part").exists()


def test_stdin_goes_on_too_if_it_says_the_same(folder, tmp_path, many_windows, monkeypatch, capsys):
    options = ["--max-batch-words", "10"]
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        feed_stdin(patch, TEXT.encode())
        with pytest.raises(Killed):
            run(folder, "-", tmp_path / "v.h5", *options)
    feed_stdin(monkeypatch, b"something else\n")
    assert run(folder, "-", tmp_path / "v.h5", *options) == 1
    assert "unfinished run with other settings (input, lines: 64 there, 1 here)" in line_of(capsys)
    feed_stdin(monkeypatch, TEXT.encode())
    assert run(folder, "-", tmp_path / "v.h5", *options) == 0
    assert "going on after line" in capsys.readouterr().err


def test_pieces_of_different_runs_are_not_joined(folder, corpus, tmp_path, many_windows, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            run(folder, corpus, tmp_path / "v.h5", "--max-batch-words", "10")
    assert run(folder, corpus, tmp_path / "v.h5", "--layers", "top") == 1
    assert "other settings (layers: mix there, top here): repeat that command to finish it, or give --restart" in (
        line_of(capsys)
    )
    other = tmp_path / "other"
    model = ElmoModel.from_pretrained(folder)
    with torch.no_grad():
        model.layers[1].backward_direction.bias[0] += 1
    model.save_pretrained(other)
    ElmoTokenizer().save_pretrained(other)
    assert run(other, corpus, tmp_path / "v.h5") == 1
    assert "other settings (model)" in line_of(capsys)
    # the size of batches changes rounding only: after running out of memory it must be possible to lower it
    assert run(folder, corpus, tmp_path / "v.h5", "--max-batch-words", "7") == 0


def test_restart_throws_the_old_pieces_away(folder, corpus, tmp_path, many_windows, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            run(folder, corpus, tmp_path / "v.h5", "--max-batch-words", "10")
    capsys.readouterr()
    assert run(folder, corpus, tmp_path / "v.h5", "--layers", "top", "--restart") == 0
    assert "going on" not in capsys.readouterr().err


def test_a_kill_before_the_tidying_up_costs_nothing(folder, corpus, tmp_path, monkeypatch, capsys):
    def killed(_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(embed_corpus, "_clear", killed)
        with pytest.raises(Killed):
            run(folder, corpus, tmp_path / "v.h5")
    before = (tmp_path / "v.h5").stat().st_mtime_ns
    assert run(folder, corpus, tmp_path / "v.h5") == 0
    assert (tmp_path / "v.h5").stat().st_mtime_ns == before
    assert not (tmp_path / "v.h5.part").exists()


def test_an_existing_output_is_replaced_on_request_only(folder, corpus, tmp_path, capsys):
    output = tmp_path / "v.h5"
    output.write_text("mine", encoding="utf-8")
    assert run(folder, corpus, output) == 1
    assert "v.h5 exists already: give --overwrite, or another name" in line_of(capsys)
    assert output.read_text(encoding="utf-8") == "mine"
    assert run(folder, corpus, output, "--overwrite") == 0
    with h5py.File(output) as file:
        assert "0" in file


def test_what_was_put_beside_the_pieces_stays(folder, corpus, tmp_path, many_windows, monkeypatch):
    part = tmp_path / "v.h5.part"
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            run(folder, corpus, tmp_path / "v.h5", "--max-batch-words", "10")
    (part / "thesis.txt").write_text("mine", encoding="utf-8")
    assert run(folder, corpus, tmp_path / "v.h5", "--restart") == 0
    assert [path.name for path in part.iterdir() if path.name != "lock"] == ["thesis.txt"]


def test_an_input_that_grows_meanwhile_is_noticed(folder, corpus, tmp_path, monkeypatch, capsys):
    real = embed_corpus.scan_input

    def scan(path, keys=None):
        facts = real(path, keys)
        with open(path, "a", encoding="utf-8") as file:
            file.write("one more\n")
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(embed_corpus, "scan_input", scan)
        assert run(folder, corpus, tmp_path / "v.h5") == 1
    assert "in.txt changed while it was read: give --restart" in line_of(capsys)
    assert not (tmp_path / "v.h5").exists()
    assert run(folder, corpus, tmp_path / "v.h5", "--restart") == 0
    with h5py.File(tmp_path / "v.h5") as file:
        assert "64" in file


def test_two_runs_do_not_write_the_same_output(folder, corpus, tmp_path, capsys):
    from huggingface_hub.utils import WeakFileLock

    (tmp_path / "v.h5.part").mkdir()
    with WeakFileLock(tmp_path / "v.h5.part" / "lock"):
        assert run(folder, corpus, tmp_path / "v.h5") == 1
    assert "another hf-elmo embed is writing" in line_of(capsys)


def test_out_of_memory_says_what_to_lower(folder, corpus, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(embed, "_embed_window", fail)
    assert run(folder, corpus, tmp_path / "v.h5") == 1
    assert "out of memory after line 0: give a smaller --max-batch-words (now 4096)" in line_of(capsys)


def test_too_little_room_is_seen_before_the_work(folder, corpus, tmp_path, monkeypatch, capsys):
    import shutil

    monkeypatch.setattr(embed_corpus.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    assert run(folder, corpus, tmp_path / "v.h5", "--pretokenized") == 1
    assert "GB free, this needs 0.0 GB" in line_of(capsys)


def test_wrong_inputs_are_explained(folder, corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "options.json").write_text("{}", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    cases = {
        ("small", corpus, "v.h5"): "small must be converted first: hf-elmo convert small elmo-small",
        ("source", corpus, "v.h5"): "source must be converted first: hf-elmo convert source source-hf",
        ("empty", corpus, "v.h5"): "empty has no config.json; give a folder that hf-elmo convert has written",
        ("nowhere", corpus, "v.h5"): "nowhere: no such folder; give one from hf-elmo convert",
        ("./no/model", corpus, "v.h5"): "./no/model: no such folder",
        ("bert", corpus, "v.h5"): "bert is a bert model; needed is an ELMo model",
        ("no/model", corpus, "v.h5"): "no/model: ",
        (folder, "no.txt", "v.h5"): "no.txt is no file",
        (folder, corpus, "v.doc"): "cannot tell the format of v.doc",
        (folder, corpus, "no/v.h5"): "the folder no of the output does not exist",
        (folder, corpus, "v.h5", "--layers", "3"): "layers must be all, top, mean, mix or a layer number from 0",
        (folder, corpus, "v/", "--use-sentence-keys"): "a NumPy folder has no keys",
        (folder, corpus, "v.h5", "--use-sentence-keys"): "line 2 is empty",
        (folder, corpus, "v.h5", "--device", "nonsense"): "--device nonsense cannot be used",
    }
    for arguments, message in cases.items():
        assert run(*arguments) == 1, arguments
        assert message in line_of(capsys)
        assert not list(tmp_path.glob("v*")), arguments


def test_a_model_with_missing_weights_is_refused(folder, corpus, tmp_path, capsys):
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    ElmoModel.from_pretrained(folder).save_pretrained(broken)
    ElmoTokenizer().save_pretrained(broken)
    weights = load_file(broken / "model.safetensors")
    del weights["layers.0.forward_direction.bias"]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    assert run(broken, corpus, tmp_path / "v.h5") == 1
    assert "broken lacks 1 weights (layers.0.forward_direction.bias, ...)" in line_of(capsys)


KILL_ME = (
    "import sys, hf_elmo.embed as e; e.WINDOW_BYTES = 1; from hf_elmo.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.slow
def test_kill_9_and_the_same_command_again(folder, tmp_path):
    """About 25 s: three processes that import torch."""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    corpus = tmp_path / "in.txt"
    corpus.write_text("".join(f"{line}\n" for line in LINES) * 60, encoding="utf-8")
    output, part = tmp_path / "v.hdf5", tmp_path / "v.hdf5.part"

    def command(target):
        options = ["--max-batch-words", "100", "--threads", "1"]
        return [sys.executable, "-c", KILL_ME, "embed", str(folder), str(corpus), str(target), *options]

    process = subprocess.Popen(command(output), env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(part.glob("shard-*.safetensors"))) < 20 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(list(part.glob("shard-*.safetensors")))
    assert done >= 20 and not output.exists()

    second = subprocess.run(command(output), env=environment, capture_output=True, text=True)
    assert second.returncode == 0 and "going on after line" in second.stderr
    assert subprocess.run(command(tmp_path / "whole.hdf5"), env=environment, stderr=subprocess.DEVNULL).returncode == 0
    assert output.read_bytes() == (tmp_path / "whole.hdf5").read_bytes()
