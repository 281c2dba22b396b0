# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Rows of "ELMo or BERT?": who wins by hand-made reports and benchmarks, and how they come into a card."""

import json
import re
import shutil

import pytest

from hf_elmo.compare.report import write_report
from hf_elmo.model_cards.comparison import REPORT, Row, claims, comparison_rows, report_rows, telling_columns, timed
from hf_elmo.model_cards.numbers import Number, Results, unsourced_numbers, without_marks
from hf_elmo.model_cards.rendering import render_card

CONTENDERS = [
    {"name": "shuffled:elmo-mini-en", "kind": "elmo"},
    {"name": "elmo-mini-en", "kind": "elmo"},
    {"name": "bert-mini-en", "kind": "bert"},
    {"name": "word2vec-mini-en", "kind": "static"},
]


def figure(value, interval=None, cell="c"):
    return {"value": value, "sd": None, "interval": interval, "n": 10, "cells": [cell]}


def table(name, rows, higher=True, columns=("F1",), unit="%"):
    """`rows`: (label, contender, values of the columns)."""
    return {
        "id": name,
        "title": f"Title {name}",
        "unit": unit,
        "higher_is_better": higher,
        "columns": list(columns),
        "rows": [
            {"label": label, "contender": contender, "group": None, "values": dict(zip(columns, values, strict=False))}
            for label, contender, values in rows
        ],
        "plot": None,
    }


def two(name, elmo, bert, **more):
    rows = [("elmo-mini-en", "elmo-mini-en", [elmo]), ("bert-mini-en", "bert-mini-en", [bert])]
    return table(name, rows, **more)


TABLES = [
    two("ahead", figure(91.0, [90.0, 92.0]), figure(85.0, [84.0, 86.0])),
    two("behind", figure(61.0, [60.0, 62.0]), figure(70.0, [69.0, 71.0])),
    two("seeds", figure(50.0) | {"sd": 1.0}, figure(53.0) | {"sd": 0.6}),
    two("open", figure(50.0, [45.0, 55.0]), figure(54.0, [50.0, 58.0])),
    two("seconds", figure(2.0), figure(3.0), higher=False, unit="s"),
    two("close", figure(2.0), figure(2.1), higher=False, unit="s"),
    two("free", figure(0.0), figure(3.0), higher=False, unit="MB"),
    two("moves", figure(1.0), figure(0.5), unit="cosine, before and after"),
    two("sizes", figure(2.0), figure(3.0), higher=None),
    table("alone", [("elmo-mini-en", "elmo-mini-en", [figure(1.0)])]),
    table(
        "layers",
        [
            ("shuffled:elmo-mini-en", "shuffled:elmo-mini-en", [figure(99.0)]),
            ("elmo-mini-en, layer 1", "elmo-mini-en", [figure(80.0), figure(1.0)]),
            ("elmo-mini-en, layer 2", "elmo-mini-en", [figure(82.0), figure(0.0)]),
            ("bert-mini-en, layer 4", "bert-mini-en", [figure(81.0), figure(9.0)]),
            ("most frequent", None, [figure(83.0)]),
        ],
        columns=("all", "some"),
    ),
    table(
        "lengths",
        [
            ("e", "elmo-mini-en", [figure(7.0), figure(1.0), figure(2.0)]),
            ("b", "bert-mini-en", [figure(5.0), figure(1.0), None]),
        ],
        columns=("8", "64", "512"),
    ),
    table(
        "tasks",
        [("e", "elmo-mini-en", [figure(7.0), figure(1.0)]), ("b", "bert-mini-en", [figure(5.0), figure(0.0)])],
        columns=("UD EWT", "GUM"),
    ),
    table(
        "times",
        [
            ("e1", "elmo-mini-en", [figure(3.0)]),
            ("e2", "elmo-mini-en", [figure(2.0)]),
            ("b1", "bert-mini-en", [figure(4.0)]),
            ("b2", "bert-mini-en", [figure(5.0)]),
        ],
        higher=False,
    ),
    two("cost-memory-batch-1", figure(7.0), figure(1.0)),
    two("noise", figure(7.0), figure(1.0), columns=("unchanged",)),
    two("kinds", figure(7.0), figure(1.0), columns=tuple("abcdefg")),
]
# Latin words of a Chinese row: names of data, models, scores, layers and number formats.
NAMES = set("UD EWT GUM WikiGold WNUT MR SUBJ Snips CLINC150 Banking77 SQuADShifts BLiMP F1 LSTM".split())
NAMES |= set("C ELMo BERT original small base float32".split())


@pytest.fixture
def results(tmp_path, plain_results):
    """The result files with a report that `hf-elmo compare` writes of TABLES."""
    folder = tmp_path / "results"
    shutil.copytree(plain_results.folder, folder)
    cell = folder / "comparison" / "cells" / "made" / "c.json"
    cell.parent.mkdir(parents=True)
    cell.write_text("{}")
    section = {"experiment": "made", "title": "Made", "tables": TABLES, "tests": [], "notes": []}
    write_report(folder / "comparison", [section], {"contenders": CONTENDERS, "command": "hf-elmo compare"})
    return Results(folder)


