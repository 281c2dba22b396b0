# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What is known of the pretraining that made a model of the box: its time, what it read, and on which device.

The facts stand in the result files behind the models' cards, those of static vectors in the config.json beside them. The
time of one run is not what a model needs: it was chosen, and how often the text was read in it stands beside it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hf_elmo.compare.cells import Cell, figure, table
from hf_elmo.compare.contenders import STATIC
from hf_elmo.pretrained import MODELS, STATIC_VECTORS, static_path_of

# id, title, unit, whether more is better, columns by the names of facts, and what a fact is divided by
TABLES: tuple[tuple[str, str, str, bool | None, dict[str, str], float], ...] = (
    ("pretraining", "Time of the pretraining that made the model", "s", False, {"seconds": "seconds"}, 1),
    (
        "pretraining-read",
        "What was read in the pretraining that made the model",
        "millions",
        None,
        {"words of the text": "words", "words or pieces read": "read"},
        1e6,
    ),
    (
        "pretraining-passes",
        "Passes over the text in the pretraining that made the model",
        "passes",
        None,
        {"passes": "passes"},
        1,
    ),
)


def pretraining_of(spec: str) -> dict[str, Any]:
    """Facts of the pretraining of a model in the box, as far as they are known; none for other models.

    Returns:
        some of "seconds", "words" and "sentences" of the text, "read" and "read_unit", "passes" over the text, "device".
    """
    name = spec.removeprefix(STATIC)
    if Path(name).exists():
        return {}  # a folder or file, which goes before the box
    if name in STATIC_VECTORS:
        return of_vectors(json.loads((static_path_of(name) / "config.json").read_text(encoding="utf-8")))
    from hf_elmo.model_cards.numbers import RESULTS

    path = RESULTS / "pretraining" / f"{name}.json"
    return of_run(json.loads(path.read_text(encoding="utf-8"))) if name in MODELS and path.is_file() else {}


def of_run(result: dict[str, Any]) -> dict[str, Any]:
    """Facts of a result file of `hf-elmo pretrain`; a BERT's passes are whole ones, for it counts pieces, the text words."""
    run, text = result["run"], result["data"]
    of_pieces = run["settings"]["model"] == "bert"
    read = run["words_read"]
    return {
        "seconds": run["training_seconds"],
        "words": text["words"],
        "sentences": text["sentences"],
        "read": read,
        "read_unit": "word pieces" if of_pieces else "words and sentence ends",
        "passes": result["history"][-1]["epoch"] if of_pieces else read / (text["words"] + text["sentences"]),
        "device": run["device"],
    }


def of_vectors(config: dict[str, Any]) -> dict[str, Any]:
    """Facts of the config.json of static vectors, which does not say how long their training took."""
    text = config.get("corpus", {})
    known = {**{name: text.get(name) for name in ("words", "sentences")}, "passes": config["training"].get("epochs")}
    return {name: fact for name, fact in known.items() if fact is not None}


def pretraining_tables(found: list[tuple[Cell, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Time, words read and passes of the contenders of which they are known."""
    for name, title, unit, better, columns, scale in TABLES:
        rows = []
        for cell, result in found:
            facts = result.get("pretraining", {})
            values = {
                column: figure(facts[fact] / scale, [cell.id]) for column, fact in columns.items() if fact in facts
            }
            if values:
                label = cell["contender"]
                rows.append({"label": label, "contender": label, "group": None, "values": values})
        if rows:
            plot = {"kind": "bars"} if better is not None else None
            yield table(f"cost-{name}", title, unit, better, list(columns), rows, plot)


def pretraining_note(found: list[tuple[Cell, dict[str, Any]]]) -> list[str]:
    """Device, time, what was read and passes of each in a line, and what they do not tell; nothing if nothing is known."""
    parts = []
    for cell, result in found:
        facts = result.get("pretraining", {})
        if "seconds" in facts:
            parts.append(
                f"{cell['contender']} {facts['seconds']:.0f} s on {facts['device']}, {facts['read'] / 1e6:.1f} million "
                f"{facts['read_unit']} read, {facts['passes']:.1f} passes over {facts['words'] / 1e6:.1f} million words"
            )
    if not parts:
        return []
    return [
        f"The pretraining that made the models: {'; '.join(parts)}. Its length was chosen, so its time is what these models "
        "had, not what models of their kinds need to be equally good."
    ]
