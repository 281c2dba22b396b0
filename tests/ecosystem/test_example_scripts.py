# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""transformers' own example scripts, unchanged, fine-tune a saved ELMo as they do BERT, without hf_elmo.

They are not part of the transformers package: `TRANSFORMERS_EXAMPLES` names the folder `examples/pytorch` of a
checkout of its repository.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from elmo_builders import tiny_config
from question_answering import answer
from support import ROOT
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

from hf_elmo.modeling import ElmoForTokenClassification, ElmoModel, ElmoTokenizer

EXAMPLES = Path(os.environ.get("TRANSFORMERS_EXAMPLES", ""))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "TRANSFORMERS_EXAMPLES" not in os.environ,
        reason="TRANSFORMERS_EXAMPLES does not name examples/pytorch of a checkout of transformers",
    ),
]

# The metric that run_ner.py loads by the name "seqeval", found in the working directory before the Hub is asked.
SEQEVAL = """
import datasets
import evaluate
from seqeval import metrics

class Seqeval(evaluate.Metric):
    def _info(self):
        tags = datasets.Sequence(datasets.Value("string"))
        features = datasets.Features({"predictions": tags, "references": tags})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        names = ("precision", "recall", "f1", "accuracy")
        return {f"overall_{name}": getattr(metrics, f"{name}_score")(references, predictions) for name in names}
"""
NAMES, PLACES, VERBS = ["Anna", "Zoë", "Li", "Omar"], ["Paris", "北京", "New-Ulm", "Oslo"], ["saw", "left", "liked"]


def sentences(count: int) -> list[tuple[list[str], list[str]]]:
    """Words and tags of sentences whose tags can be learnt."""
    chance = random.Random(0)
    rows = []
    for _ in range(count):
        words = [chance.choice(NAMES), chance.choice(VERBS), "the", "town", "of", chance.choice(PLACES), "."]
        rows.append((words, ["B-PER", "O", "O", "O", "O", "B-LOC", "O"]))
    return rows


HEADS = {"linear": {}, "recurrent": {"task_head": "recurrent", "task_hidden_size": 16, "use_crf": True}}


@pytest.fixture(scope="module", params=HEADS)
def place(request, tmp_path_factory) -> Path:
    """A working directory with a saved ELMo encoder, data and metrics."""
    place = tmp_path_factory.mktemp("examples")
    torch.manual_seed(0)
    tokenizer = ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "of", "."], model_max_length=64)
    settings = {"vocab_size": len(tokenizer), "embedding_dropout": 0.1, **HEADS[request.param]}
    ElmoModel(tiny_config(**settings)).save_pretrained(place / "elmo")
    tokenizer.save_pretrained(place / "elmo")

    rows = sentences(64)
    tagging = [json.dumps({"tokens": words, "ner_tags": tags}, ensure_ascii=False) for words, tags in rows]
    texts = [
        json.dumps({"sentence1": " ".join(w), "sentence2": "who?", "label": NAMES[:2].count(w[0])}) for w, _ in rows
    ]
    questions = [
        {"id": str(i), "question": "Which town?", "context": " ".join(w), "answers": answers_of(w)}
        for i, (w, _) in enumerate(rows)
    ]
    for name, lines in (("tagging", tagging), ("texts", texts)):
        (place / f"{name}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (place / "questions.json").write_text(json.dumps({"data": questions}), encoding="utf-8")

    for name, source in (("accuracy", "classification"), ("squad", "qa")):
        (place / name).mkdir()
        shutil.copy(ROOT / "hf_elmo" / "metrics" / source / f"{source}.py", place / name / f"{name}.py")
    (place / "seqeval").mkdir()
    (place / "seqeval" / "seqeval.py").write_text(SEQEVAL)
    (place / "start").mkdir()
    (place / "start" / "sitecustomize.py").write_text("import sys\nsys.modules['hf_elmo'] = None  # not installed\n")
    return place


def answers_of(words: list[str]) -> dict:
    text = " ".join(words)
    return {"text": [words[5]], "answer_start": [text.index(words[5])]}


def run(place: Path, script: str, data: str, *options: str) -> dict:
    """Scores that the script writes; trains, evaluates and predicts."""
    files = [f"--{part}_file={place / data}.json" for part in ("train", "validation", "test")]
    switches = [
        "--do_train",
        "--do_eval",
        "--do_predict",
        "--trust_remote_code=True",
        "--use_cpu=True",
        "--report_to=none",
    ]
    settings = [
        "--num_train_epochs=8",
        "--learning_rate=0.01",
        "--per_device_train_batch_size=8",
        "--save_strategy=no",
    ]
    folders = ["--model_name_or_path=elmo", f"--output_dir=out-{data}", "--cache_dir=cache"]
    command = [sys.executable, str(EXAMPLES / script), *files, *switches, *settings, *folders, *options]
    environment = {
        **os.environ,
        "PYTHONPATH": str(place / "start"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(place / "home"),
        "HF_MODULES_CACHE": str(place / "modules"),
    }
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((place / f"out-{data}" / "all_results.json").read_text())


def test_run_ner(place):
    scores = run(place, "token-classification/run_ner.py", "tagging")
    assert scores["eval_f1"] > 0.9 and scores["predict_f1"] > 0.9
    tag = pipeline("ner", str(place / "out-tagging"), aggregation_strategy="simple")
    assert type(tag.model) is ElmoForTokenClassification
    found = [(span["entity_group"], span["start"], span["end"]) for span in tag("Anna left the town of Oslo .")]
    assert found == [("PER", 0, 4), ("LOC", 22, 26)]


def test_run_glue(place):
    scores = run(place, "text-classification/run_glue.py", "texts", "--max_seq_length=32")
    assert scores["eval_accuracy"] > 0.9
    predicted = (place / "out-texts" / "predict_results_None.txt").read_text().splitlines()[1:]
    classify = pipeline("text-classification", str(place / "out-texts"))
    rows = sentences(64)
    results = classify([{"text": " ".join(words), "text_pair": "who?"} for words, _ in rows])
    # the script leaves the names of the labels as they were
    assert [result["label"] for result in results] == ["LABEL_" + row.split("\t")[1] for row in predicted]


def test_run_qa(place):
    scores = run(place, "question-answering/run_qa.py", "questions", "--max_seq_length=16", "--doc_stride=4")
    assert scores["eval_exact_match"] > 80
    folder = str(place / "out-questions")
    parts = AutoModelForQuestionAnswering.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    predicted = json.loads((place / "out-questions" / "eval_predictions.json").read_text())
    for number, (words, _) in enumerate(sentences(64)):
        assert answer(*parts, "Which town?", " ".join(words), 16, 4)["answer"] == predicted[str(number)]
