"""What several test modules need: where the reference data lies and what to do without it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_shared = ROOT.parent / "shared"

# Reference numbers and open data sets that are not part of the repository.
SHARED: Path | None = _shared if (_shared / "fixtures").is_dir() else None

requires_shared = pytest.mark.skipif(
    SHARED is None, reason="the reference data (../shared) is not beside the repository"
)
