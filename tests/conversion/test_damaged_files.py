# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Damaged, wrong and hostile files: one clear line, nothing written, no hang, no crash."""

import json
import struct
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from mutations import mutate, pristine_model
from support import ROOT
from tiny_checkpoints import options_of_variant, random_softmax, random_weights, write_hdf5, write_tiny_model

from hf_elmo.conversion import ConversionError, convert
from hf_elmo.conversion.allennlp import read_allennlp

W_P = "RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell/W_P_0"


@pytest.fixture
def source(tmp_path):
    return write_tiny_model(tmp_path / "source")


def read(source):
    return read_allennlp(source / "options.json", source / "weights.hdf5")


def replace(source, name, make):
    """Put what `make(file, name)` creates in the place of a dataset."""
    with h5py.File(source / "weights.hdf5", "r+") as file:
        del file[name]
        make(file, name)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        (W_P, lambda f, n: None, rf"weights.hdf5: dataset {W_P} of shape \(10, 6\) is missing"),
        ("char_embed", lambda f, n: None, r"dataset char_embed of shape \(261, 4\) is missing"),
        ("CNN_proj/W_proj", lambda f, n: f.create_group(n), r"dataset CNN_proj/W_proj of shape \(15, 6\) is missing"),
        (W_P, lambda f, n: f.create_dataset(n, data=np.ones((6, 10), "f4")), r"W_P_0 has shape \(6, 10\); options.json needs \(10, 6\)"),
        (W_P, lambda f, n: f.create_dataset(n, data=np.ones((10, 6), "i4")), r"W_P_0 \(10, 6\) has dtype int32; needed are floating-point"),
        (W_P, lambda f, n: f.create_dataset(n, data=np.ones((10, 6), "c8")), "has dtype complex64; needed are floating-point"),
        (W_P, lambda f, n: f.create_dataset(n, data=np.full((10, 6), np.nan, "f4")), r"W_P_0 \(10, 6\) holds NaN or infinity at 60 of 60 places"),
        (W_P, lambda f, n: f.create_dataset(n, data=np.full((10, 6), 1e300)), "holds NaN or infinity at 60 of 60"),
        (W_P, lambda f, n: f.create_dataset(n, (10, 6), "f4"), "W_P_0 was never written; needed is shape"),
        (W_P, lambda f, n: f.create_dataset(n, (10, 6), "f4", chunks=(5, 6)).__setitem__(slice(5), 1), "W_P_0 has only 120 of its 240 bytes"),
        (W_P, lambda f, n: f.create_dataset(n, (10**6, 10**6), "f4", chunks=(16, 16), compression="gzip"), "W_P_0 claims 4000000000000 bytes, more than the file"),
        (W_P, lambda f, n: f.create_dataset(n, (10, 6), "f4", external=[("x", 0, 240)]), "W_P_0 lies in another file"),
        (W_P, lambda f, n: f.__setitem__(n, h5py.Empty("f4")), "W_P_0 has no shape"),
        (W_P, lambda f, n: f.__setitem__(n, np.dtype("f4")), "W_P_0 is no dataset"),
        (W_P, lambda f, n: f.__setitem__(n, h5py.SoftLink("/char_embed")), "W_P_0 .* is missing"),
        ("CNN/b_cnn_0", lambda f, n: f.create_dataset("CNN/b_cnn_9", data=np.ones(4, "f4")), r"CNN/b_cnn_0 of shape \(4,\) is missing"),
    ],
)  # fmt: skip
def test_a_wrong_dataset_is_refused_by_name(source, name, make, message):
    replace(source, name, make)
    with pytest.raises(ConversionError, match=message) as caught:
        read(source)
    assert "\n" not in str(caught.value)


def test_a_surplus_dataset_is_refused_by_name(source):
    write_hdf5(source / "weights.hdf5", random_weights() | {"lm/extra": np.ones((2, 3), np.float32)})
    with pytest.raises(ConversionError, match=r"dataset lm/extra of shape \(2, 3\) belongs to no part of the model"):
        read(source)


