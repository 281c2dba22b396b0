# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Static vectors in the box: a table of 4-bit numbers for the words of a model in the box, in their order.

    python -m hf_elmo.pretrained.static_vectors export word2vec-mini-en vectors.txt.gz
    python -m hf_elmo.pretrained.static_vectors pack vectors.txt FOLDER --words_of elmo-mini-en --facts facts.json

A folder holds config.json, model.safetensors and a card. Reading one loads neither torch nor transformers.
"""

import argparse
import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.pretrained import STATIC_VECTORS, PretrainedError, path_of, static_path_of

MODEL_TYPE = "static-vectors"
LEVELS = 16  # of 4 bits
MIDDLE = (LEVELS - 1) / 2
# Largest numbers are cut off where that makes the sum of squared errors of the row smaller.
SHARES_OF_THE_LARGEST = np.linspace(0.5, 1.0, 26, dtype=np.float32)


def load(source: str | os.PathLike) -> tuple[tuple[str, ...], np.ndarray]:
    """Words and their vectors (words, dimension) float32, the commonest word first.

    Args:
        source: name of a table in the box, or a folder that `save` wrote.
    Raises:
        PretrainedError: no such table, a file is missing or damaged, or the words are no longer those of the model
            that the table names.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = folder_of(source)
    config = read_config(folder)
    try:
        tensors = load_file(folder / "model.safetensors")
        codes, scales = tensors["codes"], tensors["scales"]
        if codes.dtype != np.uint8 or codes.shape[1] * 2 != config["dimension"]:
            raise ValueError(f"codes are {codes.dtype} of {codes.shape}")
        vectors = unpacked(codes, scales)
        words, fingerprint = words_of(config["words_of"]), config["words_sha256"]
    except (OSError, SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, PretrainedError):
            raise
        raise PretrainedError(f"{folder} holds no static vectors: {type(error).__name__} {error}") from error
    if word_fingerprint(words) != fingerprint or len(words) != len(vectors):
        raise PretrainedError(
            f"{folder} has {len(vectors)} vectors for other words than the {len(words)} of {config['words_of']}: the "
            "two belong to different versions of hf_elmo, install the package again"
        )
    return words, vectors


def folder_of(source: str | os.PathLike) -> Path:
    """Folder of a table in the box, or the folder given; a local folder of that name wins."""
    name = os.fspath(source)
    return static_path_of(name) if name in STATIC_VECTORS and not os.path.isdir(name) else Path(name)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a table: dimension, words, and how the vectors were made.

    Raises:
        PretrainedError: there is none, or it belongs to something else.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PretrainedError(f"{folder} holds no static vectors: {error}") from error
    if not isinstance(config, dict) or config.get("model_type") != MODEL_TYPE:
        raise PretrainedError(f'{folder / "config.json"} is of no table of static vectors (model_type "{MODEL_TYPE}")')
    return config


def words_of(model: str) -> tuple[str, ...]:
    """Words of the vocabulary of a model in the box without its special tokens, in its order, the commonest first.

    Raises:
        PretrainedError: no such model, or its tokenizer.json has no words.
    """
    folder = path_of(model)
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        special = {token for name, token in settings.items() if name.endswith("_token")}
        return tuple(word for word in sorted(vocabulary, key=vocabulary.__getitem__) if word not in special)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise PretrainedError(f"{folder / 'tokenizer.json'} has no words: {error}") from error


def word_fingerprint(words: Iterable[str]) -> str:
    """SHA-256 of the words, a line each, in UTF-8."""
    return hashlib.sha256("".join(f"{word}\n" for word in words).encode()).hexdigest()


def packed(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each row to 16 evenly spaced levels, symmetric about zero.

    Args:
        vectors: (words, dimension) float32, dimension even.
    Returns:
        codes (words, dimension / 2) uint8, the number of even place in the lower four bits, and scales (words,)
        float16, the distance of two levels.
    Raises:
        ValueError: an odd dimension, numbers that are not finite, or too large for float16.
    """
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] % 2:
        raise ValueError(f"vectors have shape {vectors.shape}; needed is (words, dimension), dimension even")
    largest = np.abs(vectors).max(axis=1, initial=0)
    if not np.isfinite(vectors).all() or (largest / MIDDLE > np.finfo(np.float16).max).any():
        raise ValueError("a vector holds numbers that are not finite or beyond what float16 scales reach")
    best = np.zeros(len(vectors), np.float16)
    least = np.full(len(vectors), np.inf, np.float32)
    for share in SHARES_OF_THE_LARGEST:
        scales = (share * largest / MIDDLE).astype(np.float16)
        errors = np.square(_values(_codes(vectors, scales), scales) - vectors).sum(axis=1)
        best, least = np.where(errors < least, scales, best), np.minimum(errors, least)
    codes = _codes(vectors, best)
    return codes[:, 0::2] | codes[:, 1::2] << 4, best


def unpacked(codes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Vectors (words, dimension) float32 of what `packed` returned."""
    both = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(codes), -1)
    return _values(both, scales)


def _codes(vectors: np.ndarray, scales: np.ndarray) -> np.ndarray:
    steps = np.where(scales > 0, scales, 1).astype(np.float32)[:, None]  # a row of zeros has scale 0
    return np.clip(np.rint(vectors / steps + MIDDLE), 0, LEVELS - 1).astype(np.uint8)


