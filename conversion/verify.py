# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Compares a converted model with `numpy_reference`, which computes the same sentences from the original files."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from hf_elmo.modeling.modeling_elmo import ElmoModel
from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

from .errors import ConversionError
from .hdf5_reader import is_hdf5
from .numpy_reference import NumpyElmo, char_ids_of_sentences, mix_layers, weights_of_state_dict
from .state_dict import find_prefix, load_tensors

# Largest absolute differences to NumPy's float64 that a user is given as right. The limits are chosen, with room above
# what was measured on tiny random models of 21 settings and on small models of AllenNLP and bilm-tf.
# In float64 only the order of sums differs: by up to 2e-14.
LIMIT_FLOAT64 = 1e-9
# The limit of parity everywhere: AllenNLP and bilm-tf, in float32 themselves, differ from float64 by up to 1.2e-6. Here
# float32 differs by up to 3e-6, and by 8e-6 with three layers, which the next limit is for.
LIMIT_FLOAT32 = 5e-6
# An LSTM with large weights passes rounding on and makes it grow, so float32 may also differ by so many times what NumPy's
# own float32 does: with random weights twice as large as usual, the original model differed by 5e-5. Measured were 1.0 to
# 2.4 times.
TIMES_OWN_ROUNDING = 10

# Words of all lengths up to the limit and past it, bytes of other scripts, control characters, an empty word.
SENTENCES: tuple[list[str], ...] = (
    "The old bridge was closed for repairs , so we walked along the river to the next town .".split(),
    "In 1998 she sold 3,500 copies ; nobody had expected that .".split(),
    "\u6211\u4eec \u660e\u5929 \u53bb \u56fe\u4e66\u9986 \u8fd8 \u4e66 \u3002".split(),
    ["Donau" * 9 + "mann", "\u00fc" * 24, "\u00fc" * 25, "x" * 49, "<S>", "</S>", ""],
    ["\u0939\u093f\u0928\u094d\u0926\u0940", "\U0001f642", "a\x00b", "\t", "\x7f", "<UNK>"],
    ["Yes"],
    [],
)


def verify_folder(
    folder: str | os.PathLike,
    options: str | os.PathLike,
    weights: str | os.PathLike,
    *,
    prefix: str | None = None,
    dtype: str = "float32",
) -> dict:
    """Load a converted folder, run sentences through it and through NumPy, and compare every layer.

    The model runs in float64, which shows whether the conversion is exact, and in float32, which users will see. NumPy
    takes the weights of the original files, rounded to `dtype`.

    Args:
        folder: converted model.
        options, weights: the files it was converted from.
        prefix: as given to `convert`.
        dtype: the one the weights are stored in.
    Returns:
        Largest absolute difference of each layer, mix and state in both runs, the limits, number of sentences and words,
        and (for half precision) how much the rounding of the weights itself changes the layers.
    Raises:
        ConversionError: the character ids differ, or a layer differs by more than the limit; names it and the difference.
    """
    sentences = [list(sentence) for sentence in SENTENCES]
    content, arrays, bilm, elmo = _read_source(Path(options), Path(weights), prefix)
    rounded = {name: _round(array, dtype) for name, array in arrays.items()}
    char_ids, lengths = char_ids_of_sentences(sentences, content["char_cnn"].get("max_characters_per_token", 50))
    expected = _reference(content, rounded, bilm, elmo, char_ids, lengths)

    tokenizer = ElmoTokenizer.from_pretrained(folder)
    with quiet():  # of words that are cut: here they are on purpose
        encoded = tokenizer(sentences, is_split_into_words=True, padding=True, return_tensors="pt")
    if not np.array_equal(encoded["char_ids"].numpy(), char_ids):
        raise ConversionError(
            "verification failed: the tokenizer gives other character ids than AllenNLP's definition"
        )

    report: dict = {"sentences": len(sentences), "words": sum(map(len, sentences))}
    for precision, limit in (("float64", LIMIT_FLOAT64), ("float32", LIMIT_FLOAT32)):
        computed = _run_model(Path(folder), encoded, getattr(torch, precision))
        if computed.keys() != expected.keys():
            raise ConversionError(f"verification failed: the model gives {list(computed)}, NumPy {list(expected)}")
        differences = {name: float(np.abs(computed[name] - expected[name]).max()) for name in expected}
        allowed = dict.fromkeys(expected, limit)
        if precision == "float32" and max(differences.values()) > limit:
            own = _reference(content, rounded, bilm, elmo, char_ids, lengths, np.float32)
            rounding = {name: float(np.abs(own[name] - expected[name]).max()) for name in expected}
            allowed = {name: max(limit, TIMES_OWN_ROUNDING * rounding[name]) for name in expected}
        for name, difference in differences.items():
            if not difference <= allowed[name]:
                raise ConversionError(
                    f"verification failed: {name} differs in {precision} by {difference:.2g} from NumPy's result for the "
                    f"original files; allowed is {allowed[name]:.2g}"
                )
        report[precision] = {"limit": max(allowed.values()), "largest_difference": differences}
    if dtype != "float32":
        exact = _reference(content, arrays, bilm, elmo, char_ids, lengths)
        report["effect_of_" + dtype] = {name: float(np.abs(exact[name] - expected[name]).max()) for name in exact}
    return report


