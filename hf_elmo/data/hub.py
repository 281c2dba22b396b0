# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Data sets of the Hub, and whatever else `datasets.load_dataset` reads, brought into the columns of a task."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hf_elmo.data.classification import classification_from_records
from hf_elmo.data.files import DataError, Record
from hf_elmo.data.multiple_choice import multiple_choice_from_records
from hf_elmo.data.qa import qa_from_records
from hf_elmo.data.records import import_datasets
from hf_elmo.data.splits import canonical_split
from hf_elmo.data.tagging import tagging_from_records

if TYPE_CHECKING:
    from datasets import Dataset

# The loader of a task, and whether its labels are wanted by name.
FROM_RECORDS: dict[str, tuple[Callable[..., Any], bool]] = {
    "tagging": (tagging_from_records, True),
    "classification": (classification_from_records, True),
    "qa": (qa_from_records, False),
    "multiple-choice": (multiple_choice_from_records, False),
}


def load_hub_data(
    task: str,
    name: str,
    split: str | None,
    *,
    config_name: str | None = None,
    revision: str | None = None,
    cache_dir: str | None = None,
    **options: Any,
) -> "Dataset":
    """Read one split of a data set through `datasets.load_dataset`; names of classes take the place of their numbers.

    Args:
        task, split: see `load_task_data`.
        name: id on the Hub, or a local folder.
        config_name, revision, cache_dir: as `datasets.load_dataset` takes them.
        options: what the task's loader takes, but for the form of files.
    Raises:
        DataError: it cannot be loaded, has no such split, or its columns do not fit the task.
    """
    datasets = import_datasets()
    try:
        splits = datasets.load_dataset(name, config_name, revision=revision, cache_dir=cache_dir)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"{name} is no file or folder here, and `datasets` cannot load it as a data set ({reason}); check the "
            "spelling, the network and config_name="
        ) from error
    part = splits[_choose_split(name, list(splits), split)]
    from_records, with_names = FROM_RECORDS[task]
    return from_records(_records(part, f"{name} ({part.split})", with_names), **options)


def _choose_split(name: str, splits: list[str], wanted: str | None) -> str:
    if wanted in splits:
        return wanted
    if wanted is None and len(splits) == 1:
        return splits[0]
    alike = [split for split in splits if wanted is not None and canonical_split(split) == canonical_split(wanted)]
    if len(alike) != 1:
        asked = "say which one by split=" if wanted is None else f"{wanted!r} is not among them"
        raise DataError(f"{name} has the splits {', '.join(splits)}; {asked}")
    return alike[0]


def _records(part: Any, where: str, with_names: bool) -> Iterator[Record]:
    names = {column: _class_names(feature) for column, feature in part.features.items()} if with_names else {}
    for number, row in enumerate(part, start=1):
        place = f"{where}, row {number}"
        yield place, {column: _named(value, names.get(column), place) for column, value in row.items()}


def _class_names(feature: Any) -> list[str] | None:
    """Names of the classes of a column, or of the items of a list; None where its values are no numbers of classes."""
    return getattr(getattr(feature, "feature", feature), "names", None)


def _named(value: Any, names: list[str] | None, place: str) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(item, names, place) for item in value]
    if not 0 <= value < len(names):
        raise DataError(f"{place}: the label is {value}, which stands for a hidden one; take a split with labels")
    return names[value]
