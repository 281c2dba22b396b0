# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Readers and writers of the files of AllenNLP's and bilm-tf's ELMo.

options.json + weights.hdf5 (or a torch state dict) -> `convert` -> a folder for `ElmoModel.from_pretrained`;
`convert_to_allennlp` leads back. `numpy_reference` computes the same vectors on its own from the original files.
"""

from .convert import convert
from .errors import ConversionError
from .to_allennlp import convert_to_allennlp
from .token_embeddings import write_token_embeddings
from .verify import verify_folder

__all__ = ["ConversionError", "convert", "convert_to_allennlp", "verify_folder", "write_token_embeddings"]
