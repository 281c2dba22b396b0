# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One fixed vector per word of the vocabulary, read from a word2vec or GloVe text file.

ELMo's authors put such a vector beside the ELMo vector of a word (Peters et al. 2018, section 3.3).
"""

import gzip
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers.utils import logging

logger = logging.get_logger(__name__)


class StaticVectorsReport(NamedTuple):
    """How much of a vocabulary has a vector now."""

    words: int  # of the vocabulary, without padding
    found: int  # under their own spelling
    found_in_lower_case: int  # only under their lower-case spelling

    @property
    def missing(self) -> int:
        """Words whose vector is zero."""
        return self.words - self.found - self.found_in_lower_case


class StaticVectors(nn.Embedding):
    """Static vectors by word id: (B, T) int64 -> (B, T, S).

    A word without a vector has zeros: it adds nothing to the next layer, and the ELMo vector beside it knows the word
    by its characters. A mean of all vectors would be a word of its own, and random numbers noise.
    """

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look up vectors.

        Raises:
            ValueError: an id is beyond the table.
        """
        if not torch.compiler.is_compiling() and input_ids.numel() and int(input_ids.max()) >= self.num_embeddings:
            raise ValueError(
                f"input_ids hold {int(input_ids.max())}, the table of static vectors has {self.num_embeddings} rows "
                "(config.vocab_size). Call model.resize_token_embeddings(len(tokenizer)) and load_static_vectors anew."
            )
        return super().forward(input_ids)

    @torch.no_grad()
    def resize(self, num_words: int) -> None:
        """Keep the first rows; further words have zeros."""
        weight = self.weight.new_zeros(num_words, self.embedding_dim)
        kept = min(num_words, self.num_embeddings)
        weight[:kept] = self.weight[:kept]
        self.weight = nn.Parameter(weight, requires_grad=self.weight.requires_grad)
        self.num_embeddings = num_words

    @torch.no_grad()
    def load(self, tokenizer, source: str | os.PathLike | Mapping) -> StaticVectorsReport:
        """Fill the table; see `load_static_vectors` of the models."""
        ids = {word: id_ for word, id_ in tokenizer.get_vocab().items() if id_ != self.padding_idx}
        if set(ids) <= set(tokenizer.all_special_tokens):
            raise ValueError(
                "the tokenizer's vocabulary holds special tokens only, so no word has a row for a static vector. Make one "
                "with the words of your data: tokenizer.train_new_from_iterator(texts, vocab_size)"
            )
        if max(ids.values()) >= self.num_embeddings:
            raise ValueError(
                f"the tokenizer has {max(ids.values()) + 1} words, the table of static vectors {self.num_embeddings} rows "
                "(config.vocab_size). Call model.resize_token_embeddings(len(tokenizer)) first."
            )
        lower: dict[str, list[str]] = {}
        for word in ids:
            if word != word.lower():
                lower.setdefault(word.lower(), []).append(word)

        wanted = ids.keys() | lower.keys()
        if isinstance(source, str | os.PathLike):
            vectors = read_text_vectors(source, self.embedding_dim, wanted)
        else:
            vectors = read_mapping(source, self.embedding_dim, wanted)
        table = np.zeros((self.num_embeddings, self.embedding_dim), np.float32)
        found: set[str] = set()
        found_lower: set[str] = set()
        for word, vector in vectors:
            if word in ids and word not in found:
                found.add(word)
                table[ids[word]] = vector
            for spelling in lower.get(word, ()):
                if spelling not in found and spelling not in found_lower:
                    found_lower.add(spelling)
                    table[ids[spelling]] = vector
        report = StaticVectorsReport(len(ids), len(found), len(found_lower - found))
        if report.missing == report.words:
            raise ValueError(f"{_name(source)} holds no word of the tokenizer's vocabulary of {len(ids)} words")
        self.weight.copy_(torch.from_numpy(table))
        logger.info(f"Static vectors from {_name(source)}: {report}")
        return report


def read_mapping(source: Mapping, size: int, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Vectors of the wanted words from a mapping of word to numbers.

    Raises:
        ValueError: a vector has another width than `size`.
    """
    for word in wanted:
        if word in source:
            vector = np.asarray(source[word], np.float32)
            if vector.shape != (size,):
                raise ValueError(
                    f"the vector of {word!r} has shape {vector.shape}; needed is ({size},), config.static_embedding_size"
                )
            yield word, vector


def read_text_vectors(path: str | os.PathLike, size: int, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Vectors of the wanted words from a text file of word2vec or GloVe, plain or .gz, a line at a time.

    A line is a word and `size` numbers; the first line may say how many words of how many numbers follow. A word may
    hold spaces, as some of GloVe's do.

    Raises:
        ValueError: a line has another width than `size`, or no finite numbers; names file and line.
    """
    name = os.fspath(path)
    with gzip.open(name, "rb") if name.endswith(".gz") else open(name, "rb") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.rstrip(b" \r\n").split(b" ")
            if number == 1 and len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
                if int(fields[1]) != size:
                    raise _wrong_width(name, number, int(fields[1]), size)
                continue
            # More fields than numbers make a word with spaces, unless they are numbers themselves.
            if len(fields) <= size or any(map(_is_number, fields[1:-size])):
                raise _wrong_width(name, number, len(fields) - 1, size)
            word = b" ".join(fields[:-size]).decode("utf-8", errors="replace")
            if word in wanted:
                try:
                    vector = np.array(fields[-size:], np.float32)
                except ValueError:
                    vector = np.array([np.nan])
                if not np.isfinite(vector).all():
                    raise ValueError(f"{name}, line {number}: the vector of {word!r} is not {size} finite numbers")
                yield word, vector


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _wrong_width(name: str, number: int, width: int, size: int) -> ValueError:
    return ValueError(
        f"{name}, line {number}: the vector has {width} numbers, config.static_embedding_size is {size}. Needed is a text "
        "file with a word and its numbers on each line; binary word2vec files must be converted first."
    )


def _name(source) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the mapping"
