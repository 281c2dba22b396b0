# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Verdicts: planted tables turn each of them either way, and their figures are those of the tables."""

import pytest
from comparison_samples import FACTS, MODELS, row, section, table

from hf_elmo.compare.claims import CLAIMS
from hf_elmo.compare.formatting import texts
from hf_elmo.compare.ledger import VERDICTS, ledger_of
from hf_elmo.compare.report import content_of

AMBIGUOUS = "lemmas with several senses"


def verdicts(*sections, folder="no-folder", tmp_path):
    """Claim -> its entry, of a report with these sections."""
    return {entry["id"]: entry for entry in content_of(tmp_path / folder, sections, FACTS)["ledger"]}


def by_kind(name, columns, elmo=None, bert=None, static=None, better=True, group=None, spread=0.5):
    """A table with the same value of each kind of model in all columns."""
    values = {"elmo": elmo, "bert": bert, "static": static}
    rows = [
        row(kind, dict.fromkeys(columns, value), ["c"], group=group, spread=spread)
        for kind, value in values.items()
        if value is not None
    ]
    return table(name, columns, rows, better=better)


def layers(name, column, floor, lstm, static):
    rows = [
        row("elmo", {column: value}, ["c"], f"elmo-x, {layer}", layer, spread=0.5)
        for layer, value in {"characters": floor, "lstm1": lstm, "lstm2": lstm}.items()
    ]
    rows.append(row("static", {column: static}, ["c"], "vectors-x, vectors", "vectors", spread=0.5))
    return table(name, [column], rows)


def falling(name, near, far, bert):
    """ELMo right at two distances, BERT the same at both."""
    rows = [
        row("elmo", {"0": near, "12": far}, ["c"], spread=0.5),
        row("bert", {"0": bert, "12": bert}, ["c"], spread=0.5),
    ]
    return table(name, ["0", "12"], rows)


# claim -> tables that speak for it, and tables that speak against it
PLANTED = {
    "context-sensitive": [[layers("polysemy-auc", "own", 50, up, 50)] for up in (70, 40)],
    "polysemy": [[layers("senses", AMBIGUOUS, 50, up, 52)] for up in (60, 45)],
    "ner-over-static": [
        [by_kind("quality-ner", ["WNUT 17", "WikiGold"], elmo=up, static=30, group="frozen")] for up in (40, 20)
    ],
    "sentiment-over-static": [
        [by_kind("quality-classification", ["MR (sentiment)", "SUBJ"], elmo=up, static=70, group="frozen")]
        for up in (80, 60)
    ],
    "easy-integration": [
        [
            by_kind("integration-lines", ["word vectors", "training a tagger"], elmo=lines, better=False),
            by_kind("integration-seconds", ["word vectors"], elmo=seconds, better=False),
        ]
        for lines, seconds in ((9, 7), (40, 90))
    ],
    "training-cost": [[by_kind("cost-training", ["pretraining"], elmo=100, bert=other)] for other in (200, 50)],
    "long-distance": [[falling("agreement-distance-plain", near, 60, bert)] for near, bert in ((90, 80), (50, 40))],
    "both-sides": [[by_kind("blimp", ["overall"], elmo=60, bert=other)] for other in (70, 50)],
    "bert-qa": [[by_kind("quality-qa", ["SQuADShifts"], elmo=20, bert=other, group="frozen")] for other in (30, 10)],
    "bert-classification": [
        [by_kind("quality-classification", ["SUBJ"], elmo=80, bert=other, group="fine-tuned")] for other in (90, 70)
    ],
    "bert-ner": [[by_kind("quality-ner", ["WNUT 17"], elmo=30, bert=other, group="frozen")] for other in (50, 20)],
    "bert-training-cost": [[by_kind("cost-training", ["labels of words"], elmo=up, bert=100)] for up in (200, 50)],
    "bert-inference-cost": [[by_kind("cost-encoder-batch-8", ["8", "128"], elmo=up, bert=100)] for up in (200, 50)],
    "bert-long-texts": [[by_kind("cost-encoder-batch-8", ["8", "2048"], elmo=up, bert=100)] for up in (200, 50)],
    "bert-data-hungry": [[by_kind("examples-snips", ["100", "1000"], elmo=up, bert=60)] for up in (70, 50)],
    "masked-over-next-word": [
        [by_kind("quality-upos", ["UD EWT"], elmo=90, bert=other, group="frozen")] for other in (95, 80)
    ],
    "elmo-cheaper": [[by_kind("cost-parameters", ["parameters"], elmo=mine, bert=5, better=False)] for mine in (2, 9)],
}


