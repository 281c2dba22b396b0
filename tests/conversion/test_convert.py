# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import json
import os
import shutil
import stat
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import (
    allennlp_state_dict,
    random_softmax,
    random_weights,
    write_hdf5,
    write_tiny_model,
)
from tolerances import TOLERANCES

from hf_elmo.conversion import ConversionError, convert, verify_folder
from hf_elmo.conversion.to_transformers import package_version
from hf_elmo.modeling import ElmoModel, ElmoTokenizer

WORDS = ["<S>", "</S>", "<UNK>", "the", "river", "a", "walk", "\u732b"]


@pytest.fixture
def source(tmp_path):
    return write_tiny_model(tmp_path / "source")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine")
    convert(write_tiny_model(folder / "source"), folder / "out")
    return folder


@pytest.fixture
def out(pristine, tmp_path):
    """What `source` was converted to, in a folder of this test alone."""
    return shutil.copytree(pristine / "out", tmp_path / "out")


def write_vocabulary(path, words=WORDS):
    path.write_text("".join(word + "\n" for word in words), encoding="utf-8")
    return path


def entries(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_report_says_what_was_done(tmp_path, source):
    lines = []
    report = convert(source, tmp_path / "out", progress=lines.append)
    assert json.loads((tmp_path / "out" / "conversion.json").read_text()) == report
    assert [(entry["role"], entry["name"]) for entry in report["files"]] == [
        ("options", "options.json"),
        ("weights", "weights.hdf5"),
    ]
    assert report["files"][1]["bytes"] == (source / "weights.hdf5").stat().st_size
    assert len(report["files"][0]["sha256"]) == 64
    assert report["tensors_read"] == len(random_weights())
    assert report["parameters"] == sum(array.size for array in random_weights().values()) + 4 + 4  # padding row, mix
    assert report["packages"]["hf_elmo"] == package_version() != "unknown"
    assert report["verification"] is None and report["kind"] == "allennlp-hdf5"
    assert str(tmp_path) not in json.dumps(report)
    assert lines[0] == "reading weights.hdf5" and lines[-1].startswith("wrote ")


def test_folder_loads_and_holds_no_more_than_it_should(tmp_path, source):
    convert(source, tmp_path / "out")
    names = entries(tmp_path / "out")
    files = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "conversion.json"}
    assert files | {"configuration_elmo.py", "modeling_elmo.py", "tokenization_elmo.py"} <= set(names)
    assert not {"vocab.txt", "lm_head.safetensors", "options.json"} & set(names)
    model = ElmoModel.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.float32
    assert len(ElmoTokenizer.from_pretrained(tmp_path / "out")) == model.config.vocab_size == 4
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o777 & ~umask


def test_files_with_the_names_of_the_released_models_are_found(tmp_path, source):
    (source / "options.json").rename(source / "elmo_tiny_options.json")
    (source / "weights.hdf5").rename(source / "elmo_tiny_weights.hdf5")
    write_hdf5(source / "elmo_tiny_softmax_weights.hdf5", random_softmax(len(WORDS)))
    write_vocabulary(source / "vocab.txt")
    report = convert(source, tmp_path / "out")
    assert [entry["role"] for entry in report["files"]] == ["options", "weights", "softmax", "vocab"]


def test_a_weights_file_alone_has_its_options_beside_it(tmp_path, source):
    assert convert(source / "weights.hdf5", tmp_path / "out")["files"][0]["name"] == "options.json"


def test_an_hdf5_file_needs_no_ending(tmp_path, source):
    (source / "weights.hdf5").rename(source / "model")
    report = convert(source / "model", tmp_path / "out", verify=True)
    assert report["kind"] == "allennlp-hdf5"


