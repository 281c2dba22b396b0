# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every task from its data to a folder that the Auto classes and `pipeline` load, for ELMo and for BERT."""

import hashlib
import json

import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from transformers import AutoTokenizer, pipeline

AUTO_CLASSES = {
    "tagging": transformers.AutoModelForTokenClassification,
    "classification": transformers.AutoModelForSequenceClassification,
    "qa": transformers.AutoModelForQuestionAnswering,
    "multiple-choice": transformers.AutoModelForMultipleChoice,
}


@pytest.mark.parametrize("kind", ["elmo", "bert"])
@pytest.mark.parametrize("task", AUTO_CLASSES)
def test_each_task_runs_to_a_folder_that_loads(task, kind, command, models, data, tmp_path, capsys):
    assert command(task, "--model", models / kind, "--max_steps", 2, "--save_predictions") == 0
    printed = capsys.readouterr()
    folder = tmp_path / "out"
    result = json.loads((folder / "results.json").read_text())
    assert printed.out.startswith("validation: ") and printed.out.endswith(f"saved in {folder}\n")
    assert result["run"]["steps"] == 2 and result["run"]["seed"] == 42
    assert result["run"]["settings"]["max_steps"] == 2
    source = result["data"]["train"]["sources"][0]
    assert source["sha256"] == hashlib.sha256((data / source["file"]).read_bytes()).hexdigest()
    assert json.loads((folder / "trainer_state.json").read_text())["global_step"] == 2
    rows = (folder / "predictions_validation.jsonl").read_text().splitlines()
    assert len(rows) == result["data"]["validation"]["examples"]

    model, info = AUTO_CLASSES[task].from_pretrained(folder, output_loading_info=True)
    assert type(model).__name__ == result["model"]["class"] and not info["missing_keys"]
    if task == "tagging":
        found = pipeline("token-classification", str(folder), aggregation_strategy="none")("Anna plays in New York .")
        assert {entity["entity"] for entity in found} <= {"B-PER", "B-LOC", "I-LOC"}
    elif task == "classification":
        classify = pipeline("text-classification", str(folder))
        texts = [line.split(",")[0] for line in (data / "texts.csv").read_text().splitlines()[1:]]
        predicted = [found["label"] for found in classify(texts)]
        assert predicted == [json.loads(row)["prediction"] for row in rows]
    elif task == "qa":
        context = json.loads((data / "questions.json").read_text())["data"][0]["paragraphs"][0]["context"]
        for best in map(json.loads, rows):
            assert all(context[one["start"] : one["end"]] == one["text"] for one in best)
            assert sum(one["probability"] for one in best) == pytest.approx(1)
    else:
        assert {json.loads(row)["prediction"] for row in rows} <= {0, 1, 2}


def test_what_is_said_before_the_training(command, models, capsys):
    assert command("tagging", "--model", models / "elmo", "--freeze_encoder", "--num_train_epochs", 2) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "task: tagging, 4 labels: B-LOC, B-PER, I-LOC, O" in lines
    assert "train data: 4 examples, 17 words" in lines
    # 10 of 17 tags are O, and O for every word finds no span
    assert any(line.startswith("baseline on validation: ") and "f1 0.0000" in line for line in lines)
    assert any("accuracy 0.5882 (the commonest tag, O, for every word)" in line for line in lines)
    # trained: a linear layer 16 -> 4 and the scalar mix, 3 weights and gamma
    (model,) = (line for line in lines if line.startswith("model: ElmoForTokenClassification from "))
    assert ": 72 trained, " in model
    assert "without pretrained values: classifier.bias, classifier.weight" in lines
    assert "steps: 4 of 2 examples (2 an epoch) on cpu, seed 42" in lines
    assert "learning rate: 0.001" in lines


@pytest.mark.slow
def test_learning_is_real_and_the_best_epoch_is_kept(command, tmp_path):
    """A text of four words tells its class by one of them."""
    options = ["--num_train_epochs", 30, "--learning_rate", 0.003, "--config_overrides", "embedding_dropout=0"]
    assert command("classification", "--from_scratch", "elmo-tiny", *options) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["metrics"]["validation"]["accuracy"] == {"value": 1.0, "baseline": 0.625, "n": 8}
    history = json.loads((tmp_path / "out" / "trainer_state.json").read_text())["log_history"]
    scores = {entry["step"]: entry["eval_accuracy"] for entry in history if "eval_accuracy" in entry}
    assert result["run"]["best_step"] == next(step for step, score in scores.items() if score == 1.0)
    losses = {entry["step"]: entry["eval_loss"] for entry in history if "eval_loss" in entry}
    assert result["metrics"]["validation"]["loss"]["value"] == pytest.approx(losses[result["run"]["best_step"]])


