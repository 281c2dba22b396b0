# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Word vectors computed once: bilm-tf's HDF5 file of them (`dump_token_embeddings`), checked and written."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from hf_elmo.modeling.character_encoding import BOUNDARY_WORDS, words_to_char_ids
from hf_elmo.modeling.modeling_elmo import ElmoModel

from .allennlp import read_embedding
from .errors import ConversionError

# Chosen: such files were computed in float32 by another program (bilm-tf's own differs by 7e-7 for its 458 words), and
# another vocabulary or model differs by far more.
LARGEST_DIFFERENCE = 1e-4
WORDS_PER_PASS = 512


@torch.no_grad()
def word_vectors(model: ElmoModel, words: Sequence[str]) -> Iterator[np.ndarray]:
    """Context-free vectors of the words, (n, D) float32 arrays of up to `WORDS_PER_PASS` words."""
    for start in range(0, len(words), WORDS_PER_PASS):
        ids, _ = words_to_char_ids(words[start : start + WORDS_PER_PASS], model.config.max_characters_per_token)
        yield model.char_cnn(torch.from_numpy(ids.astype(np.int64))).float().numpy()


def check_token_embeddings(model: ElmoModel, words: Sequence[str], path: Path) -> dict:
    """Compare each row of a file of word vectors with what the character encoder gives for its word.

    Args:
        words: V words in the order of the vocabulary file, which is that of the rows.
        path: HDF5 file with `embedding` (V, D).
    Returns:
        Number of words, largest absolute difference and its word.
    Raises:
        ConversionError: a row differs by more than 1e-4; names the word.
    """
    rows = read_embedding(path, len(words), model.config.projection_size)
    differences = np.empty(len(words))
    start = 0
    for vectors in word_vectors(model, words):
        differences[start : start + len(vectors)] = np.abs(vectors - rows[start : start + len(vectors)]).max(axis=1)
        start += len(vectors)
    missing = [mark for mark in BOUNDARY_WORDS if mark not in words]
    if missing and differences[-1] > LARGEST_DIFFERENCE:
        # bilm-tf gives the last word the characters of a sentence mark its vocabulary lacks (`bilm/data.py`).
        vector = next(word_vectors(model, missing[-1:]))
        differences[-1] = min(differences[-1], np.abs(vector - rows[-1]).max())
    worst = int(differences.argmax())
    if differences[worst] > LARGEST_DIFFERENCE:
        raise ConversionError(
            f"{path.name}: the vector of {words[worst]!r} (row {worst}) differs by {differences[worst]:.2g} from what the "
            f"model computes; at most {LARGEST_DIFFERENCE:g} is allowed. File, vocabulary and weights must belong together."
        )
    return {"words": len(words), "largest_difference": float(differences[worst]), "word": words[worst]}


def write_token_embeddings(folder: str | os.PathLike, words: Sequence[str], path: str | os.PathLike) -> None:
    """Write bilm-tf's file of word vectors, `embedding` (V, D) float32, for the words of a vocabulary.

    Readers of it use the line number as token id, so give the words in the order of the vocabulary file.

    Args:
        folder: converted model.
        words: V words; `<S>` and `</S>` are the sentence marks.
        path: HDF5 file to write; it appears when it is complete.
    Raises:
        ConversionError: no words, or the file cannot be written.
    """
    import h5py

    if isinstance(words, str) or not words:
        raise ConversionError("words must be a list with at least one word")
    model = ElmoModel.from_pretrained(folder, dtype=torch.float32).eval()
    try:
        handle, temporary = tempfile.mkstemp(prefix=".embedding.", suffix=".partial", dir=Path(path).absolute().parent)
        os.close(handle)
    except OSError as error:
        raise ConversionError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with h5py.File(temporary, "w") as file:
            rows = file.create_dataset("embedding", (len(words), model.config.projection_size), np.float32)
            start = 0
            for vectors in word_vectors(model, words):
                rows[start : start + len(vectors)] = vectors
                start += len(vectors)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
