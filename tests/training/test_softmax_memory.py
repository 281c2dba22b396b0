# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A step of training with 8,192 of 793,471 words drawn, 128 x 20 tokens: what it takes above weights and optimiser.

pytest -n 0 -m slow -s tests/training/test_softmax_memory.py
"""

import os
import subprocess
import sys

import pytest
from support import ROOT

WORDS, SIZE, TOKENS = 793_471, 128, 128 * 20
STEP = """
import re, sys, torch
from hf_elmo.modeling import ElmoConfig, ElmoForPreTraining
words, size, sparse = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "sparse"

def memory(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])

torch.manual_seed(0)
filters = [[1, 32], [2, 32], [3, 64]]
model = ElmoForPreTraining(
    ElmoConfig(vocab_size=words + 1, projection_size=size, cell_size=896, char_filters=filters, num_sampled=8192)
)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.2, initial_accumulator_value=1.0, eps=0)
targets = torch.randint(4, words, (128, 20))
batch = {name: torch.randint(1, 260, (128, 20, 50)) for name in ("char_ids", "backward_char_ids")}
batch |= {"forward_targets": targets, "backward_targets": targets.flip(1)}
before = memory("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the highest so far is now
model.train()(**batch, sparse_gradient=sparse).sampled_loss.backward()
with torch.sparse.check_sparse_tensor_invariants(False):
    optimizer.step()
print(memory("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the highest memory of a process as Linux tells it")
def test_a_step_takes_a_fraction_of_the_scores_of_all_words():
    """A sparse gradient holds the rows used; a dense one is there for each direction, and for their sum."""
    peaks = {}
    for kind in ("sparse", "dense"):
        words = [sys.executable, "-c", STEP, str(WORDS), str(SIZE), kind]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks[kind] = int(done.stdout)
        print(f"{kind}: {peaks[kind] / 1e6:,.0f} MB above weights and optimiser")
    gradient = WORDS * SIZE * 4
    assert peaks["sparse"] < 1.5 * gradient
    assert gradient < peaks["dense"] < peaks["sparse"] + 3.5 * gradient
    assert max(peaks.values()) < TOKENS * WORDS * 4 / 4  # the scores of all words alone would be four times that
