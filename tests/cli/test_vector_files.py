# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The three formats of vector files, and the pieces they are made from."""

import json

import h5py
import numpy as np
import pytest
from safetensors import safe_open

from hf_elmo import vector_files
from hf_elmo.vector_files import (
    KeyCheck,
    Shards,
    VectorFileError,
    VectorShape,
    check_output,
    format_of,
    is_assembled,
    write_vectors,
)

FLAT, LAYERED = VectorShape(0, 4, "float32"), VectorShape(3, 4, "float16")
LENGTHS = [2, 0, 5, 1, 0, 3]


def make_arrays(shape):
    numbers = np.random.default_rng(0)
    return [numbers.normal(size=shape.of(words)).astype(shape.dtype) for words in LENGTHS]


@pytest.fixture(params=[FLAT, LAYERED], ids=["flat", "layered"])
def filled(request, tmp_path):
    folder = tmp_path / "out.part"
    folder.mkdir()
    shards, arrays = Shards(folder, request.param), make_arrays(request.param)
    shards.append(arrays[:3])
    shards.append(arrays[3:])
    return shards, arrays


@pytest.mark.parametrize(
    ("output", "explicit", "kind"),
    [
        ("v.safetensors", None, "safetensors"),
        ("v.HDF5", None, "hdf5"),
        ("a/v.h5", None, "hdf5"),
        ("vectors/", None, "npy"),
        ("v.bin", "hdf5", "hdf5"),
    ],
)
def test_the_format_follows_from_the_name(output, explicit, kind):
    assert format_of(output, explicit) == kind


def test_names_that_tell_no_format_are_refused():
    with pytest.raises(
        VectorFileError, match=r"cannot tell the format of v.txt: .*\.safetensors, \.hdf5, \.h5 or a slash"
    ):
        format_of("v.txt")
    with pytest.raises(VectorFileError, match=r"a folder, not a \.npz file: write v/ "):
        format_of("v.npz")


def test_pieces_come_back_in_order(filled):
    shards, arrays = filled
    for shard_set in (shards, Shards(shards.folder, shards.shape)):
        assert list(shard_set.lengths) == LENGTHS
        for item, wanted in zip(shard_set, arrays, strict=True):
            np.testing.assert_array_equal(item, wanted)


def test_a_cut_off_piece_and_all_after_it_are_dropped(filled):
    shards, _ = filled
    first = shards.folder / "shard-000000.safetensors"
    first.write_bytes(first.read_bytes()[:-1])
    (shards.folder / "shard-000007.safetensors.new").write_bytes(b"half")
    again = Shards(shards.folder, shards.shape)
    assert (again.count, list(again.lengths)) == (0, [])
    assert not list(shards.folder.glob("shard-*"))


def test_safetensors_holds_one_tensor_for_each_line(filled, tmp_path):
    shards, arrays = filled
    output = tmp_path / "out.safetensors"
    write_vectors("safetensors", output, shards, None, None, {"layers": "mix"})
    with safe_open(output, framework="numpy") as file:
        assert sorted(file.keys()) == [str(line) for line in range(len(LENGTHS))]
        assert file.metadata() == {"layers": "mix"}
        for line, wanted in enumerate(arrays):
            item = file.get_tensor(str(line))
            assert item.dtype == wanted.dtype
            np.testing.assert_array_equal(item, wanted)
    assert is_assembled(shards.folder, "safetensors")


def test_safetensors_that_could_not_be_read_again_are_not_written(filled, tmp_path, monkeypatch):
    monkeypatch.setattr("hf_elmo.vector_files.LARGEST_SAFETENSORS_HEADER", 200)
    with pytest.raises(VectorFileError, match="too many sentences for one .safetensors file .*NumPy folder"):
        write_vectors("safetensors", tmp_path / "out.safetensors", filled[0], None, None, {})
    assert not (tmp_path / "out.safetensors").exists()


def test_hdf5_has_the_layout_of_allennlp(filled, tmp_path):
    shards, arrays = filled
    sentences = ["a b", "", "the same", "c", "", "the same"]
    write_vectors("hdf5", tmp_path / "out.hdf5", shards, None, sentences, {})
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert set(file) == {*map(str, range(len(LENGTHS))), "sentence_to_index"}
        for line, wanted in enumerate(arrays):
            np.testing.assert_array_equal(file[str(line)][...], wanted)
        index = file["sentence_to_index"]
        assert index.shape == (1,) and h5py.check_string_dtype(index.dtype).length is None
        assert json.loads(index[0]) == {"a b": "0", "": "4", "the same": "5", "c": "3"}  # the last of equal ones


def test_hdf5_with_sentences_as_keys(filled, tmp_path):
    shards, arrays = filled
    sentences = ["a b", "c / d", "c / e", "f", "g", "h"]
    write_vectors("hdf5", tmp_path / "out.hdf5", shards, sentences, None, {})
    with h5py.File(tmp_path / "out.hdf5") as file:
        np.testing.assert_array_equal(file["c / e"][...], arrays[2])
        assert "sentence_to_index" not in file


def test_a_numpy_folder_can_be_memory_mapped(filled, tmp_path):
    shards, arrays = filled
    (tmp_path / "out").mkdir()
    write_vectors("npy", tmp_path / "out", shards, None, None, {"layers": "mix"})
    vectors = np.load(tmp_path / "out" / "vectors.npy", mmap_mode="r")
    offsets = np.load(tmp_path / "out" / "offsets.npy")
    assert vectors.dtype == arrays[0].dtype and vectors.shape == shards.shape.of(sum(LENGTHS))
    for line, wanted in enumerate(arrays):
        np.testing.assert_array_equal(vectors[..., offsets[line] : offsets[line + 1], :], wanted)
    assert json.loads((tmp_path / "out" / "info.json").read_text(encoding="utf-8")) == {"layers": "mix"}


