# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""save -> load -> pipeline where hf_elmo is not installed: the same predictions, to the last offset."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from question_answering import answer
from strange_texts import strange_texts
from transformers import pipeline

TEXTS = [
    "Anna saw the bank.",
    "Zoë's (un)believable friend sat\nby the river, 北京 😀 \ud800 \x00!",
    *strange_texts(30, seed=2, words=50, characters=500),
]
COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Defines predict(place_of, answer, texts), which is run here and, behind the first lines, elsewhere.
PREDICT = """
def predict(place_of, answer, texts, **trust):
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer, pipeline

    results = {}
    for name in ("tagger", "crf_tagger"):
        tag = pipeline("token-classification", place_of[name], **trust)
        for strategy in ("none", "simple", "first", "average", "max"):
            rows = tag(texts, aggregation_strategy=strategy, batch_size=4)
            results[name, strategy] = [[{**item, "score": float(item["score"])} for item in row] for row in rows]
    pairs = [{"text": text, "text_pair": other} for text, other in zip(texts, texts[::-1])]
    for name in ("classifier", "multi_label", "regressor"):
        classify = pipeline("text-classification", place_of[name], **trust)
        results[name] = [classify(texts, top_k=None, batch_size=4), classify(pairs, top_k=None)]
    extract = pipeline("feature-extraction", place_of["encoder"], **trust)
    results["encoder"] = [features[0] for features in extract(texts)]
    for name in ("qa", "qa_flow"):
        model = AutoModelForQuestionAnswering.from_pretrained(place_of[name], **trust)
        tokenizer = AutoTokenizer.from_pretrained(place_of[name], **trust)
        results[name] = [answer(model, tokenizer, "Who saw it?", text, 32, 8) for text in texts]
    return results
"""
ELSEWHERE = """
import sys
sys.modules["hf_elmo"] = None  # as if not installed
import pickle, torch
torch.set_num_threads(1)
exec(open("predict.py").read())
exec(open("question_answering.py").read())
job = pickle.load(open("job.pickle", "rb"))
results = predict(job["place_of"], answer, job["texts"], trust_remote_code=True)
pickle.dump(results, open("results.pickle", "wb"))
"""


def predict_elsewhere(place_of: dict[str, str], folder: Path) -> dict:
    (folder / "predict.py").write_text(PREDICT)
    shutil.copy(Path(__file__).parents[1] / "helpers" / "question_answering.py", folder)
    # JSON would make one character of two lone surrogates.
    (folder / "job.pickle").write_bytes(pickle.dumps({"place_of": place_of, "texts": TEXTS}))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "home"),
        "HF_MODULES_CACHE": str(folder / "modules"),
    }
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return pickle.loads((folder / "results.pickle").read_bytes())


@pytest.fixture(scope="module")
def predicted_here(folders) -> dict:
    names: dict = {}
    exec(PREDICT, names)
    return names["predict"](folders, answer, TEXTS)


def check(elsewhere: dict, here: dict) -> None:
    assert set(elsewhere) == set(here)
    for key in here:
        assert elsewhere[key] == here[key], key
    assert sum(map(len, here["crf_tagger", "simple"])) > 20


@pytest.mark.slow
def test_local_folders(folders, predicted_here, tmp_path):
    check(predict_elsewhere(folders, tmp_path), predicted_here)


@pytest.mark.slow
def test_a_hub_cache(folders, predicted_here, tmp_path):
    for name, folder in folders.items():
        repository = tmp_path / "home" / "hub" / f"models--me--{name}"
        shutil.copytree(folder, repository / "snapshots" / COMMIT)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
    check(predict_elsewhere({name: f"me/{name}" for name in folders}, tmp_path), predicted_here)


@pytest.mark.slow
def test_folders_that_pipelines_saved(folders, predicted_here, tmp_path):
    """`pipeline.save_pretrained` keeps code, settings and predictions."""
    tasks = {"tagger": "token-classification", "classifier": "text-classification", "encoder": "feature-extraction"}
    for name, task in tasks.items():
        again = tmp_path / name
        first = pipeline(task, folders[name])
        first.save_pretrained(again)
        assert {path.name for path in again.glob("*.py")} == {path.name for path in Path(folders[name]).glob("*.py")}
        assert pipeline(task, str(again))(TEXTS[1]) == first(TEXTS[1])
    place_of = {**folders, **{name: str(tmp_path / name) for name in tasks}}
    check(predict_elsewhere(place_of, tmp_path), predicted_here)
