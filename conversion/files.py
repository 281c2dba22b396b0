# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Finds the files of a model in what a user named, and reads vocabulary files."""

import os
from dataclasses import dataclass
from pathlib import Path

from hf_elmo.modeling.character_encoding import read_vocabulary_file

from .errors import ConversionError, name_some
from .hdf5_reader import SUFFIXES as HDF5
from .hdf5_reader import is_hdf5
from .staging import file_facts
from .state_dict import SUFFIXES as STATE_DICTS


@dataclass
class SourceFiles:
    """The files of one model; those that were neither given nor found are None."""

    options: Path
    weights: Path
    softmax: Path | None = None
    vocab: Path | None = None
    token_embeddings: Path | None = None

    @property
    def all(self) -> list[Path]:
        """Every file there is."""
        return [path for _, path in self._by_role()]

    def facts(self) -> list[dict]:
        """Role, name, size and sha256 of each file."""
        return [file_facts(path, role) for role, path in self._by_role()]

    def _by_role(self) -> list[tuple[str, Path]]:
        roles = ("options", "weights", "softmax", "vocab", "token_embeddings")
        return [(role, path) for role in roles if (path := getattr(self, role)) is not None]


def find_files(source, options=None, weights=None, softmax=None, vocab=None, token_embeddings=None) -> SourceFiles:
    """The files named by the arguments of `convert`, completed from the folder `source`.

    Raises:
        ConversionError: one is missing, or a folder leaves a choice; says which and how to choose.
    """
    given = {
        name: None if path is None else _existing(path, name)
        for name, path in {
            "options": options,
            "weights": weights,
            "softmax": softmax,
            "vocab": vocab,
            "token_embeddings": token_embeddings,
        }.items()
    }
    if source is not None:
        place = Path(source)
        if place.is_file():
            if given["weights"] is not None:
                raise ConversionError(f"two weights files were given: {place.name} and {given['weights'].name}")
            given["weights"] = place
            if given["options"] is None:
                given["options"] = _options_in(place.parent)
        elif place.is_dir():
            _complete_from(place, given)
        else:
            raise ConversionError(f"{place} does not exist; needed is a folder with options.json and a weights file")
    if given["weights"] is None:
        raise ConversionError("no weights file was given (weights, or a folder as source)")
    if given["options"] is None:
        given["options"] = _options_in(given["weights"].parent)
    return SourceFiles(**given)  # type: ignore[arg-type]


def _complete_from(folder: Path, given: dict[str, Path | None]) -> None:
    entries = sorted(entry for entry in folder.iterdir() if entry.is_file())
    if given["options"] is None:
        if any(entry.name == "conversion.json" for entry in entries):
            raise ConversionError(f"{folder} is converted already: load it with ElmoModel.from_pretrained")
        given["options"] = _options_in(folder)
    weights = given["weights"] = given["weights"] or _weights_in(folder, entries)
    if is_hdf5(weights) and given["softmax"] is None:
        softmaxes = [entry for entry in entries if entry.suffix.lower() in HDF5 and "softmax" in entry.name.lower()]
        softmaxes = [entry for entry in softmaxes if entry != weights]
        if len(softmaxes) == 1:
            given["softmax"] = softmaxes[0]
    if given["vocab"] is None and (folder / "vocab.txt").is_file():
        given["vocab"] = folder / "vocab.txt"


def _weights_in(folder: Path, entries: list[Path]) -> Path:
    candidates = [e for e in entries if e.suffix.lower() in HDF5 and "softmax" not in e.name.lower()]
    candidates = candidates or [e for e in entries if e.suffix.lower() in STATE_DICTS]
    if len(candidates) > 1:
        candidates = [entry for entry in candidates if "weights" in entry.name.lower()] or candidates
    if not candidates:
        raise ConversionError(
            f"{folder} holds no weights: needed is one file *.hdf5, or one state dict {', '.join(STATE_DICTS)}"
        )
    if len(candidates) > 1:
        listed = name_some(entry.name for entry in candidates)
        raise ConversionError(f"{folder} holds several files that may be the weights ({listed}); name one (weights)")
    return candidates[0]


def _options_in(folder: Path) -> Path:
    if (folder / "options.json").is_file():
        return folder / "options.json"
    candidates = sorted(folder.glob("*options*.json"))
    if len(candidates) == 1:
        return candidates[0]
    found = f"several ({name_some(entry.name for entry in candidates)})" if candidates else "none"
    raise ConversionError(
        f"{folder} must hold one options.json, the description of the model; found {found}. Name it (options)."
    )


def _existing(path: str | os.PathLike, what: str) -> Path:
    if not Path(path).is_file():
        raise ConversionError(f"{path} ({what}) is no file")
    return Path(path)


def read_vocabulary(path: Path) -> list[str]:
    """Words of a vocabulary file of bilm-tf, as `ElmoTokenizer(vocab_file=...)` reads them.

    Raises:
        ConversionError: not UTF-8, or empty.
    """
    try:
        words = read_vocabulary_file(path)
    except ValueError as error:
        raise ConversionError(str(error)) from error
    if not words:
        raise ConversionError(f"{path.name} is empty; a vocabulary has a word a line")
    return words
