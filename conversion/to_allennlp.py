# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""From a folder of ours back to options.json + weights.hdf5, which AllenNLP and bilm-tf read."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from hf_elmo.modeling.configuration_elmo import ElmoConfig
from hf_elmo.modeling.lm_vocabulary import CONVERTED_HEAD, first_word
from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

from .allennlp import SOFTMAX
from .errors import ConversionError, name_some
from .hdf5_reader import Found, as_float32, check_tensors
from .names import hdf5_table, model_shapes, to_source
from .options import options_of
from .staging import FILES_OF_ALLENNLP, check_target, file_facts, is_allennlp_folder, staged_folder
from .state_dict import load_tensors

BASE_PREFIX = "elmo."  # of the encoder inside a model with a head
SOFTMAX_CHOICES = ("beside", "inside", "none")


def convert_to_allennlp(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    softmax: str = "beside",
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Write the files of AllenNLP and bilm-tf for a model of ours; the inverse of `convert`.

    Of a model converted from an HDF5 file of float32, every dataset comes back equal to the byte. One converted from
    float64, float16, bare-cell names (one layer) or a character table that had its padding row comes back in the standard
    form: float32, `MultiRNNCell/Cell0`, no padding row. `out` appears when it is complete.

    Args:
        folder: with config.json and model.safetensors; a fine-tuned model is taken without the head of its task, an
            `ElmoForPreTraining` with its softmax and the words of the tokenizer beside it.
        out: folder to make: options.json, weights.hdf5, and softmax_weights.hdf5 and vocab.txt if there are such.
        softmax: `"beside"` in a file of its own, `"inside"` weights.hdf5, or `"none"`.
        overwrite: replace `out` if it is empty or holds just such files.
        progress: called with a line of text for each note, and when `out` is there.
    Returns:
        A report: files with sizes and sha256, number of datasets, and in words what these formats cannot hold.
    Raises:
        ConversionError: no such model, or it has what the formats cannot hold.
    """
    folder, out = Path(folder), Path(out)
    if softmax not in SOFTMAX_CHOICES:
        raise ConversionError(f"softmax is {softmax!r}; it must be one of {', '.join(SOFTMAX_CHOICES)}")
    config = _read_config(folder)
    weights = folder / "model.safetensors"
    say = progress or (lambda line: None)
    needed = f"holds not just {name_some(sorted(FILES_OF_ALLENNLP))}"
    check_target(out, [weights], overwrite, is_allennlp_folder, needed)
    notes: list[str] = []
    tensors, own_head = _read_model(weights, config, notes)
    table = hdf5_table(config)
    datasets = to_source(table, tensors)
    _move_forget_bias(config, datasets, notes)
    for note in notes:
        say(f"note: {note}")
    head = None
    if softmax != "none":
        head = _read_head(folder, config) if own_head is None else own_head
    try:
        with staged_folder(out) as staged:
            with open(staged / "options.json", "w", encoding="utf-8") as file:
                json.dump(options_of(config), file, indent=2)
                file.write("\n")
            inside = head if head is not None and softmax == "inside" else {}
            write_hdf5(staged / "weights.hdf5", {**datasets, **inside})
            if head is not None and softmax == "beside":
                write_hdf5(staged / "softmax_weights.hdf5", head)
            if head is not None and own_head is not None:
                _write_vocabulary(folder, staged, config)
            elif (folder / "vocab.txt").is_file():
                shutil.copyfile(folder / "vocab.txt", staged / "vocab.txt")
            files = [file_facts(path, path.stem) for path in sorted(staged.iterdir())]
    except OSError as error:
        raise ConversionError(f"{error.filename or out}: {error.strerror or error}") from error
    say(f"wrote {out}")
    return {"files": files, "datasets": len(datasets) + (2 if head is not None else 0), "notes": notes}


def write_hdf5(path: Path, datasets: Mapping[str, np.ndarray]) -> None:
    """Write arrays as bilm-tf's `dump_weights` does: float32, contiguous, no attributes; names in alphabetical order."""
    import h5py

    with h5py.File(path, "w") as file:
        for name in sorted(datasets):
            file.create_dataset(name, data=np.ascontiguousarray(datasets[name], np.float32))


def _read_config(folder: Path) -> ElmoConfig:
    if not (folder / "config.json").is_file():
        raise ConversionError(
            f"{folder} holds no config.json; needed is a folder that convert or save_pretrained has written"
        )
    try:
        content, _ = ElmoConfig.get_config_dict(folder)
        if content.get("model_type") != ElmoConfig.model_type:
            raise ConversionError(f"{folder} holds a model of type {content.get('model_type')!r}; needed is 'elmo'")
        config = ElmoConfig.from_dict(content)
    except ConversionError:
        raise
    except (ValueError, OSError, TypeError, StrictDataclassError) as error:
        raise ConversionError(f"{folder / 'config.json'} is no configuration of ELMo: {error}") from error
    if config.num_characters != 262:
        raise ConversionError(f"the model has {config.num_characters} characters; bilm-tf and AllenNLP need 262")
    return config


def _read_model(
    path: Path, config: ElmoConfig, notes: list[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None]:
    """The encoder's tensors, and the softmax of an `ElmoForPreTraining`, a row for each word of the vocabulary."""
    if not path.is_file():
        raise ConversionError(f"{path} is missing; needed is the model in one file, as save_pretrained writes it")
    tensors = load_tensors(path)
    head = None
    if any(name.startswith(BASE_PREFIX) for name in tensors):
        names = ("lm_head.weight", "lm_head.bias")
        if all(name in tensors for name in names):
            words = slice(first_word(config), None)
            head = _as_softmax(path.name, config, {name[8:]: tensors.pop(name)[words] for name in names})
        others = [name for name in tensors if not name.startswith(BASE_PREFIX)]
        tensors = {name[len(BASE_PREFIX) :]: value for name, value in tensors.items() if name.startswith(BASE_PREFIX)}
        if others:
            notes.append(f"left out, not part of the encoder: {name_some(others)}")
    found = {name: Found(tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in tensors.items()}
    check_tensors(path.name, found, model_shapes(config), "tensor", "config.json")
    for dtype in ("float16", "bfloat16"):
        if any(entry.dtype == dtype for entry in found.values()):
            notes.append(
                f"the weights were stored as {dtype}: they are written as float32, with the precision they had"
            )
    arrays = {name: as_float32(path.name, name, tensor.to(torch.float32).numpy()) for name, tensor in tensors.items()}
    _note_mixes(config, arrays, notes)
    return arrays, head


def _note_mixes(config: ElmoConfig, arrays: Mapping[str, np.ndarray], notes: list[str]) -> None:
    """Say what of the mixes is lost: these files end with the layers."""
    mixes = [name for name in sorted(arrays) if "scalar_mix" in name]
    trained = [name for name in mixes if (arrays[name] != (1.0 if name.endswith("gamma") else 0.0)).any()]
    if trained:
        notes.append(
            f"the weights of the scalar mix are left out ({name_some(trained)}): these formats have no place for them"
        )
    if config.num_scalar_mixes > 1:
        notes.append(
            f"the model has {config.num_scalar_mixes} scalar mixes: these formats do not say how many; AllenNLP is told by "
            f"num_output_representations={config.num_scalar_mixes}"
        )
    if config.scalar_mix_layer_norm:
        notes.append(
            "scalar_mix_layer_norm is on: these formats do not say so; AllenNLP is told by do_layer_norm=True"
        )


def _move_forget_bias(config: ElmoConfig, datasets: dict[str, np.ndarray], notes: list[str]) -> None:
    """Make the stored biases those of a forget gate to which 1 is added, as readers of these files do."""
    if config.forget_bias == 1:
        return
    for name, array in datasets.items():
        if name.endswith("/B"):
            forget = array.reshape(4, -1)[2]  # TensorFlow's order: input, candidate, forget, output
            forget += np.float32(config.forget_bias - 1)
    notes.append(
        f"the forget biases were stored for forget_bias {config.forget_bias:g}; {1 - config.forget_bias:g} was subtracted "
        "in float32, so they are rounded and not byte-exact"
    )


def _read_head(folder: Path, config: ElmoConfig) -> dict[str, np.ndarray] | None:
    path = folder / CONVERTED_HEAD
    if not path.is_file():
        return None
    return _as_softmax(path.name, config, load_tensors(path))


def _as_softmax(file_name: str, config: ElmoConfig, tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """bilm-tf's datasets of weight (words, D) and bias (words,)."""
    found = {name: Found(tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in tensors.items()}
    words = tensors["bias"].shape[0] if "bias" in tensors and tensors["bias"].dim() == 1 else 0
    check_tensors(
        file_name, found, {"weight": (words, config.projection_size), "bias": (words,)}, "tensor", "config.json"
    )
    names = dict(zip(("weight", "bias"), SOFTMAX, strict=True))
    return {names[name]: as_float32(file_name, name, t.to(torch.float32).numpy()) for name, t in tensors.items()}


def _write_vocabulary(folder: Path, staged: Path, config: ElmoConfig) -> None:
    """The words of the softmax's rows, in their order."""
    try:
        tokenizer = ElmoTokenizer.from_pretrained(folder)
        if len(tokenizer) != config.vocab_size:
            raise ValueError(f"it has {len(tokenizer)} words, the softmax {config.vocab_size}")
        tokenizer.save_vocabulary(str(staged))
    except (ValueError, OSError) as error:
        raise ConversionError(
            f"the words of the softmax cannot be written, {folder} has no fitting tokenizer: {error}. Save the model's "
            "tokenizer there, or leave the softmax away (softmax='none')"
        ) from error
