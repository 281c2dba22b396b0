# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The arguments of `hf-elmo pretrain`, and what it prints at the end."""

import argparse
import os
import sys
from collections.abc import Sequence

from hf_elmo.training.settings import SETTINGS_NAME, PretrainError, PretrainSettings, add_options, parse_settings

SUMMARY = f"""Pretrain ELMo's bidirectional language model, or BERT, on a prepared corpus.

Checkpoints are whole or not there; --resume goes on from the last one and, on a processor, ends with the same
bits as a run that was never stopped. The settings of a run are kept in OUTPUT/{SETTINGS_NAME}, its figures
as they come in OUTPUT/log.jsonl. Exit code 130: stopped by a signal, with a checkpoint; model/ and results.json
are written when the run is at its end."""
EXAMPLE = """example:
  hf-elmo prepare-corpus text.txt corpus --vocabulary-size 20000 --held-out 0.01
  hf-elmo pretrain --recipe elmo-mini --corpus corpus --output_dir elmo-run
several processes:
  accelerate launch --num_processes 2 -m hf_elmo pretrain --recipe elmo-mini --corpus corpus --output_dir elmo-run"""


def add_help(parser: argparse.ArgumentParser) -> None:
    """Show the options in the help; they are read by `hf_elmo.training.settings`."""
    parser.usage = "hf-elmo pretrain --recipe NAME --corpus FOLDER --output_dir FOLDER [--resume] [options]"
    add_options(parser)


def run_command(words: Sequence[str]) -> int:
    """Run `hf-elmo pretrain` with the words after it; returns the exit code.

    Raises:
        SettingsError: wrong use.
        ValueError, OSError: see `pretrain`.
    """
    settings: PretrainSettings = parse_settings(words)
    from accelerate import PartialState

    from hf_elmo.training.pretrain import MODEL_FOLDER, RESULTS_NAME, pretrain

    try:
        result = pretrain(settings, words)
    except (ValueError, OSError) as error:
        rank = os.environ.get("RANK", "0")
        if rank == "0":
            raise
        # The same words from several processes would look like one line printed twice.
        raise PretrainError(f"process {rank}: {' '.join(str(error).split())}") from error
    if result["run"]["stopped_by"] == "signal":
        return 130
    if not PartialState().is_main_process:
        return 0
    for name, value in result["metrics"]["held_out"].items():
        print(f"held-out {name.replace('_', ' ')}: {value:.5g}")
    print(f"saved in {settings.output_dir}/{MODEL_FOLDER}, figures in {settings.output_dir}/{RESULTS_NAME}")
    if result["run"]["stopped_by"] == "max_hours":
        print("the time was up before the last update; more --max_hours and --resume go on", file=sys.stderr)
    return 0