@pytest.mark.parametrize("inside", [True, False])
def test_softmax_inside_and_beside_the_weights(tmp_path, source, inside):
    softmax = random_softmax(len(WORDS))
    vocabulary = write_vocabulary(tmp_path / "words.txt")
    if inside:
        write_hdf5(source / "weights.hdf5", random_weights() | softmax)
        report = convert(source, tmp_path / "out", vocab=vocabulary)
    else:
        path = write_hdf5(tmp_path / "softmax.hdf5", softmax)
        report = convert(source, tmp_path / "out", vocab=vocabulary, softmax=path)
    head = load_file(tmp_path / "out" / "lm_head.safetensors")
    np.testing.assert_array_equal(head["weight"].numpy(), softmax["softmax/W"])
    np.testing.assert_array_equal(head["bias"].numpy(), softmax["softmax/b"])
    assert report["softmax_words"] == report["vocabulary_words"] == len(WORDS)
    assert report["tensors_read"] == len(random_weights()) + 2
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == vocabulary.read_bytes()
    tokenizer = ElmoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.convert_tokens_to_ids(WORDS) == list(range(1, len(WORDS) + 1))


def test_softmax_and_vocabulary_must_have_the_same_number_of_words(tmp_path, source):
    path = write_hdf5(tmp_path / "softmax.hdf5", random_softmax(5))
    with pytest.raises(ConversionError, match="words.txt has 8 words, but the softmax has 5 rows"):
        convert(source, tmp_path / "out", softmax=path, vocab=write_vocabulary(tmp_path / "words.txt"))
    write_hdf5(source / "weights.hdf5", random_weights() | random_softmax(5))
    with pytest.raises(ConversionError, match="holds a softmax already; leave softmax.hdf5 away"):
        convert(source, tmp_path / "out", softmax=path)
    assert entries(tmp_path) == ["softmax.hdf5", "source", "words.txt"]


def test_softmax_of_another_width_is_refused(tmp_path, source):
    path = write_hdf5(tmp_path / "softmax.hdf5", random_softmax(5, size=7))
    with pytest.raises(ConversionError, match=r"softmax/W has shape \(5, 7\); options.json needs \(5, 6\)"):
        convert(source, tmp_path / "out", softmax=path)
    path = write_hdf5(tmp_path / "softmax.hdf5", random_softmax(0))
    with pytest.raises(ConversionError, match=r"softmax/W is of shape \(0, 6\); needed is \(words, 6\)"):
        convert(source, tmp_path / "out", softmax=path)
    path = write_hdf5(tmp_path / "softmax.hdf5", {"softmax/W": np.zeros(5, np.float32)})
    with pytest.raises(ConversionError, match=r"softmax/W is of shape \(5,\); needed is \(words, 6\)"):
        convert(source, tmp_path / "out", softmax=path)


