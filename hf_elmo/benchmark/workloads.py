# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What is measured: models of the published sizes with random weights, and sentences like those of English news."""

import hashlib
import itertools
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BatchEncoding

from hf_elmo.benchmark.tokenizer import read_lines
from hf_elmo.conversion.known_models import KNOWN_MODELS
from hf_elmo.modeling import ElmoConfig, ElmoModel, ElmoTokenizer

SPELLINGS = 100_000
MADE_SENTENCES = 4096
SHORTEST, LONGEST = 5, 60  # words of a made sentence
WORD_PIECES = 30_522  # vocabulary of bert-base-uncased


def _size(name: str) -> dict[str, Any]:
    shapes = KNOWN_MODELS[name].shapes
    assert shapes is not None
    return {
        "projection_size": shapes["lstm"]["projection_dim"],
        "cell_size": shapes["lstm"]["dim"],
        "num_hidden_layers": shapes["lstm"]["n_layers"],
        "char_embedding_size": shapes["char_cnn"]["embedding"]["dim"],
        "char_filters": shapes["char_cnn"]["filters"],
        "num_highway_layers": shapes["char_cnn"]["n_highway"],
    }


SIZES = {name: _size(name) for name in ("small", "medium", "original")}


def build_model(sizes: Mapping[str, Any], seed: int) -> ElmoModel:
    """A model of these sizes (see `SIZES`), in eval mode, with random weights of the magnitude that trained ones have.

    The initial values of bilm-tf would leave all gates half open and no clip would ever act. Here the sums before the
    gates vary by about 1, every matrix row has a scale of its own, and a few cells reach the clip.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ElmoModel(ElmoConfig(**sizes)).eval()
    generator = torch.Generator().manual_seed(seed)

    def fill(weight: torch.Tensor, deviation: float) -> None:
        rows = torch.randn(weight.shape[0], *[1] * (weight.dim() - 1), generator=generator).mul_(0.4).exp_()
        weight.copy_(torch.randn(weight.shape, generator=generator).mul_(deviation).mul_(rows))

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("weight_ih"):
                fill(weight, 0.7 * weight.shape[1] ** -0.5)
            elif name.endswith("weight_hh"):  # larger, and rounding would grow from step to step: chaos
                fill(weight, 0.2 * weight.shape[1] ** -0.5)
            elif name.endswith("weight_hr"):
                fill(weight, 1.4 * weight.shape[1] ** -0.5)
            elif name.startswith("char_cnn.projection.weight"):
                fill(weight, 0.5 * weight.shape[1] ** -0.5)
            elif name.startswith("char_cnn.convolutions") and name.endswith("weight"):
                fill(weight, weight[0].numel() ** -0.5)
    return model


class Text(NamedTuple):
    """Sentences as lists of words, a tokenizer that knows their commonest words, and where they come from."""

    sentences: list[list[str]]
    tokenizer: ElmoTokenizer
    facts: dict[str, Any]
    word_pieces: Callable[[list[str]], int] | None = None  # of a sentence, if they are counted


def make_text(path: Path | None, vocabulary_size: int, seed: int, batch_sizes: list[int]) -> Text:
    """Made-up sentences, or those of a file: a sentence a line, words between white space.

    Raises:
        ValueError: the file has no text in it, or fewer sentences than the largest batch.
    """
    if path is None:
        spellings = make_spellings(seed)
        sentences = make_sentences(spellings, MADE_SENTENCES, seed)
        tokenizer = ElmoTokenizer(spellings[:vocabulary_size], splitting="whitespace")
    else:
        lines = read_lines(path)
        sentences = [line.split() for line in lines]
        tokenizer = ElmoTokenizer(splitting="whitespace").train_new_from_iterator(lines, vocabulary_size)
    if len(sentences) < max(batch_sizes):
        raise ValueError(f"the text has {len(sentences)} sentences, a batch of --batch-sizes {max(batch_sizes)}")
    words = [word for sentence in sentences for word in sentence]
    known = tokenizer.get_vocab()
    text = "\n".join(map(" ".join, sentences)).encode("utf-8", "surrogatepass")
    facts = {
        "text": "made" if path is None else path.name,
        "sha256": hashlib.sha256(text).hexdigest(),
        "sentences": len(sentences),
        "words": len(words),
        "words_per_sentence": round(len(words) / len(sentences), 1),
        "characters_per_word": round(sum(map(len, words)) / len(words), 2),
        "vocabulary": len(known),
        "unknown_fraction": round(sum(word not in known for word in words) / len(words), 4),
    }
    return Text(sentences, tokenizer, facts)


def with_word_pieces(text: Text, path: Path) -> Text:
    """The same text with its word pieces counted, of a vocabulary as large and as made as that of bert-base-uncased.

    Raises:
        ValueError: the file has no text in it.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=WORD_PIECES, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False
    )
    tokenizer.train_from_iterator(read_lines(path), trainer)

    def count(words: list[str]) -> int:
        return len(tokenizer.encode(words, is_pretokenized=True).ids)

    per_word = sum(map(count, text.sentences)) / text.facts["words"]
    facts = {"text": path.name, "vocabulary": tokenizer.get_vocab_size(), "per_word": round(per_word, 3)}
    return text._replace(facts=text.facts | {"word_pieces": facts}, word_pieces=count)


