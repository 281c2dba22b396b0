# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tables of static vectors: what 4 bits keep, that the words are the right ones, and where such a table is taken."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest
from support import ROOT

from hf_elmo import pretrained
from hf_elmo.finetune.models import ModelError, give_vocabulary, load_config_and_tokenizer, load_model
from hf_elmo.finetune.options import ModelArguments
from hf_elmo.pretrained import PretrainedError
from hf_elmo.pretrained.static_vectors import export_text, load, main, packed, save, unpacked, words_of

NAME = "word2vec-mini-en"


@pytest.fixture
def vectors(in_the_box):
    """One of 6 numbers for each word of the stand-in for elmo-mini-en."""
    draw = np.random.default_rng(3)
    return {word: draw.normal(size=6).astype(np.float32) for word in words_of("elmo-mini-en")}


@pytest.fixture
def table(vectors, in_the_box, tmp_path, monkeypatch):
    """A stand-in for the table of the box."""
    folder = tmp_path / "box" / NAME
    for model in in_the_box.iterdir():
        (tmp_path / "box").mkdir(exist_ok=True)
        (tmp_path / "box" / model.name).symlink_to(model)
    monkeypatch.setattr(pretrained, "ROOT", tmp_path / "box")
    save(vectors, folder, words_from="elmo-mini-en", facts={"algorithm": "word2vec"}, texts={"README.md": "# Ä\n"})
    return folder


def test_sixteen_levels_bound_the_error_and_keep_the_direction():
    rows = np.random.default_rng(0).normal(size=(300, 128)).astype(np.float32) * np.geomspace(1e-3, 1e3, 300)[:, None]
    codes, scales = packed(rows.astype(np.float32))
    assert codes.shape == (300, 64) and codes.dtype == np.uint8 and scales.dtype == np.float16
    again = unpacked(codes, scales)
    assert again.dtype == np.float32
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(rows, again, strict=True)]
    # The best uniform quantizer of 4 bits has an error of 1.15 % of a Gaussian's energy (Max 1960): cosine 0.994.
    assert np.mean(cosines) > 0.993 and min(cosines) > 0.98
    for row, values in zip(again, rows, strict=True):
        assert len(np.unique(row)) <= 16
        inside = np.abs(values) < np.abs(row).max()
        steps = np.diff(np.unique(row)).max()
        assert np.abs(row - values)[inside].max() <= steps / 2 * 1.001


def test_numbers_on_the_levels_come_back_exactly():
    row = (np.arange(16, dtype=np.float32) - 7.5) * 0.25
    rows = np.stack([row, -2 * row, row[::-1]])
    np.testing.assert_array_equal(unpacked(*packed(rows)), rows)


def test_a_row_of_zeros_stays_small():
    codes, scales = packed(np.zeros((1, 4), np.float32))
    np.testing.assert_array_equal(unpacked(codes, scales), np.zeros((1, 4)))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\); needed is \(words, dimension\), dimension even"),
        (np.array([[1.0, np.nan]]), "not finite"),
        (np.array([[1.0, 1e9]]), "beyond what float16 scales reach"),
    ],
)
def test_what_cannot_be_rounded(rows, message):
    with pytest.raises(ValueError, match=message):
        packed(rows)


