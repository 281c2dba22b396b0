# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Layers of a frozen encoder on disk: computed once, so that every epoch after that skips the encoder.

One safetensors file for a list of sequences, named by a fingerprint of all that decides its numbers:

    layers      (N, L+1, 2D) float32 or float16: positions of one sequence after the other, sentence marks included
    lengths     (S,) int64: positions of each sequence
    checksums   (S,) int64: CRC-32 of the bytes of each sequence

It is written under a temporary name and renamed when it is whole and on disk, and memory-mapped when it is read.

Shapes: B sequences, T positions, C characters of a word, D `projection_size`, L `num_hidden_layers`.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from hf_elmo import __version__

FORMAT = "hf_elmo feature cache 1"
SAFETENSORS_NAMES = {"float32": "F32", "float16": "F16"}
# Settings that do not touch the layers: where a model came from, the head, and ways of computing the same numbers.
NOT_ENCODER = (
    "_name_or_path transformers_version architectures auto_map dtype lstm_backend id2label label2id problem_type "
    "task_head task_hidden_size task_num_layers embedding_dropout classifier_dropout use_crf static_embedding_size "
    "freeze_static_embeddings use_elmo_vectors freeze_encoder vocab_size"
).split()


class FeatureCacheError(ValueError):
    """The file cannot be made or is not what its name says; one line for people."""


def default_folder() -> Path:
    """Where caches lie unless told otherwise: beside the other downloads and caches of the Hugging Face libraries."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "hf_elmo" / "features"


def fingerprint(encoder: Any, sequences: Sequence[np.ndarray], dtype: str) -> str:
    """Hash of the encoder's weights and settings, of every sequence and of the numbers' type, in 64 digits."""
    digest = hashlib.sha256(f"{FORMAT} {__version__} {dtype}".encode())
    config = {name: value for name, value in encoder.config.to_dict().items() if name not in NOT_ENCODER}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        if "scalar_mix" not in name:  # learned, and applied to the layers afterwards
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for char_ids in sequences:
        digest.update(f"{char_ids.shape}".encode())
        digest.update(np.ascontiguousarray(char_ids, dtype=np.int16).data)
    return digest.hexdigest()


class FeatureCache:
    """The layers of sequences, read from a file of `build`.

    Args:
        path: the file.
        expected: the fingerprint it must have.
    Raises:
        FeatureCacheError: not a feature cache, of something else, cut off, or with other bytes than were written.
        FileNotFoundError: no such file.
    """

    def __init__(self, path: Path, expected: str):
        self.path = path
        advice = "remove it, and it is computed again"
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise FeatureCacheError(f"{path} was not written by hf-elmo finetune: {advice}, or move it away")
                if metadata["fingerprint"] != expected:
                    raise FeatureCacheError(f"{path} holds the features of another model or text: {advice}")
                lengths, self._checksums = file.get_tensor("lengths"), file.get_tensor("checksums")
                shape = tuple(file.get_slice("layers").get_shape())
        except SafetensorError as error:
            raise FeatureCacheError(f"{path} is damaged or no feature cache ({error}): {advice}") from error
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        with open(path, "rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")  # the header and its length
        dtype = np.dtype(metadata["dtype"]).newbyteorder("<")
        self._layers = np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)
        for row in range(len(self)):
            if zlib.crc32(self[row].data) != self._checksums[row]:
                raise FeatureCacheError(f"{path} is damaged (sequence {row}): {advice}")

    def __len__(self) -> int:
        """Number of sequences S."""
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        """Layers (T, L+1, 2D) of one sequence: a view of the file."""
        return self._layers[self.offsets[row] : self.offsets[row + 1]]


def open_or_build(
    folder: Path,
    encoder: Any,
    sequences: Sequence[np.ndarray],
    dtype: str = "float32",
    say: Callable[[str], None] = lambda line: None,
    max_batch_words: int = 4096,
) -> FeatureCache:
    """The cache of these sequences out of `folder`, computed first if it is not there.

    Args:
        folder: made if need be.
        encoder: an `ElmoModel`, used where it is; its scalar mix does not matter.
        sequences: character ids (T, C) of each sequence, sentence marks included.
        dtype: "float32" or "float16" of the file.
        say: told the size and the place before anything is written.
        max_batch_words: positions in a batch, padding included.
    Raises:
        FeatureCacheError: the disk has no room; a number does not fit float16; the file there is damaged or foreign.
    """
    key = fingerprint(encoder, sequences, dtype)
    path = folder / f"{key[:32]}.safetensors"
    if path.exists():
        say(f"features of the encoder: taken from {path}")
        return FeatureCache(path, key)
    folder.mkdir(parents=True, exist_ok=True)
    width = (encoder.config.num_hidden_layers + 1) * encoder.config.hidden_size
    positions = sum(len(char_ids) for char_ids in sequences)
    size = positions * width * np.dtype(dtype).itemsize
    say(f"features of the encoder: {positions:,} positions, {_bytes(size)} as {dtype}, to {path}")
    free = shutil.disk_usage(folder).free
    if size > 0.98 * free:
        raise FeatureCacheError(
            f"the features take {_bytes(size)}, but {folder} has {_bytes(free)} free: give another "
            "--feature_cache_dir, --cache_dtype float16, or leave out --cache_features"
        )
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _build(temporary, encoder, sequences, dtype, key, max_batch_words)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return FeatureCache(path, key)


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _build(
    path: Path, encoder: Any, sequences: Sequence[np.ndarray], dtype: str, key: str, max_batch_words: int
) -> None:
    lengths = np.array([len(char_ids) for char_ids in sequences], dtype="<i8")
    checksums = np.zeros(len(sequences), dtype="<i8")
    shape = (int(lengths.sum()), encoder.config.num_hidden_layers + 1, encoder.config.hidden_size)
    header, start = _header(shape, len(sequences), dtype, key)
    row_bytes = shape[1] * shape[2] * np.dtype(dtype).itemsize
    starts = start + np.concatenate([[0], np.cumsum(lengths)]) * row_bytes
    # Written, not mapped: a full disk is then an error and no crash.
    with open(path, "wb") as file, tqdm(total=shape[0], desc="encoder", unit=" words", disable=None) as bar:
        file.write(header)
        for rows, layers in _encode(encoder, sequences, lengths, max_batch_words):
            for place, row in enumerate(rows):
                with np.errstate(over="ignore"):
                    values = np.ascontiguousarray(
                        layers[place, : lengths[row]], dtype=np.dtype(dtype).newbyteorder("<")
                    )
                if not np.isfinite(values).all():
                    raise FeatureCacheError(
                        f"the layers of sequence {row} are not finite as {dtype}"
                        + ("; give --cache_dtype float32" if dtype == "float16" else "")
                    )
                checksums[row] = zlib.crc32(values.data)
                file.seek(starts[row])
                file.write(values.data)
                bar.update(int(lengths[row]))
        file.seek(starts[-1])
        file.write(lengths.data)
        file.write(checksums.data)
        file.flush()
        os.fsync(file.fileno())


def _header(shape: tuple[int, int, int], sequences: int, dtype: str, key: str) -> tuple[bytes, int]:
    """Head of a safetensors file, and where its first tensor begins."""
    ends = np.cumsum(
        [0, shape[0] * shape[1] * shape[2] * np.dtype(dtype).itemsize, 8 * sequences, 8 * sequences]
    ).tolist()
    content = {
        "__metadata__": {"format": FORMAT, "fingerprint": key, "dtype": dtype},
        "layers": {"dtype": SAFETENSORS_NAMES[dtype], "shape": list(shape), "data_offsets": ends[0:2]},
        "lengths": {"dtype": "I64", "shape": [sequences], "data_offsets": ends[1:3]},
        "checksums": {"dtype": "I64", "shape": [sequences], "data_offsets": ends[2:4]},
    }
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text, 8 + len(text)


@torch.no_grad()
def _encode(
    encoder: Any, sequences: Sequence[np.ndarray], lengths: np.ndarray, max_batch_words: int
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Numbers of sequences of similar length, and their layers (B, T, L+1, 2D)."""
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    try:
        for rows in _batches(lengths, max_batch_words):
            longest = int(lengths[rows].max())
            char_ids = np.zeros((len(rows), longest, encoder.config.max_characters_per_token), dtype=np.int64)
            for place, row in enumerate(rows):
                char_ids[place, : lengths[row]] = sequences[row]
            mask = np.arange(longest) < lengths[rows][:, None]
            output = encoder(
                char_ids=torch.from_numpy(char_ids).to(encoder.device),
                attention_mask=torch.from_numpy(mask.astype(np.int64)).to(encoder.device),
                output_hidden_states=True,
            )
            yield rows, torch.stack(output.hidden_states, dim=2).float().cpu().numpy()
    finally:
        for part, training in modes:
            part.training = training


