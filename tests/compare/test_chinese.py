# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The Chinese demonstration: the baseline by hand, systems that learn a tiny language, and a section that says what it is."""

import lzma
import random

import numpy as np
import pytest

from hf_elmo.compare import chinese
from hf_elmo.compare.running import Context
from hf_elmo.compare.settings import Settings

TAGS = {"我": "PRON", "你们": "PRON", "看": "VERB", "喜欢": "VERB", "书": "NOUN", "图书馆": "NOUN", "。": "PUNCT"}


def write(path, rows):
    blocks = []
    for row in rows:
        fields = [[str(n), word, "_", tag, *"______"] for n, (word, tag) in enumerate(row, 1)]
        blocks.append("\n".join("\t".join(line) for line in fields) + "\n\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(blocks))


@pytest.fixture
def context(tmp_path, monkeypatch):
    """A language of seven words; the dev set has an eighth, and a word with another tag than in the training set."""
    draw = random.Random(4)
    rows = [[(word, TAGS[word]) for word in draw.choices(list(TAGS), k=5)] for _ in range(60)]
    write(tmp_path / "data" / "ud_zh_gsdsimp" / "train.conllu.xz", [*rows, [("书", "VERB")]])
    dev = [rows[0], [("看", "NOUN"), ("月亮", "NOUN")]]
    write(tmp_path / "data" / "ud_zh_gsdsimp" / "dev.conllu.xz", dev)
    monkeypatch.setattr(chinese, "UPDATES", (60, 60))
    chinese._read.cache_clear()
    yield Context(
        Settings(tmp_path / "out", tmp_path / "data", models=("a",), quick=True, seeds=(1, 2), batch_size=16)
    )
    chinese._read.cache_clear()


def run(context, system, seed=1):
    cells = chinese.cells(context.settings, ["a"])
    (cell,) = [cell for cell in cells if (cell["system"], cell["seed"]) == (system, seed)]
    return cell, chinese.run(cell, context)


def test_cells_are_those_the_data_allow(context, tmp_path):
    cells = chinese.cells(context.settings, ["a", "b"])
    assert len(cells) == len({cell.id for cell in cells}) == 2 * 3
    context.settings.quick = False
    assert {cell["task"] for cell in chinese.cells(context.settings, ["a"])} == {"ud_zh_gsdsimp"}
    assert ("chinese", "uner_zh_gsdsimp is not in data") in context.settings.left_out
    assert chinese.cells(Settings(tmp_path), ["a"]) == []


def test_the_most_frequent_tag_of_each_word(context):
    train, dev = chinese._read(context.data, True, "ud_zh_gsdsimp")
    words = [word for row in train["tokens"] for word in row]
    found = chinese.most_frequent_tags(train, [["书", "图书馆", "。"], [], ["月亮"]])
    frequent = max(set(TAGS.values()), key=lambda tag: sum(t == tag for row in train["tags"] for t in row))
    assert len(words) == 301 and found == [["NOUN", "NOUN", "PUNCT"], [], [frequent]]
    _, result = run(context, chinese.MAJORITY)
    wrong = 1 + (frequent != "NOUN")  # 看 as a noun, and 月亮 unless nouns are the commonest
    assert result["score"] == pytest.approx(100 * (7 - wrong) / 7) and result["evaluated"] == len(dev) == 2


def test_random_vectors_follow_the_seed():
    first, again, other = (chinese.random_vectors([["我", "看"], ["书", "我"]], seed) for seed in (1, 1, 2))
    (a,), (b,), (c,) = (each.vectors([["书", "我", "月亮"]]) for each in (first, again, other))
    assert a.shape == (1, 3, chinese.DIMENSION) and (a == b).all() and (a[0, :2] != c[0, :2]).any()
    assert (a[0, 2] == 0).all()


def test_random_vectors_learn_all_that_can_be_known(context, small_heads):
    _, result = run(context, chinese.STATIC)
    assert result["score"] >= 100 * 5 / 7 - 1e-9 and result["train"] == 61
    assert run(context, chinese.STATIC)[1] == result


def test_an_elmo_of_random_weights_learns_more_than_one_tag(context, monkeypatch):
    monkeypatch.setattr(chinese, "UPDATES", (120, 120))
    _, result = run(context, chinese.ELMO)
    _, dev = chinese._read(context.data, True, "ud_zh_gsdsimp")
    tags = [tag for row in dev["tags"] for tag in row]
    assert result["score"] > 100 * max(map(tags.count, tags)) / len(tags) and result["parameters"] < 400_000
    assert [words for _, words in result["items"]] == [len(row) for row in dev["tokens"]]


def test_a_section_that_says_it_is_a_demonstration(context):
    items = {chinese.ELMO: 90, chinese.STATIC: 60, chinese.MAJORITY: 60}
    results = []
    for cell in chinese.cells(context.settings, []):
        right = np.arange(100) < items[cell["system"]]
        scores = {"metric": "accuracy", "score": float(right.sum()), "items": [[int(one), 1] for one in right]}
        results.append((cell, {**scores, "train": 400, "evaluated": 100}))
    section = chinese.summarize(results, context.settings)
    (table,) = section["tables"]
    assert [row["label"] for row in table["rows"]] == list(chinese.SYSTEMS)
    value = table["rows"][0]["values"]["parts of speech, accuracy"]
    assert (value["value"], value["sd"], value["n"]) == (90, 0, 2) and len(value["cells"]) == 2
    assert "no model here was pretrained on Chinese" in section["notes"][0]
    found = {(test["a"], test["b"]): test["significant"] for test in section["tests"]}
    assert found[chinese.ELMO, chinese.STATIC] and not found[chinese.STATIC, chinese.MAJORITY]
    assert chinese.summarize([], context.settings)["tables"] == []
