# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Probes on vectors that hold the tags, or nothing; the baselines by hand."""

import json
import lzma

import numpy as np
import pytest
from sense_archives import PlantedContender, context

from hf_elmo.compare import probes
from hf_elmo.compare.item_bits import items_digest, pack_bits, unpack_bits

TAGS = ("NOUN", "VERB", "ADJ")


def sentences(count, seed, words=12):
    """Words in which the tag alternates by what stands before them, so that only context tells it."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        tags = [TAGS[index] for index in generator.integers(0, 3, words)]
        found.append(([f"w{index}" for index in generator.integers(0, 6, words)], tags))
    return found


def contender(train, dev):
    known = {tuple(words): tags for words, tags in train + dev}
    return PlantedContender(
        "planted", {"characters": None, "lstm1": lambda words, place: known[tuple(words)][place], "lstm2": None}
    )


def test_a_layer_that_holds_the_tags_is_read_and_one_that_does_not_is_not():
    train, dev = sentences(40, 1), sentences(20, 2)
    result = json.loads(json.dumps(probes.probe(contender(train, dev), train, dev, seed=1)))
    right = {name: unpack_bits(bits, result["words"]).mean() for name, bits in result["right"].items()}
    assert right["lstm1"] == 1
    assert abs(right["characters"] - 1 / 3) < 0.12  # 240 words, a third by chance
    assert (result["words"], result["training_words"], result["tags"]) == (240, 480, 3)


def test_baselines_by_hand():
    train = [(["a", "b", "a", "a"], ["X", "Y", "X", "Y"]), (["b", "c"], ["Y", "X"])]
    dev = [(["a", "b", "new", "a"], ["X", "Y", "X", "Y"])]  # X is the commonest tag of all: 3 to 3, first seen
    result = probes.probe(PlantedContender("any", {"vectors": None}), train, dev, seed=1)
    assert unpack_bits(result["right"][probes.BASELINE], 4).tolist() == [True, True, True, False]
    assert unpack_bits(result["right"][probes.MAJORITY], 4).tolist() == [True, False, True, False]
    assert unpack_bits(result["unseen"], 4).tolist() == [False, False, True, False]
    assert unpack_bits(result["several"], 4).tolist() == [True, False, False, True]


def write_conllu(path, part):
    lines = []
    for words, tags in part:
        rows = [
            f"{n}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t_"
            for n, (word, tag) in enumerate(zip(words, tags, strict=True), 1)
        ]
        lines += [*rows, ""]
    path.write_bytes(lzma.compress(("\n".join(lines) + "\n").encode()))


def test_seeds_draw_other_sentences_and_the_summary_tells_layers_apart(tmp_path, monkeypatch):
    train, dev = sentences(60, 1), sentences(20, 2)
    (tmp_path / "ud_ewt").mkdir()
    write_conllu(tmp_path / "ud_ewt" / "train.conllu.xz", train)
    write_conllu(tmp_path / "ud_ewt" / "dev.conllu.xz", dev)
    monkeypatch.setattr(probes, "TRAIN_SENTENCES", (30, 30))
    planted = contender(train, dev)
    static = PlantedContender("static", {"vectors": None})
    ctx = context(tmp_path, planted, static)
    cells = probes.cells(ctx.settings, ["planted", "static"])
    assert [(cell["contender"], cell["seed"]) for cell in cells][:4] == [
        ("planted", 1), ("planted", 2), ("planted", 3), ("static", 1)
    ]  # fmt: skip
    results = [(cell, probes.run(cell, ctx)) for cell in cells]
    assert results[0][1]["right"] != results[1][1]["right"] and results[0][1] == probes.run(cells[0], ctx)
    section = probes.summarize(results, ctx.settings)
    rows = {row["label"]: row["values"][probes.ALL] for row in section["tables"][0]["rows"]}
    assert rows["planted, lstm1"]["value"] == 100 and rows["planted, lstm1"]["sd"] == 0
    assert rows["planted, characters"]["n"] == 3 and rows["planted, characters"]["value"] < 50
    found = {(test["a"], test["b"]): test for test in section["tests"]}
    for floor in ("planted, characters", "static, vectors"):
        assert found["planted, lstm1", floor]["p_holm"] < 0.01
        assert found["planted, lstm2", floor]["p_holm"] == 1  # the same vectors
    ahead = rows["planted, lstm1"]["value"] - rows["planted, characters"]["value"]
    assert found["planted, lstm1", "planted, characters"]["difference"] == pytest.approx(ahead)


def test_without_data_there_are_no_cells(tmp_path):
    settings = context(tmp_path).settings
    assert probes.cells(settings, ["one"]) == [] and settings.left_out == [
        ("probes", f"ud_ewt is not in {tmp_path.name}")
    ]
    assert probes.summarize([], settings)["tables"] == []


# ------------------------------------------------------------------------------------------------------ packed items


@pytest.mark.parametrize("count", [0, 1, 8, 1001])
def test_packed_bits_come_back(count):
    bits = np.random.default_rng(count).integers(0, 2, count).astype(bool)
    assert unpack_bits(pack_bits(bits), count).tolist() == bits.tolist()


def test_too_few_packed_bits_are_refused_and_digests_tell_order():
    with pytest.raises(ValueError, match="8 packed items; needed are 9"):
        unpack_bits(pack_bits([True] * 8), 9)
    assert items_digest(["ab", "c"]) != items_digest(["a", "bc"]) != items_digest(["bc", "a"])