def test_options_of_another_model(source):
    (source / "options.json").write_text(json.dumps(options_of_variant("three_layers")))
    with pytest.raises(ConversionError, match=r"Cell2/LSTMCell/W_0 of shape .* is missing \(and 5 more\)"):
        read(source)
    (source / "options.json").write_text(json.dumps(options_of_variant("one_layer")))
    with pytest.raises(ConversionError, match=r"Cell1/LSTMCell/B of shape .*\(and 5 more\) belongs to no part"):
        read(source)
    options = options_of_variant()
    options["lstm"]["dim"] = 1_000_000
    (source / "options.json").write_text(json.dumps(options))
    with pytest.raises(ConversionError, match=r"W_0 has shape \(12, 40\); options.json needs \(12, 4000000\)"):
        read(source)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embedding": np.ones((9, 6), np.float32)}, "holds cached word vectors .* Give it as token_embeddings"),
        (random_softmax(9), "holds a softmax, not a model. Give it as softmax"),
        (
            {"embedding": np.ones((9, 6), np.float32), "RNN_0/RNN/LSTMCell/B": np.ones(4, np.float32)},
            r"reads words from a fixed list \(dataset embedding \(9, 6\)\), not characters. .* cannot be converted",
        ),
        ({"x": np.ones(2, np.float32)}, r"char_embed .* is missing \(and .*; the file holds x"),
    ],
)
def test_files_of_other_kinds_are_recognised(source, arrays, message):
    write_hdf5(source / "weights.hdf5", arrays)
    with pytest.raises(ConversionError, match=message):
        read(source)


@pytest.mark.parametrize(
    ("dtype", "note"),
    [("f2", "33? datasets were stored as float16 and widened"), ("f8", "float64 and rounded"), (">f4", None)],
)
def test_other_floating_dtypes_are_accepted_and_said(tmp_path, source, dtype, note):
    weights = {name: array.astype(dtype) for name, array in random_weights().items()}
    write_hdf5(source / "weights.hdf5", weights)
    if note is not None:
        note = note.replace("33?", str(len(weights)))
    report = convert(source, tmp_path / "out", verify=True)
    assert len(report["notes"]) == (note is not None)
    assert note is None or note in report["notes"][0]


def test_compressed_files_are_read(tmp_path, source):
    write_hdf5(source / "weights.hdf5", random_weights(), compression="gzip", shuffle=True, fletcher32=True)
    expected = random_weights()["char_embed"]
    np.testing.assert_array_equal(read(source).tensors["char_cnn.char_embeddings.weight"][1:], expected)


@pytest.mark.parametrize("row", [0.0, 1.0])
def test_a_table_with_its_padding_row_is_accepted_only_if_that_is_zero(source, row):
    weights = random_weights()
    table = weights["char_embed"]
    weights["char_embed"] = np.vstack([np.full_like(table[:1], row), table])
    write_hdf5(source / "weights.hdf5", weights)
    if row:
        with pytest.raises(ConversionError, match=r"char_embed has shape \(262, 4\), and row 0 is not zero"):
            read(source)
        return
    result = read(source)
    np.testing.assert_array_equal(result.tensors["char_cnn.char_embeddings.weight"][1:], table)
    assert "row for padding" in result.repaired[0]


@pytest.mark.parametrize("keep", [0, 7, 100, 4000, -1])
def test_truncated_files(tmp_path, source, keep):
    content = (source / "weights.hdf5").read_bytes()
    (source / "weights.hdf5").write_bytes(content[:keep])
    with pytest.raises(ConversionError, match="weights.hdf5 is no readable HDF5 file"):
        convert(source, tmp_path / "out")


def loop_in_heap(path):
    """Make a list of free blocks of the file lead to itself; HDF5 2.0 then takes memory until there is none."""
    content = path.read_bytes()
    block = b"LSTMCell" + bytes(8) + struct.pack("<Q", 1)
    assert block in content
    path.write_bytes(content.replace(block, block[:-8] + struct.pack("<Q", 24)))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the memory of a process")
def test_a_file_that_makes_hdf5_take_all_memory(source):
    loop_in_heap(source / "weights.hdf5")
    with pytest.raises(ConversionError, match="weights.hdf5"):
        read(source)


