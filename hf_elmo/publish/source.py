# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What may be published, and what a folder holds besides: every file is either known to be of use or refused."""

import fnmatch
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from hf_elmo.publish.credentials import find_credentials, find_in_binary

MB = 1_000_000


class Kind(NamedTuple):
    """Files of one kind: their names, what is in them, and the size from which one is a stray."""

    names: str
    content: str
    max_bytes: int | None


KINDS = (
    Kind(r"model(-\d{5}-of-\d{5})?\.safetensors|lm_head\.safetensors", "safetensors", None),
    Kind(r"(config|generation_config|tokenizer_config|special_tokens_map|added_tokens)\.json", "settings", MB),
    Kind(r"model\.safetensors\.index\.json", "settings", 10 * MB),
    Kind(r"tokenizer\.json", "json", 200 * MB),
    Kind(r"vocab\.txt", "text", 50 * MB),
    Kind(r"README(_[a-z]{2})?\.md|(LICENSE|LICENCE|NOTICE)(\.txt|\.md)?|CITATION\.cff", "text", 5 * MB),
    Kind(r"[A-Za-z_]\w*\.py", "text", MB),
    Kind(r"(conversion|results|(all|train|eval)_results|trainer_state)\.json", "json", 20 * MB),
    Kind(r"(finetune_arguments|pretrain_settings)\.yaml|\.eval_results/[\w.-]+\.yaml", "text", MB),
    Kind(r"((images|assets)/)?[\w.-]+\.svg", "text", 10 * MB),
    Kind(r"((images|assets)/)?[\w.-]+\.(png|jpe?g)", "image", 10 * MB),
    Kind(r"notebook\.ipynb", "json", 20 * MB),
    # sentence-transformers
    Kind(r"(modules|config_sentence_transformers|sentence_bert_config)\.json|\d_\w+/config\.json", "settings", MB),
    Kind(r"onnx/[\w.-]+\.onnx", "onnx", None),
)

# What Trainer of transformers leaves beside a model: nobody loads it, and everybody has it.
DEBRIS = (
    r"checkpoint-\d+/.*|runs/.*|training_args\.bin|optimizer\.(pt|bin)|(scheduler|scaler)\.pt|rng_state(_\d+)?\.pth"
    r"|predictions_[\w.-]+\.jsonl"
)

