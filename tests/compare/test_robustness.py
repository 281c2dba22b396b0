# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Robustness on planted contenders: one that is blind to spelling, one that knows exact spellings alone, one with context."""

import json
import random
import zlib
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hf_elmo.compare import robustness, robustness_tables
from hf_elmo.compare.cells import Cell, Store
from hf_elmo.compare.report import content_of
from hf_elmo.compare.robustness_vectors import BANDS, built_in_sentences, moved_vectors
from hf_elmo.compare.settings import Settings
from hf_elmo.compare.transformations import TRANSFORMATIONS

WORD_TAGS = {
    "DET": "the every this that".split(),
    "NOUN": "people friends neighbours evening restaurant colour theatre".split(),
    "VERB": "remember believe receive wanted finished watches".split(),
    "ADV": "definitely quickly probably tomorrow".split(),
    "PUNCT": [".", "!", "..."],
}
TAG_OF = {word: tag for tag, words in WORD_TAGS.items() for word in words}
DIMENSION = 24


class Planted:
    """Vectors by a rule instead of a model: `form` of a word, or its place in the sentence, decides."""

    kind, layers, dimension, device = "static", ("vectors",), DIMENSION, torch.device("cpu")

    def __init__(self, name, form=None, reach=0):
        self.name, self.spec, self.form, self.reach = name, name, form, reach

    def vectors(self, sentences):
        return [self._sentence(list(words))[None] for words in sentences]

    def _sentence(self, words):
        own = torch.stack([self._word(self.form(word)) for word in words])
        # With context: the sum over the words up to `reach` steps away.
        places = range(len(words))
        return torch.stack([own[max(0, at - self.reach) : at + self.reach + 1].sum(dim=0) for at in places])

    @staticmethod
    @cache
    def _word(form):
        if form is None:
            return torch.zeros(DIMENSION)
        seed = zlib.crc32(form.encode("utf-8", "surrogatepass"))
        return torch.from_numpy(np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32))


EXACT = Planted("exact", lambda word: word if word in TAG_OF else None)
# The meaning that the writer had, which no spelling hides: reads the table that remembers what became of each word.
ORIGIN: dict[str, str] = {}
BLIND = Planted("blind", lambda word: TAG_OF[word] if word in TAG_OF else TAG_OF.get(ORIGIN.get(word, ""), "other"))


@pytest.fixture(autouse=True)
def remembered(monkeypatch):
    """Every changed word is noted down together with what it was."""
    ORIGIN.clear()
    for name, one in list(TRANSFORMATIONS.items()):

        def apply(words, strength, seed, inner=one):
            after = inner.apply(words, strength, seed)
            ORIGIN.update({new: old for old, new in zip(words, after, strict=True) if new != old})
            return after

        monkeypatch.setitem(TRANSFORMATIONS, name, SimpleNamespace(name=name, family=one.family, apply=apply))


def sentences(count, seed):
    chance = random.Random(seed)
    return [[chance.choice(words) for words in WORD_TAGS.values()] for _ in range(count)]


@pytest.fixture
def data(tmp_path):
    """Tagged sentences in which a word tells its tag, and texts in which the verb tells the class."""
    for split, count in (("train", 60), ("dev", 12)):
        rows = sentences(count, count)
        (tmp_path / "ud_ewt").mkdir(exist_ok=True)
        lines = [
            "".join(f"{n}\t{word}\t_\t{TAG_OF[word]}" + "\t_" * 6 + "\n" for n, word in enumerate(row, 1))
            for row in rows
        ]
        (tmp_path / "ud_ewt" / f"{split}.conllu").write_text("\n".join(lines) + "\n")
        (tmp_path / "snips").mkdir(exist_ok=True)
        table = [f"{' '.join(row)}\t{'ends' if row[2].endswith('ed') else 'goes'}" for row in rows]
        (tmp_path / "snips" / f"{split}.tsv").write_text("text\tlabel\n" + "\n".join(table) + "\n")
    return tmp_path