def test_vocabulary_lines_are_read_as_bilm_tf_does(tmp_path, source):
    path = tmp_path / "words.txt"
    path.write_bytes(b"<S>\r\n</S>\n!!!MAXTERMID\n  the  \n\nthe\n")
    report = convert(source, tmp_path / "out", vocab=path)
    tokenizer = ElmoTokenizer.from_pretrained(tmp_path / "out")
    assert report["vocabulary_words"] == 5
    assert tokenizer.convert_tokens_to_ids("the") == 5  # of two equal lines the last one counts
    (tmp_path / "words.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConversionError, match="words.txt is not a vocabulary file, UTF-8 text with a word a line"):
        convert(source, tmp_path / "out2", vocab=path)
    (tmp_path / "words.txt").write_bytes(b"")
    with pytest.raises(ConversionError, match="words.txt is empty"):
        convert(source, tmp_path / "out2", vocab=path)


@pytest.mark.parametrize("words", [None, "the </S> cat <UNK> <S>".split(), ["the", "cat"], WORDS])
def test_the_config_has_the_special_ids_of_the_tokenizer(tmp_path, source, words):
    vocab = None if words is None else write_vocabulary(tmp_path / "words.txt", words)
    convert(source, tmp_path / "out", vocab=vocab)
    config = ElmoModel.from_pretrained(tmp_path / "out").config
    tokenizer = ElmoTokenizer.from_pretrained(tmp_path / "out")
    if words is not None and words[1] == "</S>" and words[0] == "the":
        assert [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id] == [5, 2, 4]
    for name in ("pad", "bos", "eos", "unk"):
        assert getattr(config, f"{name}_token_id") == getattr(tokenizer, f"{name}_token_id"), name
    assert config.vocab_size == len(tokenizer)


def test_the_folder_and_its_vocabulary_file_give_the_same_ids(tmp_path, source):
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xef\xbb\xbf<S>\r\n!!!MAXTERMID\n</S>\n <UNK>\nthe\n\nthe\ncat")
    convert(source, tmp_path / "out", vocab=path)
    converted = ElmoTokenizer.from_pretrained(tmp_path / "out")
    for name in ("words.txt", "out/vocab.txt"):
        assert ElmoTokenizer(vocab_file=tmp_path / name).get_vocab() == converted.get_vocab()
    assert converted.convert_tokens_to_ids(["[PAD]", "<S>", "</S>", "<UNK>", "the", "cat"]) == [0, 1, 2, 3, 6, 7]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_the_rounding_of_every_weight(tmp_path, source, pristine, dtype):
    write_hdf5(source / "softmax.hdf5", random_softmax(3))
    report = convert(source, tmp_path / "out", dtype=dtype, verify=True)
    half, full = (load_file(folder / "out" / "model.safetensors") for folder in (tmp_path, pristine))
    assert all(torch.equal(half[name], full[name].to(getattr(torch, dtype))) for name in full)
    assert load_file(tmp_path / "out" / "lm_head.safetensors")["weight"].dtype == getattr(torch, dtype)
    # NumPy rounds the source by itself, so the comparison is as exact as in float32.
    assert max(report["verification"]["float64"]["largest_difference"].values()) < TOLERANCES["parity", "float64"]
    assert max(report["verification"][f"effect_of_{dtype}"].values()) > 1e-4


def test_a_weight_float16_cannot_hold_is_refused(tmp_path, source):
    weights = random_weights()
    weights["CNN_proj/b_proj"][0] = 1e5
    write_hdf5(source / "weights.hdf5", weights)
    with pytest.raises(ConversionError, match="char_cnn.projection.bias reaches 100000, which float16 cannot hold"):
        convert(source, tmp_path / "out", dtype="float16")
    assert entries(tmp_path) == ["source"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "int8"}, "dtype is 'int8'; it must be one of float32, float16, bfloat16"),
        ({"out": None}, "no target folder was given"),
        ({"source": "nowhere"}, "nowhere does not exist"),
        ({"source": None}, "no weights file was given"),
        ({"weights": "nothing.hdf5"}, r"nothing.hdf5 \(weights\) is no file"),
        (
            {"source": "weights.hdf5", "weights": "weights.hdf5"},
            "two weights files were given: weights.hdf5 and weights",
        ),
        ({"prefix": "elmo"}, "prefix is for state dicts; weights.hdf5 is an HDF5 file"),
        ({"splitting": "bytes"}, "splitting"),
    ],
)
def test_wrong_arguments(tmp_path, source, change, message):
    if change.get("source") == "weights.hdf5":
        change = dict.fromkeys(change, source / "weights.hdf5")
    with pytest.raises(ConversionError, match=message):
        convert(**({"source": source, "out": tmp_path / "out"} | change))
    assert entries(tmp_path) == ["source"]


