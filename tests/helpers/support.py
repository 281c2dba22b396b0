# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What several test modules need: where the reference data lies and what to do without it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_shared = ROOT.parent / "shared"

# Reference numbers and open data sets that are not part of the repository.
SHARED: Path | None = _shared if (_shared / "fixtures").is_dir() else None

requires_shared = pytest.mark.skipif(
    SHARED is None, reason="the reference data (../shared) is not beside the repository"
)


def files_a_model_imports() -> set[str]:
    """Configuration, model and tokenizer, and what they import from beside them."""
    found, waiting = set(), ["configuration_elmo.py", "modeling_elmo.py", "tokenization_elmo.py"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            tree = ast.parse((ROOT / "modeling" / name).read_text(encoding="utf-8"))
            nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
            waiting += [f"{node.module}.py" for node in nodes]
    return found