def _values(codes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return (codes.astype(np.float32) - np.float32(MIDDLE)) * scales.astype(np.float32)[:, None]


def save(
    vectors: Mapping[str, np.ndarray],
    folder: str | os.PathLike,
    *,
    words_from: str,
    facts: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> dict[str, float]:
    """Write vectors as a folder for `load`; complete or not at all.

    Args:
        vectors: by word; only the words of `words_from` are kept, each of them is needed.
        folder: to make.
        words_from: model of the box whose vocabulary the words are.
        facts: what else config.json shall say, such as the text, the algorithm and its settings.
        texts: further files by name, such as README.md; written as UTF-8.
        overwrite: replace `folder` if it is empty or such a table.
    Returns:
        the mean and least cosine between the vectors and what `load` will give, and the `bytes` of the folder.
    Raises:
        PretrainedError: a word has no vector, vectors that cannot be rounded, or a folder that may not be replaced.
    """
    from safetensors.numpy import save_file

    from hf_elmo.conversion.errors import ConversionError
    from hf_elmo.conversion.staging import check_target, staged_folder

    folder = Path(folder)
    words = words_of(words_from)
    missing = [word for word in words if word not in vectors]
    if missing:
        raise PretrainedError(f"{len(missing)} words of {words_from} have no vector, {missing[0]!r} the first of them")
    try:
        matrix = np.stack([np.asarray(vectors[word], np.float32) for word in words])
        codes, scales = packed(matrix)
    except ValueError as error:
        raise PretrainedError(str(error)) from error
    cosines = _cosines(matrix, unpacked(codes, scales))
    rounding = {"mean_cosine": round(float(cosines.mean()), 5), "least_cosine": round(float(cosines.min()), 5)}
    config = {
        "model_type": MODEL_TYPE,
        "dimension": matrix.shape[1],
        "words": len(words),
        "words_of": words_from,
        "words_sha256": word_fingerprint(words),
        "storage": {"bits": 4, "levels": "(code - 7.5) * scale of the row", **rounding},
        **(facts or {}),
    }
    try:
        check_target(folder, [], overwrite, is_ours=_is_table, needed=f"no table of static vectors ({MODEL_TYPE})")
        with staged_folder(folder) as staged:
            save_file({"codes": codes, "scales": scales}, staged / "model.safetensors")
            config_text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
            for name, text in {**(texts or {}), "config.json": config_text}.items():
                (staged / name).write_text(text, encoding="utf-8", newline="\n")
            umask = os.umask(0)
            os.umask(umask)
            (staged / "model.safetensors").chmod(0o666 & ~umask)  # safetensors lets nobody but the owner read
            size = sum(path.stat().st_size for path in staged.iterdir())
    except ConversionError as error:
        raise PretrainedError(str(error)) from error
    return {**rounding, "bytes": size}


def _is_table(folder: Path) -> bool:
    try:
        return bool(read_config(folder))
    except PretrainedError:
        return False


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / np.where(lengths > 0, lengths, 1)


def export_text(source: str | os.PathLike, output: str | os.PathLike) -> int:
    """Write a table as a text file of word2vec, which other programs read; its name ending in .gz compresses it.

    Returns:
        the number of words.
    Raises:
        PretrainedError: as `load`.
        OSError: the file cannot be written; nothing is left of it.
    """
    words, vectors = load(source)
    output = Path(output)
    part = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            lines = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if output.name.endswith(".gz") else file
            lines.write(f"{len(words)} {vectors.shape[1]}\n".encode())
            for word, vector in zip(words, vectors, strict=True):
                lines.write(f"{word} {' '.join(map(str, vector.tolist()))}\n".encode())
            if lines is not file:
                lines.close()
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
    return len(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a table as text, or a table from text; 1 with one line if it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m hf_elmo.pretrained.static_vectors", description="Static vectors of the box to text and back."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write a table as a text file of word2vec")
    export.add_argument("source", help=f"{' or '.join(STATIC_VECTORS)}, or a folder")
    export.add_argument("output", type=Path, help="file to write, plain or .gz")
    pack = commands.add_parser("pack", help="make a folder of a text file of word2vec or GloVe")
    pack.add_argument("vectors", help="text file, plain or .gz")
    pack.add_argument("folder", type=Path, help="folder to make")
    pack.add_argument("--words_of", required=True, metavar="MODEL", help="model of the box whose words they are")
    pack.add_argument("--facts", type=Path, metavar="FILE", help="JSON object to put into config.json")
    pack.add_argument("--overwrite", action="store_true", help="replace such a folder")
    options = parser.parse_args(arguments)
    try:
        if options.command == "export":
            print(f"{export_text(options.source, options.output):,} vectors in {options.output}")
        else:
            print(_pack(options))
    except (OSError, ValueError) as error:
        print(f"hf_elmo.pretrained.static_vectors: {error}", file=sys.stderr)
        return 1
    return 0


def _pack(options: argparse.Namespace) -> str:
    from hf_elmo.finetune.models import static_width
    from hf_elmo.modeling.static_vectors import read_text_vectors

    words = set(words_of(options.words_of))
    facts = json.loads(options.facts.read_text(encoding="utf-8")) if options.facts else {}
    if not isinstance(facts, dict):
        raise ValueError(f"{options.facts} holds no JSON object")
    vectors = dict(read_text_vectors(options.vectors, static_width(options.vectors), words))
    report = save(vectors, options.folder, words_from=options.words_of, facts=facts, overwrite=options.overwrite)
    return f"{len(words):,} vectors in {options.folder}: " + ", ".join(f"{k} {v}" for k, v in report.items())


if __name__ == "__main__":
    sys.exit(main())
