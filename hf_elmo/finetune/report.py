# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`results.json`: the numbers of a run and all that is needed to repeat it."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hf_elmo.benchmark.measuring import code_version, machine, package_version, packages
from hf_elmo.benchmark.results import write_atomically
from hf_elmo.conversion.staging import file_facts
from hf_elmo.data.splits import canonical_split, split_of_name

RESULTS_NAME = "results.json"
FURTHER_PACKAGES = ("accelerate", "datasets", "evaluate", "seqeval", "scikit-learn")


def describe_data(source: Sequence[str], split: str) -> list[dict[str, Any]]:
    """What the data are: each file's name, size and SHA-256; of a data set on the Hub its id and split.

    Args:
        source: files, a folder (whose files of other splits are left out), or an id.
        split: by its usual names.
    """
    files: list[Path] = []
    for item in map(Path, source):
        if item.is_dir():
            inside = sorted(path for path in item.rglob("*") if path.is_file())
            files += [path for path in inside if split_of_name(path.name) in (None, canonical_split(split))]
        elif item.is_file():
            files.append(item)
        else:
            return [{"id": " ".join(source), "split": split}]
    facts = [file_facts(file, split) for file in files]
    return [{"file": one["name"], "bytes": one["bytes"], "sha256": one["sha256"]} for one in facts]


def all_packages() -> dict[str, str]:
    """Versions of what a run depends on, as far as it is installed."""
    further = {name: package_version(name) for name in FURTHER_PACKAGES}
    return {**packages(), **{name: version for name, version in further.items() if version is not None}}


def command_line(arguments: Sequence[str]) -> str:
    """The command of a run, as one would type it, without secrets and with absolute paths by their last name."""
    words = ["hf-elmo", "finetune", *arguments]
    for place, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if name.replace("-", "_") == "__hub_token":
            if equals:
                words[place] = f"{name}=..."
            elif place + 1 < len(words):
                words[place + 1] = "..."
    return shlex.join(map(_without_folder, words))


def _without_folder(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (Path(value).name or value if Path(value).is_absolute() else value)


def without_folders(content: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json with absolute paths of the settings by their last name, wherever they stand in it.

    A result is published beside its model, and where the data lay on one machine is of use to nobody else.
    """
    places = [text for text in _strings([content["run"]["settings"], content["model"]]) if Path(text).is_absolute()]
    names = {place: Path(place).name for place in places if Path(place).name}
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, longest_first))})(?!\w)")
    return _replaced(content, lambda text: pattern.sub(lambda found: names[found.group()], text)) if names else content


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _replaced(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def write_results(folder: Path, content: dict[str, Any], threads: int) -> dict[str, Any]:
    """Write results.json with code, packages and machine added to the content; returns it whole."""
    content = {**content, "code": code_version(), "packages": all_packages(), "machine": machine(threads)}
    write_atomically(folder / RESULTS_NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return content
