# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The published AllenNLP models: where they lie, how large they are and where that is known from.

Nothing here is a checksum and no size is copied from anywhere: nobody published them. What can be known before a
download follows from the shapes, see `payload_bytes`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_BASE = "https://allennlp.s3.amazonaws.com/models/elmo/"
BASE_VARIABLE = "HF_ELMO_MODELS_URL"

# The name that means the example inside the package instead of a download.
EXAMPLE_NAME = "tiny-random"

NOT_STATED = "not stated for the weights (code: Apache-2.0)"

_RELEASED_FILTERS = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]


def _released_options(cell: int, projection: int, highway: int) -> dict:
    """The part of the released models' options.json that decides the shapes; only these three numbers differ."""
    return {
        "lstm": {"dim": cell, "projection_dim": projection, "n_layers": 2},
        "char_cnn": {"embedding": {"dim": 16}, "filters": _RELEASED_FILTERS, "n_highway": highway},
    }


@dataclass(frozen=True)
class KnownModel:
    """One published model: addresses relative to the base address, and what is known about it.

    `shapes` holds the deciding part of options.json where it is known before the download, else None.
    """

    name: str
    language: str
    options: str
    weights: str
    trained_on: str
    evidence: str
    shapes: dict | None = None
    softmax: str | None = None
    vocab: str | None = None
    vocab_words: int | None = None
    licence: str = NOT_STATED


_ORIGINAL = "2x4096_512_2048cnn_2xhighway"

KNOWN_MODELS = {
    model.name: model
    for model in (
        KnownModel(
            name="small",
            language="English",
            options="2x1024_128_2048cnn_1xhighway/elmo_2x1024_128_2048cnn_1xhighway_options.json",
            weights="2x1024_128_2048cnn_1xhighway/elmo_2x1024_128_2048cnn_1xhighway_weights.hdf5",
            trained_on="1 Billion Word Benchmark",
            evidence="allennlp.org/elmo and many third-party programs name this address",
            shapes=_released_options(1024, 128, 1),
        ),
        KnownModel(
            name="medium",
            language="English",
            options="2x2048_256_2048cnn_1xhighway/elmo_2x2048_256_2048cnn_1xhighway_options.json",
            weights="2x2048_256_2048cnn_1xhighway/elmo_2x2048_256_2048cnn_1xhighway_weights.hdf5",
            trained_on="1 Billion Word Benchmark",
            evidence="allennlp.org/elmo and many third-party programs name this address",
            shapes=_released_options(2048, 256, 1),
        ),
        KnownModel(
            name="original",
            language="English",
            options=f"{_ORIGINAL}/elmo_{_ORIGINAL}_options.json",
            weights=f"{_ORIGINAL}/elmo_{_ORIGINAL}_weights.hdf5",
            trained_on="1 Billion Word Benchmark",
            evidence="AllenNLP's documentation and code; softmax: issue bilm-tf #126, pull request allennlp #1725",
            shapes=_released_options(4096, 512, 2),
            softmax=f"{_ORIGINAL}/elmo_{_ORIGINAL}_softmax_weights.hdf5",
            vocab="vocab-2016-09-10.txt",
            vocab_words=793_471,
        ),
        KnownModel(
            name="5.5B",
            language="English",
            options=f"{_ORIGINAL}_5.5B/elmo_{_ORIGINAL}_5.5B_options.json",
            weights=f"{_ORIGINAL}_5.5B/elmo_{_ORIGINAL}_5.5B_weights.hdf5",
            trained_on="Wikipedia (1.9 billion words) and news (3.6 billion)",
            evidence="AllenNLP's documentation; softmax and vocabulary: third-party code (LAMA)",
            shapes=_released_options(4096, 512, 2),
            softmax=f"{_ORIGINAL}_5.5B/elmo_{_ORIGINAL}_5.5B_softmax_weights.hdf5",
            vocab=f"{_ORIGINAL}_5.5B/tf_checkpoint/vocab-enwiki-news-500000.txt",
            vocab_words=500_000,
        ),
        KnownModel(
            name="portuguese",
            language="Portuguese",
            options="contributed/pt/elmo_pt_options.json",
            weights="contributed/pt/elmo_pt_weights.hdf5",
            trained_on="not stated",
            evidence="third-party code (flair and others); later copies in contributed/pt/wikipedia and /brwac",
        ),
        KnownModel(
            name="pubmed",
            language="English (biomedical)",
            options=f"contributed/pubmed/elmo_{_ORIGINAL}_options.json",
            weights=f"contributed/pubmed/elmo_{_ORIGINAL}_weights_PubMed_only.hdf5",
            trained_on="PubMed",
            evidence="third-party code (flair and others); sizes from the name of its options file",
            shapes=_released_options(4096, 512, 2),
        ),
    )
}


