# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Minimal pairs by phenomenon, against scores that are known and against the accuracies of `hf-elmo evaluate blimp`."""

import io
import json
import tarfile

import numpy as np
import pytest
from sense_archives import PlantedContender, context
from support import ROOT, SHARED, requires_shared

from hf_elmo.compare import grammar
from hf_elmo.compare.item_bits import unpack_bits
from hf_elmo.evaluation.blimp import Pair, accuracies
from hf_elmo.evaluation.models import LoadedModel, load_language_model

PAIRS = [
    Pair(f"good {number}", f"bad {number}", f"paradigm_{number % 2}", "syntax", "ellipsis") for number in range(6)
]
SCORES = np.array([[1, 0], [0, 1], [2, 2], [5, 0], [3, 1], [1, 1 + 1e-12]], dtype=float)


def test_right_and_equal_pairs_are_those_of_evaluate():
    result = json.loads(json.dumps(grammar.judge(PAIRS, {"joint": SCORES})))
    assert unpack_bits(result["scores"]["joint"]["right"], 6).tolist() == [True, False, False, True, True, False]
    assert unpack_bits(result["scores"]["joint"]["ties"], 6).tolist() == [False, False, True, False, False, True]
    assert result["paradigms"] == {"paradigm_0": 3, "paradigm_1": 3}
    assert grammar._points(result, "joint").mean() == pytest.approx(accuracies(PAIRS, SCORES)["overall"])


def results_of(name, share, seed, pairs=200):
    """A cell for each phenomenon, of a contender that is right so often."""
    found = []
    for term in grammar.TERMS:
        items = [Pair(f"{number}", "", term, "any", term) for number in range(pairs)]
        right = np.random.default_rng(seed).random(pairs) < share
        scores = np.stack([right, ~right], axis=1).astype(float)
        result = {**grammar.judge(items, {"pseudo_log_likelihood": scores}), "published": {"lstm": 0.5}}
        found.append((grammar.Cell("grammar", (("phenomenon", term), ("contender", name))), result))
    return found


def test_a_planted_difference_is_found_and_a_copy_has_none():
    good, copy, bad = (results_of(*facts) for facts in (("good", 0.9, 1), ("copy:good", 0.9, 1), ("bad", 0.5, 2)))
    section = grammar.summarize([*good, *copy, *bad], context(None).settings)
    (table,) = section["tables"]
    assert table["id"] == "blimp" and table["columns"][0] == "overall" and "NPI licensing" in table["columns"]
    rows = {row["label"]: row["values"] for row in table["rows"]}
    overall = rows["good, pseudo-log-likelihood"]["overall"]
    assert overall["n"] == 2400 and len(overall["cells"]) == 12 and abs(overall["value"] - 90) < 4
    low, high = overall["interval"]
    assert low < overall["value"] < high
    assert {value["value"] for value in rows["LSTM (published)"].values()} == {50}
    tests = {(test["a"], test["b"], test["column"]): test for test in section["tests"]}
    name = "{}, pseudo-log-likelihood".format
    for column in table["columns"]:
        assert tests[name("good"), name("copy:good"), column]["p_holm"] == 1
        assert tests[name("good"), name("bad"), column]["p_holm"] < 1e-6


def test_phenomena_that_are_missing_leave_no_overall_figure():
    section = grammar.summarize(results_of("one", 0.9, 1)[:5], context(None).settings)
    for row in section["tables"][0]["rows"]:
        assert len(row["values"]) == 5 and "overall" not in row["values"]


def test_cells_are_those_of_contenders_with_a_language_model(tmp_path):
    assert grammar.cells(context(tmp_path).settings, ["elmo-mini-en"]) == []
    (tmp_path / "blimp").mkdir()
    found = grammar.cells(context(tmp_path).settings, ["elmo-mini-en", "word2vec-mini-en", "shuffled:elmo-mini-en"])
    assert [cell["phenomenon"] for cell in found] == list(grammar.TERMS)
    assert {cell["contender"] for cell in found} == {"elmo-mini-en"}
    assert grammar.summarize([], context(None).settings)["tables"] == []


def write_blimp(folder):
    folder.mkdir()
    rows = [
        {"sentence_good": good, "sentence_bad": bad, "UID": "u", "field": "syntax", "linguistics_term": "ellipsis"}
        for good, bad in (("the cat sat", "the sat cat"), ("it saw a mat", "it a saw mat"), ("cat", "cat"))
    ]
    content = "\n".join(json.dumps(row) for row in rows).encode()
    with tarfile.open(folder / "dev.tar.xz", "w:xz") as archive:
        info = tarfile.TarInfo("u.jsonl")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    lines = [{"UID": "u", "linguistics_term": "ellipsis", "ngram": 0.2, "lstm": 0.4, "txl": 0.5, "gpt2": 0.9}]
    lines.append({**lines[0], "ngram": 0.4})
    (folder / "models_summary.jsonl").write_text("\n".join(map(json.dumps, lines)))


