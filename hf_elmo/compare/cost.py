# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What each contender costs: parameters, operations of a word, speed and memory by length and batch, training speed.

All contenders of a timing are timed in turns A B C A B C in one process, medians of the runs stand in the tables, and each
result says what else the machine did. EXCLUSIVE = True asks the runner to compute these cells last, one at a time, with
nothing of the comparison beside them.
"""

import ctypes
import gc
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from hf_elmo.benchmark import memory, workloads
from hf_elmo.benchmark.measuring import alternate, summary
from hf_elmo.compare import cost_sides, cost_time, flops
from hf_elmo.compare.cells import Cell, Section
from hf_elmo.compare.circumstances import circumstances
from hf_elmo.compare.cost_pretraining import pretraining_of
from hf_elmo.compare.cost_tables import notes_of, tables_of
from hf_elmo.data.files import read_lines
from hf_elmo.demo import texts as demo_texts
from hf_elmo.modeling import ElmoConfig

NAME = "cost"
TITLE = "Cost"
EXCLUSIVE = True
DATA = "wikitext2"
LENGTHS = (8, 32, 128, 512, 2048)  # words of a sentence
SPEED_GRID = {
    "quick": tuple((length, 4) for length in (8, 64, 512, 1024)),
    "full": tuple((length, batch) for batch in (1, 8, 64) for length in LENGTHS),
}
MOST_WORDS_ON_CPU = 32_768  # of a timed batch; larger ones of the grid are left to GPUs
RUNS = (2, 5)  # quick, full: timed runs of each, after one to warm up
MANY_WORDS = 16_384  # of a timed batch; more of them are timed as often as in a quick comparison
TRAINING = {"quick": (8, 64), "full": (32, 64)}  # sentences, and words of each
LONGEST_MEASURED = (128, 512)  # quick, full: words of the longest sentence whose operations torch counts
PLANTED = ("shuffled:", "copy:")


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One of sizes for each contender; with all of them one for each length and batch, of updates, of training runs."""
    names = [name for name in names if not name.startswith(PLANTED)]  # they cost what their model costs
    if not names:
        return []
    together = ("models", "; ".join(names))
    grid = SPEED_GRID[settings.choose("quick", "full")]
    if torch.device(settings.device).type == "cpu":
        grid = tuple((length, batch) for length, batch in grid if length * batch <= MOST_WORDS_ON_CPU)
    has_task = settings.data_folder(cost_time.TASK, NAME) is not None
    time_runs = settings.choose(*cost_time.UPDATES) if has_task else ()
    return [
        Cell(NAME, (("part", "published"),)),
        *(Cell(NAME, (("part", "size"), ("contender", name))) for name in names),
        *(Cell(NAME, (("part", "speed"), together, ("length", length), ("batch", batch))) for length, batch in grid),
        Cell(NAME, (("part", "training"), together)),
        *(Cell(NAME, (("part", "time"), together, ("updates", updates))) for updates in time_runs),
    ]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Sizes, operations and pretraining of a contender, or timings of all."""
    if cell["part"] == "published":
        return published()
    words = tuple(words_of_text(context.data))
    source = {
        "text": DATA if context.data is not None and (context.data / DATA).is_dir() else "sentences of hf-elmo demo"
    }
    if cell["part"] == "size":
        contender = context.contender(cell["contender"])
        known = pretraining_of(contender.spec)
        return {**source, **sizes(contender, words, context.settings), **({"pretraining": known} if known else {})}
    contenders = [context.contender(name) for name in cell["models"].split("; ")]
    if cell["part"] == "speed":
        return {**source, **speed(contenders, sentences_of(words, cell["length"], cell["batch"]), context)}
    if cell["part"] == "time":
        return {**cost_time.time_training(contenders, cell["updates"], context), **circumstances(context.device)}
    count, length = TRAINING[context.settings.choose("quick", "full")]
    return {**source, **training(contenders, sentences_of(words, length, count), context)}


# ---------------------------------------------------------------------------------------------------------------- text


@cache
def words_of_text(data: Path | None) -> tuple[str, ...]:
    """Words in their order: of WikiText-2's development part, or, without data, of the sentences of `hf-elmo demo`."""
    if data is not None and (data / DATA).is_dir():
        lines = read_lines(data / DATA / "dev.txt.xz")
        return tuple(word for line in lines for word in line.split() if word != "<unk>")
    lines = read_lines(demo_texts.COLLECTION)
    return tuple(word for line in lines if line[:1] not in ("#", "[") for word in line.split())


def sentences_of(words: Sequence[str], length: int, count: int) -> list[list[str]]:
    """So many sentences of exactly so many words, one after the other in the text; it begins anew when it ends."""
    return [
        [words[(start + place) % len(words)] for place in range(length)] for start in range(0, count * length, length)
    ]


# --------------------------------------------------------------------------------------------------------------- sizes


def sizes(contender: Any, words: Sequence[str], settings: Any) -> dict[str, Any]:
    """Parameters, numbers of a vector, and operations of a word in sentences of each length, counted and measured."""
    longest = settings.choose(*LONGEST_MEASURED)
    counted, measured = {}, {}
    for length in LENGTHS:
        batches = cost_sides.prepare(contender, sentences_of(words, length, 1))
        parts = count(contender, batches)
        if parts is not None:
            counted[str(length)] = {"operations": sum(parts.values()), "parts": parts}
        if length <= longest and contender.kind != "static":
            seen = [flops.measure(contender.model, batch) for batch in batches]
            measured[str(length)] = {"operations": sum(sum(each.values()) for each in seen)}
    return {
        "parameters": contender.parameters(),
        "dimension": contender.dimension,
        "layers": len(contender.layers),
        "counted": counted,
        "measured": measured,
    }


