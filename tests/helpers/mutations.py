# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Damages copies of a tiny model in many ways, each reproducible from its number."""

import json
import random
import shutil
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors.torch import save_file
from tiny_checkpoints import allennlp_state_dict, random_softmax, random_weights, write_hdf5, write_tiny_model

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    3,
    7,
    50,
    261,
    262,
    10**6,
    10**18,
    1.5,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "relu",
    "tanh",
    "3",
    [],
    [[1, 4]],
    [[1, 4], [2, 5], [3, 7]],
    [[1, 2, 3]],
    {},
    {"dim": 4},
]
DTYPES = ["f2", "f8", ">f4", "i4", "u1", "c8", "?", "S5", h5py.string_dtype(), h5py.vlen_dtype("f4"), "V8"]


def mutate(pristine: Path, folder: Path, number: int) -> tuple[Path, str]:
    """Make a damaged copy of `pristine` in `folder`; returns the path to convert and what was done."""
    rng = random.Random(number)
    shutil.copytree(pristine, folder)
    kind = rng.choices(
        ["bytes", "datasets", "options", "options_bytes", "both", "state_dict", "softmax"], [6, 6, 5, 1, 1, 3, 1]
    )[0]
    weights = folder / "weights.hdf5"
    if kind in ("bytes", "both"):
        if rng.random() < 0.2:  # in a compressed file the data are metadata as well
            write_hdf5(weights, random_weights(), compression="gzip", chunks=True)
        what = damage_bytes(weights, rng)
    elif kind == "datasets":
        what = damage_datasets(weights, rng)
    elif kind == "softmax":
        write_hdf5(folder / "softmax.hdf5", random_softmax(5))
        what = rng.choice([damage_bytes, damage_datasets])(folder / "softmax.hdf5", rng)
    elif kind == "options_bytes":
        what = damage_bytes(folder / "options.json", rng)
    elif kind == "state_dict":
        weights.unlink()
        weights = folder / rng.choice(["weights.th", "weights.safetensors"])
        what = damage_state_dict(weights, rng)
    else:
        what = ""
    if kind in ("options", "both"):
        what += damage_options(folder / "options.json", rng)
    return folder, f"{kind}: {what}"


def metadata_positions(path: Path) -> np.ndarray:
    """Bytes of an HDF5 file that belong to no dataset's values."""
    data = np.zeros(path.stat().st_size, bool)
    with h5py.File(path) as file:

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and item.id.get_offset():
                data[item.id.get_offset() : item.id.get_offset() + item.nbytes] = True

        file.visititems(visit)
    return np.flatnonzero(~data)


def damage_bytes(path: Path, rng: random.Random) -> str:
    """Flip bits (mostly in metadata), cut, lengthen or replace the file."""
    content = bytearray(path.read_bytes())
    how = rng.choice(["flip", "flip", "flip", "flip_anywhere", "cut", "zero_block", "insert", "replace"])
    if how in ("flip", "flip_anywhere"):
        places: range | np.ndarray = range(len(content))
        if how == "flip" and path.suffix == ".hdf5":
            places = metadata_positions(path)
        for _ in range(rng.choice([1, 1, 2, 8, 40])):
            content[int(places[rng.randrange(len(places))])] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del content[rng.randrange(len(content)) :]
    elif how == "zero_block":
        start = rng.randrange(len(content))
        length = min(rng.choice([8, 64, 2048]), len(content) - start)
        content[start : start + length] = bytes(length)
    elif how == "insert":
        start = rng.randrange(len(content))
        content[start:start] = rng.randbytes(rng.choice([1, 8, 512]))
    else:
        content = bytearray(rng.choice([b"", b"\x89HDF\r\n\x1a\n", b"<html>not found</html>", rng.randbytes(5000)]))
    path.write_bytes(content)
    return f"{how} of {path.name}"


