# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import h5py
import numpy as np

from hf_elmo.conversion import convert
from hf_elmo.examples import FOLDER, write_example_model


def read(path):
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def test_the_bundled_model_is_what_its_script_writes(tmp_path):
    write_example_model(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["options.json", "weights.hdf5"]
    assert (tmp_path / "options.json").read_text() == (FOLDER / "options.json").read_text()
    written, bundled = read(tmp_path / "weights.hdf5"), read(FOLDER / "weights.hdf5")
    assert written.keys() == bundled.keys()
    for name, array in bundled.items():
        np.testing.assert_array_equal(written[name], array, err_msg=name)
        assert array.dtype == np.float32


def test_the_bundled_model_converts(tmp_path):
    assert convert(FOLDER, tmp_path / "out", verify=True)["repaired"] == []
    assert (FOLDER / "weights.hdf5").stat().st_size < 150_000


def test_sentences_are_words_separated_by_blanks():
    sentences = (FOLDER / "sentences.txt").read_text(encoding="utf-8").splitlines()
    assert len(sentences) == 14 and all(sentence.split(" ") == sentence.split() for sentence in sentences)
    assert sum(any("\u4e00" <= char <= "\u9fff" for char in sentence) for sentence in sentences) == 2