def test_an_ambiguous_folder_asks_which_file(tmp_path, source):
    write_hdf5(source / "other.hdf5", random_weights())
    (source / "weights.hdf5").rename(source / "model.hdf5")
    with pytest.raises(ConversionError, match=r"several files that may be the weights \(model.hdf5, other.hdf5\)"):
        convert(source, tmp_path / "out")
    assert convert(source, tmp_path / "out", weights=source / "other.hdf5")["files"][1]["name"] == "other.hdf5"
    (source / "options.json").rename(source / "a_options.json")
    (source / "b_options.json").write_text("{}")
    with pytest.raises(
        ConversionError, match=r"found several \(a_options.json, b_options.json\). Name it \(options\)"
    ):
        convert(source, tmp_path / "out2", weights=source / "other.hdf5")
    for path in source.glob("*.hdf5"):
        path.unlink()
    (source / "b_options.json").unlink()
    with pytest.raises(ConversionError, match="holds no weights: needed is one file"):
        convert(source, tmp_path / "out2")
    (source / "a_options.json").unlink()
    with pytest.raises(ConversionError, match="must hold one options.json, .* found none"):
        convert(source, tmp_path / "out2")


def test_a_converted_folder_is_no_source(tmp_path, out):
    with pytest.raises(ConversionError, match="is converted already: load it with ElmoModel.from_pretrained"):
        convert(out, tmp_path / "again")


def test_an_existing_target_is_kept_unless_it_may_be_replaced(tmp_path, source, out):
    before = (out / "model.safetensors").read_bytes()
    other = write_tiny_model(tmp_path / "other", seed=5)
    with pytest.raises(ConversionError, match="exists already; choose another folder, or allow it to be replaced"):
        convert(other, out)
    (out / "left_over.txt").write_text("x")
    convert(other, out, overwrite=True)
    assert (out / "model.safetensors").read_bytes() != before and not (out / "left_over.txt").exists()
    assert entries(tmp_path) == ["other", "out", "source"]


def test_a_failure_leaves_the_old_target_as_it_was(tmp_path, source, out):
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (source / "weights.hdf5").write_bytes(b"no")
    with pytest.raises(ConversionError, match="is no readable HDF5 file"):
        convert(source, out, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert entries(tmp_path) == ["out", "source"]


def test_only_model_folders_are_replaced(tmp_path, source):
    out = tmp_path / "out"
    out.mkdir()
    convert(source, out, overwrite=True)  # an empty folder may be replaced
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "letter.txt").write_text("x")
    with pytest.raises(ConversionError, match="home is not replaced: it is not empty, and no converted model"):
        convert(source, precious, overwrite=True)
    with pytest.raises(ConversionError, match="letter.txt is not a folder and is not replaced"):
        convert(source, precious / "letter.txt", overwrite=True)
    with pytest.raises(ConversionError, match="holds the source options.json and is not replaced"):
        convert(source, source, overwrite=True)
    assert (precious / "letter.txt").exists() and (source / "weights.hdf5").exists()


@pytest.mark.parametrize(
    "marks",
    [
        {"config.json": '{"model_type": "bert"}'},
        {"config.json": "{}"},
        {"config.json": "no json"},
        {"config.json": "[" * 100_000},
        {"config.json": '["elmo"]'},
        {"config.json": b"\xff"},
        {"conversion.json": '{"inches": "centimetres"}'},
        {"conversion.json": "[]"},
        {"options.json": "{}"},
        {"options.json": "{}", "weights.hdf5": "x"},
    ],
)
def test_a_folder_of_another_program_is_kept(tmp_path, source, marks):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("three years")
    for name, content in marks.items():
        (home / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConversionError, match="home is not replaced: it is not empty, and no converted model"):
        convert(source, home, overwrite=True)
    assert entries(home) == sorted([*marks, "thesis.txt"]) and entries(tmp_path) == ["home", "source"]


def test_a_saved_model_without_a_report_is_replaced(source, out):
    (out / "conversion.json").unlink()  # as save_pretrained leaves it
    convert(source, out, overwrite=True)
    (out / "config.json").unlink()  # the report alone says it as well
    convert(source, out, overwrite=True)
    assert (out / "config.json").exists()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("step", ["save_pretrained", "verify"])
