# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
from tiny_checkpoints import OPTIONS, options_of_variant

from hf_elmo.conversion import ConversionError
from hf_elmo.conversion.options import options_of, read_options


def write(tmp_path, content):
    path = tmp_path / "options.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def changed(key, value):
    content = json.loads(json.dumps(OPTIONS))
    *parents, last = key.split(".")
    group = content
    for parent in parents:
        group = group[parent]
    group[last] = value
    return content


def test_values_of_a_usual_file(tmp_path):
    options = read_options(write(tmp_path, OPTIONS))
    assert options.config == {
        "char_embedding_size": 4,
        "max_characters_per_token": 50,
        "char_filters": [[1, 4], [2, 5], [3, 6]],
        "char_activation": "relu",
        "num_highway_layers": 1,
        "projection_size": 6,
        "cell_size": 10,
        "num_hidden_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
    }
    assert options.ignored == [] and options.repaired == []
    assert options_of(options.make_config()) == OPTIONS


@pytest.mark.parametrize(
    ("variant", "field", "value"),
    [
        ("skip_key_absent", "use_skip_connections", False),
        ("no_skip", "use_skip_connections", False),
        ("clips_null", "cell_clip", None),
        ("clips_zero", "proj_clip", None),
        ("clips_absent", "cell_clip", None),
        ("clips_tight", "proj_clip", 0.25),
        ("highway_key_absent", "num_highway_layers", 0),
        ("layer_key_absent", "num_hidden_layers", 1),
        ("long_words", "max_characters_per_token", 80),
        ("tanh", "char_activation", "tanh"),
    ],
)
def test_absent_and_special_values_are_those_of_bilm_tf(tmp_path, variant, field, value):
    options = read_options(write(tmp_path, options_of_variant(variant)))
    assert options.config[field] == value


def test_extra_keys_are_ignored_and_listed(tmp_path):
    content = options_of_variant("training_options")
    content["lstm"]["cell_type"] = "x"
    content["char_cnn"]["embedding"]["note"] = 1
    options = read_options(write(tmp_path, content))
    assert set(options.ignored) == {
        "bidirectional",
        "dropout",
        "n_tokens_vocab",
        "unroll_steps",
        "lstm.cell_type",
        "char_cnn.embedding.note",
    }
    assert "n_characters was 261" in options.repaired[0]


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert read_options(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(OPTIONS).encode())).config["cell_size"] == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "options.json is no JSON file"),
        (b"\xff\xfe{}", "is no JSON file"),
        ("[" * 100_000, "is no JSON file"),
        ('{"lstm": ' + "9" * 5000 + "}", "is no JSON file"),
        (" " * 1_000_001, "more than 1000000 bytes"),
        ([], 'no ELMo options: needed is an object with the keys "lstm" and "char_cnn"'),
        ({"char_cnn": {}}, "no ELMo options"),
        ({"lstm": {"dim": 4}}, "reads words from a fixed list, not characters .* cannot be converted"),
        (changed("lstm", 3), "lstm is 3; needed is an object"),
        (changed("char_cnn.embedding", None), "char_cnn.embedding is None; needed is an object"),
        (changed("lstm.dim", None), "lstm.dim is None; needed is a whole number"),
        (changed("lstm.dim", "10"), "lstm.dim is '10'; needed is a whole number"),
        (changed("lstm.dim", True), "lstm.dim is True; needed is a whole number"),
        (changed("lstm.dim", 10.0), "lstm.dim is 10.0; needed is a whole number"),
        (changed("lstm.dim", 0), "lstm.dim is 0; needed is a number from 1 to 1000000"),
        (changed("lstm.dim", 10**30), "lstm.dim is 1000.*; needed is a number from 1"),
        (changed("lstm.projection_dim", -1), "lstm.projection_dim is -1"),
        (changed("lstm.n_layers", 10**9), "lstm.n_layers is 1000000000; needed is a number from 1 to 100"),
        (changed("lstm.use_skip_connections", 1), "lstm.use_skip_connections is 1; needed is true or false"),
        (changed("lstm.cell_clip", "3"), "lstm.cell_clip is '3'; needed is a number, or null"),
        (changed("lstm.cell_clip", -3), "lstm.cell_clip is -3; needed is a number from 0"),
        (changed("lstm.proj_clip", float("nan")), "lstm.proj_clip is nan"),
        (changed("lstm.proj_clip", float("inf")), "proj_clip is inf; JSON has no such number: write null for no clip"),
        (changed("lstm.cell_clip", -float("inf")), "lstm.cell_clip is -inf; JSON has no such number"),
        (json.dumps(OPTIONS).replace('"cell_clip": 3', '"cell_clip": 1e999'), "lstm.cell_clip is inf; JSON has no"),
        (changed("lstm.cell_clip", 10**400), "lstm.cell_clip is 1000.*; needed is a number from 0"),
        (changed("char_cnn.activation", "gelu"), "char_cnn.activation is 'gelu'; needed is one of relu, tanh"),
        (changed("char_cnn.activation", ["relu"]), "char_cnn.activation is \\['relu'\\]"),
        (changed("char_cnn.filters", []), r"char_cnn.filters is \[\]; needed is a list of \[width, count\] pairs"),
        (changed("char_cnn.filters", [[1, 4], [2]]), r"char_cnn.filters holds \[2\]"),
        (changed("char_cnn.filters", [[1, 4.5]]), r"char_cnn.filters holds \[1, 4.5\]"),
        (changed("char_cnn.filters", [[60, 4]]), "no position for the widest filter"),
        (changed("char_cnn.n_highway", -1), "char_cnn.n_highway is -1"),
        (changed("char_cnn.n_characters", 300), "char_cnn.n_characters is 300; ELMo has 262 characters"),
        (changed("char_cnn.max_characters_per_token", 10**6), "max_characters_per_token is 1000000; .* to 1000"),
    ],
)
def test_wrong_options_are_refused_by_name(tmp_path, content, message):
    with pytest.raises(ConversionError, match=message) as caught:
        read_options(write(tmp_path, content))
    assert "\n" not in str(caught.value) and str(caught.value).startswith("options.json")


def test_missing_file(tmp_path):
    with pytest.raises(ConversionError, match="options.json cannot be read: No such file"):
        read_options(tmp_path / "options.json")
