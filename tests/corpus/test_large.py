# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A corpus of 1 GB: preparing it and beginning to train on it stay below 1.5 GB of resident memory."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from support import ROOT

from hf_elmo.corpus import TokenShards

SIZE = 1_000_000_000
BAR = 1_500_000_000
SENTENCES = 20_000  # written at a time

PREPARE = """
import sys
from hf_elmo.corpus import prepare
if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], processes=2, vocabulary_size=100_000, held_out=0.01, documents="blank-line")
"""
READ = """
import sys
from itertools import islice
from hf_elmo.corpus import LaneBatches, SentenceBatches, TokenShards, model_inputs
shards = TokenShards.open(sys.argv[1])
table = shards.character_table()
for batches in (LaneBatches(shards, 128), SentenceBatches(shards, 4096)):
    for batch in islice(batches, 500):
        model_inputs(batch, table)
"""
# Larger batches take more memory, whatever the corpus: 32,768 words, the recipe's own, about 4.3 GB.
TRAIN = """
import sys
from hf_elmo.cli import main
words = ["--recipe", "elmo-mini", "--max_tokens", "4096", "--max_steps", "3", "--warmup_steps", "1", "--use_cpu"]
sys.exit(main(["pretrain", *words, "--corpus", sys.argv[1], "--output_dir", sys.argv[2], "--no-final_evaluation"]))
"""


def write_text(path):
    """About SIZE bytes: words of 300,000 with the frequencies of Zipf's law, ten sentences a line, documents of 50."""
    rng = np.random.default_rng(0)
    syllables = np.array("ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split())
    words = np.array(["".join(parts) for parts in syllables[rng.integers(0, 20, (300_000, 4))]], object)
    words[::2] = [word[:3] for word in words[::2]]
    probability = 1 / np.arange(1, len(words) + 1)
    cumulated = np.cumsum(probability / probability.sum())
    with open(path, "w", encoding="utf-8") as file:
        while file.tell() < SIZE:
            lengths = rng.integers(5, 35, SENTENCES)
            drawn = words[np.searchsorted(cumulated, rng.random(lengths.sum())).clip(max=len(words) - 1)].tolist()
            ends = np.cumsum(lengths).tolist()
            for number, (start, end) in enumerate(zip([0, *ends], ends)):  # noqa: B905
                file.write(
                    f"The {' '.join(drawn[start:end])}. " + "\n" * (number % 10 == 9) + "\n" * (number % 50 == 49)
                )


def peak_memory(code, *arguments):
    """Run code in a process; the most memory that it and its own processes had resident, shared pages counted once."""
    psutil = pytest.importorskip("psutil")
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    peak = 0
    while process.poll() is None:
        try:
            own = psutil.Process(process.pid)
            peak = max(peak, sum(one.memory_full_info().pss for one in (own, *own.children(recursive=True))))
        except psutil.NoSuchProcess:
            pass  # ended meanwhile
        time.sleep(0.3)
    assert process.returncode == 0
    return peak


@pytest.mark.extended
@pytest.mark.slow
def test_memory_of_a_large_corpus(tmp_path):
    write_text(tmp_path / "text.txt")
    program = tmp_path / "prepare.py"  # its processes import the main module
    program.write_text(PREPARE)
    start = time.perf_counter()
    preparing = peak_memory(
        f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')", tmp_path / "text.txt", tmp_path / "out"
    )
    seconds = time.perf_counter() - start
    reading = peak_memory(READ, tmp_path / "out")
    training = peak_memory(TRAIN, tmp_path / "out", tmp_path / "run")
    shards = TokenShards.open(tmp_path / "out", verify=True)
    print(
        f"{shards.words:,} words in {shards.num_shards} shards, {shards.words / seconds:,.0f} words/s; peak {preparing / 1e6:,.0f} "
        f"MB preparing, {reading / 1e6:,.0f} MB reading, {training / 1e6:,.0f} MB training"
    )
    assert shards.words > 150_000_000
    assert preparing < BAR
    assert reading < BAR
    assert training < BAR
