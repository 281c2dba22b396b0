# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a comparison was asked to do: models, experiments, seeds, data, and how much of everything."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

DEFAULT_MODELS = ("elmo-mini-en", "bert-mini-en", "word2vec-mini-en")
DATA_VARIABLE = "HF_ELMO_DATA"
# A folder with one of these is taken for the data.
KNOWN_DATA = ("ud_ewt", "wikigold", "wnut17", "mr", "blimp", "wsd_noad")

T = TypeVar("T")


@dataclass
class Settings:
    """One comparison; experiments read it and change nothing but `left_out`.

    Attributes:
        output: folder of cells, cache and report.
        data: folder with a folder for each data set, None where there is none.
        models: specifications of the contenders, as `hf_elmo.compare.contenders.load_contender` reads them.
        experiments: names of those to run, in this order.
        quick: everything together within minutes on two cores, with fewer examples.
        seeds: of whatever is trained or drawn.
        device: of torch.
        batch_size: sentences in a batch of whatever is trained.
        left_out: (experiment, reason) of what cannot be run here.
    """

    output: Path
    data: Path | None = None
    models: tuple[str, ...] = DEFAULT_MODELS
    experiments: tuple[str, ...] = ()
    quick: bool = False
    seeds: tuple[int, ...] = (1, 2, 3)
    device: str = "cpu"
    batch_size: int = 32
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def choose(self, quick: T, full: T) -> T:
        """The one of two values that fits: for a quick comparison, or for the full one."""
        return quick if self.quick else full

    def missing(self, experiment: str, reason: str) -> None:
        """Note that an experiment, or a part of one, is left out, and why; said before the run and in the report."""
        if (experiment, reason) not in self.left_out:
            self.left_out.append((experiment, reason))

    def data_folder(self, name: str, experiment: str) -> Path | None:
        """Folder of a data set; None, with the reason noted under `experiment`, if it is not there."""
        if self.data is None:
            self.missing(experiment, f"no data: give --data FOLDER or set {DATA_VARIABLE}")
            return None
        folder = self.data / name
        if not folder.is_dir():
            self.missing(experiment, f"{name} is not in {self.data.name}")
            return None
        return folder

    def as_dict(self) -> dict[str, Any]:
        """For the report: plain values, folders by their last name only."""
        return {
            "models": [without_folders(spec) for spec in self.models],
            "experiments": list(self.experiments),
            "quick": self.quick,
            "seeds": list(self.seeds),
            "device": self.device,
            "batch_size": self.batch_size,
            "data": None if self.data is None else self.data.name,
            "left_out": [list(item) for item in self.left_out],
        }

    def fingerprint(self, experiment: str, version: int = 1, contender: str = "") -> str:
        """What a cell's result depends on besides its key: other settings make it count as not done.

        Args:
            experiment: name of the experiment.
            version: of its computation; the module's VERSION, if it has one.
            contender: what its model is, see `hf_elmo.compare.contenders.identity`.
        """
        facts = [experiment, version, self.quick, self.batch_size, contender]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def find_data(asked: str | os.PathLike | None) -> Path | None:
    """The folder of data sets: the one asked for, that of $HF_ELMO_DATA, ./data if it looks like one, or None.

    Raises:
        ValueError: the folder that is named does not exist or holds none of the data sets.
    """
    named = asked if asked is not None else os.environ.get(DATA_VARIABLE) or None
    folder = Path(named) if named is not None else Path("data")
    if any((folder / name).is_dir() for name in KNOWN_DATA):
        return folder
    if named is None:
        return None
    where = "--data" if asked is not None else f"${DATA_VARIABLE}"
    raise ValueError(
        f"{where} {folder} is no folder with data sets such as {', '.join(KNOWN_DATA[:3])}; name the right "
        "one; hf-elmo compare --list-data tells where each is to be had, and without any it runs what needs none"
    )


def without_folders(word: str) -> str:
    """A local path, with or without prefixes such as "static:", by its last name; other words as they are."""
    prefix, _, place = word.rpartition(":")
    return f"{prefix}:{Path(place).name}".lstrip(":") if Path(place).is_absolute() or Path(place).exists() else word
