# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The pretrained models that come with the package, and how they are found by name.

Each is a folder beside this file: config.json, model.safetensors (float16, read as float32), the tokenizer's files, a
card and the facts of its training. Importing this module loads neither torch nor transformers.
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
    folder = ROOT / name
    missing = [file for file in NEEDED if not (folder / file).is_file()]
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
        PretrainedError: the installation lacks the model that is named.
    """
    name = os.fspath(name_or_path)
    return str(path_of(name)) if name in MODELS and not os.path.isdir(name) else name


def __getattr__(name: str):
    if name != "export":
        raise AttributeError(f"module 'hf_elmo.pretrained' has no attribute {name!r}")
    from hf_elmo.pretrained.saving import export

    return export


__all__ = ["MODELS", "ROOT", "PretrainedError", "export", "names", "path_of", "resolve"]
