# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What every reader hands to `convert`: a configuration, tensors under our names, and what there is to report."""

from dataclasses import dataclass, field

import numpy as np

from hf_elmo.modeling.configuration_elmo import ElmoConfig


@dataclass
class Source:
    """A model as read from its files, complete and checked.

    Args:
        kind: `"allennlp-hdf5"` or `"allennlp-state-dict"`.
        tensors: state dict of `ElmoModel(config)` as float32 arrays.
        tensors_read: number of tensors used in the source; each was used exactly once.
        softmax: weight (V, D) and bias (V,) of the language-model head, float32, row = line of the vocabulary file.
        ignored_options: keys of options.json nothing depends on.
        repaired: what was put right, in words.
        notes: what else a user should know, in words.
        other_tensors: names of tensors in the file that are not part of ELMo.
        prefix: of the biLM's tensors in a state dict.
    """

    kind: str
    config: ElmoConfig
    tensors: dict[str, np.ndarray]
    tensors_read: int
    softmax: tuple[np.ndarray, np.ndarray] | None = None
    ignored_options: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    other_tensors: list[str] = field(default_factory=list)
    prefix: str | None = None