def test_every_claim_is_planted_and_has_words_in_both_languages():
    assert [claim.id for claim in CLAIMS] == list(PLANTED) == list(texts("claims"))
    for words in texts("claims").values():
        pairs = [words["claim"], words["rule"], words["full_size"], *(line["text"] for line in words["published"])]
        assert all(set(pair) == {"en", "zh"} and pair["en"] and pair["zh"] for pair in pairs)
        assert all(line["source"] for line in words["published"])


@pytest.mark.parametrize("claim", PLANTED)
def test_planted_tables_turn_the_verdict(claim, tmp_path):
    for tables, wanted in zip(PLANTED[claim], ("supported", "not supported here"), strict=True):
        entry = verdicts(section("planted", *tables), tmp_path=tmp_path)[claim]
        assert entry["verdict"] == wanted
        assert sum(entry["counts"].values()) == len(entry["comparisons"]) > 0


def test_without_tables_nothing_is_measured(tmp_path):
    assert {entry["verdict"] for entry in verdicts(tmp_path=tmp_path).values()} == {"not measured"}
    assert set(VERDICTS) >= {"not measured"}


def test_one_for_and_one_against_is_mixed(tmp_path):
    won = by_kind("quality-qa", ["a"], elmo=20, bert=30, group="frozen")
    lost = by_kind("quality-qa-other", ["a"], elmo=30, bert=20, group="frozen")
    assert verdicts(section("planted", won, lost), tmp_path=tmp_path)["bert-qa"]["verdict"] == "mixed"


def test_more_against_than_for_is_not_supported_and_open_ones_do_not_refute(tmp_path):
    """Of four data sets BERT wins one and loses none or two."""
    for others, wanted in (([60, 60, 60], "mixed"), ([60, 50, 50], "not supported here")):
        tables = [
            by_kind(f"quality-qa-{place}", ["a"], elmo=60, bert=bert, group="frozen")
            for place, bert in enumerate([70, *others])
        ]
        assert verdicts(section("planted", *tables), tmp_path=tmp_path)["bert-qa"]["verdict"] == wanted


def test_parts_of_a_claim_weigh_the_same(tmp_path):
    """ELMo falls with distance once; BERT is behind in two far columns: one part for the claim, one against it."""
    columns = {"0": 90, "10": 80, "12": 60}
    rows = [row("elmo", columns, ["c"], spread=0.5), row("bert", dict.fromkeys(columns, 50), ["c"], spread=0.5)]
    planted = table("agreement-distance-plain", list(columns), rows)
    entry = verdicts(section("planted", planted), tmp_path=tmp_path)["long-distance"]
    assert entry["counts"] == {"for": 1, "against": 2, "open": 0}
    assert [one["part"] for one in entry["comparisons"]] == ["fall", "far", "far"]
    assert entry["verdict"] == "mixed"


def test_each_measure_of_cost_weighs_the_same(tmp_path):
    """Slower at five lengths, but with fewer operations and parameters."""
    lengths = ["8", "32", "128", "512", "2048"]
    tables = [
        by_kind("cost-encoder-batch-8", lengths, elmo=50, bert=100),
        by_kind("cost-flops", ["8"], elmo=5, bert=10, better=False, group="counted"),
        by_kind("cost-parameters", ["parameters"], elmo=5, bert=10, better=False),
    ]
    entry = verdicts(section("planted", *tables), tmp_path=tmp_path)["elmo-cheaper"]
    assert entry["counts"] == {"for": 2, "against": 5, "open": 0}
    assert entry["verdict"] == "mixed"
    entry = verdicts(section("planted", *tables[:2]), tmp_path=tmp_path)["elmo-cheaper"]
    assert entry["verdict"] == "mixed"  # one measure for, one against
    assert (
        verdicts(section("planted", tables[0]), tmp_path=tmp_path)["elmo-cheaper"]["verdict"] == "not supported here"
    )


