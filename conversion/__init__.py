# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Readers and writers of the files of AllenNLP's and bilm-tf's ELMo.

options.json + weights.hdf5 (or a torch state dict) -> `convert` -> a folder for `ElmoModel.from_pretrained`;
`convert_to_allennlp` leads back. `numpy_reference` computes the same vectors on its own from the original files.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import ConversionError
    from .to_allennlp import convert_to_allennlp
    from .to_transformers import convert
    from .token_embeddings import write_token_embeddings
    from .verify import verify_folder

# Loaded when asked for: the table of known models and the downloads do without torch.
_MODULE_OF = {
    "ConversionError": "errors",
    "convert": "to_transformers",
    "convert_to_allennlp": "to_allennlp",
    "verify_folder": "verify",
    "write_token_embeddings": "token_embeddings",
}

__all__ = ["ConversionError", "convert", "convert_to_allennlp", "verify_folder", "write_token_embeddings"]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