@pytest.fixture
def context(data, tmp_path, monkeypatch, small_heads):
    monkeypatch.setattr("hf_elmo.compare.task_probe.identity", lambda spec: spec)
    monkeypatch.setitem(robustness.UPDATES, robustness.FROZEN, (25, 25))
    monkeypatch.setattr(robustness, "CONTEXT_SENTENCES", (12, 12))
    settings = Settings(output=tmp_path / "out", data=data, quick=True)
    known = {"exact": EXACT, "blind": BLIND, "copy": Planted("copy", EXACT.form)}
    return SimpleNamespace(
        settings=settings,
        data=data,
        cache=tmp_path / "cache",
        device="cpu",
        say=lambda line: None,
        contender=lambda name: known[name],
    )


def label_cell(name, task="ud_ewt", seed=1):
    return Cell("robustness", (("view", "labels"), ("task", task), ("contender", name), ("seed", seed)))


def run(cell, context):
    return json.loads(json.dumps(robustness.run(cell, context), allow_nan=False))


@pytest.mark.parametrize("task", ["ud_ewt", "snips"])
def test_counts_are_those_of_the_head_on_the_changed_text(context, task):
    result = run(label_cell("exact", task), context)
    probe = robustness.trained_probe(EXACT, task, 1, context)
    dev = robustness.read_task(context.settings, task, "validation")
    words, gold = robustness.words_of(dev), robustness.answers_of(dev)
    clean = robustness.unpack_counts(result["clean"])
    assert result["sentences"] == len(words) == 12 and result["all_words"] == sum(map(len, words))
    assert robustness.unpack_counts(result["weights"]).tolist() == [5 if task == "ud_ewt" else 1] * 12
    assert clean.sum() > 0.9 * sum(map(len, gold))  # it learned something that can be lost
    for name in ("upper", "keyboard", "punctuation"):
        for strength in (1, 3):
            after = [TRANSFORMATIONS[name].apply(row, strength, 1) for row in words]
            found = [probe.answers([row])[0] for row in after]
            right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(gold, found, strict=True)]
            part = result["changed"][name][str(strength)]
            assert (clean - robustness.unpack_counts(part["lost"])).tolist() == right
            differ = sum(a != b for pair in zip(words, after, strict=True) for a, b in zip(*pair, strict=True))
            assert part["words"] == differ
    assert robustness.unpack_counts(result["changed"]["upper"]["3"]["lost"]).sum() > 0
    for case in result["worst"]:
        before, after = case["before"].split(" "), case["after"].split(" ")
        assert before in words and after == TRANSFORMATIONS[case["transformation"]].apply(before, 3, 1)
        tags = gold[words.index(before)]
        assert case["lost"] and all(true in tags and true != found for _, true, found in case["lost"])


def test_a_planted_difference_is_found_and_a_copy_is_none(context):
    results = [(cell, run(cell, context)) for cell in (label_cell("exact"), label_cell("blind"), label_cell("copy"))]
    assert results[0][1] == results[2][1]  # same seed, same text, same head
    blind = results[1][1]
    for name, by_strength in blind["changed"].items():
        for part in by_strength.values():
            assert not robustness.unpack_counts(part["lost"]).any(), name  # spelling is nothing to it
    assert blind["worst"] == []
    section = robustness.summarize(results, context.settings)
    tests = {(test["a"], test["b"], test["column"]): test for test in section["tests"]}
    assert tests["exact", "blind", "all"]["significant"] and tests["exact", "blind", "all"]["difference"] > 10
    assert tests["exact", "blind", "case"]["significant"]
    kept = tests["exact", "blind", "mean of all"]
    clean = [robustness.unpack_counts(result["clean"]).mean() for _, result in results[:2]]
    lost = tests["exact", "blind", "all"]["difference"]
    assert kept["significant"] and kept["difference"] == pytest.approx(100 * (clean[0] - clean[1]) / 5 - lost)
    for (a, b, _), test in tests.items():
        if (a, b) == ("exact", "copy"):
            assert test["difference"] == 0 and test["p_holm"] == 1 and not test["significant"]
        assert test["p_holm"] >= test["p"] and len(test["cells"]) == 2


