# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""How much it takes to use a contender: short whole programs, run in processes of their own; their lines and seconds.

The seconds are upper bounds: other cells may be computed at the same time, and each result tells how busy the machine was.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hf_elmo.compare.cells import Cell, Section, figure
from hf_elmo.compare.circumstances import circumstances
from hf_elmo.pretrained import resolve

NAME = "integration"
TITLE = "Integration: lines and seconds"
RUNS = (1, 2)  # quick, full
LONGEST_SECONDS = 300
PLANTED = ("shuffled:", "copy:")

_START = """
import sys
import torch
{imports}
words = ["The", "bank", "of", "the", "river", "was", "unbelievably", "green", "."]
"""
_LOAD = """
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = {model}.from_pretrained(sys.argv[1]{options})
"""
_ELMO = "import hf_elmo\n"
_DATA = """
tags = [0, 1, 0, 0, 1, 0, 0, 0, 0]
"""
_TRAIN = """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for update in range(20):
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
"""

# kind of contender -> task -> program; each ends with `vectors` (words, numbers), or `loss`, which must be below log 2.
VECTORS, TAGGER = "word vectors", "training a tagger"
PROGRAMS = {
    "elmo": {
        VECTORS: _START.format(imports=_ELMO + "from transformers import AutoModel, AutoTokenizer")
        + _LOAD.format(model="AutoModel", options="")
        + """
inputs = tokenizer([words], is_split_into_words=True, return_tensors="pt")
vectors = model(**inputs).mixed_state[0, 1:-1]
""",
        TAGGER: _START.format(
            imports=_ELMO + "from transformers import AutoModelForTokenClassification, AutoTokenizer"
        )
        + _LOAD.format(model="AutoModelForTokenClassification", options=", num_labels=2")
        + _DATA
        + """
inputs = tokenizer([words], is_split_into_words=True, return_tensors="pt")
labels = torch.tensor([[-100, *tags, -100]])
"""
        + _TRAIN,
    },
    "bert": {
        VECTORS: _START.format(imports="from transformers import AutoModel, AutoTokenizer")
        + _LOAD.format(model="AutoModel", options="")
        + """
inputs = tokenizer([words], is_split_into_words=True, return_tensors="pt")
pieces, word_of = model(**inputs).last_hidden_state[0], inputs.word_ids()
places = [[place for place, word in enumerate(word_of) if word == number] for number in range(len(words))]
vectors = torch.stack([pieces[of_word].mean(dim=0) for of_word in places])
""",
        TAGGER: _START.format(imports="from transformers import AutoModelForTokenClassification, AutoTokenizer")
        + _LOAD.format(model="AutoModelForTokenClassification", options=", num_labels=2")
        + _DATA
        + """
inputs = tokenizer([words], is_split_into_words=True, return_tensors="pt")
word_of = inputs.word_ids()
firsts = [word is not None and word not in word_of[:place] for place, word in enumerate(word_of)]
labels = torch.tensor([[tags[word] if first else -100 for word, first in zip(word_of, firsts)]])
"""
        + _TRAIN,
    },
    "static": {
        VECTORS: _START.format(imports="from hf_elmo.compare.contenders import load_contender")
        + """
vectors = load_contender(sys.argv[1]).vectors([words])[0][0]
""",
        TAGGER: _START.format(imports="from hf_elmo.compare.contenders import load_contender")
        + _DATA
        + """
vectors = load_contender(sys.argv[1]).vectors([words])[0][0]
model = torch.nn.Linear(vectors.shape[1], 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for update in range(20):
    loss = torch.nn.functional.cross_entropy(model(vectors), torch.tensor(tags))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
""",
    },
}
# Not counted: it only proves that the program did what it is for.
_PROOF = {
    VECTORS: "assert len(vectors) == len(words) and vectors.isfinite().all()\n",
    TAGGER: "assert loss < 0.69, loss\n",
}


def cells(settings: Any, names: list[str]) -> list[Cell]:
    """One for each contender."""
    return [Cell(NAME, (("contender", name),)) for name in names if not name.startswith(PLANTED)]


def run(cell: Cell, context: Any) -> dict[str, Any]:
    """Run each program of the contender's kind, from the start of Python to its end."""
    contender = context.contender(cell["contender"])
    runs = context.settings.choose(*RUNS)
    place = contender.spec if contender.kind == "static" else resolve(contender.spec)
    measured = {
        task: {
            "lines": lines_of(program),
            "seconds": [round(seconds_of(program + _PROOF[task], place), 3) for _ in range(runs)],
            "program": program.strip(),
        }
        for task, program in PROGRAMS[contender.kind].items()
    }
    return {"programs": measured, **circumstances("cpu")}


def lines_of(program: str) -> int:
    """Lines of a program that hold code."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in program.splitlines())


def seconds_of(program: str, *arguments: str) -> float:
    """Seconds on the wall that a program takes in a process of its own.

    Raises:
        ValueError: it fails, or takes longer than five minutes; with the end of what it said.
    """
    paths = os.pathsep.join(filter(None, (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"a program took longer than {LONGEST_SECONDS} seconds") from error
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise ValueError(f"a program ended with {done.returncode}: {' '.join(done.stderr.split())[-300:]}")
    return seconds


def summarize(results: list[tuple[Cell, dict]], settings: Any) -> Section:
    """A table of lines and one of seconds."""
    tables = []
    for name, title, unit, value in (
        ("lines", "Lines of a whole program", "lines of code", lambda each: each["lines"]),
        (
            "seconds",
            "Time of the program, from the start of Python",
            "s",
            lambda each: min(each["seconds"]),
        ),
    ):
        rows = [
            {
                "label": cell["contender"],
                "contender": cell["contender"],
                "group": None,
                "values": {
                    task: figure(value(each), [cell.id], n=len(each["seconds"]))
                    for task, each in result["programs"].items()
                },
            }
            for cell, result in results
        ]
        tables.append(
            {
                "id": f"{NAME}-{name}",
                "title": title,
                "unit": unit,
                "higher_is_better": False,
                "columns": [VECTORS, TAGGER],
                "rows": rows,
                "plot": {"kind": "bars"},
            }
        )
    loads = [result["load_average"][0] for _, result in results if result["load_average"]]
    notes = [
        "The programs stand in the cells' files. They import, load, compute the vectors of one sentence or train on it for 20 "
        "updates; a BERT's pieces have to be put together to words, or labels laid on first pieces.",
        f"Best of the runs, on a CPU with {results[0][1]['threads']} thread(s), load average {max(loads, default=0):.1f} at most.",
    ]
    return {"experiment": NAME, "title": TITLE, "tables": tables, "tests": [], "notes": notes}
