# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`import hf_elmo` makes the Auto classes know ELMo, however the program was started."""

import subprocess
import sys

import pytest
from support import ROOT

KNOWN = "from transformers import AutoConfig; print(AutoConfig.for_model('elmo').model_type)"


def run(folder, *arguments) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}", "PATH": "", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_package_that_imports_it_and_runs_by_m(tmp_path):
    package = tmp_path / "study"
    package.mkdir()
    (package / "__init__.py").write_text("import hf_elmo\n")
    (package / "train.py").write_text(KNOWN + "\n")
    assert run(tmp_path, "-m", "study.train", "hf_elmo") == "elmo"


def test_its_own_command_loads_no_torch(tmp_path):
    code = "import runpy, sys; sys.orig_argv = ['python', '-m', 'hf_elmo']; sys.argv = ['-m']; import hf_elmo; "
    assert run(tmp_path, "-c", code + "print('torch' in sys.modules)") == "False"


def test_names_are_loaded_when_asked_for():
    import hf_elmo

    assert {name for name in hf_elmo.__all__ if getattr(hf_elmo, name) is None} == set()
    assert set(hf_elmo.__all__) <= set(dir(hf_elmo))
    with pytest.raises(AttributeError, match="module 'hf_elmo' has no attribute 'ElmoForNothing'"):
        hf_elmo.ElmoForNothing  # noqa: B018
