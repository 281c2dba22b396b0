# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A prepared corpus to word pieces: a vocabulary, and memory-mapped shards of pieces for BERT.

    learn    the WordPiece vocabulary, from the words of the training part
    table    the pieces of every word of the corpus' vocabulary, once
    encode   each token shard becomes a piece shard, by several processes

All of it happens in OUTPUT.part; what a stopped run has finished there is not done again. When manifest.json is written,
the folder is renamed. A piece shard is a file of arrays:
    pieces       (N,) uint16, or int32 for a vocabulary of more than 65,536 pieces
    sentences    (S + 1,) int64, where each sentence begins in `pieces`, and the end; none is empty
    documents    (D,) int64, numbers of the sentences with which documents begin
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hf_elmo import __version__, messages
from hf_elmo.corpus.jobs import run_jobs
from hf_elmo.corpus.settings import PreparationError
from hf_elmo.corpus.shard_files import map_arrays, unpack_strings, write_arrays, write_file
from hf_elmo.corpus.unfinished import alone, plain_errors
from hf_elmo.training.piece_vocabulary import (
    SPECIAL_PIECES,
    TOKENIZER_FILE,
    count_words,
    encode_words,
    load_encoder,
    save_tokenizer,
    train_vocabulary,
)

MANIFEST, TOKENIZER = "manifest.json", "tokenizer"
FORMAT_NAME, FORMAT_VERSION = "hf_elmo pieces", 1
_RUN, _VOCABULARY, _TABLE = "run.json", "vocabulary.json", "table.safetensors"
_UNKNOWN_PIECE = SPECIAL_PIECES.index("[UNK]")


