# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Whether the facts of a published model are those of the model in the folder: a card must not tell of another one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_elmo.publish.errors import PublishError
from hf_elmo.publish.staging import read_settings

if TYPE_CHECKING:
    from hf_elmo.model_cards.facts import CardFacts

WEIGHTS, REPORT = "model.safetensors", "conversion.json"


def check_facts(facts: "CardFacts", staged: Path) -> None:
    """Refuse facts of a published model for a folder that does not hold it; facts of any other model are the user's.

    A model of the box is known by its weights, in whatever precision they are stored; converted ones by the report of
    the conversion, and by their sizes, for nobody published a checksum of them.

    Raises:
        PublishError: the folder holds another model.
    """
    from hf_elmo import pretrained

    if facts.known_model is not None:
        why = _why_not_converted(facts.known_model, staged)
    elif facts.name in pretrained.names():
        box = pretrained.path_of(facts.name) / WEIGHTS
        why = None if _same_numbers(staged / WEIGHTS, box) else f"{WEIGHTS} holds other weights"
    else:
        return
    if why is not None:
        raise PublishError(
            f"the facts of {facts.name} are not those of this model: {why}; write a facts file of its own"
        )


def _same_numbers(path: Path, other: Path) -> bool:
    import torch
    from safetensors import safe_open

    if not path.is_file():
        return False
    with safe_open(path, "pt") as mine, safe_open(other, "pt") as theirs:
        names = list(theirs.keys())
        return set(mine.keys()) == set(names) and all(
            torch.equal(mine.get_tensor(name).double(), theirs.get_tensor(name).double()) for name in names
        )


def _why_not_converted(name: str, staged: Path) -> str | None:
    from hf_elmo.conversion.known_models import KNOWN_MODELS

    if not (staged / REPORT).is_file():
        return f"there is no {REPORT}, which hf-elmo convert writes"
    known = KNOWN_MODELS[name]
    for source in _sources(read_settings(staged / REPORT)):
        others = [other.name for other in KNOWN_MODELS.values() if other.weights.endswith(f"/{source}")]
        if others and name not in others:
            return f"{REPORT} names {source}, those of {', '.join(others)}"
    if known.shapes is None:
        return None
    lstm, characters = known.shapes["lstm"], known.shapes["char_cnn"]
    sizes = {
        "num_hidden_layers": lstm["n_layers"],
        "cell_size": lstm["dim"],
        "projection_size": lstm["projection_dim"],
        "char_embedding_size": characters["embedding"]["dim"],
        "char_filters": characters["filters"],
        "num_highway_layers": characters["n_highway"],
    }
    config = read_settings(staged / "config.json")
    wrong = [
        f"{key} is {config.get(key)} instead of {value}" for key, value in sizes.items() if config.get(key) != value
    ]
    return ", ".join(wrong) or None


def _sources(report: dict[str, Any]) -> list[str]:
    """Names of the files that the model was converted from."""
    files = report.get("files")
    return (
        [str(one["name"]) for one in files if isinstance(one, dict) and "name" in one]
        if isinstance(files, list)
        else []
    )
