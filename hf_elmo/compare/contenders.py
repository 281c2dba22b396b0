# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The contenders of a comparison: ELMo, BERT-like encoders and static vectors, all giving vectors of words."""

import gzip
import hashlib
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hf_elmo.compare.settings import without_folders
from hf_elmo.embed import embed_sentences
from hf_elmo.evaluation.results import sha256_of
from hf_elmo.finetune.models import NEEDS_PREFIX_SPACE, static_width
from hf_elmo.modeling.static_vectors import read_text_vectors
from hf_elmo.pretrained import STATIC_VECTORS, resolve, static_vectors

STATIC = "static:"
SHUFFLED, COPY = "shuffled:", "copy:"
BESIDE_A_MODEL = (".md", ".svg")  # files of its folder that do not change it
DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)  # what reading a .gz raises that is none, or was cut
PIECES_AT_ONCE = 8192  # of a batch for a BERT-like model, padding included
UNLIMITED_POSITIONS = 512  # window of models with relative positions, which name no limit


class ContenderError(ValueError):
    """A contender cannot be loaded; the message is one line for people."""


class Contender(ABC):
    """One model that gives vectors of words.

    Attributes:
        name: label shown.
        spec: what it was loaded from, as asked for, without "copy:" and "shuffled:".
        kind: "elmo", "bert" (any encoder over word pieces) or "static".
        layers: names of the layers, the lowest first.
        dimension: numbers in a vector of one layer.
        model, tokenizer: of transformers, in eval mode and float32 on `device`; None for static vectors.
        device: of the model.
        unknown_words: words without a vector that were asked for so far (static vectors only).
    """

    name: str
    spec: str
    kind: str
    layers: tuple[str, ...]
    dimension: int
    model: Any = None
    tokenizer: Any = None
    device: torch.device
    unknown_words: int = 0

    @abstractmethod
    def vectors(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        """Vectors (layers, words, dimension), float32 on the CPU, of each sentence of words; one for every word given.

        A sentence's vectors depend on its own words alone.
        """

    def facts(self) -> dict[str, Any]:
        """Parameters, source, SHA-256 of the weights: what a reader needs to know which model this is."""
        return {
            "name": self.name,
            "spec": without_folders(self.spec),
            "kind": self.kind,
            "layers": list(self.layers),
            "dimension": self.dimension,
            "sha256": identity(self.spec),
            "parameters": self.parameters(),
        }

    def parameters(self) -> int:
        """Numbers of the encoder that training sets."""
        return sum(parameter.numel() for parameter in self.model.parameters())


class ElmoContender(Contender):
    """ELMo: the characters' layer and the layers of the two LSTMs."""

    kind = "elmo"

    def __init__(self, name: str, spec: str, model: Any, tokenizer: Any):
        self.name, self.spec, self.model, self.tokenizer = name, spec, model, tokenizer
        self.device = model.device
        self.dimension = model.config.hidden_size
        self.layers = ("characters", *(f"lstm{n}" for n in range(1, model.config.num_hidden_layers + 1)))

    def vectors(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        rows = [list(words) for words in sentences]
        return [torch.from_numpy(array) for array in embed_sentences(self.model, self.tokenizer, rows, "all")]


class BertContender(Contender):
    """An encoder over word pieces: embeddings and layers; a word's vector is the mean over its pieces.

    Longer sentences than the positions allow are computed in windows that overlap by half; a piece takes its vector from
    the window in which it stands farthest from an edge. A word that the tokenizer makes nothing of is its unknown token.
    """

    kind = "bert"

    def __init__(self, name: str, spec: str, model: Any, tokenizer: Any):
        self.name, self.spec, self.model, self.tokenizer = name, spec, model, tokenizer
        self.device = model.device
        self.dimension = model.config.hidden_size
        self.layers = ("embeddings", *(f"layer{n}" for n in range(1, model.config.num_hidden_layers + 1)))
        framed = tokenizer(["a"], is_split_into_words=True, return_special_tokens_mask=True)
        mask, ids = framed["special_tokens_mask"], framed["input_ids"]
        begin, end = mask.index(0), mask[::-1].index(0)
        self.before, self.after = ids[:begin], ids[len(ids) - end :]
        limit = min(
            getattr(model.config, "max_position_embeddings", None) or UNLIMITED_POSITIONS, tokenizer.model_max_length
        )
        self.window = limit - begin - end

    def pieces(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Ids of the word pieces of a sentence without marks, and the word each belongs to."""
        encoding = self.tokenizer(list(words), is_split_into_words=True, add_special_tokens=False, verbose=False)
        ids: list[list[int]] = [[] for _ in words]
        for piece, word in zip(encoding["input_ids"], encoding.word_ids(), strict=True):
            ids[word].append(piece)
        unknown = self.tokenizer.unk_token_id
        ids = [row or [unknown] for row in ids]
        return [piece for row in ids for piece in row], [word for word, row in enumerate(ids) for _ in row]

    @torch.inference_mode()
    def vectors(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        split = [self.pieces(words) if len(words) else ([], []) for words in sentences]
        results = [torch.zeros(len(self.layers), len(words), self.dimension) for words in sentences]
        counts = [torch.zeros(len(words)) for words in sentences]
        windows = [
            (sentence, start, end, keep)
            for sentence, (pieces, _) in enumerate(split)
            for start, end, keep in overlapping_windows(len(pieces), self.window)
        ]
        windows.sort(key=lambda window: window[2] - window[1])
        for batch in _batches([end - start for _, start, end, _ in windows], PIECES_AT_ONCE):
            rows = [windows[index] for index in batch]
            hidden = self._hidden([split[sentence][0][start:end] for sentence, start, end, _ in rows])
            for row, (sentence, start, _, keep) in enumerate(rows):
                places = torch.arange(keep.start, keep.stop)
                word_of = torch.tensor(split[sentence][1])[places]
                inner = len(self.before) - start
                vectors = hidden[:, row, keep.start + inner : keep.stop + inner]
                results[sentence].index_add_(1, word_of, vectors)
                counts[sentence].index_add_(0, word_of, torch.ones(len(places)))
        return [vectors / count.clamp(min=1)[:, None] for vectors, count in zip(results, counts, strict=True)]

    def _hidden(self, rows: list[list[int]]) -> Tensor:
        """Pieces of some windows -> hidden states (layers, B, T, dimension) on the CPU, marks included."""
        framed = [[*self.before, *row, *self.after] for row in rows]
        longest = max(map(len, framed))
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in framed], device=self.device)
        lengths = torch.tensor([len(row) for row in framed], device=self.device)
        mask = (torch.arange(longest, device=self.device) < lengths[:, None]).long()
        output = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return torch.stack(output.hidden_states).float().cpu()


class StaticContender(Contender):
    """One vector for each word, whatever stands around it; zeros for a word without one.

    A word that is not there under its own spelling gets the vector of its lower-case spelling.

    Args:
        rows: word -> row of `matrix`.
        matrix: (words, dimension) float32.
    """

    kind = "static"
    layers = ("vectors",)

    def __init__(self, name: str, spec: str, rows: dict[str, int], matrix: np.ndarray):
        self.name, self.spec, self.rows = name, spec, rows
        self.matrix = torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32))
        self.dimension = matrix.shape[1]
        self.device = torch.device("cpu")

    def row_of(self, word: str) -> int | None:
        """Row of a word's vector, None without one."""
        row = self.rows.get(word)
        return self.rows.get(word.lower()) if row is None else row

    def vectors(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        results = []
        for words in sentences:
            found = [(place, row) for place, word in enumerate(words) if (row := self.row_of(word)) is not None]
            vectors = torch.zeros(1, len(words), self.dimension)
            if found:
                places, rows = zip(*found, strict=True)
                vectors[0, list(places)] = self.matrix[list(rows)]
            self.unknown_words += len(words) - len(found)
            results.append(vectors)
        return results

    def parameters(self) -> int:
        return self.matrix.numel()


class ShuffledContender(Contender):
    """A planted difference: the vectors of another contender, their words and the numbers of each word in disorder.

    Words are exchanged within their sentence, and the numbers of every word get an order of their own, so that nothing is
    left but their distribution. The disorder depends on the sentence and nothing else.
    """

    def __init__(self, name: str, inner: Contender):
        self.name, self.inner = name, inner
        for attribute in ("spec", "kind", "layers", "dimension", "device"):
            setattr(self, attribute, getattr(inner, attribute))

    def vectors(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        results = []
        for words, vectors in zip(sentences, self.inner.vectors(sentences), strict=True):
            seed = zlib.crc32("\0".join(words).encode("utf-8", errors="surrogatepass"))
            generator = np.random.default_rng(seed)
            order = generator.permutation(len(words))
            numbers = generator.permuted(np.tile(np.arange(self.dimension), (len(words), 1)), axis=1)
            chosen = torch.from_numpy(numbers).expand(len(self.layers), -1, -1)
            results.append(vectors[:, order].gather(2, chosen))
        return results

    def parameters(self) -> int:
        return self.inner.parameters()

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "planted": "words and numbers of the vectors in disorder"}


def contender_name(spec: str) -> str:
    """The label of a contender: a folder's or file's last name, the name in the box or on the Hub as it is."""
    for prefix in (SHUFFLED, COPY):
        if spec.startswith(prefix):
            return prefix + contender_name(spec.removeprefix(prefix))
    place = spec.removeprefix(STATIC)
    if spec.startswith(STATIC):
        return re.sub(r"\.(txt|vec|gz|bin)", "", Path(place).name)
    return Path(place).resolve().name if Path(place).exists() else place


def load_contender(spec: str, device: str | torch.device = "cpu") -> Contender:
    """A contender, in eval mode and float32.

    Args:
        spec: a name of the box, a folder, an id on the Hub, or `static:FILE` with a text file of word2vec or GloVe;
            `shuffled:SPEC` is a planted difference, `copy:SPEC` the same under another name.
        device: of torch.
    Raises:
        ContenderError: there is no such model or file, or it lacks weights.
    """
    name = contender_name(spec)
    if spec.startswith(SHUFFLED):
        return ShuffledContender(name, load_contender(spec.removeprefix(SHUFFLED), device))
    if spec.startswith(COPY):
        contender = load_contender(spec.removeprefix(COPY), device)
        contender.name = name
        return contender
    if spec.startswith(STATIC) or spec in STATIC_VECTORS:
        return _load_static(name, spec)
    return _load_encoder(name, spec, device)


class _EveryWord(set):
    def __contains__(self, word: object) -> bool:
        return True


def _load_static(name: str, spec: str) -> Contender:
    place = spec.removeprefix(STATIC)
    words: Sequence[str]
    if place in STATIC_VECTORS or Path(place).is_dir():
        words, matrix = static_vectors.load(place)
    elif Path(place).is_file():
        try:
            pairs = list(read_text_vectors(place, static_width(place), _EveryWord()))
        except DAMAGED as error:
            raise ContenderError(f"{spec} cannot be unpacked: {error}; get or make the file anew") from error
        words, matrix = [word for word, _ in pairs], np.stack([vector for _, vector in pairs])
    else:
        raise ContenderError(
            f"{spec}: no such file; after {STATIC} comes a text file of word2vec or GloVe, or a folder"
        )
    rows: dict[str, int] = {}
    for row, word in enumerate(words):
        rows.setdefault(word, row)  # the first of a word is the commonest
    return StaticContender(name, spec, rows, matrix)


def _load_encoder(name: str, spec: str, device: str | torch.device) -> Contender:
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    from transformers.utils import logging

    from hf_elmo.auto import register_auto_classes

    register_auto_classes()
    place = resolve(spec)
    if not Path(place).exists() and (spec.startswith((".", "/", "~")) or spec.count("/") > 1):
        raise ContenderError(f"{spec}: no such folder; give a folder, a model of the box, ORG/NAME, or static:FILE")
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the head that pretraining used is left out on purpose
    try:
        config = AutoConfig.from_pretrained(place)
        extra = {"add_prefix_space": True} if config.model_type in NEEDS_PREFIX_SPACE else {}
        tokenizer = AutoTokenizer.from_pretrained(place, **extra)
        model, info = AutoModel.from_pretrained(place, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise ContenderError(f"{spec}: {' '.join(str(error).split())}") from error
    finally:
        logging.set_verbosity(verbosity)
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:  # filled with random numbers
        raise ContenderError(f"{spec} lacks {len(missing)} weights ({missing[0]}, ...): it is damaged")
    kind: type[Any] = ElmoContender if config.model_type == "elmo" else BertContender
    return kind(name, spec, model.to(device).eval(), tokenizer)


@cache
def identity(spec: str) -> str:
    """SHA-256 of a local contender's files, or the id on the Hub: another model under the same name is another one.

    Cards and pictures beside the model are no part of it, nor is how a file was compressed.
    """
    for prefix in (SHUFFLED, COPY):
        if spec.startswith(prefix):
            return prefix + identity(spec.removeprefix(prefix))
    place = spec.removeprefix(STATIC)
    path = static_vectors.folder_of(place) if place in STATIC_VECTORS else Path(resolve(place))
    if not path.is_dir():
        return _sha256_of_content(path) if path.exists() else spec
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix not in BESIDE_A_MODEL)
    return hashlib.sha256("".join(f"{sha256_of(file)}  {file.name}\n" for file in files).encode()).hexdigest()


def _sha256_of_content(path: Path) -> str:
    """SHA-256 of a file, of a .gz that of what it holds: the compressor writes date and name beside it."""
    if path.suffix != ".gz":
        return sha256_of(path)
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as content:
            while block := content.read(1 << 20):
                digest.update(block)
    except DAMAGED:
        return sha256_of(path)  # damaged, of which reading its vectors tells
    return digest.hexdigest()


def overlapping_windows(length: int, window: int) -> list[tuple[int, int, range]]:
    """Windows over a row of pieces: (start, end, places that are kept of it); each place is kept of exactly one.

    Neighbours overlap by half of a window, and the boundary of what is kept lies in the middle of the overlap.
    """
    if length <= window:
        return [(0, length, range(length))] if length else []
    step = max(1, window // 2)
    starts = [*range(0, length - window, step), length - window]
    bounds = [0, *((left + window + right) // 2 for left, right in zip(starts, starts[1:], strict=False)), length]
    return [
        (start, start + window, range(low, high)) for start, low, high in zip(starts, bounds, bounds[1:], strict=False)
    ]


def _batches(lengths: list[int], most: int) -> Iterator[list[int]]:
    """Positions of rising lengths in batches of at most `most` places with padding; a longer one is alone."""
    batch: list[int] = []
    for position, length in enumerate(lengths):
        if batch and (len(batch) + 1) * (length + 2) > most:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


__all__ = [
    "BertContender",
    "Contender",
    "ContenderError",
    "ElmoContender",
    "ShuffledContender",
    "StaticContender",
    "contender_name",
    "identity",
    "load_contender",
]