def test_figures_are_those_of_the_counts(context):
    results = [(label_cell("exact", seed=seed), run(label_cell("exact", seed=seed), context)) for seed in (1, 2)]
    assert results[0][1]["digest"] == results[1][1]["digest"]
    chosen = [[result["changed"][name]["2"]["words"] for name in TRANSFORMATIONS] for _, result in results]
    assert chosen[0] != chosen[1]  # another seed, another text
    section = robustness.summarize(results, context.settings)
    tables = {table["id"]: table for table in section["tables"]}
    assert set(tables) == {f"robustness-ud_ewt-{part}" for part in ("1", "2", "3", "loss", "strengths")} | {
        "robustness-ud_ewt"
    }
    clean, lost = (
        [robustness.unpack_counts(packed).sum() for packed in found]
        for found in (
            [result["clean"] for _, result in results],
            [result["changed"]["upper"]["3"]["lost"] for _, result in results],
        )
    )
    (row,) = tables["robustness-ud_ewt"]["rows"]
    assert row["values"]["unchanged"]["value"] == pytest.approx(100 * np.mean(clean) / 60)
    after = row["values"]["upper"]
    scores = [100 * (a - b) / 60 for a, b in zip(clean, lost, strict=True)]
    assert after["value"] == pytest.approx(np.mean(scores))
    assert after["sd"] == pytest.approx(np.std(scores, ddof=1))
    assert after["interval"][0] <= after["value"] <= after["interval"][1] and after["n"] == 12
    assert after["cells"] == [cell.id for cell, _ in results]
    (row,) = tables["robustness-ud_ewt-loss"]["rows"]
    assert row["values"]["upper"]["value"] == pytest.approx(100 * np.mean(lost) / 60)
    (row,) = tables["robustness-ud_ewt-strengths"]["rows"]
    each = [
        [robustness.unpack_counts(part["3"]["lost"]).sum() for part in result["changed"].values()]
        for _, result in results
    ]
    assert row["values"]["100 %"]["value"] == pytest.approx(100 * np.mean(each) / 60)
    rows = [{row["label"]: row["values"] for row in tables[f"robustness-ud_ewt-{n}"]["rows"]} for n in (1, 2, 3)]
    assert rows[2]["upper"]["words changed"]["value"] == pytest.approx(80.0)  # all but the marks
    sizes = [values["keyboard"]["words changed"]["value"] for values in rows]
    assert sizes[0] <= sizes[1] < sizes[2]
    assert rows[2]["upper"]["exact"] == after
    assert any(note.startswith("Worst case, UD EWT, exact, ") for note in section["notes"])


def test_sentences_of_different_lengths_count_by_their_words():
    packed = {"clean": [4, 1], "weights": [8, 2], "lost": [3, 0]}
    packed = {name: robustness.pack_counts(counts) for name, counts in packed.items()}
    by_strength = {str(strength): {"lost": packed["lost"], "words": 3} for strength in (1, 2, 3)}
    changed = dict.fromkeys(TRANSFORMATIONS, by_strength)
    result = {"clean": packed["clean"], "weights": packed["weights"], "changed": changed, "digest": "d"}
    scores = robustness_tables.scores_of([(label_cell("exact"), result)])
    assert scores.clean.mean() == pytest.approx(50.0)  # 5 of 10 words
    assert scores.lost(["upper"], 3).mean() == pytest.approx(30.0)
    # Half of the words of every sentence: nothing but their length differs, so no sample gives anything else.
    assert scores.figure(scores.clean)["interval"] == pytest.approx([50.0, 50.0])
    low, high = scores.figure(scores.lost(["upper"], 3))["interval"]
    assert (low, high) == pytest.approx((0, 100 * 3 / 8))  # neither sentence of the two, or the long one alone


def test_counts_come_back_from_their_text():
    for counts in ([], [0], [1, 300, 0, -7], list(range(-500, 500))):
        assert robustness.unpack_counts(robustness.pack_counts(counts)).tolist() == counts