def find_model(name: str) -> KnownModel | None:
    """The known model of this name, upper and lower case alike, or None."""
    return next((model for known, model in KNOWN_MODELS.items() if known.lower() == name.lower()), None)


def base_address() -> str:
    """Address that the models' paths are relative to; HF_ELMO_MODELS_URL replaces it (a mirror of your own)."""
    return (os.environ.get(BASE_VARIABLE) or DEFAULT_BASE).rstrip("/") + "/"


def count_parameters(options: Mapping) -> int:
    """Numbers in the weights.hdf5 of a character model with these options: 13,593,296 for the small one.

    Shapes of the datasets of bilm-tf's `dump_weights`: 261 character rows (the padding row is in no file), no mix.
    Raises:
        KeyError, TypeError, ValueError: the options are not those of a character model.
    """
    lstm, cnn = options["lstm"], options["char_cnn"]
    cell, size, width = int(lstm["dim"]), int(lstm["projection_dim"]), int(cnn["embedding"]["dim"])
    filters = sum(int(count) for _, count in cnn["filters"])
    numbers = 261 * width + sum(int(span) * width * int(count) + int(count) for span, count in cnn["filters"])
    numbers += int(cnn.get("n_highway") or 0) * 2 * (filters * filters + filters)
    if filters != size:
        numbers += filters * size + size
    per_layer = 2 * size * 4 * cell + 4 * cell + (cell * size if cell != size else 0)
    return numbers + 2 * int(lstm.get("n_layers") or 1) * per_layer


def payload_bytes(options: Mapping) -> int:
    """Bytes of the float32 numbers in weights.hdf5: the file is never smaller, since bilm-tf does not compress.

    HDF5's own bookkeeping comes on top, so this is a lower bound, exact for the numbers.
    """
    return 4 * count_parameters(options)


def softmax_bytes(model: KnownModel) -> int | None:
    """Bytes of the numbers in the softmax file, words x (D + 1) x 4; None where words or D are not known."""
    if model.softmax is None or model.shapes is None or model.vocab_words is None:
        return None
    return model.vocab_words * (model.shapes["lstm"]["projection_dim"] + 1) * 4


def megabytes(count: int) -> str:
    """A size for people, in units of 1000 as file managers and download pages use: 54.4 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def table() -> str:
    """The known models as text for `hf-elmo convert --list`."""
    lines = [f"{'name':<12}{'parameters':<12}{'vector':<8}{'language':<22}{'download':<16}licence"]
    base = base_address()
    for model in KNOWN_MODELS.values():
        parameters = vector = size = "unknown"
        if model.shapes is not None:
            parameters = f"{count_parameters(model.shapes) / 1e6:.1f} M"
            vector = str(2 * model.shapes["lstm"]["projection_dim"])
            size = f"{megabytes(payload_bytes(model.shapes))} [1]"
        lines.append(f"{model.name:<12}{parameters:<12}{vector:<8}{model.language:<22}{size:<16}{model.licence}")
        lines.append(f"    trained on: {model.trained_on}")
        lines.append(f"    options:    {base}{model.options}")
        lines.append(f"    weights:    {base}{model.weights}")
        if model.softmax is not None:
            words = f"{model.vocab_words:,} words, " if model.vocab_words else ""
            bound = softmax_bytes(model)
            lines.append(f"    softmax:    {base}{model.softmax}")
            lines.append(f"    vocabulary: {base}{model.vocab}")
            lines.append(
                f"                with --with-softmax only; {words}softmax {megabytes(bound) if bound else 'unknown'} [1]"
            )
        lines.append(f"    known from: {model.evidence}")
    lines.append(
        f"{EXAMPLE_NAME:<12}the example inside the package: no download, random weights, vectors that mean nothing"
    )
    lines.append("")
    lines.append("[1] numbers x 4 bytes, computed from the shapes; HDF5's bookkeeping comes on top. Nobody published")
    lines.append("    checksums: a download is checked against the size the server names and against this minimum,")
    lines.append("    and the conversion checks every tensor.")
    lines.append(f"The addresses are as found in the sources named; {BASE_VARIABLE} replaces their common beginning.")
    return "\n".join(lines)