def make_folder(path, *names, info=None):
    path.mkdir()
    for name in names:
        (path / name).write_text(name, encoding="utf-8")
    if info is not None:
        (path / "info.json").write_text(info, encoding="utf-8")
    return path


OURS = '{"format": "hf_elmo embed"}'


@pytest.mark.parametrize(
    ("names", "info", "shown"),
    [
        (["thesis.txt"], None, "thesis.txt"),
        (["vectors.npy"], None, "vectors.npy"),
        (["vectors.npy"], "[]", "info.json, vectors.npy"),
        (["vectors.npy"], "no json", "info.json, vectors.npy"),
        (["vectors.npy"], '{"format": "another"}', "info.json, vectors.npy"),
        (["offsets.npy"], OURS, "info.json, offsets.npy"),
        (["vectors.npy", "thesis.txt"], OURS, "thesis.txt"),  # ours, but not all of it
        (["a", "b", "c", "d", "e"], None, "a, b, c, ..."),
    ],
)
def test_a_folder_of_somebody_else_is_never_replaced(filled, tmp_path, names, info, shown):
    output = make_folder(tmp_path / "out", *names, info=info)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    message = (
        rf"out is a folder with files that are not from hf-elmo embed \({shown}\): give another name, or empty it"
    )
    with pytest.raises(VectorFileError, match=message):
        write_vectors("npy", output, filled[0], None, None, {})
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


@pytest.mark.parametrize("kind", ["safetensors", "hdf5"])
def test_a_file_never_replaces_a_folder(filled, tmp_path, kind):
    for output in (make_folder(tmp_path / "empty"), make_folder(tmp_path / "ours", "vectors.npy", info=OURS)):
        with pytest.raises(
            VectorFileError, match=rf"{output.name} is a folder, and {kind} is one file: give another name"
        ):
            write_vectors(kind, output, filled[0], None, None, {})
        assert output.is_dir()


def test_an_old_folder_of_ours_is_replaced(filled, tmp_path):
    output = tmp_path / "out"
    for layers in ("mix", "top"):
        metadata = {"format": "hf_elmo embed", "layers": layers}
        write_vectors("npy", output, filled[0], None, None, metadata)
        check_output("npy", output)
        assert json.loads((output / "info.json").read_text(encoding="utf-8")) == metadata


@pytest.mark.parametrize("kind", ["safetensors", "hdf5", "npy"])
@pytest.mark.parametrize("lengths", [[], [0, 0]], ids=["no sentences", "no words"])
def test_nothing_can_be_written_too(kind, lengths, tmp_path):
    shards = Shards(tmp_path, FLAT)
    shards.append([np.zeros(FLAT.of(words), np.float32) for words in lengths])
    output = tmp_path / "out"
    write_vectors(kind, output, shards, None, [""] * len(lengths), {})
    if kind == "npy":
        assert np.load(output / "vectors.npy").shape == (0, 4)
    elif kind == "hdf5":
        with h5py.File(output) as file:
            assert len(file) == len(lengths) + 1
    else:
        with safe_open(output, framework="numpy") as file:
            assert len(file.keys()) == len(lengths)


def test_an_old_output_stays_until_the_new_one_is_whole(filled, tmp_path, monkeypatch):
    output = tmp_path / "out.hdf5"
    output.write_text("old", encoding="utf-8")

    def fail(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("hf_elmo.vector_files._sync", fail)
        with pytest.raises(OSError, match="disk full"):
            write_vectors("hdf5", output, filled[0], None, None, {})
    assert output.read_text(encoding="utf-8") == "old"
    assert not is_assembled(filled[0].folder, "hdf5")
    write_vectors("hdf5", output, filled[0], None, None, {})
    assert is_assembled(filled[0].folder, "hdf5")
    with h5py.File(output) as file:
        assert "0" in file


def check(kind, *keys):
    checker = KeyCheck(kind)
    for line, key in enumerate(keys):
        checker.add(line, key)
    checker.raise_if_repeated()


def test_keys_that_no_file_can_hold_are_found_early():
    check("hdf5", "a", "b / c", "b / d", "e/.", "sentence_to_index")
    check("safetensors", "a", "a/b", ".")
    with pytest.raises(VectorFileError, match="lines 1, 3: equal sentences cannot all be keys"):
        check("safetensors", "a", "b", "a")
    with pytest.raises(VectorFileError, match="line 2 is empty"):
        check("safetensors", "a", "")
    with pytest.raises(VectorFileError, match="line 1 .*__metadata__.* is no possible key"):
        check("safetensors", "__metadata__")
    for key in (".", "/", "a\0b"):
        with pytest.raises(VectorFileError, match="line 1 .* is no possible key"):
            check("hdf5", key)
    with pytest.raises(VectorFileError, match="lines 1, 2: equal"):
        check("hdf5", "a/b", "a//./b")  # one and the same path for HDF5
    with pytest.raises(VectorFileError, match="line 2 is the beginning of another line up to a '/'"):
        check("hdf5", "a/b", "a")


def test_a_kill_while_a_folder_is_replaced_can_be_repeated(filled, tmp_path, monkeypatch):
    shards, output = filled[0], tmp_path / "out"
    write_vectors("npy", output, shards, None, None, {"format": "hf_elmo embed"})
    real = vector_files.os.replace

    def replace(source, target):
        if target == output:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(vector_files.os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            write_vectors("npy", output, shards, None, None, {"format": "hf_elmo embed"})
    assert not output.exists() and not is_assembled(shards.folder, "npy")
    write_vectors("npy", output, shards, None, None, {"format": "hf_elmo embed"})
    check_output("npy", output)
    assert not (shards.folder / "replaced").exists()
