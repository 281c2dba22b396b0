# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What `hf-elmo finetune` prints on stdout: the full help, or the scores of a run and its folder."""

import os
from collections.abc import Sequence

from hf_elmo.finetune.arguments import ArgumentsError, make_parser
from hf_elmo.finetune.run import finetune

__all__ = ["ArgumentsError", "run_command"]


def run_command(words: Sequence[str]) -> int:
    """Run the words of a command line; returns the exit code.

    Raises:
        ArgumentsError: wrong use.
        ValueError, OSError: see `finetune`.
    """
    if "--help_all" in words:
        make_parser().print_help()
        return 0
    result = finetune(words)
    if os.environ.get("RANK", "0") == "0":  # the first of several processes
        for name, scores in result["metrics"].items():
            print(f"{name}: " + ", ".join(f"{metric} {found['value']:.4f}" for metric, found in scores.items()))
        print(f"saved in {result['run']['settings']['output_dir']}")
    return 0
