# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Reads options.json + weights.hdf5, the files of bilm-tf and AllenNLP (both "ELMo in HDF5")."""

from pathlib import Path

import numpy as np

from hf_elmo.modeling.configuration_elmo import ElmoConfig

from .errors import ConversionError
from .hdf5_reader import Found, Hdf5File, as_float32, check_tensors
from .names import hdf5_table, to_model, untrained_mixes
from .options import Options, read_options
from .source import Source

SOFTMAX = ("softmax/W", "softmax/b")
BARE_CELL = "RNN_0/RNN/LSTMCell/W_0"


def read_allennlp(options_path: Path, weights_path: Path, softmax_path: Path | None = None) -> Source:
    """Read a model from options.json and its HDF5 file, and its softmax from the same or from another file.

    Nothing is read before names, shapes and dtypes of all datasets have been compared with the options. float32
    (which every known file has), float16 and float64 are accepted, integers are not.

    Raises:
        ConversionError: the files are damaged or do not fit each other; names the dataset and both shapes.
    """
    options = read_options(options_path)
    name = Path(weights_path).name
    with Hdf5File(weights_path) as file:
        found = dict(file.datasets)
        _refuse_other_models(name, found)
        repaired = list(options.repaired)
        config = _config_for(options, found)
        table = hdf5_table(config, bare_cell=config.num_hidden_layers == 1 and BARE_CELL in found)
        if BARE_CELL in table.source_shapes:
            repaired.append("weights: the names of a single LSTM layer (no MultiRNNCell) were accepted")
        needed = dict(table.source_shapes)
        # bilm-tf refuses a table that has the padding row already; AllenNLP's own row is all zeros.
        padded = (needed["char_embed"][0] + 1, needed["char_embed"][1])
        if "char_embed" in found and found["char_embed"].shape == padded:
            needed["char_embed"] = padded
        inside = [dataset for dataset in SOFTMAX if dataset in found]
        if inside:
            needed |= _softmax_shapes(name, found, config)
        check_tensors(name, found, needed)
        notes = _dtype_notes(found)
        sources = {dataset: as_float32(name, dataset, file.read(dataset)) for dataset in needed}
    softmax = (sources.pop(SOFTMAX[0]), sources.pop(SOFTMAX[1])) if inside else None
    if needed["char_embed"] == padded:
        if sources["char_embed"][0].any():
            raise ConversionError(
                f"{name}: char_embed has shape {padded}, and row 0 is not zero; needed is {table.source_shapes['char_embed']}"
            )
        sources["char_embed"] = sources["char_embed"][1:]
        repaired.append("weights: char_embed came with its row for padding; that row of zeros was taken for ours")
    if softmax_path is not None:
        if softmax is not None:
            raise ConversionError(
                f"{name} holds a softmax already; leave {Path(softmax_path).name} away, or take it out of the weights"
            )
        softmax = read_softmax(softmax_path, config)
    return Source(
        kind="allennlp-hdf5",
        config=config,
        tensors={**to_model(table, sources), **untrained_mixes(config)},
        tensors_read=len(needed) + (2 if softmax_path is not None else 0),
        softmax=softmax,
        ignored_options=options.ignored,
        repaired=repaired,
        notes=notes,
    )


def read_softmax(path: Path, config: ElmoConfig) -> tuple[np.ndarray, np.ndarray]:
    """Weight (V, D) and bias (V,) of the language model from a file of its own with `softmax/W` and `softmax/b`.

    Raises:
        ConversionError: damaged, or its width is not that of the model.
    """
    name = Path(path).name
    with Hdf5File(path) as file:
        needed = _softmax_shapes(name, file.datasets, config)
        check_tensors(name, file.datasets, needed)
        weight, bias = (as_float32(name, dataset, file.read(dataset)) for dataset in SOFTMAX)
    return weight, bias


def read_embedding(path: Path, words: int, size: int) -> np.ndarray:
    """Dataset `embedding` (words, size), float32, of bilm-tf's file of cached word vectors.

    Raises:
        ConversionError: damaged, or another number of words or width.
    """
    name = Path(path).name
    with Hdf5File(path) as file:
        check_tensors(
            name, file.datasets, {"embedding": (words, size)}, described_by="the vocabulary with options.json"
        )
        return as_float32(name, "embedding", file.read("embedding"))


def _refuse_other_models(name: str, found: dict[str, Found]) -> None:
    if "char_embed" in found:
        return
    if "embedding" in found and any(dataset.startswith("RNN_") for dataset in found):
        raise ConversionError(
            f"{name}: this model reads words from a fixed list (dataset embedding {found['embedding'].shape}), not "
            "characters. Such word-input models of bilm-tf cannot be converted: this ELMo has a character encoder."
        )
    if set(found) == {"embedding"}:
        raise ConversionError(
            f"{name} holds cached word vectors (dataset embedding), not a model. Give it as token_embeddings, and the "
            "file with char_embed and RNN_0 as weights."
        )
    if set(found) == set(SOFTMAX):
        raise ConversionError(
            f"{name} holds a softmax, not a model. Give it as softmax, and the file with char_embed and RNN_0 as weights."
        )


def _config_for(options: Options, found: dict[str, Found]) -> ElmoConfig:
    """The configuration, with the presence of projections decided by the file where sizes leave it open.

    bilm-tf has no projection between equal sizes, AllenNLP always has one.
    """
    config = options.make_config()
    changes = {}
    if config.char_cnn_size == config.projection_size:
        changes["use_char_projection"] = any(dataset.startswith("CNN_proj/") for dataset in found)
    if config.cell_size == config.projection_size:
        changes["use_lstm_projection"] = any(dataset.endswith("/W_P_0") for dataset in found)
    return options.make_config(**changes) if changes else config


def _softmax_shapes(name: str, found: dict[str, Found], config: ElmoConfig) -> dict[str, tuple[int, ...]]:
    """Shapes the two datasets must have; the number of words is the one `softmax/W` says."""
    weight = found.get(SOFTMAX[0])
    if weight is None or weight.shape is None or len(weight.shape) != 2 or not weight.shape[0]:
        came = "missing" if weight is None else f"of shape {weight.shape}"
        raise ConversionError(f"{name}: {SOFTMAX[0]} is {came}; needed is (words, {config.projection_size})")
    words = weight.shape[0]
    return {SOFTMAX[0]: (words, config.projection_size), SOFTMAX[1]: (words,)}


def _dtype_notes(found: dict[str, Found]) -> list[str]:
    notes = []
    for dtype, effect in (("float16", "widened"), ("float64", "rounded")):
        count = sum(entry.dtype == dtype for entry in found.values())
        if count:
            notes.append(f"weights: {count} datasets were stored as {dtype} and {effect} to float32")
    return notes
