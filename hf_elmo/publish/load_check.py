# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The last check before anything is sent: does it load, where this package is not installed and nothing is cached?"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hf_elmo.publish.errors import PublishError

COMMIT = "0" * 40
_LIMIT_SECONDS = 3600.0


def check_that_it_loads(staged: Path, repo_id: str, with_code: bool) -> dict[str, Any]:
    """Load a staged folder by its future name, in a process of its own, from a cache laid out as the Hub's client does.

    Loading the folder itself would prove less: imports inside the code are then not looked at as they are from the Hub.

    Args:
        with_code: the folder brings code; it is run.
    Returns:
        `architecture`, `tensors` (compared with the files, all equal), `parameters`, and `vectors`, the shape of what a
        sentence gives.
    Raises:
        PublishError: it does not load, or not with the numbers of its files; with the last line of the failure.
    """
    with tempfile.TemporaryDirectory(prefix="hf-elmo-load-") as home:
        repository = Path(home) / "hub" / f"models--{repo_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        (repository / "snapshots").mkdir()
        snapshot = repository / "snapshots" / COMMIT
        try:
            snapshot.symlink_to(staged.resolve(), target_is_directory=True)
        except OSError:  # Windows, without the right to make links
            shutil.copytree(staged, snapshot)
        script = Path(__file__).with_name("fresh_load.py")
        try:
            done = subprocess.run(
                [sys.executable, str(script), repo_id, str(staged.resolve()), str(int(with_code))],
                cwd=home,
                env=_environment(home),
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=_LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise PublishError(f"the model did not load within {_LIMIT_SECONDS:.0f} seconds") from error
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = said[-1] if said else f"exit code {done.returncode}"
        raise PublishError(f"it does not load in a fresh process without hf_elmo: {why}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment(home: str) -> dict[str, str]:
    """The variables of a machine that has transformers and nothing cached, and cannot reach the Hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    return kept | {
        "HF_HOME": home,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