def prepare_pieces(
    corpus: str | os.PathLike,
    output: str | os.PathLike,
    *,
    vocab_size: int = 8192,
    lowercase: bool = False,
    processes: int = 1,
    vocabulary_from: str | os.PathLike | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Turn a corpus of `hf-elmo prepare-corpus` into the word pieces that `PieceShards` reads.

    The content of the folder is the same to the last bit for every number of processes and interruptions. Memory does
    not depend on the size of the corpus. More than one process needs a script with an `if __name__ == "__main__":`.

    Args:
        corpus: the folder of the corpus.
        output: a new folder; if it holds these very pieces already, nothing is done.
        vocab_size: pieces of the new vocabulary at most (V), the five special ones included.
        lowercase: lower-case the text and strip accents, as "uncased" BERT models do.
        processes: that encode shards.
        vocabulary_from: another such folder whose vocabulary is used; then `vocab_size` and `lowercase` do not count.
        say: takes lines about what is going on; None prints them on stderr.
    Returns:
        the manifest: settings, vocabulary, and for each part its pieces, words, sentences, documents, unknown pieces.
    Raises:
        PreparationError: no corpus, a vocabulary too small for the characters of the text, a folder that is not ours.
        OSError: the output cannot be written; the same call goes on with what was finished.
    """
    from hf_elmo.corpus.token_shards import TokenShards
    from hf_elmo.training.piece_shards import read_manifest

    if processes < 1:
        raise PreparationError(f"processes must be at least 1, got {processes}")
    source, target = Path(corpus), Path(output)
    parts = {"train": TokenShards.open(source)}
    if "held_out" in parts["train"].manifest["parts"]:
        parts["held_out"] = TokenShards.open(source, "held_out")
    given = None if vocabulary_from is None else read_manifest(Path(vocabulary_from))["vocabulary"]
    run: dict[str, Any] = {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "hf_elmo": __version__,
        "settings": {
            "vocab_size": vocab_size if given is None else given["ids"],
            "lowercase": lowercase if given is None else given["lowercase"],
            "vocabulary_from": None if given is None else given["sha256"],
        },
        "corpus": {split: shards.fingerprint for split, shards in parts.items()},
    }
    say = say or messages.say
    part = target.with_name(target.name + ".part")
    finished = _finished(target, part, run)
    if finished is not None:
        say(f"{target} holds these pieces already")
        return finished
    say(
        f"will turn {sum(shards.words for shards in parts.values()):,} words of {source} into pieces of "
        + (f"a new vocabulary of {vocab_size:,}" if given is None else f"the vocabulary of {vocabulary_from}")
        + f", {'lower-cased' if run['settings']['lowercase'] else 'cased'}, on {processes} process"
        + f"{'es' if processes > 1 else ''}; to {target}"
    )
    with plain_errors(target, part), alone(part, target):
        _begin(part, run, say)
        vocabulary = _learn(parts["train"], part, run["settings"], vocabulary_from, say)
        table = _make_table(parts["train"], part)
        entries = {
            split: _encode(shards, split, part, table, vocabulary, processes, say) for split, shards in parts.items()
        }
        manifest = {
            **run,
            "vocabulary": vocabulary,
            "parts": {split: _summary(found) for split, found in entries.items()},
        }
        write_file(part / MANIFEST, _json(manifest))
        for name in (_TABLE, _VOCABULARY):
            (part / name).unlink()
        os.replace(part, target)
        (target / _RUN).unlink()  # not earlier: it marks the unfinished folder as ours
    return manifest


# ------------------------------------------------------------------------------------------------ folders, old and new


def _finished(target: Path, part: Path, run: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of a finished run with the same result; None where there is nothing yet."""
    if not target.parent.is_dir():
        raise PreparationError(f"the folder {target.parent} of the output does not exist: make it first")
    if part.exists() and _read(part / _RUN).get("format") != FORMAT_NAME:
        if not part.is_dir() or {path.name for path in part.iterdir()} - {_RUN + ".new"}:
            raise PreparationError(f"{part}, where the work would go, is something else: move it away")
    if not target.exists():
        return None
    manifest = _read(target / MANIFEST)
    if manifest.get("format") != FORMAT_NAME:
        raise PreparationError(f"{target} exists and holds no word pieces: give another name")
    if any(manifest.get(name) != run[name] for name in ("version", "settings", "corpus")):
        raise PreparationError(
            f"{target} holds pieces of another corpus or other settings: remove it, or give another name"
        )
    return manifest


def _begin(part: Path, run: dict[str, Any], say: Callable[[str], None]) -> None:
    """Make the folder for unfinished work, or go on in it if it was for the same."""
    if part.exists() and (old := _read(part / _RUN)) != run:
        if old:
            say(f"{part} is of another corpus or other settings: starting anew")
        shutil.rmtree(part)
    part.mkdir(exist_ok=True)
    write_file(part / _RUN, _json(run))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


# ---------------------------------------------------------------------------------------------------------- vocabulary


def _learn(
    corpus: Any,
    part: Path,
    settings: dict[str, Any],
    vocabulary_from: str | os.PathLike | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Make the tokenizer, or copy it; returns its entry in the manifest."""
    folder = part / TOKENIZER
    if entry := _read(part / _VOCABULARY):
        say("the vocabulary is there from an earlier run")
        return entry
    shutil.rmtree(folder, ignore_errors=True)
    words = distinct = None
    if vocabulary_from is None:
        say("counting words and learning the vocabulary")
        counts = count_words(corpus)
        words, distinct = sum(counts.values()), len(counts)
        save_tokenizer(
            train_vocabulary(counts, settings["vocab_size"], settings["lowercase"]), settings["lowercase"], folder
        )
    else:
        shutil.copytree(Path(vocabulary_from) / TOKENIZER, folder)
    ids = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))["model"]["vocab"]
    entry = {
        "folder": TOKENIZER,
        "sha256": hashlib.sha256((folder / TOKENIZER_FILE).read_bytes()).hexdigest(),
        "ids": len(ids),
        "lowercase": settings["lowercase"],
        "special_ids": {piece: ids[piece] for piece in SPECIAL_PIECES},
        "learnt_from_words": words,
        "distinct_words": distinct,
    }
    write_file(part / _VOCABULARY, _json(entry))
    return entry


def _make_table(corpus: Any, part: Path) -> Path:
    """Write the pieces of every word of the corpus' vocabulary, where the processes find them."""
    from hf_elmo.corpus.counting import read_vocabulary

    spelt = [""] * corpus.vocab_size
    for word, number in read_vocabulary(corpus.vocabulary_path).items():
        spelt[number] = word
    pieces, offsets = encode_words(load_encoder(part / TOKENIZER), spelt)
    write_arrays(part / _TABLE, {"pieces": pieces, "offsets": offsets}, {})
    return part / _TABLE


# -------------------------------------------------------------------------------------------------------------- shards


def _encode(
    corpus: Any,
    split: str,
    part: Path,
    table: Path,
    vocabulary: dict[str, Any],
    processes: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Make the piece shards of a part; their entries in the manifest, without those that have no piece."""
    jobs = [(corpus.folder / entry["file"], entry["sha256"]) for entry in corpus.part["shards"]]
    work = partial(_make_or_find, part=part, table=table, vocab_size=vocabulary["ids"], tokenizer=vocabulary["sha256"])
    entries = []
    with tqdm(
        desc=f"encoding {split.replace('_', '-')}",
        total=corpus.words,
        unit="word",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,  # a log file needs no animation
    ) as bar:
        for _, entry in run_jobs(work, jobs, processes):
            bar.update(entry["words"])
            if entry["pieces"]:
                entries.append(entry)
    if not entries:
        raise PreparationError(f"no word of the {split} part of {corpus.folder} has pieces; is it text?")
    return entries


def _make_or_find(job: tuple[Path, str], part: Path, table: Path, vocab_size: int, tokenizer: str) -> dict[str, Any]:
    """The entry of a shard, which is made unless an earlier run did it with the same vocabulary."""
    path, source = job
    target = part / path.name
    origin = {"source": source, "tokenizer": tokenizer}
    try:
        facts = json.loads(map_arrays(target)[1]["facts"])
        if facts.pop("origin") == origin:
            return {"file": target.name, **facts, "sha256": hashlib.sha256(target.read_bytes()).hexdigest()}
    except (FileNotFoundError, ValueError):
        pass
    return encode_shard(path, target, table, vocab_size, origin)


@lru_cache(maxsize=1)
def _read_table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    arrays, _ = map_arrays(path)
    return arrays["pieces"], arrays["offsets"]


def encode_shard(path: Path, target: Path, table: Path, vocab_size: int, origin: dict[str, str]) -> dict[str, Any]:
    """Write the piece shard of a token shard.

    Args:
        table: the pieces of the corpus' vocabulary; the tokenizer is in the folder beside it.
        vocab_size: number of pieces (V).
        origin: short facts for the file, by which another run knows it.
    Returns:
        the entry of the shard in the manifest.
    Raises:
        PreparationError: the token shard is missing or cut off.
    """
    try:
        arrays, _ = map_arrays(path)
    except (FileNotFoundError, ValueError) as error:
        raise PreparationError(f"{path} is missing or cut off: prepare the corpus again") from error
    pieces, offsets = _read_table(table)
    unknown = unpack_strings(arrays["spellings"], arrays["spelling_offsets"])
    more, more_offsets = encode_words(load_encoder(table.parent / TOKENIZER), unknown)
    starts = np.concatenate([offsets[:-1], more_offsets[:-1] + len(pieces)])
    lengths = np.concatenate([np.diff(offsets), np.diff(more_offsets)])
    pieces = np.concatenate([pieces, more]).astype(np.uint16 if vocab_size <= 1 << 16 else np.int32)

    words = arrays["words"]
    ends = np.zeros(len(words) + 1, np.int64)
    np.cumsum(lengths[words], out=ends[1:])
    # Piece number n of the text stands in the table as far behind its word's first one as in the text.
    places = np.arange(ends[-1]) + np.repeat(starts[words] - ends[:-1], lengths[words])
    bounds = ends[arrays["sentences"]]
    kept = np.diff(bounds) > 0
    begins = np.concatenate([[0], np.cumsum(kept)])[arrays["documents"]]
    encoded = pieces[places]
    facts = {
        "words": len(words),
        "pieces": len(encoded),
        "unknown_pieces": int(np.count_nonzero(encoded == _UNKNOWN_PIECE)),
        "sentences": int(np.count_nonzero(kept)),
        "documents": 0,
        "begins_document": False,
    }
    documents = np.unique(begins[begins < facts["sentences"]])
    facts["documents"], facts["begins_document"] = len(documents), bool(documents[:1].tolist() == [0])
    contents = {
        "pieces": encoded,
        "sentences": np.concatenate([bounds[:1], bounds[1:][kept]]),
        "documents": documents.astype(np.int64),
    }
    # In one piece, as safetensors writes several in no certain order.
    sha256 = write_arrays(target, contents, {"facts": json.dumps({**facts, "origin": origin})})
    return {"file": target.name, **facts, "sha256": sha256}


def _summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("words", "pieces", "unknown_pieces", "sentences", "documents")
    sums: dict[str, Any] = {name: sum(entry[name] for entry in entries) for name in names}
    return {**sums, "pieces_per_word": sums["pieces"] / sums["words"], "shards": entries}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


__all__ = ["prepare_pieces"]
