# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Questions about a text: SQuAD's JSON and flat objects, answers that are not where they should be."""

import json
import logging
import re

import pytest

from hf_elmo.data import DataError, load_qa

CONTEXT = "In 1066 the Normans, under William, came to England."


def question(key, *answers, **more):
    listed = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": key, "question": f"{key}?", "answers": listed, **more}


def squad(*questions):
    return {
        "version": "v2.0",
        "data": [{"title": "Normans", "paragraphs": [{"context": CONTEXT, "qas": [*questions]}]}],
    }


def load(tmp_path, content, name="dev.json", **options):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load_qa(path, **options)


def test_squad_1(tmp_path):
    found = load(tmp_path, squad(question("q1", ("1066", 3), ("In 1066", 0)), question("q2", ("England", 44))))
    assert list(found) == [
        {"id": "q1", "question": "q1?", "context": CONTEXT, "answers": {"text": ["1066", "In 1066"], "answer_start": [3, 0]}},
        {"id": "q2", "question": "q2?", "context": CONTEXT, "answers": {"text": ["England"], "answer_start": [44]}},
    ]  # fmt: skip


def test_squad_2_without_answer(tmp_path):
    plausible = [{"text": "1066", "answer_start": 3}]
    content = squad(question("q1", is_impossible=True, plausible_answers=plausible), question("q2"))
    assert load(tmp_path, content)["answers"][:] == [{"text": [], "answer_start": []}] * 2


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("listed", [True, False])
def test_flat_objects(tmp_path, name, listed):
    answers = {"text": ["1066"], "answer_start": [3]}
    row = {"id": 7, "question": "when?", "context": CONTEXT, "answers": answers}
    content = {**row, "answers": [{"text": "1066", "answer_start": 3}]} if listed else row
    assert list(load(tmp_path, json.dumps(content) + "\n", name)) == [{**row, "id": "7"}]


UNALIGNED = squad(
    question("q1", ("1066", 3), ("1066", 4)),
    question("q2", ("Normandy", -1), ("Normans", 11)),
    question("q3", ("", 0)),
    question("q4"),
)


def test_answers_that_are_not_where_they_should_be(tmp_path, caplog):
    found = load(tmp_path, UNALIGNED)
    assert dict(zip(found["id"], found["answers"], strict=True)) == {
        "q1": {"text": ["1066"], "answer_start": [3]},
        "q4": {"text": [], "answer_start": []},  # has none to begin with
    }
    assert caplog.record_tuples == [
        (
            "hf_elmo.data.qa",
            logging.WARNING,
            "4 of 5 answers do not stand at their answer_start (the first: "
            f"{tmp_path}/dev.json, article 1, paragraph 1, question 1); they are left out, and 2 of 4 questions with no "
            "other",
        )
    ]


def test_they_can_be_kept_for_scores(tmp_path, caplog):
    found = load(tmp_path, UNALIGNED, keep_unaligned=True)
    assert found["id"][:] == ["q1", "q2", "q3", "q4"]
    assert found["answers"][1] == {"text": ["Normandy", "Normans"], "answer_start": [-1, -1]}
    assert "4 of 5 answers" in caplog.text and "they are kept with answer_start -1" in caplog.text


def test_places_count_characters_not_bytes(tmp_path):
    row = {"id": "1", "question": "?", "context": "🙂é北京", "answers": {"text": ["北京"], "answer_start": [2]}}
    assert load(tmp_path, [row])["answers"][0]["answer_start"] == [2]


ANSWER = question("q1", ("1066", 3))
BAD = [
    (squad(ANSWER, ANSWER), {}, "question 2: the id 'q1' is also that of"),
    (squad({"question": "?", "answers": []}), {}, "article 1, paragraph 1, question 1: no id; each question needs its own"),
    (squad({"id": "1", "answers": []}), {}, "question 1: there is no 'question'"),
    (squad({"id": "1", "question": "?"}), {}, "question 1, 'answers': needed is a list of objects"),
    (squad(question("1", ("1066", None))), {}, "question 1: an answer has no number in 'answer_start'"),
    (squad(question("1", (None, 3))), {}, "question 1: the text of an answer is None; needed is text in quotes"),
    ({"data": [{"paragraphs": [{"context": "c"}]}]}, {}, "article 1, paragraph 1, 'qas': needed is a list of objects"),
    ({"data": [{"paragraphs": [{"qas": []}]}]}, {}, "article 1, paragraph 1: there is no 'context'"),
    ({"data": [{"paragraphs": {}}]}, {}, "article 1: needed is a list of objects"),
    (squad(), {}, "dev.json holds no question"),
    ([{"id": "1", "question": "?"}], {}, "record 1: there is no 'context'; the columns are 'id', 'question'"),
    ([{**ANSWER, "context": "c", "answers": {"text": ["c"], "answer_start": []}}], {}, "record 1: 'answers' needs as many"),
    ([ANSWER], {"format": "squad"}, "dev.json is not SQuAD's JSON"),
    (squad(ANSWER), {"format": "csv"}, "format='csv' is not known for this task; it is one of squad, json, jsonl"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "message"), BAD)
def test_errors_name_file_and_place(tmp_path, content, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load(tmp_path, content, **options)