# Why a file that many a folder holds is refused, where "nothing that belongs to a model" would not help.
REASONS = (
    (r"checkpoint[^/]*/.*", "a checkpoint of a training, with its optimiser state"),
    (r"(.*/)?(optimizer|scheduler|scaler)\.(pt|bin|safetensors)|(.*/)?rng_state.*", "optimiser or run state"),
    (r".*\.(bin|pt|pth|th|ckpt|pkl|pickle|joblib|npy|npz|msgpack|dill)", "pickles run code when they are read"),
    (r".*\.(h5|hdf5)", "weights of another format; hf-elmo convert makes model.safetensors of them"),
    (r"\.git/.*", "the history of a repository"),
    (r"(.*/)?\.env(\..*)?|(.*/)?\.netrc|(.*/)?id_(rsa|ed25519|ecdsa)", "a place for secrets"),
    (r"(.*/)?events\.out\.tfevents\..*|log\.jsonl|runs/.*", "the log of a training"),
    (r"(.*/)?__pycache__/.*|(.*/)?\.DS_Store|(.*/)?\.ipynb_checkpoints/.*", "left behind by a program"),
)
_TEXTS = ("settings", "json", "text")
_CLIMBS = re.compile(r"(^|[/\\])\.\.[/\\]|[/\\]\.\.($|[/\\])")
# How they begin, and what is said of those that do not.
_BINARIES = {
    "image": ((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"), "no PNG or JPEG image"),
    "onnx": ((b"\x08",), "no ONNX model"),
}


class Listing(NamedTuple):
    """Names of the files to send, what is refused, and what a training left behind (files and whole folders)."""

    names: list[str]
    problems: list["Problem"]
    left_out: list[str]


class Problem(NamedTuple):
    """A file that is refused, or a whole folder of such, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def list_files(folder: Path, exclude: Sequence[str] = ()) -> Listing:
    """Names, relative to the folder with `/` between the parts, of the files that may be sent, and of all others.

    Contents are not read yet, so that a stray file of gigabytes costs no time.

    Args:
        exclude: patterns (`*`, `?`, `[...]`) of names that are left out; one that fits a folder leaves out all of it.
    Raises:
        ValueError: a pattern fits nothing.
        OSError: the folder cannot be read.
    """
    names: list[str] = []
    problems: dict[str, str] = {}
    used: set[str] = set()
    left_out: set[str] = set()
    root = folder.resolve()
    for path, is_folder in _walk(root):
        name = path.relative_to(root).as_posix()
        fitting = [pattern for pattern in exclude if _fits(name, pattern)]
        if fitting:
            used.update(fitting)
        elif is_folder:  # a link to one; others are walked into
            problems[name] = "a link to a folder is not followed"
        elif re.fullmatch(DEBRIS, name):
            top, below, _ = name.partition("/")
            left_out.add(top + below)
        elif reason := _refusal(path, name, root):
            _note(problems, name, reason)
        else:
            names.append(name)
    if unused := [pattern for pattern in exclude if pattern not in used]:
        raise ValueError(f"--exclude {unused[0]!r} fits no file in {folder}")
    return Listing(sorted(names), [Problem(*item) for item in sorted(problems.items())], sorted(left_out))


def _walk(root: Path) -> Iterator[tuple[Path, bool]]:
    def fail(error: OSError):
        raise error

    for above, folders, files in os.walk(root, onerror=fail):
        for name in folders:
            if (Path(above) / name).is_symlink():
                yield Path(above) / name, True
        for name in files:
            yield Path(above) / name, False


def _fits(name: str, pattern: str) -> bool:
    parts = name.split("/")
    pattern = pattern.rstrip("/")
    return any(fnmatch.fnmatchcase("/".join(parts[:count]), pattern) for count in range(1, len(parts) + 1))


def kind_of(name: str) -> Kind | None:
    """The kind of a file that may be sent, by its name."""
    return next((kind for kind in KINDS if re.fullmatch(kind.names, name)), None)


def _refusal(path: Path, name: str, root: Path) -> str | None:
    if "\\" in name or any(ord(character) < 32 for character in name):
        return "a name with a backslash or a control character"
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return f"a link that leads nowhere ({os.readlink(path)})"
        if root not in target.parents:
            return f"a link out of the folder, to {target}"
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        return "no regular file"
    kind = kind_of(name)
    size = readable_size(about.st_size)
    if kind is None:
        for pattern, reason in REASONS:
            if re.fullmatch(pattern, name):
                return f"{reason} ({size})"
        return f"nothing that belongs to a published model ({size})"
    if kind.max_bytes is not None and about.st_size > kind.max_bytes:
        return f"{size}, where at most {readable_size(kind.max_bytes)} are expected"
    return None


def _note(problems: dict[str, str], name: str, reason: str) -> None:
    """One line for a folder in which everything is refused for the same reason, such as each checkpoint."""
    top = name.split("/")[0]
    if top != name and re.fullmatch(r"checkpoint.*|\.git|runs|__pycache__", top):
        problems.setdefault(f"{top}/", reason.rsplit(" (", 1)[0])
    else:
        problems[name] = reason


def readable_size(size: int) -> str:
    """Bytes as people write them: 512 bytes, 14.7 MB."""
    if size < 1000:
        return f"{size} bytes"
    for unit in ("kB", "MB", "GB"):
        if size < 1_000_000 or unit == "GB":
            return f"{size / 1000:,.1f} {unit}"
        size //= 1000
    raise AssertionError("the last unit takes every size")


def check_contents(folder: Path, names: Sequence[str], own_token: str | None = None) -> list[Problem]:
    """What is wrong inside the files: content of another kind than the name says, tokens and keys, paths that climb."""
    problems = []
    weights = sum((folder / name).stat().st_size for name in names if re.fullmatch(r"model.*\.safetensors", name))
    most = 2 * weights + MB  # of a graph: weights in half precision may be in single precision there
    for name in names:
        kind = kind_of(name)
        assert kind is not None, name
        if kind.content == "onnx" and (size := (folder / name).stat().st_size) > most:
            reason = f"{readable_size(size)}, where at most {readable_size(most)} are expected beside these weights"
            problems.append(Problem(name, reason))
            continue
        reasons = _check_file(folder / name, kind.content, own_token)
        problems += [Problem(name, reason) for reason in dict.fromkeys(reasons)]
    present = set(names)
    if "config.json" in present:
        problems += _check_auto_map(folder, "config.json", present)
    if "tokenizer_config.json" in present:
        problems += _check_auto_map(folder, "tokenizer_config.json", present)
    return [*problems, *_check_weights(folder, present)]


def _check_file(path: Path, content: str, own_token: str | None) -> Iterator[str]:
    with open(path, "rb") as file:
        start = file.read(16)
    if looks_like_pickle(start):
        yield "its content is a pickle or an archive, whatever its name says: pickles run code when they are read"
        return
    if content == "safetensors":
        yield from _check_safetensors(path, own_token)
    elif content in _BINARIES:
        begins, what = _BINARIES[content]
        if not start.startswith(begins):
            yield what
        with open(path, "rb") as file:
            for kind in find_in_binary(file, own_token):
                yield f"holds {kind}: take it out, and revoke it if others could read it"
    elif content in _TEXTS:
        yield from _check_text(path.read_bytes(), content, own_token)


def looks_like_pickle(start: bytes) -> bool:
    """Whether a file begins as pickles of protocol 2 to 5 do, or as an archive (torch.save writes zip)."""
    is_pickle = len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5
    return is_pickle or start.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf"))


def _check_text(content: bytes, kind: str, own_token: str | None) -> Iterator[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield "no UTF-8 text"
        return
    for line, what in find_credentials(content, own_token):
        yield f"line {line} holds {what}: take it out, and revoke it if others could read it"
    if kind == "text":
        return
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        yield "no JSON"
        return
    if kind == "settings":
        yield from (f"the path {value!r} leads out of the folder" for value in _strings(data) if _CLIMBS.search(value))


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


def _check_safetensors(path: Path, own_token: str | None) -> Iterator[str]:
    try:
        with safe_open(path, "numpy") as file:  # compares the size of the file with its header
            metadata, empty = file.metadata() or {}, not file.keys()
    except (SafetensorError, OSError) as error:
        yield f"no complete safetensors file ({' '.join(str(error).split())})"
        return
    if empty:
        yield "no tensor is in it"
    for _, what in find_credentials(json.dumps(metadata).encode(), own_token):
        yield f"its header holds {what}"


def _check_auto_map(folder: Path, name: str, present: set[str]) -> Iterator[Problem]:
    """The code that is named must be in the folder itself: code of another repository can change at any time."""
    try:
        auto_map = json.loads((folder / name).read_text(encoding="utf-8")).get("auto_map") or {}
    except (ValueError, AttributeError, RecursionError):
        return  # said by _check_text, or no object
    for auto_class, value in auto_map.items():
        for reference in value if isinstance(value, list) else [value]:
            if reference is None:
                continue
            if "--" in str(reference):
                yield Problem(name, f"auto_map takes {auto_class} from another repository ({reference})")
            elif not re.fullmatch(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", str(reference)):
                yield Problem(name, f"auto_map: {reference!r} is no module and class of this folder")


def _check_weights(folder: Path, present: set[str]) -> Iterator[Problem]:
    index = "model.safetensors.index.json"
    parts = {name for name in present if re.fullmatch(r"model-\d{5}-of-\d{5}\.safetensors", name)}
    if index not in present:
        if parts:
            yield Problem(index, f"missing, but there are {len(parts)} parts of weights")
        elif "model.safetensors" not in present:
            yield Problem("model.safetensors", "missing: save_pretrained of a loaded model writes it")
    else:
        if "model.safetensors" in present:
            yield Problem("model.safetensors", f"beside {index}: only one of them can be the weights")
        try:
            named = set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError):
            yield Problem(index, "no weight_map")
            return
        yield from (Problem(index, f"names {name!r}, which is not in the folder") for name in sorted(named - parts))
        yield from (Problem(name, f"no part of {index}") for name in sorted(parts - named))
    if "config.json" not in present:
        yield Problem("config.json", "missing: needed is a folder that save_pretrained or hf-elmo convert has written")
    if not present & {"tokenizer.json", "vocab.txt"} or "tokenizer_config.json" not in present:
        yield Problem(
            "tokenizer_config.json, tokenizer.json", "missing: without a tokenizer pipelines fail on the model"
        )