def test_the_time_of_pretraining_counts_beside_the_speed_of_updates(tmp_path):
    tables = [
        by_kind("cost-training", ["pretraining"], elmo=100, bert=200),
        by_kind("cost-pretraining", ["seconds"], elmo=260, bert=330, better=False),
        by_kind("cost-pretraining-passes", ["passes"], elmo=2.8, bert=7, static=5, better=None),
    ]
    found = verdicts(section("planted", *tables), tmp_path=tmp_path)
    for claim in ("training-cost", "bert-training-cost"):
        assert found[claim]["counts"] == {"for": 1, "against": 1, "open": 0}
        assert found[claim]["verdict"] == "mixed"


def test_layers_must_beat_the_most_frequent_sense(tmp_path):
    planted = layers("senses", AMBIGUOUS, 50, 60, 52)
    baseline = row("static", {AMBIGUOUS: 70}, ["c"], "most frequent sense", spread=0.5) | {"contender": None}
    planted["rows"].append(baseline)
    entry = verdicts(section("planted", planted), tmp_path=tmp_path)["polysemy"]
    assert entry["counts"] == {"for": 4, "against": 2, "open": 0}
    assert entry["verdict"] == "mixed"


def test_figures_are_those_of_the_tables(tmp_path):
    planted = by_kind("quality-qa", ["a"], elmo=20.25, bert=30.5, group="frozen")
    (one,) = verdicts(section("planted", planted), tmp_path=tmp_path)["bert-qa"]["comparisons"]
    assert (one["claimed"]["value"], one["other"]["value"]) == (30.5, 20.25)
    assert (one["claimed"]["label"], one["other"]["label"]) == (MODELS["bert"], MODELS["elmo"])
    assert one["claimed"]["cells"] == ["c"]
    assert one["places"] == [["quality-qa", "bert-x", "a"], ["quality-qa", "elmo-x", "a"]]


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ({"p": 0.001, "p_holm": 0.2}, "open"),  # the corrected one counts
        ({"p": 0.001, "p_holm": 0.004}, "for"),
        ({"p": 0.001, "p_holm": 0.004, "significant": False}, "open"),  # another sign with another seed
        ({"p": 0.001, "p_holm": 0.004, "column": "b"}, "for"),  # of another column: the intervals decide
        ({"p": 0.9, "p_holm": 0.9, "group": "fine-tuned"}, "for"),
    ],
)
def test_a_paired_test_goes_before_intervals(test, outcome, tmp_path):
    planted = by_kind("quality-qa", ["a"], elmo=20, bert=30, group="frozen")
    test = {"table": "quality-qa", "column": "a", "group": "frozen", "a": "elmo-x", "b": "bert-x", **test}
    entry = verdicts(section("planted", planted, tests=[test]), tmp_path=tmp_path)["bert-qa"]
    assert [one["outcome"] for one in entry["comparisons"]] == [outcome]


def test_intervals_that_meet_leave_it_open(tmp_path):
    planted = by_kind("quality-qa", ["a"], elmo=20, bert=20.9, group="frozen", spread=0.5)
    entry = verdicts(section("planted", planted), tmp_path=tmp_path)["bert-qa"]
    assert [one["outcome"] for one in entry["comparisons"]] == ["open"]
    assert entry["verdict"] == "not supported here"


def test_costs_within_a_tenth_leave_it_open(tmp_path):
    planted = by_kind("cost-training", ["pretraining"], elmo=100, bert=109)
    entry = verdicts(section("planted", planted), tmp_path=tmp_path)["training-cost"]
    assert [one["outcome"] for one in entry["comparisons"]] == ["open"]


def test_fine_tuned_rows_are_not_compared_with_frozen_ones(tmp_path):
    rows = [row("elmo", {"a": 20}, ["c"], group="frozen"), row("bert", {"a": 30}, ["c"], group="fine-tuned")]
    entry = verdicts(section("planted", table("quality-qa", ["a"], rows)), tmp_path=tmp_path)["bert-qa"]
    assert entry["verdict"] == "not measured"


def test_planted_contenders_do_not_count():
    facts = {"contenders": [*FACTS["contenders"], {"name": "shuffled:elmo-x", "kind": "elmo"}]}
    planted = by_kind("quality-qa", ["a"], elmo=20, bert=30, group="frozen")
    bad = row("elmo", {"a": 1}, ["c"], group="frozen", spread=0.5) | {"contender": "shuffled:elmo-x"}
    planted["rows"].append(bad)
    entry = next(each for each in ledger_of([section("planted", planted)], facts) if each["id"] == "bert-qa")
    assert len(entry["comparisons"]) == 1
