# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tables and notes of `hf_elmo.compare.cost`: sizes, operations, speeds and memory by length, training speed."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from hf_elmo.compare.cells import Cell, figure, table
from hf_elmo.compare.cost_pretraining import pretraining_note, pretraining_tables
from hf_elmo.compare.cost_sides import MASKED, NATIVE
from hf_elmo.compare.cost_time import time_tables

OPERATIONS = "Floating-point operations for a word, by words of its sentence"
OVER_LENGTHS = {"kind": "lines", "x": "words of a sentence", "log_x": True, "log_y": True}
Found = list[tuple[Cell, dict[str, Any]]]


def tables_of(parts: dict[str, Found]) -> list[dict[str, Any]]:
    """All tables, from the cells of each part."""
    return [
        *_size_tables(parts.get("size", [])),
        *_published_table(parts.get("published", [])),
        *_speed_tables(parts.get("speed", [])),
        *_training_table(parts.get("training", [])),
        *time_tables(parts.get("time", [])),
        *pretraining_tables(parts.get("size", [])),
    ]


def _size_tables(found: Found) -> list[dict[str, Any]]:
    if not found:
        return []
    parameters = [
        _row(cell["contender"], {"parameters": figure(result["parameters"] / 1e6, [cell.id])})
        for cell, result in found
    ]
    operations = [
        _row(
            f"{cell['contender']}, {how}",
            {
                length: figure(each["operations"] / int(length) / 1e6, [cell.id])
                for length, each in result[how].items()
            },
            cell["contender"],
            how,
        )
        for how in ("counted", "measured")
        for cell, result in found
        if any(each["operations"] for each in result[how].values())
    ]
    lengths = list(dict.fromkeys(length for _, result in found for length in result["counted"]))
    return [
        table(
            "cost-parameters",
            "Parameters of the encoder",
            "millions",
            False,
            ["parameters"],
            parameters,
            {"kind": "bars"},
        ),
        table("cost-flops", OPERATIONS, "million operations", False, lengths, operations, OVER_LENGTHS),
    ]


def _published_table(found: Found) -> list[dict[str, Any]]:
    rows = [
        _row(name, {"operations": figure(operations / result["words"] / 1e6, [cell.id])}, None)
        for cell, result in found
        for name, operations in result["operations"].items()
    ]
    if not rows:
        return []
    title = "Floating-point operations for a word: published sizes, counted"
    return [table("cost-published-flops", title, "million operations", None, ["operations"], rows, {"kind": "bars"})]


def _encoder_speed(words: int, each: dict[str, Any]) -> float:
    return words / statistics.median(each["encoder"]["seconds"])


def _whole_speed(words: int, each: dict[str, Any]) -> float:
    return words / (statistics.median(each["encoder"]["seconds"]) + statistics.median(each["inputs"]["seconds"]))


def _peak(words: int, each: dict[str, Any]) -> float:
    return each["peak_mb"]


# id, title, unit, whether more is better, and how a figure is read from a result
OF_SPEED_CELLS: tuple[tuple[str, str, str, bool, Callable[[int, dict[str, Any]], float]], ...] = (
    ("encoder", "Encoder alone", "words/s", True, _encoder_speed),
    ("words-in", "From words to vectors, making inputs included", "words/s", True, _whole_speed),
    ("memory", "Peak memory above the weights", "MB", False, _peak),
)


def _speed_tables(found: Found) -> Iterator[dict[str, Any]]:
    """The encoder's speed, that from words to vectors, and memory: a table over lengths for each batch size."""
    found = sorted(found, key=lambda pair: (pair[0]["batch"], pair[0]["length"]))
    for name, title, unit, better, read in OF_SPEED_CELLS:
        for batch in dict.fromkeys(cell["batch"] for cell, _ in found):
            values: dict[str, dict[str, Any]] = {}
            about: dict[str, dict[str, Any]] = {}
            for cell, result in (pair for pair in found if pair[0]["batch"] == batch):
                for label, each in result["contenders"].items():
                    if name != "encoder" or not each["look_up"]:  # a look-up has no encoder
                        about[label] = each
                        figures = values.setdefault(label, {})
                        figures[str(cell["length"])] = figure(read(result["words"], each), [cell.id])
            rows = [
                _row(label, figures, about[label]["contender"], None if label == about[label]["contender"] else NATIVE)
                for label, figures in values.items()
            ]
            lengths = list(dict.fromkeys(length for figures in values.values() for length in figures))
            sentences = f"{batch} sentence{'s' if batch > 1 else ''} at once"
            yield table(
                f"cost-{name}-batch-{batch}", f"{title}, {sentences}", unit, better, lengths, rows, OVER_LENGTHS
            )


def _training_table(found: Found) -> list[dict[str, Any]]:
    columns = {"labels of words": "labels", "pretraining": "pretraining"}
    rows = [
        _row(
            name,
            {
                column: figure(result["words"] / statistics.median(result[key][name]["seconds"]), [cell.id])
                for column, key in columns.items()
                if name in result[key]
            },
            name,
        )
        for cell, result in found
        for name in result["labels"]
    ]
    if not rows:
        return []
    title = "Training speed: updates of the whole model"
    return [table("cost-training", title, "words/s", True, list(columns), rows, {"kind": "bars", "log_x": True})]


def _row(label: str, values: dict[str, Any], contender: str | None = "", group: str | None = None) -> dict[str, Any]:
    """A row; it is that of the contender of its name, unless another or none is given."""
    return {"label": label, "contender": label if contender == "" else contender, "group": group, "values": values}


def notes_of(parts: dict[str, Found]) -> list[str]:
    notes = [
        "Operations are those of matrix products and convolutions, a multiplication and an addition as two; counted from the "
        "configuration, and measured by torch's FlopCounterMode on the plain form of the same model. ELMo computes each "
        "distinct word of a batch once.",
        "A sentence of more word pieces than a BERT takes at once is computed in windows that overlap by half, so that every "
        "piece has context on both sides.",
        "Pretraining: ELMo predicts every word from both sides by its full softmax, BERT "
        f"{100 * MASKED:.0f} % of its pieces and the next sentence; both updates by AdamW. Static vectors are looked up and do not "
        "learn with a head; how they were trained is not timed here.",
        *pretraining_note(parts.get("size", [])),
    ]
    timed = [result for name in ("speed", "training", "time") for _, result in parts.get(name, [])]
    if timed:
        first = timed[0]
        loads = [result["load_average"][0] for result in timed if result["load_average"]]
        beside = [result["comparisons_running"] for result in timed if result["comparisons_running"] is not None]
        notes.append(
            f"Timed on {first['device']} with {first['threads']} thread(s), {first['clock']}, on {first['text']}; in turns, "
            f"medians. Load average of the machine {min(loads, default=0):.1f} to {max(loads, default=0):.1f}; processes of this "
            f"comparison at most {max(beside, default=1)}."
        )
    return notes