@torch.no_grad()
def _run_model(folder: Path, encoded, dtype: torch.dtype) -> dict[str, np.ndarray]:
    with quiet():
        model = ElmoModel.from_pretrained(folder, dtype=dtype).eval()
    output = model(**encoded, output_hidden_states=True, output_state=True)
    tensors = {f"layer_{index}": layer for index, layer in enumerate(output.hidden_states)}
    tensors |= {f"mix_{index}": mix for index, mix in enumerate(output.mixed_states or (output.mixed_state,))}
    tensors |= {"state_h": output.state[0], "state_c": output.state[1]}
    return {name: tensor.double().numpy() for name, tensor in tensors.items()}


def _reference(
    content: dict, arrays: dict, bilm: str | None, elmo: str | None, char_ids, lengths, dtype=np.float64
) -> dict[str, np.ndarray]:
    """What NumPy computes, under the same names as `_run_model`."""
    weights = arrays if bilm is None else weights_of_state_dict(arrays, bilm)
    activations, state = NumpyElmo(content, weights, dtype).run(char_ids, lengths)
    results = {f"layer_{index}": layer for index, layer in enumerate(activations)}
    mixes: list[tuple] = []
    while f"{elmo}scalar_mix_{len(mixes)}.gamma" in arrays:
        name = f"{elmo}scalar_mix_{len(mixes)}."
        parameters = [arrays[f"{name}scalar_parameters.{j}"][0] for j in range(len(activations))]
        mixes.append((np.array(parameters), arrays[name + "gamma"][0]))
    for index, mix in enumerate(mixes or [(np.zeros(len(activations)), 1.0)]):
        results[f"mix_{index}"] = mix_layers(activations, *mix)
    return {**results, "state_h": state[0], "state_c": state[1]}


def _read_source(options: Path, weights: Path, prefix: str | None) -> tuple[dict, dict, str | None, str | None]:
    """Options, arrays as stored, and for a state dict the prefixes of its biLM and of its `Elmo`.

    HDF5 files are read by `numpy_reference` alone. For state dicts the comparison is less independent: the file is opened
    and the module in it is found by the functions that the conversion uses (`load_tensors`, `find_prefix`), so a mistake
    in those would not be seen here. What the tensors mean is still worked out a second time.
    """
    if is_hdf5(weights):
        reference = NumpyElmo.from_files(options, weights)
        return reference.options, reference.weights, None, None
    tensors = load_tensors(weights)
    bilm, elmo = find_prefix(weights.name, tensors, prefix)
    with open(options, encoding="utf-8-sig") as text:
        content = json.load(text)
    return (
        content,
        {name: t.detach().double().numpy() for name, t in tensors.items() if name.startswith(elmo)},
        bilm,
        elmo,
    )


def _round(array: np.ndarray, dtype: str) -> np.ndarray:
    """`array` in float64 with values that `dtype` can hold, rounded to the nearest, ties to even."""
    array = np.asarray(array, np.float32)
    if dtype == "float16":
        array = array.astype(np.float16)
    elif dtype == "bfloat16":  # the upper half of a float32
        bits = array.view(np.uint32)
        array = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return array.astype(np.float64)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars of transformers and without warnings in the log; both are as before afterwards."""
    disabled, bars = logging.root.manager.disable, is_progress_bar_enabled()
    logging.disable(max(disabled, logging.WARNING))
    disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(disabled)
        if bars:
            enable_progress_bar()
