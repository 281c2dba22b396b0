# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""README.md of a fine-tuned model: the facts of its results.json and nothing else."""

from typing import Any

from huggingface_hub import ModelCardData
from huggingface_hub.repocard_data import EvalResult

# Transformers 5 has no pipeline for the other two.
PIPELINES = {"tagging": "token-classification", "classification": "text-classification"}
TASK_TYPES = {**PIPELINES, "qa": "question-answering", "multiple-choice": "multiple-choice"}


def make_card(
    name: str,
    task: str,
    model_type: str,
    auto_class: str,
    *,
    base: dict[str, Any],
    chosen_by: str | None,
    result: dict[str, Any],
) -> str:
    """The text of the card, with the metadata that the Hub reads (model-index included).

    Args:
        name: of the model.
        task: of `hf-elmo finetune`.
        model_type: of the configuration.
        auto_class: that loads the model.
        base: `license`, and `base_model` if the model that training started from is on the Hub; further metadata.
        chosen_by: metric by which the saved model was chosen among those of all evaluations.
        result: content of results.json.
    """
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag=TASK_TYPES[task],
        **base,
        tags=[model_type],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type=TASK_TYPES[task],
                dataset_type=_data_name(result, split),
                dataset_name=_data_name(result, split),
                dataset_split=split,
                metric_type=metric,
                metric_value=round(found["value"], 6),
            )
            for split, scores in result["metrics"].items()
            for metric, found in scores.items()
            if metric != "loss"
        ]
        or None,
    )
    about = result["model"]
    sections = [
        f"# {name}",
        f"`{about['class']}` for {task}, trained from {about['start']} by `hf-elmo finetune`: {about['parameters']:,} "
        f"parameters, of which {about['trained_parameters']:,} were trained.",
        f"## Results\n\n{_results(result, chosen_by)}",
        f"## Use\n\n```python\n{_usage(task, model_type, auto_class)}\n```",
        f"## Training\n\n{_training(result)}",
        f"## Limits\n\n{_limits(result)}",
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"


def _data_name(result: dict[str, Any], split: str) -> str:
    return ", ".join(part.get("file") or part["id"] for part in result["data"][split]["sources"])


def _results(result: dict[str, Any], chosen_by: str | None) -> str:
    if not result["metrics"]:
        return "No data were held out, so nothing was measured."
    lines = ["| data | examples | metric | value | baseline |", "|---|---|---|---|---|"]
    for split, scores in result["metrics"].items():
        for metric, found in scores.items():
            baseline = "" if found["baseline"] is None else f"{found['baseline']:.4f}"
            lines.append(f"| {split} | {found['n']:,} | {metric} | {found['value']:.4f} | {baseline} |")
    last = f"Baseline: {result['baseline']}. One run, seed {result['run']['seed']}."
    if chosen_by is not None:
        last += (
            f" The saved model has the best {chosen_by} of all epochs on the validation data, which flatters it there."
        )
    return "\n".join([*lines, "", last])


def _usage(task: str, model_type: str, auto_class: str) -> str:
    remote = ", trust_remote_code=True" if model_type == "elmo" else ""
    if task in PIPELINES:
        return (
            "from transformers import pipeline\n\n"
            f'classify = pipeline("{PIPELINES[task]}", "path/to/this/folder"{remote})\n'
            'classify("A sentence to try.")'
        )
    return (
        f"from transformers import {auto_class}, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder"{remote})\n'
        f'model = {auto_class}.from_pretrained("path/to/this/folder"{remote})'
    )


def _training(result: dict[str, Any]) -> str:
    run, lines = result["run"], []
    for split, about in result["data"].items():
        sizes = ", ".join(f"{number:,} {what}" for what, number in about.items() if what != "sources")
        sources = ", ".join(
            f"`{part['file']}` (SHA-256 {part['sha256'][:16]}...)"
            if "file" in part
            else f"`{part['id']}`, {part['split']}"
            for part in about["sources"]
        )
        lines.append(f"- {split} data: {sources}; {sizes}")
    settings = run["settings"]
    batch = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"] * run["processes"]
    lines.append(
        f"- {run['steps']:,} steps ({run['epochs']:g} epochs) of {batch} examples, learning rate "
        f"{settings['learning_rate']:g}, seed {run['seed']}, {run['duration_seconds']:,.0f} seconds"
    )
    commit = result["code"].get("commit")
    versions = [f"{package} {version}" for package, version in result["packages"].items()]
    lines.append(f"- {', '.join(versions)}" + (f"; hf_elmo at commit {commit}" if commit else ""))
    return "\n".join(
        [
            *lines,
            "",
            f"```bash\n{run['command']}\n```",
            "",
            "All settings stand in `results.json`, the course of the training in `trainer_state.json`.",
        ]
    )


def _limits(result: dict[str, Any]) -> str:
    lines = ["- It was trained and measured on the data above; how it does on other text is unknown."]
    if result["model"]["start"].startswith("random weights"):
        lines.append("- Training began with random weights, without any pretraining.")
    return "\n".join([*lines, *(f"- {note}" for note in result["notes"])])