def test_a_file_that_takes_too_long(source, monkeypatch):
    loop_in_heap(source / "weights.hdf5")
    monkeypatch.setattr("hf_elmo.conversion.hdf5_reader.SECONDS_TO_START", 0.5)
    monkeypatch.setattr("hf_elmo.conversion.hdf5_reader.SECONDS_PER_MILLION_BYTES", 0.0)
    monkeypatch.setattr("hf_elmo.conversion.hdf5_reader.BOOT", "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(ConversionError, match="the HDF5 library took too long while its datasets were listed"):
        read(source)
    assert time.monotonic() - started < 10


def test_a_crash_of_the_library_is_one_line(source, monkeypatch):
    monkeypatch.setattr(
        "hf_elmo.conversion.hdf5_reader.BOOT", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    )
    with pytest.raises(
        ConversionError, match=r"the HDF5 library crashed \(signal 11\) while its datasets were listed"
    ):
        read(source)


def test_the_working_directory_is_not_on_the_readers_path(source, monkeypatch):
    (source / "h5py.py").write_text("raise SystemExit('a file of the source folder was run')")
    monkeypatch.chdir(source)
    read(source)


def check_mutations(tmp_path, monkeypatch, numbers) -> dict:
    """Convert each damaged model; anything but a folder or a `ConversionError` is a failure."""
    monkeypatch.setattr("hf_elmo.conversion.hdf5_reader.SECONDS_TO_START", 10.0)
    pristine = pristine_model(tmp_path / "pristine")
    counts = {"converted": 0, "refused": 0, "slowest": 0.0}
    for number in numbers:
        work = tmp_path / "work"
        work.mkdir()
        source, what = mutate(pristine, work / "source", number)
        before = sorted(path.name for path in source.iterdir())
        started = time.monotonic()
        try:
            convert(source, work / "out")
            counts["converted"] += 1
            wanted = ["out", "source"]
        except ConversionError as error:
            counts["refused"] += 1
            wanted = ["source"]
            assert "\n" not in str(error) and 10 < len(str(error)) < 600, (number, what, str(error))
        except BaseException as error:
            raise AssertionError(f"mutation {number} ({what}) ended with {type(error).__name__}: {error}") from error
        counts["slowest"] = max(counts["slowest"], time.monotonic() - started)
        assert sorted(path.name for path in work.iterdir()) == wanted, (number, what)
        assert sorted(path.name for path in source.iterdir()) == before, (number, what)
        for path in sorted(work.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        work.rmdir()
    assert counts["slowest"] < 30
    return counts


def test_ten_damaged_models(tmp_path, monkeypatch):
    counts = check_mutations(tmp_path, monkeypatch, range(10))
    assert counts["refused"] > 5 and counts["converted"] > 0


@pytest.mark.extended
@pytest.mark.slow
def test_two_thousand_damaged_models(tmp_path, monkeypatch):
    counts = check_mutations(tmp_path, monkeypatch, range(1000, 3000))
    print(counts)
    assert counts["refused"] > 1000 and counts["converted"] > 100


@pytest.mark.skipif(sys.platform != "linux", reason="address space is only limited on Linux")
@pytest.mark.parametrize("room", [2**26, 2**34])
def test_a_limit_of_memory_under_the_one_of_the_system(room):
    """A finite hard limit can be lowered but not lifted; asking for that would leave no limit at all."""
    code = (
        "import resource, runpy, sys\n"
        "limit_memory = runpy.run_path(sys.argv[1])['limit_memory']\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "hard = size + int(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (hard, hard))\n"
        "limit_memory(2**28)\n"
        "print(resource.getrlimit(resource.RLIMIT_AS)[0] - size, resource.getrlimit(resource.RLIMIT_AS)[1] == hard)\n"
    )
    command = [sys.executable, "-c", code, str(ROOT / "conversion" / "hdf5_child.py"), str(room)]
    more, kept = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert kept == "True"
    assert int(more) == room if room < 2**28 else abs(int(more) - 2**28) < 2**24