def _batches(lengths: np.ndarray, max_batch_words: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[row] > max_batch_words:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


class CachedFeatures(torch.utils.data.Dataset):
    """Features with their saved layers: what a collator of `LayersCollator` reads.

    Args:
        features: each with "char_ids", of one sequence (T, C), or of several, one for each choice.
        cache: the sequences of all features, in order.
    """

    def __init__(self, features: Sequence[dict[str, Any]], cache: FeatureCache):
        self.features, self.cache = features, cache
        self.first = np.cumsum([0] + [len(sequences_of(feature)) for feature in features])
        if self.first[-1] != len(cache):
            raise FeatureCacheError(f"the features have {self.first[-1]} sequences, {cache.path} has {len(cache)}")

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> dict[str, Any]:
        layers = [self.cache[row] for row in range(self.first[index], self.first[index + 1])]
        return {**self.features[index], "encoder_layers": layers}


def sequences_of(feature: dict[str, Any]) -> list[np.ndarray]:
    """Character ids (T, C) of each sequence of a feature: one, or one for each choice."""
    char_ids = feature["char_ids"]
    return [char_ids] if isinstance(char_ids, np.ndarray) else list(char_ids)


class LayersCollator:
    """Let another collator make the batch, and add `encoder_layers` (B, T, L+1, 2D) float32 in place of `char_ids`.

    With several choices in an example they are (B, choices, T, L+1, 2D).

    Args:
        collate: the collator of the task.
        padding_side: of its tokenizer.
    """

    def __init__(self, collate: Callable[[list[dict[str, Any]]], dict[str, Any]], padding_side: str = "right"):
        self.collate, self.left = collate, padding_side == "left"

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        layers = [array for feature in features for array in feature["encoder_layers"]]
        batch = self.collate([{k: v for k, v in feature.items() if k != "encoder_layers"} for feature in features])
        batch.pop("char_ids")
        batch["encoder_layers"] = self._pad(layers, tuple(batch["input_ids"].shape))
        return batch

    def _pad(self, layers: list[np.ndarray], shape: tuple[int, ...]) -> Tensor:
        padded = torch.zeros(len(layers), shape[-1], *layers[0].shape[1:])
        for row, array in zip(padded, layers, strict=True):
            place = slice(shape[-1] - len(array), None) if self.left else slice(0, len(array))
            row[place] = torch.from_numpy(array.astype(np.float32))
        return padded.reshape(*shape, *layers[0].shape[1:])
