# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The pretrained models that come with the package, and how they are found by name.

Each is a folder beside this file: config.json, model.safetensors (float16, read as float32), the tokenizer's files, a
card and the facts of its training. Beside them lie tables of static vectors (`hf_elmo.pretrained.static_vectors`).
Importing this module loads neither torch nor transformers.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_elmo.pretrained.saving import export

ROOT = Path(__file__).resolve().parent
MODELS = {
    "elmo-mini-en": "ELMo for English, with its softmax over words",
    "bert-mini-en": "BERT for English of the same size, trained on the same text",
}
NEEDED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
STATIC_VECTORS = {"word2vec-mini-en": "word2vec vectors of the text of elmo-mini-en, for its 19,997 words"}
NEEDED_STATIC = ("config.json", "model.safetensors")


class PretrainedError(ValueError):
    """A model of the box is not there, or a folder for it cannot be written; one line for people."""


def names() -> tuple[str, ...]:
    """Names of the models in the box, whether or not this installation holds them."""
    return tuple(MODELS)


def path_of(name: str) -> Path:
    """Folder of a model in the box.

    Raises:
        PretrainedError: there is no such name, or the installation lacks the model's files.
    """
    if name not in MODELS:
        raise PretrainedError(f"{name!r} is no model of the box; there are {', '.join(MODELS)}")
    return _complete(name, NEEDED)


def static_path_of(name: str) -> Path:
    """Folder of a table of static vectors in the box.

    Raises:
        PretrainedError: there is no such name, or the installation lacks the table's files.
    """
    if name not in STATIC_VECTORS:
        raise PretrainedError(f"{name!r} is no table of the box; there is {', '.join(STATIC_VECTORS)}")
    return _complete(name, NEEDED_STATIC)


def _complete(name: str, needed: tuple[str, ...]) -> Path:
    folder = ROOT / name
    missing = [file for file in needed if not (folder / file).is_file()]
    if missing:
        raise PretrainedError(
            f"{name} belongs to hf_elmo, but this installation lacks {', '.join(missing)} in {folder}: install the "
            "package again, or give another model"
        )
    return folder


def resolve(name_or_path: str | os.PathLike) -> str:
    """The folder of a model in the box if its name is given; anything else unchanged, as a string.

    A local folder of that name wins, as it does over a name on the Hub.

    Raises:
        PretrainedError: the installation lacks the model that is named, or it is a table of static vectors.
    """
    name = os.fspath(name_or_path)
    if name in STATIC_VECTORS and not os.path.isdir(name):
        raise PretrainedError(
            f"{name} is a table of static vectors and no model: finetune takes it as --static_vectors {name}, "
            f"and `python -m hf_elmo.pretrained.static_vectors export {name} FILE` writes it as text"
        )
    return str(path_of(name)) if name in MODELS and not os.path.isdir(name) else name


def __getattr__(name: str):
    if name != "export":
        raise AttributeError(f"module 'hf_elmo.pretrained' has no attribute {name!r}")
    from hf_elmo.pretrained.saving import export

    return export


__all__ = [
    "MODELS",
    "ROOT",
    "STATIC_VECTORS",
    "PretrainedError",
    "export",
    "names",
    "path_of",
    "resolve",
    "static_path_of",
]