def test_each_table_that_ranks_both_gives_a_row(results):
    rows = {without_marks(row.question["en"]): row for row in report_rows(results)}
    assert {question: row.winner for question, row in rows.items()} == {
        "Title ahead: F1": "elmo",
        "Title behind: F1": "bert",
        "Title seeds: F1": "none",
        "Title open: F1": "none",
        "Title seconds: F1": "elmo",
        "Title close: F1": "none",
        "Title layers: all (best rows: layer 2 / layer 4)": "none",
        "Title times: F1 (best rows: e2 / b1)": "elmo",
        "Title lengths: 8": "elmo",
        "Title tasks: UD EWT": "elmo",
        "Title tasks: GUM": "elmo",
    }
    ahead = rows["Title ahead: F1"]
    best = rows["Title layers: all (best rows: layer 2 / layer 4)"]
    assert without_marks(ahead.cell("elmo")) == "**91.0 (90.0–92.0)**"
    assert without_marks(ahead.cell("bert")) == "85.0 (84.0–86.0)"
    seeds = rows["Title seeds: F1"]
    assert without_marks(seeds.cell("elmo")) == "50.0 (48.0–52.0)" and seeds.intervals[1] == pytest.approx(
        (51.8, 54.2)
    )
    assert (best.elmo.value, best.bert.value) == (82.0, 81.0)
    assert best.elmo.sources == {f"{REPORT}: layers, elmo-mini-en, layer 2, all"}
    assert without_marks(ahead.unit["zh"]) == "%"


def test_without_a_report_the_benchmarks_speak_alone(results, plain_results):
    with_report, without = comparison_rows(results), comparison_rows(plain_results)
    assert len(without) == 7 and [row.question for row in with_report[11:]] == [row.question for row in without]
    assert claims(plain_results) == [] and "Claims, and what was measured" not in render_card(
        "original", results=plain_results
    )


def test_speeds_are_compared_with_the_range_of_their_runs(plain_results, tmp_path):
    """Read again from the files: words of the run over its seconds."""
    rows = comparison_rows(plain_results)
    content = json.loads((plain_results.folder / "encoder-original-xeon.json").read_text(encoding="utf-8"))
    measured = content["metrics"]["original, batch 1, corpus order"]["sides"]["ours-native"]
    (row,) = [
        row
        for row in rows
        if "one sentence at a time: ELMo original with its C kernel, BERT-base; float32" in row.question["en"]
    ]
    assert row.elmo.value == measured["words_per_second"] and row.winner == "bert"
    times = sorted(measured["seconds"])
    words = measured["words_per_second"] * times[len(times) // 2]
    assert row.intervals[0] == pytest.approx((words / times[-1], words / times[0]), rel=1e-3)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["8", "64", "512"], ["8", "512"]),
        (["10 %", "30 %", "100 %"], ["10 %", "100 %"]),
        (["8"], ["8"]),
        (["1", "2", "4-5", "6-9"], ["1", "6-9"]),
        (["all words (F1)", "nouns"], ["all words (F1)"]),
        (["overall", "islands"], ["overall"]),
        (["allowed", "a"], ["allowed", "a"]),
        (list("abcdef"), list("abcdef")),
        (list("abcdefg"), []),
        (["unchanged", "typos"], []),
        ([], []),
    ],
)
def test_columns_that_a_card_has_room_for(columns, told):
    assert telling_columns({"columns": columns}) == told


@pytest.mark.parametrize(
    ("value", "intervals", "text"),
    [
        (1504.4, None, "1,504"),
        (91.25, None, "91.2"),
        (4.7721, None, "4.77"),
        (0.8194, None, "0.819"),
        (9.0, None, "9"),
        (9.0, (8.5, 9.5), "9.00 (8.50–9.50)"),
        (100, (99.5, 100), "100 (100–100)"),
        (-3.25, None, "-3.25"),
    ],
)
def test_values_are_written_with_the_digits_that_count(value, intervals, text):
    both = None if intervals is None else (intervals, (-1.0, -1.0))
    other = Number(2.0 * value, frozenset())
    row = Row({"en": "", "zh": ""}, Number(value, frozenset()), other, True, {"en": "", "zh": ""}, "", both)
    assert without_marks(row.cell("elmo")).strip("*") == text