def damage_datasets(path: Path, rng: random.Random) -> str:
    """Delete, rename, add or replace one dataset of a well-formed file."""
    names: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = rng.choice(names)
        how = rng.choice(
            "delete rename add shape dtype number group soft external null virtual claim transposed compressed scalar".split()
        )
        values = file[name][()]
        if how == "add":
            file.create_dataset(rng.choice([name + "_1", "extra", "x/y", "RNN_2/a", "Inf\u00fc"]), data=values)
            return f"add beside {name}"
        if how == "number":
            file[name].write_direct(np.full(values.shape, rng.choice([np.nan, np.inf, 1e38, 0.0, 1e5]), np.float32))
            return f"number in {name}"
        del file[name]
        if how == "rename":
            file.create_dataset(
                rng.choice([name + "_", name + "x", name.lower(), name.upper(), "/x" + name]), data=values
            )
        elif how == "shape":
            shape = list(values.shape)
            shape[rng.randrange(len(shape))] += rng.choice([-1, 1, 5])
            file.create_dataset(
                name, data=np.ones(rng.choice([shape, [1, *shape], [*shape, 1], [0], shape[:-1]]), "f4")
            )
        elif how == "dtype":
            file.create_dataset(name, values.shape, rng.choice(DTYPES))
        elif how == "group":
            file.create_group(name)
        elif how == "soft":
            file[name] = h5py.SoftLink(rng.choice(["/" + names[0], "/nowhere", "/" + name]))
        elif how == "external":
            if rng.random() < 0.5:
                file[name] = h5py.ExternalLink("other.hdf5", "/x")
            else:
                file.create_dataset(name, values.shape, "f4", external=[("other.bin", 0, values.nbytes)])
        elif how == "null":
            file[name] = h5py.Empty("f4")
        elif how == "virtual":
            layout = h5py.VirtualLayout(values.shape, "f4")
            layout[...] = h5py.VirtualSource("other.hdf5", "x", values.shape)
            file.create_virtual_dataset(name, layout)
        elif how == "claim":
            shape = [10**6] * values.ndim if rng.random() < 0.5 else values.shape
            file.create_dataset(name, shape, "f4", chunks=tuple(min(n, 16) for n in shape))
        elif how == "transposed":
            file.create_dataset(name, data=values.T)
        elif how == "compressed":
            file.create_dataset(name, data=values, compression="gzip", shuffle=True, fletcher32=True)
        elif how == "scalar":
            file[name] = np.float32(1)
    return f"{how} {name}"


def damage_options(path: Path, rng: random.Random) -> str:
    """Change or remove one value, wherever it stands."""
    content = json.loads(path.read_text())
    places: list[tuple] = [(content, key) for key in content]
    for group in ("lstm", "char_cnn"):
        places += [(content[group], key) for key in content[group]] * 3
    places += [(content["char_cnn"]["embedding"], "dim"), (content["char_cnn"]["filters"], 1)]
    group, key = rng.choice(places)
    value = rng.choice(VALUES)
    if rng.random() < 0.15:
        del group[key]
    else:
        group[key] = value
    path.write_text(json.dumps(content if rng.random() < 0.95 else [content]))
    return f" {key} = {value!r}"


def damage_state_dict(path: Path, rng: random.Random) -> str:
    """Write a state dict with one wrong tensor, or a right one whose bytes are damaged."""
    state = allennlp_state_dict(random_weights(), rng.choice(["_elmo_lstm.", "model._elmo._elmo_lstm."]))
    how = rng.choice(["bytes", "bytes", "delete", "rename", "shape", "dtype", "nan"])
    name = rng.choice(list(state))
    if how == "delete":
        del state[name]
    elif how == "rename":
        state[name + "x"] = state.pop(name)
    elif how == "shape":
        state[name] = torch.ones(rng.choice([(1,), (2, 3), (*state[name].shape, 1), (0,)]))
    elif how == "dtype":
        state[name] = state[name].to(rng.choice([torch.int64, torch.bool, torch.float64, torch.bfloat16]))
    elif how == "nan":
        state[name].view(-1)[0] = float("nan")
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return damage_bytes(path, rng) if how == "bytes" else f"{how} {name}"


def pristine_model(folder: Path) -> Path:
    """The model all mutations start from."""
    return write_tiny_model(folder)
