# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One entry for all tasks and sources: local files, a folder with a file for each split, or the Hub."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_elmo.data.classification import load_classification
from hf_elmo.data.columns import SUFFIXES as COLUMN_SUFFIXES
from hf_elmo.data.files import OPENERS, RECORD_SUFFIXES, DataError, as_paths
from hf_elmo.data.hub import load_hub_data
from hf_elmo.data.multiple_choice import load_multiple_choice
from hf_elmo.data.qa import load_qa
from hf_elmo.data.splits import choose_by_split, split_of_name
from hf_elmo.data.tagging import load_tagging

if TYPE_CHECKING:
    from datasets import Dataset

LOADERS: dict[str, Callable[..., Any]] = {
    "tagging": load_tagging,
    "classification": load_classification,
    "qa": load_qa,
    "multiple-choice": load_multiple_choice,
}
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
HUB_FORMAT = "datasets"
NO_DATA = {"", ".md", ".py", "readme", "license", "licence", "notice"}


def load_task_data(
    task: str, source: str | os.PathLike | Iterable[str | os.PathLike], split: str | None = None, **options: Any
) -> "Dataset":
    """Read the examples of a task from local files, a local folder, or a data set of the Hub.

    Args:
        task: "tagging", "classification", "qa" or "multiple-choice"; decides the columns, see `load_tagging`,
            `load_classification`, `load_qa` and `load_multiple_choice`.
        source: a file, several files, a folder, or the id of a data set on the Hub. Of a folder or several files those
            are taken whose names speak of the split (train, dev, valid, validation, test between dots, hyphens and
            underscores), or all where no name does.
        split: "train", "validation" (also "dev") or "test", or the name of a split on the Hub; may be left out where
            the source has only one.
        options: those of the task's loader. format="datasets" reads through `datasets.load_dataset` whatever it can,
            also a local folder; it and the Hub take config_name, revision and cache_dir besides, and columns by name.
    Returns:
        Dataset with the columns of the task.
    Raises:
        DataError: unknown task, nothing there, no such split, or what the loader finds wrong.
    """
    if task not in LOADERS:
        raise DataError(f"unknown task {task!r}; it is one of {', '.join(LOADERS)}")
    if options.get("format") == HUB_FORMAT or (isinstance(source, str) and _is_hub_id(source)):
        if not isinstance(source, str | os.PathLike):
            raise DataError(f"format={HUB_FORMAT!r} takes one folder or id, not a list")
        options.pop("format", None)
        return load_hub_data(task, os.fspath(source), split, **options)
    paths = _files(source, split)
    if task == "classification":
        options["split"] = split  # one file of CLINC150 holds several
    return LOADERS[task](paths, **options)


def _is_hub_id(source: str) -> bool:
    """Whether a name that is no file or folder can be meant as an id of the Hub; a file is missing otherwise."""
    known = (*OPENERS, *RECORD_SUFFIXES, *COLUMN_SUFFIXES, ".conll", ".txt")
    return not os.path.exists(source) and HUB_ID.fullmatch(source) is not None and not source.lower().endswith(known)


def _files(source: str | os.PathLike | Iterable[str | os.PathLike], split: str | None) -> list[Path]:
    """The files of a split; a file that is named alone is taken whatever it is called."""
    if isinstance(source, str | os.PathLike):
        folder = Path(source)
        if not folder.is_dir():
            return as_paths(folder)
        paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if not any(split_of_name(path.name) for path in paths):
            paths = [path for path in paths if path.suffix.lower() not in NO_DATA and path.stem.lower() not in NO_DATA]
        where = str(folder)
        if not paths:
            raise DataError(
                f"{folder} holds no data file; a data set on disk that `datasets` made is read by "
                f"format={HUB_FORMAT!r}"
            )
    else:
        paths = as_paths(source)
        where = "the list of files"
    names = choose_by_split([path.name for path in paths], split, where)
    return as_paths([path for path in paths if path.name in names])
