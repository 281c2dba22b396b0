# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Reads one HDF5 file in a process of its own; run by `hdf5_reader.Hdf5File`, never imported.

On damaged files the HDF5 library can loop for ever, take all memory or crash. Here that ends only this process.

Protocol: the file's name is the last argument. One line of JSON with all datasets is written; then for each name
read from standard input (a line of JSON) one line with the number of bytes or an error, and the bytes.
"""

import json
import sys

MEMORY = 2**28  # bytes this process may grow by, and by three times a dataset while that is read
MAX_OBJECTS = 100_000
# The best ratio deflate reaches is 1032; a dataset larger than that times the file claims what it does not hold.
MAX_RATIO = 1032


def limit_memory(more):
    """Let this process grow by at most `more` bytes from now on, where the system can do that."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]  # of the system or a batch job; it cannot be lifted
        wanted = now + more if hard == resource.RLIM_INFINITY else min(now + more, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    except (ImportError, OSError, ValueError):
        pass  # not Linux: the time limit of the other process still holds


def describe(dataset, file_size):
    """Shape and dtype of a dataset, and what is wrong with how it is stored."""
    shape, dtype = dataset.shape, dataset.dtype
    problem = None
    if shape is None:
        problem = "has no shape"
    elif dataset.external or dataset.is_virtual:
        problem = "lies in another file"
    else:
        size = dataset.dtype.itemsize
        for length in shape:
            size *= length
        filtered = dataset.id.get_create_plist().get_nfilters() > 0
        stored = dataset.id.get_storage_size()
        if size > file_size * (MAX_RATIO if filtered else 1):
            problem = f"claims {size} bytes, more than the file of {file_size} bytes can hold"
        elif size and not stored:
            problem = "was never written"
        elif stored < size and not filtered:
            problem = f"has only {stored} of its {size} bytes"
    return {"shape": None if shape is None else [int(n) for n in shape], "dtype": dtype.name, "problem": problem}


def list_datasets(h5py, file, file_size):
    names = []

    def visit(name):
        names.append(name)
        if len(names) > MAX_OBJECTS:
            raise ValueError(f"more than {MAX_OBJECTS} objects")

    file.visit(visit)
    datasets = {}
    for name in names:
        try:
            found = file[name]
            if isinstance(found, h5py.Group):
                continue
            if isinstance(found, h5py.Dataset):
                datasets[name] = describe(found, file_size)
            else:
                datasets[name] = {"shape": None, "dtype": "", "problem": "is no dataset"}
        except Exception as error:  # h5py raises many kinds for damaged metadata
            datasets[name] = {"shape": None, "dtype": "", "problem": f"is damaged ({error})"}
    return datasets


def main(path):
    out = sys.stdout.buffer

    def reply(message):
        out.write(json.dumps(message).encode() + b"\n")
        out.flush()

    try:
        import os

        import h5py
        import numpy as np

        limit_memory(MEMORY)
        file_size = os.path.getsize(path)
        file = h5py.File(path, "r")
        datasets = list_datasets(h5py, file, file_size)
    except Exception as error:
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    reply({"datasets": datasets})
    for line in sys.stdin.buffer:
        try:
            dataset = file[json.loads(line)]
            size = dataset.dtype.itemsize * dataset.size
            limit_memory(MEMORY + 3 * size)
            array = np.ascontiguousarray(dataset[()])
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})
            return
        reply({"bytes": array.nbytes})
        if array.size:  # an empty one has no buffer to cast
            out.write(array.reshape(-1).data.cast("B"))
        out.flush()


if __name__ == "__main__":
    main(sys.argv[-1])