def test_an_interruption_leaves_nothing_behind(tmp_path, source, monkeypatch, interruption, step):
    def interrupt(*args, **kwargs):
        raise interruption("stop")

    if step == "verify":
        monkeypatch.setattr(sys.modules["hf_elmo.conversion.to_transformers"], "verify_folder", interrupt)
    else:
        monkeypatch.setattr(ElmoModel, "save_pretrained", interrupt)
    with pytest.raises(interruption):
        convert(source, tmp_path / "deep" / "out", verify=True)
    assert entries(tmp_path) == ["source"]


def test_missing_folders_above_the_target_are_made(tmp_path, source):
    convert(source, tmp_path / "a" / "b" / "out")
    assert (tmp_path / "a" / "b" / "out" / "config.json").exists() and entries(tmp_path) == ["a", "source"]


def test_a_target_that_cannot_be_written(tmp_path, source):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConversionError, match="Not a directory"):
        convert(source, tmp_path / "file" / "out")


@pytest.mark.parametrize(
    "damage",
    [
        ("layers.1.backward_direction.weight_hr", "layer_2"),
        ("layers.0.forward_direction.bias", "layer_1"),
        ("char_cnn.char_embeddings.weight", "layer_0"),
        ("scalar_mix.scalar_parameters", "mix_0"),
    ],
)
def test_verification_finds_one_changed_number(tmp_path, pristine, damage):
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    source = tmp_path / "source"
    name, layer = damage
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    tensors[name][-1] += 1e-3
    save_file(tensors, tmp_path / "out" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConversionError, match=f"verification failed: {layer} differs in float64 by .* allowed is"):
        verify_folder(tmp_path / "out", source / "options.json", source / "weights.hdf5")


def test_a_failed_verification_writes_nothing(tmp_path, source, monkeypatch):
    monkeypatch.setattr("hf_elmo.conversion.verify.LIMIT_FLOAT32", 0.0)
    monkeypatch.setattr("hf_elmo.conversion.verify.TIMES_OWN_ROUNDING", 0.0)
    with pytest.raises(ConversionError, match="differs in float32"):
        convert(source, tmp_path / "out", verify=True)
    assert entries(tmp_path) == ["source"]


def test_verification_of_the_tokenizer(source, out, monkeypatch):
    monkeypatch.setattr(
        "hf_elmo.conversion.numpy_reference.char_ids_of_word", lambda word, width: [259, 260] + [261] * 48
    )
    with pytest.raises(ConversionError, match="the tokenizer gives other character ids"):
        verify_folder(out, source / "options.json", source / "weights.hdf5")


def test_the_two_formats_of_one_model_give_the_same_vectors(tmp_path, source, out):
    state = tmp_path / "state"
    state.mkdir()
    (state / "options.json").write_bytes((source / "options.json").read_bytes())
    torch.save(allennlp_state_dict(random_weights()), state / "weights.th")
    convert(state, tmp_path / "out2")
    tokenizer = ElmoTokenizer.from_pretrained(out)
    encoded = tokenizer(["The river is wide .", "Yes"], padding=True, return_tensors="pt")
    with torch.no_grad():
        a, b = (
            ElmoModel.from_pretrained(folder).eval()(**encoded).last_hidden_state
            for folder in (out, tmp_path / "out2")
        )
    torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCES["parity", "float32"])


def test_float32_may_differ_by_its_rounding_where_weights_make_it_grow(tmp_path):
    """Nobody's conversion is at fault then: in float64 it is exact."""
    source = write_tiny_model(tmp_path / "source", "three_layers")
    checked = convert(source, tmp_path / "out", verify=True)["verification"]
    assert max(checked["float32"]["largest_difference"].values()) > TOLERANCES["parity", "float32"]
    assert checked["float32"]["limit"] > TOLERANCES["parity", "float32"]
    assert max(checked["float64"]["largest_difference"].values()) < TOLERANCES["parity", "float64"]
