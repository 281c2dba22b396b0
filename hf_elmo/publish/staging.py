# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The folder that is sent: a copy of the checked files, with the code and the settings that a stranger needs."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_elmo.publish.errors import PublishError

TOKENIZER_CLASS = "tokenization_elmo.ElmoTokenizer"
CODE_CHOICES = ("keep", "package")


class FileFacts(NamedTuple):
    """A file to send; the two hashes are those by which the Hub knows large and small files."""

    name: str
    path: Path
    size: int
    sha256: str
    git_sha1: str


def stage(source: Path, names: Sequence[str], staged: Path, code: str = "keep") -> list[str]:
    """Copy the files and complete them; weights and tokenizer are the same bytes as before.

    An ELMo gets the code of this package and the `auto_map` entries that lead to it, unless it brings its own. Where a
    model or a tokenizer was loaded from is taken out of the settings.

    Args:
        names: of the files, relative to `source`.
        staged: an empty folder.
        code: of an ELMo that brings its own: "keep" it, or take that of this "package".
    Returns:
        notes for people, one line each.
    Raises:
        PublishError: code files that belong to no model, or are missing.
        OSError: a file cannot be read or written.
    """
    for name in names:
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
    config = read_settings(staged / "config.json")
    notes = _place_code(staged, config, code)
    for unwanted, name in (("_name_or_path", "config.json"), ("name_or_path", "tokenizer_config.json")):
        _forget(staged / name, (unwanted, "is_local", "local_files_only"))
    _check_code(staged)
    return notes


def read_settings(path: Path) -> dict[str, Any]:
    """A file of settings as an object.

    Raises:
        PublishError: it holds something else.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PublishError(f"{path.name} is no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise PublishError(f"{path.name} holds no settings; needed is a JSON object")
    return settings


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write settings as transformers does."""
    path.write_text(json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _forget(path: Path, keys: Sequence[str]) -> None:
    settings = read_settings(path)
    if set(keys) & set(settings):
        write_settings(path, {key: value for key, value in settings.items() if key not in keys})


def _place_code(staged: Path, config: dict[str, Any], code: str) -> list[str]:
    if config.get("model_type") != "elmo":
        return []
    ours = _package_code()
    brought = {path.name: path.read_bytes() for path in staged.glob("*.py")}
    if brought and code == "keep":
        different = sorted(name for name in brought if ours.get(name) != brought[name])
        if not different:
            return []
        return [f"code: kept as it is in the folder; {', '.join(different)} differ from this hf_elmo (--code package)"]
    for name in brought:
        (staged / name).unlink()
    for name, content in ours.items():
        (staged / name).write_bytes(content)
    write_settings(staged / "config.json", {**config, "auto_map": {**_auto_map(), **_others(config.get("auto_map"))}})
    tokenizer = read_settings(staged / "tokenizer_config.json")
    tokenizer["auto_map"] = {"AutoTokenizer": [TOKENIZER_CLASS, None]}
    write_settings(staged / "tokenizer_config.json", tokenizer)
    changed = [name for name in brought if ours.get(name) != brought[name]]
    return [f"code: {len(ours)} files of this hf_elmo" + (f" instead of {', '.join(changed)}" if changed else "")]


def _auto_map() -> dict[str, str]:
    from hf_elmo.modeling.configuration_elmo import AUTO_MAP

    return dict(AUTO_MAP)


def _others(auto_map: Any) -> dict[str, Any]:
    """Entries of an auto_map for classes that this package does not have."""
    known = set(_auto_map())
    return {key: value for key, value in auto_map.items() if key not in known} if isinstance(auto_map, dict) else {}


def _package_code() -> dict[str, bytes]:
    """The files behind `auto_map` and all that they import from beside them."""
    from hf_elmo import modeling

    references = [*_auto_map().values(), TOKENIZER_CLASS]
    root = Path(modeling.__path__[0])
    return {name: (root / name).read_bytes() for name in sorted(_files_behind(references, root))}


def _files_behind(references: Sequence[str], root: Path) -> set[str]:
    """Names of the files that hold the classes, and of all that these import from beside them, as transformers finds them.

    Raises:
        PublishError: one is not there.
    """
    from transformers.dynamic_module_utils import get_relative_imports

    found: set[str] = set()
    waiting = {reference.split(".")[0]: "auto_map" for reference in references}
    while waiting:
        module, wanted_by = waiting.popitem()
        file = root / f"{module}.py"
        if not file.is_file():
            raise PublishError(f"{wanted_by} needs {file.name}, which is not in the folder: --code package gives it")
        found.add(file.name)
        waiting |= {name: file.name for name in get_relative_imports(file) if f"{name}.py" not in found}
    return found


def _check_code(staged: Path) -> None:
    """Exactly the code that the settings lead to: a file too few does not load, one too many is a stray."""
    references: list[str] = []
    for name in ("config.json", "tokenizer_config.json"):
        for value in (read_settings(staged / name).get("auto_map") or {}).values():
            references += [item for item in (value if isinstance(value, list) else [value]) if item]
    strays = {path.name for path in staged.glob("*.py")} - _files_behind(references, staged)
    if strays:
        raise PublishError(f"{', '.join(sorted(strays))}: no part of the model's code; leave it out with --exclude")


def measure(staged: Path) -> list[FileFacts]:
    """Names, sizes and hashes of everything in the folder, by name."""
    found = []
    for path in sorted(path for path in staged.rglob("*") if path.is_file()):
        size = path.stat().st_size
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
                git.update(block)
        found.append(FileFacts(path.relative_to(staged).as_posix(), path, size, sha256.hexdigest(), git.hexdigest()))
    return found


def auto_class_of(config: dict[str, Any]) -> str:
    """The Auto class that loads a model with its task head; AutoModel for a language model or the bare one."""
    architecture = (config.get("architectures") or [""])[0]
    found = re.search(r"For([A-Z]\w+)$", architecture)
    if found is None or found.group(1) == "PreTraining":
        return "AutoModel"
    import transformers

    name = f"AutoModelFor{found.group(1)}"
    return name if hasattr(transformers, name) else "AutoModel"
