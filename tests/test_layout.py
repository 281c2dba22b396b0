# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The three top-level folders are parts of one package in every form it is installed."""

import subprocess
import sys
import zipfile

import pytest
from support import ROOT

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no TOML reader")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_links_and_package_dir_say_the_same():
    mapped = {name.removeprefix("hf_elmo."): folder for name, folder in SETTINGS["package-dir"].items()}
    linked = {path.name: path.readlink().as_posix() for path in (ROOT / "hf_elmo").iterdir() if path.is_symlink()}
    assert linked == {name: f"../{folder}" for name, folder in mapped.items()}


def test_every_folder_with_code_is_a_listed_package():
    found = {"hf_elmo"}
    for top in ("modeling", "conversion", "model_cards", "hf_elmo"):
        for path in (ROOT / top).rglob("__init__.py"):
            parts = path.parent.relative_to(ROOT).parts
            found.add(".".join(parts if parts[0] == "hf_elmo" else ("hf_elmo", *parts)))
    assert set(SETTINGS["packages"]) == found


def test_modeling_is_flat():
    assert not [path for path in (ROOT / "modeling").iterdir() if path.is_dir() and path.name != "__pycache__"]


def test_model_cards_load_neither_torch_nor_transformers():
    code = "import sys; sys.argv[0] = 'hf-elmo'; import hf_elmo.model_cards; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_wheel_holds_all_modules_and_nothing_else(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = [package.replace(".", "/") for package in SETTINGS["packages"]]
    expected = {f"{folder}/{path.name}" for folder in folders for path in (ROOT / folder).glob("*.py")}
    for pattern in ("compare/texts/*", "examples/*", "demo/*.txt", "pretrained/*-en/*", "training/recipes/*.yaml"):
        expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "hf_elmo").glob(pattern) if path.is_file()}
    for path in (ROOT / "model_cards").rglob("*"):
        in_results = path.is_relative_to(ROOT / "model_cards" / "results")
        if path.is_file() and path.suffix in ((".json",) if in_results else (".yaml", ".jinja")):
            expected.add(f"hf_elmo/model_cards/{path.relative_to(ROOT / 'model_cards').as_posix()}")
    assert files == expected | {"hf_elmo/py.typed"}