def test_elmo_scores_pairs_in_both_directions(tmp_path, monkeypatch):
    from language_models import tiny_language_model, tiny_tokenizer

    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    write_blimp(tmp_path / "blimp")
    monkeypatch.setattr(grammar, "language_model_of", lambda context, name: LoadedModel(model, tokenizer, "elmo"))
    ctx = context(tmp_path, PlantedContender("tiny", {}))
    cell = grammar.Cell("grammar", (("phenomenon", "ellipsis"), ("contender", "tiny")))
    result = grammar.run(cell, ctx)
    assert result["pairs"] == 3 and result["published"]["ngram"] == pytest.approx(0.3)
    for name, attribute in (("forward", "forward_total"), ("backward", "backward_total"), ("joint", "total")):
        for row, (good, bad) in enumerate((("the cat sat", "the sat cat"), ("it saw a mat", "it a saw mat"))):
            one, other = (getattr(score, attribute) for score in model.score([good, bad], tokenizer))
            assert unpack_bits(result["scores"][name]["right"], 3)[row] == (one > other)
        assert unpack_bits(result["scores"][name]["ties"], 3).tolist() == [False, False, True]


@requires_shared
def test_the_phenomena_are_those_of_the_data_and_published_figures_those_beside_it():
    folder = SHARED / "data" / "blimp"
    found = grammar._all_pairs(folder / "dev.tar.xz", 1)
    assert {pair.term for pair in found} == set(grammar.TERMS) and len(found) == 67
    # Warstadt et al. 2020, table 3: subject-verb agreement of the LSTM and of GPT-2.
    figures = grammar.published(folder / "models_summary.jsonl", "subject_verb_agreement")
    assert figures["lstm"] == pytest.approx(0.80, abs=0.01) and figures["gpt2"] == pytest.approx(0.86, abs=0.01)


@requires_shared
def test_scores_of_the_box_are_exact_against_the_full_softmax():
    """The oracle: logits of all words by NumPy in float64 from the top layer, one sentence at a time."""
    import torch

    from hf_elmo.evaluation.sentence_scores import elmo_scores, split_words

    model, tokenizer, _ = load_language_model("elmo-mini-en", device="cpu")
    pairs = grammar._all_pairs(SHARED / "data" / "blimp" / "dev.tar.xz", 1)[::6]  # of twelve paradigms
    sentences = [sentence for pair in pairs for sentence in (pair.good, pair.bad)]
    found = elmo_scores(model, tokenizer, split_words(tokenizer, sentences)).columns
    weight, bias = (part.detach().double().numpy()[1:] for part in (model.lm_head.weight, model.lm_head.bias))
    for row, sentence in enumerate(sentences):
        batch = tokenizer(sentence, return_tensors="pt")
        ids = batch["input_ids"][0].numpy()
        with torch.no_grad():
            top = model(**batch).last_hidden_state[0].double().numpy()
        size = top.shape[1] // 2
        sums = {}
        for name, hidden, targets in (
            ("forward", top[:-1, :size], ids[1:]),
            ("backward", top[1:, size:], ids[:-1]),
        ):
            logits = hidden @ weight.T + bias
            highest = logits.max(axis=1)
            log_sum = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
            sums[name] = (logits[np.arange(len(targets)), targets - 1] - log_sum).sum()
        for name, expected in (*sums.items(), ("joint", sum(sums.values()))):
            assert abs(found[name][row] - expected) <= 1e-5


@pytest.mark.extended
@requires_shared
@pytest.mark.slow
def test_all_pairs_of_a_phenomenon_give_the_committed_accuracy(tmp_path):
    """model_cards/results holds what `hf-elmo evaluate blimp` found."""
    committed = json.loads((ROOT / "model_cards/results/evaluation/blimp-elmo-mini-en.json").read_text())["metrics"]
    contender = PlantedContender("elmo-mini-en", {})
    ctx = context(SHARED / "data", contender)
    result = grammar.run(grammar.Cell("grammar", (("phenomenon", "ellipsis"), ("contender", "elmo-mini-en"))), ctx)
    for name in ("forward", "backward", "joint"):
        expected = committed[f"ELMo, {name}"]["term"]["ellipsis"]
        assert grammar._points(result, name).mean() == pytest.approx(expected, abs=0.002)
