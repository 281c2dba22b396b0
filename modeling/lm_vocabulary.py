# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The rows of a language model's softmax: which word each belongs to, and how they follow another vocabulary.

Shapes: D `projection_size`, V `vocab_size`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_utils import load_state_dict
from transformers.utils import cached_file

# Beside the encoder of a converted folder: weight (lines, D) and bias (lines,), a row for each line of vocab.txt.
CONVERTED_HEAD = "lm_head.safetensors"
HUB_SETTINGS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
SPECIAL_TOKENS = ("pad_token", "bos_token", "eos_token", "unk_token")


class VocabularyChange(NamedTuple):
    """What became of the words of a softmax."""

    kept: int
    added: int
    dropped: int


class WordRows(torch.autograd.Function):
    """`rows[first:]`, whose gradient may also be a sparse tensor: a slice takes dense ones only."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, first: int) -> Tensor:
        ctx.first, ctx.shape = first, rows.shape
        return rows[first:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        if grad.is_sparse:
            indices = grad._indices() + ctx.first
            return torch.sparse_coo_tensor(indices, grad._values(), ctx.shape, check_invariants=False), None
        whole = grad.new_zeros(ctx.shape)
        whole[ctx.first :] = grad
        return whole, None


def first_word(config) -> int:
    """The least token id that can be predicted: padding, where it comes first, is no word of the language."""
    return 1 if config.pad_token_id == 0 else 0


def rows_by_word(old_tokenizer, new_tokenizer) -> tuple[dict[int, int], VocabularyChange]:
    """Row of the new vocabulary -> row of the same word in the old one; special tokens are the same by their role."""
    old, new = old_tokenizer.get_vocab(), new_tokenizer.get_vocab()
    named = {
        str(getattr(new_tokenizer, role)): str(getattr(old_tokenizer, role))
        for role in SPECIAL_TOKENS
        if getattr(new_tokenizer, role) is not None and getattr(old_tokenizer, role) is not None
    }
    rows = {row: old[named.get(word, word)] for word, row in new.items() if named.get(word, word) in old}
    kept = len(set(rows.values()))
    return rows, VocabularyChange(kept=len(rows), added=len(new) - len(rows), dropped=len(old) - kept)


@torch.no_grad()
def change_rows(head: nn.Linear, config, old_rows: Mapping[int, int]) -> nn.Linear:
    """A softmax of `config.vocab_size` rows: old ones by `old_rows` (new row -> old row), else the mean of all words.

    The mean is what a word of little frequency looks like. Random rows beside trained ones would be predicted too often,
    for want of their low bias.
    """
    weight, bias = head.weight, head.bias
    new = nn.Linear(head.in_features, config.vocab_size, dtype=weight.dtype, device=weight.device)
    places = torch.tensor([list(old_rows.keys()), list(old_rows.values())], dtype=torch.int64, device=weight.device)
    first = first_word(config)
    for rows, old in ((new.weight, weight), (new.bias, bias)):
        rows[:] = _mean_row(old[first:])
        rows[places[0]] = old[places[1]]
        rows.requires_grad_(old.requires_grad)
    return new


@torch.no_grad()
def load_converted_head(head: nn.Linear, folder, config, settings: Mapping[str, Any]) -> bool:
    """Fill a softmax from the file beside a converted encoder, local or on the Hub; False if there is no such file.

    `settings` are those of `from_pretrained`. Padding, and special tokens that the vocabulary file lacked, get the mean
    of all rows.

    Raises:
        ValueError: the rows are not those of the vocabulary; says how many there are and what to do.
    """
    path = cached_file(
        folder,
        CONVERTED_HEAD,
        **{name: settings[name] for name in HUB_SETTINGS if name in settings},
        _commit_hash=getattr(config, "_commit_hash", None),  # of the encoder
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return False
    tensors = load_state_dict(path)
    (lines, width), first = tensors["weight"].shape, first_word(config)
    if not 0 <= config.vocab_size - first - lines < len(SPECIAL_TOKENS):
        raise ValueError(
            f"{CONVERTED_HEAD} of {folder} has {lines} rows, but the vocabulary {config.vocab_size - first} words: convert "
            "the model together with the vocabulary file of the softmax (hf-elmo convert --vocab)"
        )
    if width != config.projection_size:
        raise ValueError(
            f"{CONVERTED_HEAD} of {folder} is {width} wide; needed is projection_size={config.projection_size}"
        )
    for rows, of_lines in ((head.weight, tensors["weight"]), (head.bias, tensors["bias"])):
        rows[:first] = rows[first + lines :] = _mean_row(of_lines).to(rows)
        rows[first : first + lines] = of_lines.to(rows.device)
    return True


def _mean_row(rows: Tensor) -> Tensor:
    return rows.mean(dim=0, dtype=torch.promote_types(rows.dtype, torch.float32)).to(rows.dtype)


__all__ = ["VocabularyChange"]