def test_a_table_comes_back_with_the_words_of_the_model(table, vectors):
    words, matrix = load(NAME)
    assert words == tuple(vectors) and matrix.dtype == np.float32 and matrix.shape == (len(vectors), 6)
    for word, row in zip(words, matrix, strict=True):
        assert np.abs(row - vectors[word]).max() <= np.abs(vectors[word]).max() / 7.5
    config = json.loads((table / "config.json").read_text(encoding="utf-8"))
    assert config["algorithm"] == "word2vec" and config["dimension"] == 6 and config["words"] == len(words)
    assert {path.name for path in table.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    np.testing.assert_array_equal(load(table)[1], matrix)  # by its folder, too


def test_other_words_in_the_vocabulary_are_noticed(table, tmp_path):
    tokenizer = tmp_path / "box" / "elmo-mini-en"
    folder = tokenizer.resolve()
    tokenizer.unlink()
    tokenizer.mkdir()
    for file in folder.iterdir():
        (tokenizer / file.name).write_bytes(file.read_bytes().replace(b'"cat"', b'"cot"'))
    with pytest.raises(
        PretrainedError, match="for other words than the .* of elmo-mini-en: .* install the package again"
    ):
        load(NAME)


def test_a_damaged_file_is_one_line(table):
    weights = table / "model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[:-3], b"", b"no tensors"):
        weights.write_bytes(damaged)
        with pytest.raises(PretrainedError, match="holds no static vectors") as caught:
            load(NAME)
        assert "\n" not in str(caught.value)
    weights.unlink()
    with pytest.raises(PretrainedError, match="this installation lacks model.safetensors"):
        load(NAME)


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "elmo"}'])
def test_a_folder_of_something_else(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(PretrainedError, match="static vectors"):
        load(tmp_path)


def test_words_without_vectors_and_folders_in_use_are_refused(vectors, tmp_path):
    with pytest.raises(PretrainedError, match=r"^1 words of elmo-mini-en have no vector, 'cat' the first of them"):
        few = {word: vector for word, vector in vectors.items() if word != "cat"}
        save(few, tmp_path / "out", words_from="elmo-mini-en")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(PretrainedError, match="mine"):
            save(vectors, tmp_path / "mine", words_from="elmo-mini-en", overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    save(vectors, tmp_path / "out", words_from="elmo-mini-en")
    save(vectors, tmp_path / "out", words_from="elmo-mini-en", overwrite=True)


@pytest.mark.parametrize("ending", [".txt", ".txt.gz"])
def test_text_and_back(ending, table, tmp_path, capsys):
    text = tmp_path / f"vectors{ending}"
    assert main(["export", NAME, str(text)]) == 0
    opener = gzip.open if ending.endswith("gz") else open
    with opener(text, "rt", encoding="utf-8") as lines:
        header, *rows = lines.read().splitlines()
    words, matrix = load(NAME)
    assert header == f"{len(words)} 6" and [row.split(" ")[0] for row in rows] == list(words)
    np.testing.assert_array_equal(np.array([row.split(" ")[1:] for row in rows], np.float32), matrix)
    (tmp_path / "facts.json").write_text('{"seed": 1}')
    pack = ["pack", str(text), str(tmp_path / "again"), "--words_of", "elmo-mini-en"]
    assert main([*pack, "--facts", str(tmp_path / "facts.json")]) == 0
    again = load(tmp_path / "again")[1]
    cosines = (again * matrix).sum(1) / np.linalg.norm(again, axis=1) / np.linalg.norm(matrix, axis=1)
    assert min(cosines) > 0.99 and "vectors in" in capsys.readouterr().out
    np.testing.assert_allclose(again, matrix, atol=0.1 * np.abs(matrix).max())
    assert main(pack) == 1
    assert capsys.readouterr().err.startswith("hf_elmo.pretrained.static_vectors: ")


def test_nothing_is_left_where_text_cannot_be_written(table, tmp_path):
    with pytest.raises(OSError):
        export_text(NAME, tmp_path / "no" / "folder.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"box"}


def test_a_table_is_no_model(table, tmp_path, monkeypatch):
    with pytest.raises(
        PretrainedError, match=f"{NAME} is a table of static vectors and no model: .* --static_vectors"
    ):
        pretrained.resolve(NAME)
    with pytest.raises(PretrainedError, match="'elmo-mini-en' is no table of the box; there is word2vec-mini-en"):
        pretrained.static_path_of("elmo-mini-en")
    with pytest.raises(ModelError, match="is a table of static vectors and no model"):
        load_config_and_tokenizer(ModelArguments(model=NAME), False)


def test_fine_tuning_takes_the_name(table, vectors):
    arguments = ModelArguments(from_scratch="elmo-tiny", static_vectors=NAME)
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    tokenizer = give_vocabulary(tokenizer, config, arguments, [["cat", "unheard-of"]])
    prepared = load_model(arguments, config, tokenizer, "AutoModelForTokenClassification")
    assert prepared.notes == [f"static vectors: 1 of 5 words in {NAME}, 0 more in lower case, 4 without"]
    words, matrix = load(NAME)
    (rows,) = [p for name, p in prepared.model.named_parameters() if "static" in name]
    np.testing.assert_array_equal(rows[tokenizer.get_vocab()["cat"]].detach(), matrix[words.index("cat")])


def test_reading_loads_no_torch():
    code = (
        "import sys; sys.argv[0] = 'hf-elmo'; from hf_elmo.pretrained.static_vectors import load; "
        "load('word2vec-mini-en'); print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_table_of_the_box():
    words, matrix = load(NAME)
    assert len(words) == 19_997 and words[:3] == (",", "the", ".") and matrix.shape == (19_997, 128)
    assert np.isfinite(matrix).all() and (np.linalg.norm(matrix, axis=1) > 0.1).all()
    config = json.loads((pretrained.static_path_of(NAME) / "config.json").read_text(encoding="utf-8"))
    assert config["storage"]["mean_cosine"] > 0.99 and config["corpus"]["fingerprint"]
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    row = {word: number for number, word in enumerate(words)}
    pairs = [("king", "queen"), ("France", "Germany"), ("three", "four"), ("river", "lake"), ("wrote", "written")]
    for a, b in pairs:
        near = unit @ unit[row[a]]
        assert (near > near[row[b]]).sum() < 100, (a, b)  # among the nearest 100 of 19,997
