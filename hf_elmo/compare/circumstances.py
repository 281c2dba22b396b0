# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Where and beside what a timing was taken."""

import os
from pathlib import Path
from typing import Any

import torch


def circumstances(device: Any) -> dict[str, Any]:
    """Where and beside what a timing was taken."""
    on_cpu = torch.device(device).type == "cpu"
    return {
        "device": "CPU" if on_cpu else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "clock": "processor time" if on_cpu and torch.get_num_threads() == 1 else "time on the wall",
        "load_average": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "comparisons_running": comparisons_running(),
    }


def comparisons_running() -> int | None:
    """Processes of `hf-elmo compare` on this machine, this one among them; None where that cannot be told."""
    if not Path("/proc/self/cmdline").is_file():
        return None
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            parts = path.read_bytes().split(b"\0")
        except OSError:  # ended in the meantime, or another user's
            continue
        found += b"compare" in parts and any(part.endswith((b"hf-elmo", b"hf_elmo", b"__main__.py")) for part in parts)
    return found