def test_values_that_are_equal_have_no_winner():
    three = Number(3.0, frozenset())
    row = Row({"en": "", "zh": ""}, three, three, True, {"en": "", "zh": ""}, "")
    assert row.winner == "none" and without_marks(row.cell("elmo")) == "3"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_comes_into_the_card(results, language):
    text = render_card("original", language, results=results, marks=True)
    assert unsourced_numbers(text) == []
    ahead, behind, open_ = {
        "en": ("### Where ELMo is ahead", "### Where ELMo loses", "### Too close to call"),
        "zh": ("### ELMo 领先之处", "### ELMo 落后之处", "### 难分高下"),
    }[language]
    parts = {heading: without_marks(text).split(heading)[1].split("###")[0] for heading in (ahead, behind, open_)}
    assert "Title ahead" in parts[ahead] and "Title seconds" in parts[ahead] and "Title behind" not in parts[ahead]
    assert "| 61.0 (60.0–62.0) | **70.0 (69.0–71.0)** |" in parts[behind]
    assert "Title open" in parts[open_]


def test_rows_are_chinese_in_a_chinese_card(results):
    report = json.loads((results.folder / REPORT).read_text(encoding="utf-8"))
    rows = [
        ("elmo-mini-en, compiled kernel", "elmo-mini-en", [figure(2.0)]),
        ("elmo-mini-en, plain", "elmo-mini-en", [figure(1.0)]),
        ("bert-mini-en", "bert-mini-en", [figure(1.0)]),
    ]
    report["sections"][0]["tables"] = [table("cost-training", rows, columns=("labels of words",))]
    (results.folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    (row,) = report_rows(Results(results.folder))
    assert without_marks(row.question["en"]) == (
        "Title cost-training: labels of words (best rows: compiled kernel / as it comes)"
    )
    assert (
        without_marks(row.question["zh"]) == "训练速度：整个模型的更新：词的标签（各取最好的一行：编译的内核 / 原样）"
    )


def test_no_english_is_left_in_the_chinese_rows_of_the_full_comparison():
    results = Results()
    if not results.has(REPORT):
        pytest.skip("no report of the full comparison in model_cards/results")
    for row in comparison_rows(results):
        told = re.sub(r"{{.*?}}", "", without_marks(row.question["zh"] + " " + row.unit["zh"]))
        assert set(re.findall(r"[A-Za-z][A-Za-z0-9]*", told)) <= NAMES, told
    assert timed(results)["threads"].value == 1


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ([], None),
        (
            ["Timed on CPU with 1 thread(s), processor time."],
            ("CPU", 1, "timed on CPU, 1 thread.", "在 CPU 上用 1 个线程"),
        ),
        (["", "Timed on H200 with 4 thread(s)."], ("H200", 4, "timed on H200, 4 threads.", "在 H200 上用 4 个线程")),
    ],
)
def test_cards_tell_what_costs_were_timed_on(results, notes, told):
    report = json.loads((results.folder / REPORT).read_text(encoding="utf-8"))
    report["sections"].append({"experiment": "cost", "title": "Cost", "tables": [], "tests": [], "notes": notes})
    (results.folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    again = Results(results.folder)
    texts = [render_card("original", language, results=again, marks=True) for language in ("en", "zh")]
    assert [unsourced_numbers(text) for text in texts] == [[], []]
    if told is None:
        assert timed(again) is None and "timed on" not in texts[0]
    else:
        device, threads, english, chinese = told
        assert timed(again)["threads"].value == threads and without_marks(timed(again)["device"]) == device
        assert english in without_marks(texts[0]) and chinese in without_marks(texts[1])


def test_a_card_says_why_scores_of_the_same_data_differ(results):
    sentence = "a fixed number of updates on at most 4,000 examples, scored on at most 1,000."
    assert sentence in render_card("elmo-mini-en", results=results)
    assert "4,000 个样本" in render_card("elmo-mini-en", "zh", results=results)
    assert sentence not in render_card("original", results=results)  # shows no scores of that data


def test_without_a_report_nothing_was_timed(plain_results):
    assert timed(plain_results) is None


def test_claims_of_the_report(results):
    report = json.loads((results.folder / REPORT).read_text(encoding="utf-8"))
    counts = {"for": 3, "against": 1, "open": 0}
    report["ledger"] = [
        {"id": "a", "claim": {"en": "It is good in 9.", "zh": "很好"}, "verdict": "mixed", "counts": counts},
        {
            "id": "b",
            "claim": {"en": "Unmeasured.", "zh": "没有测"},
            "verdict": "not measured",
            "counts": dict.fromkeys(counts, 0),
        },
    ]
    (results.folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    again = Results(results.folder)
    (entry,) = claims(again)
    assert entry["counts"]["for"].value == 3 and entry["verdict"]["zh"] == "有得有失"
    text = render_card("original", results=again, marks=True)
    assert "| It is good in 9. | mixed | 3 | 1 | 0 |" in without_marks(text) and unsourced_numbers(text) == []
    assert "Unmeasured" not in text


def test_a_report_without_an_elmo_is_refused(results):
    report = json.loads((results.folder / REPORT).read_text(encoding="utf-8"))
    report["facts"]["contenders"] = CONTENDERS[2:]
    (results.folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(ValueError, match="compares no ELMo with a BERT"):
        comparison_rows(Results(results.folder))
