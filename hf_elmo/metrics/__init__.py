# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Metrics of fine-tuning as modules of `evaluate` that need no network.

Each lies in a folder of its own, so that `evaluate.load("hf_elmo/metrics/tagging")` reads it too.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluate import EvaluationModule

FOLDER = Path(__file__).parent
METRICS = {"tagging": "Tagging", "classification": "Classification", "qa": "QuestionAnswering"}

__all__ = ["METRICS", "load_metric"]


def load_metric(name: str, config_name: str | None = None, **options: Any) -> "EvaluationModule":
    """The metric of a task.

    Args:
        name: "tagging" (spans and tokens), "classification" (also several labels, and regression) or "qa".
        config_name: see the metric's `inputs_description`.
        options: as `evaluate.load` passes them on: num_process, process_id, experiment_id, cache_dir, keep_in_memory
            (by default with one process).
    Raises:
        ValueError: no such metric, or no such configuration of it.
        ImportError: `evaluate` or what the metric needs is not installed; names the extra that brings it.
    """
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}; it is one of {', '.join(METRICS)}")
    # Not through evaluate.load, which copies the file into a cache that processes would have to share.
    try:
        module = import_module(f"{__name__}.{name}.{name}")
    except ImportError as error:
        raise ImportError(f'the metrics need {error.name}: pip install "hf-elmo[train]"') from error
    options.setdefault("keep_in_memory", options.get("num_process", 1) == 1)
    return getattr(module, METRICS[name])(config_name=config_name, **options)