def make_spellings(seed: int) -> list[str]:
    """Different made-up words, the commonest first; rare ones are longer, as in every language (Zipf 1935)."""
    chance = random.Random(seed)
    spellings: dict[str, None] = dict.fromkeys([",", "."])
    rank = 1
    while len(spellings) < SPELLINGS:
        length = 1 + _poisson(chance, 0.75 + 0.6 * math.log(rank))
        word = "".join(chance.choices("etaoinshrdlucmfwypvbgkjqxz", k=length))
        if word in spellings:
            word += "".join(chance.choices("etaoinshrdlu", k=2))
        spellings[word] = None
        rank = len(spellings)
    return list(spellings)


def _poisson(chance: random.Random, mean: float) -> int:
    bound, count, product = math.exp(-mean), 0, chance.random()
    while product > bound:
        count += 1
        product *= chance.random()
    return count


def make_sentences(spellings: list[str], count: int, seed: int) -> list[list[str]]:
    """Sentences of 5 to 60 words, 22 in the mean, drawn with the frequencies of Zipf and Mandelbrot."""
    chance = random.Random(seed + 1)
    frequencies = list(itertools.accumulate((rank + 1.3) ** -1.12 for rank in range(1, len(spellings) + 1)))
    lengths = [min(LONGEST, SHORTEST + int(chance.gammavariate(2, 8.9))) for _ in range(count)]
    words = iter(chance.choices(spellings, cum_weights=frequencies, k=sum(lengths)))
    return [list(itertools.islice(words, length)) for length in lengths]


class Workload(NamedTuple):
    """The batches of one measured pass; `words` are counted without the two boundary positions of a sentence."""

    batches: list[BatchEncoding]
    sentences: list[list[list[str]]]  # the same batches as words
    words: int
    facts: dict[str, Any]


def count_sentences(batch_size: int, wanted: int | None) -> int:
    """Sentences of a pass: by default a few batches, so that small ones vary and large ones do not take minutes."""
    default = max(2 * batch_size, min(32, 8 * batch_size))
    return max(batch_size, default if wanted is None else wanted)


def make_workload(text: Text, batch_size: int, order: str, sentences: int | None = None) -> Workload:
    """Full batches of a text in one of two orders.

    "corpus": the first sentences as they come. "bucketed": all sentences sorted by length and cut into batches, of
    which a pass takes some at even distances, so that short and long ones are among them.
    """
    count = min(count_sentences(batch_size, sentences), len(text.sentences)) // batch_size
    if order == "corpus":
        starts = [number * batch_size for number in range(count)]
        source = text.sentences
    else:
        source = sorted(text.sentences, key=len)
        buckets = len(source) // batch_size
        starts = [int((number + 0.5) * buckets / count) * batch_size for number in range(count)]
    groups = [source[start : start + batch_size] for start in starts]
    batches = [text.tokenizer(group, is_split_into_words=True, padding=True, return_tensors="pt") for group in groups]
    words = sum(map(len, itertools.chain.from_iterable(groups)))
    positions = sum(batch["attention_mask"].numel() for batch in batches)
    facts = {
        "batches": count,
        "words": words,
        "positions": positions,
        "padding_fraction": round(1 - sum(int(batch["attention_mask"].sum()) for batch in batches) / positions, 3),
        "distinct_words_of_batches": sum(len({w for sentence in group for w in sentence}) for group in groups),
    }
    return Workload(batches, groups, words, facts)