def test_the_card_says_what_the_results_say(command, tmp_path):
    assert command("tagging", "--from_scratch", "elmo-tiny", "--max_steps", 1) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.pipeline_tag == "token-classification" and card.data.library_name == "transformers"
    told = {one.metric_type: one.metric_value for one in card.data.eval_results}
    values = {name: found["value"] for name, found in result["metrics"]["validation"].items()}
    assert told == {name: round(value, 6) for name, value in values.items() if name != "loss"}
    assert {one.dataset_split for one in card.data.eval_results} == {"validation"}
    assert result["run"]["command"] in card.text and "`train.conll` (SHA-256 " in card.text
    assert "Training began with random weights" in card.text
    assert f"| validation | 4 | accuracy | {values['accuracy']:.4f} |" in card.text


@pytest.mark.slow
def test_same_seed_same_model_other_seed_another(command, models, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = ["--model", models / "elmo", "--max_steps", 2, "--seed", seed, "--save_only_model"]
        assert command("classification", *options, out=name) == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.slow
def test_static_vectors_and_a_vocabulary_of_the_training_data(command, models, tmp_path, capsys):
    vectors = {"Anna": [1.0, 2.0, 3.0], "sleeps": [4.0, 5.0, 6.0], "the": [7.0, 8.0, 9.0]}
    (tmp_path / "vectors.txt").write_text("".join(f"{w} {' '.join(map(str, v))}\n" for w, v in vectors.items()))
    options = ["--model", models / "elmo", "--static_vectors", tmp_path / "vectors.txt", "--max_steps", 1]
    assert command("tagging", *options) == 0
    # 13 different words and three special tokens beside padding
    assert "static vectors: 3 of 16 words in vectors.txt, 0 more in lower case, 13 without" in capsys.readouterr().err
    model = AUTO_CLASSES["tagging"].from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.config.static_embedding_size == 3 and model.config.vocab_size == len(tokenizer)
    rows = model.static_embeddings.weight[tokenizer.convert_tokens_to_ids(list(vectors))]
    assert torch.equal(rows, torch.tensor(list(vectors.values())))


def test_a_tagger_on_static_vectors_alone(command, tmp_path, capsys):
    (tmp_path / "vectors.txt").write_text("Anna 1 2 3\nsleeps 4 5 6\n")
    options = ["--from_scratch", "elmo-tiny", "--static_vectors", tmp_path / "vectors.txt", "--max_steps", 1]
    assert command("tagging", *options, "--config_overrides", "use_elmo_vectors=false", "--logging_steps", 1) == 0
    assert "scalar_mix" not in capsys.readouterr().err
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["model"]["trained_parameters"] == 4 * (3 + 1) and "scalar_mix" not in result["model"]


@pytest.mark.slow
def test_early_stopping_and_test_data(command, models, data, tmp_path):
    options = ["--model", models / "elmo", "--num_train_epochs", 9, "--early_stopping_patience", 1]
    options += ["--learning_rate", 1e-9, "--test_data", data / "train.conll", "--max_eval_samples", 3]
    assert command("tagging", *options) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["run"]["epochs"] == 2  # the second is no better than the first
    assert result["metrics"]["test"] == result["metrics"]["validation"]
    assert result["data"]["test"]["examples"] == 3


def test_without_validation_data_the_last_model_is_saved(data, models, tmp_path, capsys):
    from hf_elmo.cli import main

    words = ["--task", "tagging", "--train_data", str(data / "train.conll"), "--model", str(models / "elmo")]
    assert main(["finetune", *words, "--output_dir", str(tmp_path / "out"), "--max_steps", "1"]) == 0
    assert capsys.readouterr().out == f"saved in {tmp_path / 'out'}\n"
    assert "nothing was measured" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_a_metric_of_evaluate(command, models, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    metric = tmp_path / "share_of_o"
    metric.mkdir()
    (metric / "share_of_o.py").write_text(
        "import datasets\nimport evaluate\n"
        "class ShareOfO(evaluate.Metric):\n"
        "    def _info(self):\n"
        "        words = datasets.Sequence(datasets.Value('string'))\n"
        "        features = datasets.Features({'predictions': words, 'references': words})\n"
        "        return evaluate.MetricInfo(description='', citation='', inputs_description='', features=features)\n"
        "    def _compute(self, predictions, references):\n"
        "        tags = [tag for row in predictions for tag in row]\n"
        "        return {'share': tags.count('O') / len(tags)}\n"
    )
    assert command("tagging", "--model", models / "elmo", "--max_steps", 1, "--metric", metric) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())["metrics"]["validation"]
    assert set(found) == {"share", "loss"} and found["share"]["baseline"] == 1.0


@pytest.mark.slow
def test_data_through_the_datasets_library_by_split(data, models, tmp_path):
    """As of the Hub: a folder that `datasets.load_dataset` reads, with its splits, and a trial on part of it."""
    from hf_elmo.cli import main

    folder = tmp_path / "set"
    folder.mkdir()
    lines = (data / "texts.csv").read_text().splitlines()
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    (folder / "test.csv").write_text("\n".join(lines[:4]) + "\n")
    words = ["--task", "classification", "--train_data", str(folder), "--test_data", str(folder), "--use_cpu"]
    words += ["--data_format", "datasets", "--data_options", f"cache_dir={tmp_path / 'cache'}"]
    words += ["--model", str(models / "bert"), "--max_steps", "1", "--max_train_samples", "4"]
    assert main(["finetune", *words, "--output_dir", str(tmp_path / "out")]) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    sizes = {
        name: (about["examples"], [one["file"] for one in about["sources"]]) for name, about in result["data"].items()
    }
    assert sizes == {"train": (4, ["train.csv"]), "test": (3, ["test.csv"])}
    assert set(result["metrics"]) == {"test"}


@pytest.mark.parametrize("kind", ["elmo", "bert"])
def test_the_loss_of_a_step_in_parts_is_that_of_the_step(kind, command, models, tmp_path):
    """BERT's heads take num_items_in_batch and ignore it: without care the loss would be four times as large."""
    found = []
    for out, options in (
        ("whole", ["--per_device_train_batch_size", 4]),
        ("parts", ["--per_device_train_batch_size", 1, "--gradient_accumulation_steps", 4]),
    ):
        fixed = ["--num_train_epochs", 1, "--learning_rate", 1e-12, "--config_overrides", "classifier_dropout=0.0"]
        fixed += ["embedding_dropout=0.0"] if kind == "elmo" else ["hidden_dropout_prob=0.0"]
        fixed += [] if kind == "elmo" else ["attention_probs_dropout_prob=0.0"]
        assert command("tagging", "--model", models / kind, *fixed, *options, out=out) == 0
        found.append(json.loads((tmp_path / out / "results.json").read_text())["run"]["train_loss"])
    # BERT's parts count alike, whatever number of words they have.
    assert found[1] == pytest.approx(found[0], rel=1e-5 if kind == "elmo" else 0.2)


def test_the_smallest_error_is_the_best(command, models, tmp_path):
    (tmp_path / "numbers.csv").write_text("text,label\n" + "".join(f"the film {i},{i / 3}\n" for i in range(6)))
    source = str(tmp_path / "numbers.csv")
    words = ["--train_data", source, "--validation_data", source, "--metric_for_best_model", "mse"]
    assert command("classification", *words, "--model", models / "elmo", "--num_train_epochs", 3, out="mse") == 0
    state = json.loads((tmp_path / "mse" / "trainer_state.json").read_text())
    errors = [entry["eval_mse"] for entry in state["log_history"] if "eval_mse" in entry]
    assert len(errors) == 3 and state["best_metric"] == min(errors)


def test_label_smoothing_is_not_for_every_loss(command, models, capsys):
    options = ("--model", models / "elmo", "--max_steps", 1, "--label_smoothing_factor", 0.1)
    assert command("tagging", *options, "--use_crf") == 2
    assert "--label_smoothing_factor leaves a CRF untrained" in capsys.readouterr().err