@pytest.fixture
def real_transformations(monkeypatch):
    import importlib

    from hf_elmo.compare import transformations

    for module in ("typos", "characters", "case", "spelling", "marks"):
        for one in importlib.import_module(f"{transformations.__name__}.{module}").TRANSFORMATIONS:
            monkeypatch.setitem(TRANSFORMATIONS, one.name, one)


def test_damage_spreads_as_far_as_the_context_reaches(real_transformations):
    rows = [words for words in built_in_sentences(60) if len(words) > 9][:15]
    for reach in (0, 2):
        found = moved_vectors(Planted("words", lambda word: word, reach), rows, 1)
        assert found["bands"] == list(BANDS) and found["sentences"] == 15
        (layer,) = found["all"]
        values = dict(zip(BANDS, (band["value"] for band in layer), strict=True))
        assert values["changed word"] < 0.9
        for band, (first, _) in BANDS.items():
            assert (values[band] == pytest.approx(1, abs=1e-6)) == (first > reach), band
    # Alone, another word's vector is another random one: its cosine with the old one is 0 on average.
    by_name = moved_vectors(Planted("words", lambda word: word), rows, 1)["transformations"]
    assert abs(np.mean([one["cosine"][0][0] for one in by_name.values() if one["sentences"] > 5])) < 0.1
    upper = moved_vectors(Planted("small", str.lower), rows, 1)["transformations"]["upper"]
    assert upper == {"sentences": 15, "cosine": [[pytest.approx(1, abs=1e-5)] * len(BANDS)]}


def test_a_word_without_a_vector_has_nothing_to_lose_and_one_that_loses_it_keeps_nothing(real_transformations):
    rows = [["people", "remember", "everything"]] * 3
    lost = moved_vectors(Planted("list", lambda word: word if word in rows[0] else None), rows, 1)
    assert lost["transformations"]["keyboard"]["cosine"][0][:2] == [0.0, 1.0]
    nothing = moved_vectors(Planted("none", lambda word: None), rows, 1)
    assert nothing["all"] == [[None] * len(BANDS)]
    assert nothing["transformations"]["numbers"] == {"sentences": 0, "cosine": [[None] * len(BANDS)]}


def test_without_data_the_vectors_alone_are_looked_at(tmp_path):
    settings = Settings(output=tmp_path, data=None)
    found = robustness.cells(settings, ["a", "b"])
    assert [(cell["view"], cell["contender"]) for cell in found] == [("vectors", "a"), ("vectors", "b")]
    ((experiment, reason),) = settings.left_out
    assert experiment == "robustness" and reason.startswith("no data: give --data")


def test_a_quick_comparison_has_one_seed_and_fewer_tasks(data, tmp_path):
    (data / "mr").mkdir()
    quick = robustness.cells(Settings(output=tmp_path, data=data, quick=True), ["a", "b"])
    full = robustness.cells(Settings(output=tmp_path, data=data), ["a", "b"])
    assert len(quick) == 2 + 2 * 2 and len(full) == 2 + 3 * 2 * 3
    assert len({cell.id for cell in full}) == len(full)


def test_the_report_takes_the_section_and_finds_every_file(context, real_transformations, tmp_path):
    store, results = Store(tmp_path / "report"), []
    cells = [label_cell("exact")]
    cells += [
        Cell("robustness", (("view", "vectors"), ("contender", name), ("seed", 1))) for name in ("exact", "copy")
    ]
    for cell in cells:
        result = run(cell, context)
        store.write(cell, result, 1.0)
        results.append((cell, store.read(cell)))
    section = robustness.summarize(results, context.settings)
    facts = {"contenders": [{"name": name, "kind": "static"} for name in ("exact", "blind")]}
    content = content_of(store.folder, [section], facts)
    assert content["untraced"] == [] and len(content["cells"]) == len(cells)
    assert [table["plot"]["kind"] for table in section["tables"] if table["plot"]].count("radar") == 2
    json.dumps(content, allow_nan=False)


def test_an_empty_section_says_nothing(tmp_path):
    section = robustness.summarize([], Settings(output=tmp_path))
    assert (section["tables"], section["tests"], section["notes"]) == ([], [], [])
