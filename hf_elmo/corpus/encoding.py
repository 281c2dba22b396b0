# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Raw shards to token shards, once the vocabulary stands.

A token shard is a file of arrays:
    words        (N,) int32, the id of each word; V + k is unknown word k of this shard, V being the number of ids
    sentences    (S + 1,) int64, where each sentence begins in `words`, and the end; without marks
    documents    (D,) int64, numbers of the sentences with which documents begin
    spellings, spelling_offsets   the distinct unknown words (`pack_strings`), whose characters are the model's input
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hf_elmo.corpus.raw_shards import raw_path
from hf_elmo.corpus.shard_files import map_arrays, pack_strings, unpack_strings, write_arrays


def shard_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


@lru_cache(maxsize=1)
def _read_ids(path: Path, sha256: str) -> dict[str, int]:
    """The ids in a file; its hash tells a new file of the same name."""
    return json.loads(path.read_bytes())


def encode_shard(name: str, folder: Path, ids_path: Path, ids_sha256: str, unknown_id: int) -> dict[str, Any]:
    """Write the token shard of a raw shard in the same folder; the raw shard stays.

    Args:
        ids_path, ids_sha256: a JSON file with the id of every word, padding included, and its hash.
    Returns:
        the entry of the shard in the manifest.
    """
    ids = _read_ids(ids_path, ids_sha256)
    arrays, metadata = map_arrays(raw_path(folder, name))
    spelt = unpack_strings(arrays["spellings"], arrays["spelling_offsets"])
    # The padding word of a text is a word like any other, and unknown.
    new_ids = np.fromiter((ids.get(word, 0) for word in spelt), np.int32, len(spelt))
    unknown = np.flatnonzero(new_ids == 0)
    new_ids[unknown] = len(ids) + np.arange(len(unknown))
    words = new_ids[arrays["words"]]
    spellings, offsets = pack_strings(spelt[number].encode() for number in unknown.tolist())
    sha256 = write_arrays(
        shard_path(folder, name),
        {
            "words": words,
            "sentences": arrays["sentences"],
            "documents": arrays["documents"],
            "spellings": spellings,
            "spelling_offsets": offsets,
        },
        {},
    )
    facts = {key: int(metadata[key]) for key in ("words", "sentences", "documents", "cut_sentences")}
    unknown_words = int(np.count_nonzero(words >= len(ids)) + np.count_nonzero(words == unknown_id))
    return {"file": shard_path(folder, name).name, **facts, "unknown_words": unknown_words, "sha256": sha256}