def count(contender: Any, batches: Sequence[dict[str, torch.Tensor]]) -> dict[str, int] | None:
    """Operations by part from the configuration; none for static vectors, None for an architecture not known here."""
    if contender.kind == "static":
        return {"look-up": 0}
    config = contender.model.config
    if config.model_type == "elmo":
        (batch,) = batches
        widest = max(span for span, _ in config.char_filters)
        return flops.count_elmo(
            config, int(batch["attention_mask"].sum()), flops.character_work(batch["char_ids"], widest)
        )
    if config.model_type == "bert":
        windows = [int(length) for batch in batches for length in batch["attention_mask"].sum(dim=1)]
        return flops.count_bert(config, windows, contender.model.pooler is not None)
    return None


def published() -> dict[str, Any]:
    """Operations of a word for the published sizes, counted: 32 words, BERT's as one piece each, ELMo's of 50 characters."""
    length = 32
    found = {}
    for name, shapes in workloads.SIZES.items():
        config = ElmoConfig(**shapes)
        work = flops.CharacterWork(length + 2, config.max_characters_per_token)
        found[f"ELMo {name}, every word over {work.columns} characters"] = sum(
            flops.count_elmo(config, length + 2, work).values()
        )
        found[f"ELMo {name}, LSTM alone"] = flops.count_elmo(config, length + 2, work)["LSTM"]
    from transformers import BertConfig

    found["BERT base, one piece for a word"] = sum(flops.count_bert(BertConfig(), [length + 2]).values())
    return {"words": length, "operations": found}


# -------------------------------------------------------------------------------------------------------------- speeds


def speed(contenders: Sequence[Any], sentences: list[list[str]], context: Any) -> dict[str, Any]:
    """Making inputs and running the encoder, timed in turns, and the memory that running it takes at its peak."""
    words, clock_threads = sum(map(len, sentences)), _clock_threads(context.device)
    of = {each.name: each.name for each in contenders}
    for each in list(contenders):
        if (twin := cost_sides.native_form(each)) is not None:
            of[twin.name] = each.name
            contenders = [*contenders, twin]
    prepared = {each.name: cost_sides.prepare(each, sentences) for each in contenders}
    peaks = {each.name: peak_of(each, prepared[each.name]) for each in contenders}
    runs = context.settings.choose(*RUNS) if words <= MANY_WORDS else RUNS[0]
    making = alternate(
        {each.name: partial(cost_sides.prepare, each, sentences) for each in contenders},
        runs,
        clock_threads,
    )
    running = alternate(
        {each.name: partial(cost_sides.encode, each, prepared[each.name]) for each in contenders},
        runs,
        clock_threads,
    )
    return {
        "words": words,
        "distinct_words": len({word for sentence in sentences for word in sentence}),
        **circumstances(context.device),
        "contenders": {
            each.name: {
                "contender": of[each.name],
                "inputs": summary(words, making[each.name]),
                "encoder": summary(words, running[each.name]),
                "peak_mb": peaks[each.name],
                "look_up": each.kind == "static",
                "rows": sum(len(next(iter(batch.values()))) for batch in prepared[each.name]),
                "positions": sum(_positions(batch) for batch in prepared[each.name]),
            }
            for each in contenders
        },
    }


def _positions(batch: dict[str, torch.Tensor]) -> int:
    return int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["rows"].numel()


def peak_of(contender: Any, batches: Sequence[dict[str, torch.Tensor]]) -> float:
    """Megabytes (10^6) that one run of the encoder takes at its peak, above what was taken before it."""
    cost_sides.encode(contender, batches)  # what is taken once and kept is not counted
    if torch.device(contender.device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(contender.device)
        allocated = torch.cuda.memory_allocated(contender.device)
        cost_sides.encode(contender, batches)
        return (torch.cuda.max_memory_allocated(contender.device) - allocated) / 1e6
    gc.collect()
    give_back_memory()
    memory._reset_peak()
    before = memory._resident_mb("VmRSS")
    cost_sides.encode(contender, batches)
    return max(0.0, memory._resident_mb("VmHWM") - before)


def give_back_memory() -> None:
    """Let the C library return what was freed, which would hide what is taken next; does nothing where it is not glibc's."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return


def training(contenders: Sequence[Any], sentences: list[list[str]], context: Any) -> dict[str, Any]:
    """Updates of a whole model with a layer that labels words, and of pretraining, each timed in turns."""
    words = sum(map(len, sentences))
    runs, clock_threads = context.settings.choose(*RUNS), _clock_threads(context.device)
    result: dict[str, Any] = {"words": words, "sentences": len(sentences), **circumstances(context.device)}
    for name, make in (("labels", cost_sides.head_update), ("pretraining", cost_sides.pretraining_update)):
        works = {each.name: work for each in contenders if (work := make(each, sentences)) is not None}
        seconds = alternate(works, runs, clock_threads)
        result[name] = {one: summary(words, taken) for one, taken in seconds.items()}
    return result


def _clock_threads(device: Any) -> int:
    """For `alternate`: with one thread on a CPU the processor's time is taken, which other programs do not disturb."""
    return torch.get_num_threads() if torch.device(device).type == "cpu" else 0


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """Tables of sizes, of operations, of speeds and memory by length for each batch size, of training and pretraining."""
    parts: dict[str, list[tuple[Cell, dict]]] = {}
    for cell, result in results:
        parts.setdefault(cell["part"], []).append((cell, result))
    return {"experiment": NAME, "title": TITLE, "tables": tables_of(parts), "tests": [], "notes": notes_of(parts)}
