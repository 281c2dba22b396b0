# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A trained model as a small folder: half-precision weights that are read as single precision, no code files."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hf_elmo.auto import register_auto_classes
from hf_elmo.conversion.errors import ConversionError
from hf_elmo.conversion.staging import check_target, staged_folder
from hf_elmo.conversion.verify import quiet
from hf_elmo.pretrained import NEEDED, PretrainedError

CLASSES = ("ElmoForPreTraining", "BertForPreTraining")
STORED = (torch.float16, torch.float32)
READ_AS = "float32"


def export(
    model: Any,
    tokenizer: Any,
    folder: str | os.PathLike,
    dtype: torch.dtype = torch.float16,
    *,
    texts: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a pretrained language model with its tokenizer as a folder for the Auto classes; complete or not at all.

    The config names float32, so that `from_pretrained` computes in float32 whatever the file holds: on processors half
    precision is slow and inexact. The folder holds no code: it is read with `hf_elmo` installed (BERT: without). To get
    a folder that needs transformers only, load it and call `save_pretrained`.

    Args:
        model: an `ElmoForPreTraining` or `BertForPreTraining` with float weights; it is not changed.
        tokenizer: the one it was trained with.
        folder: to make.
        dtype: of the numbers in the file, torch.float16 or torch.float32.
        texts: further files by name, such as README.md; written as UTF-8.
        overwrite: replace `folder` if it is empty or such a model.
    Returns:
        `bytes` of the folder, `parameters`, and `largest_rounding` of a weight.
    Raises:
        PretrainedError: another kind of model, a tokenizer of another size, a weight that `dtype` cannot hold, a folder
            that may not be replaced or written.
    """
    _check(model, tokenizer, dtype, texts or {})
    folder = Path(folder)
    register_auto_classes()
    state, largest_rounding = _stored(model, dtype)
    try:
        check_target(
            folder,
            [],
            overwrite,
            is_ours=lambda found: _kind(found) == model.config.model_type,
            needed=f"no {model.config.model_type} model (config.json)",
        )
        with staged_folder(folder) as staged:
            with quiet():
                model.save_pretrained(staged, state_dict=state)
            tokenizer.save_pretrained(staged)
            _leave_code_out(staged)
            for name, text in (texts or {}).items():
                (staged / name).write_text(text, encoding="utf-8")
            _let_others_read(staged)
            size = sum(path.stat().st_size for path in staged.iterdir())
    except ConversionError as error:
        raise PretrainedError(str(error)) from error
    return {
        "bytes": size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "largest_rounding": largest_rounding,
    }


def _check(model: Any, tokenizer: Any, dtype: torch.dtype, texts: Mapping[str, str]) -> None:
    if type(model).__name__ not in CLASSES:
        raise PretrainedError(f"model is {type(model).__name__}; needed is {' or '.join(CLASSES)}")
    if dtype not in STORED:
        raise PretrainedError(f"dtype is {dtype}; needed is {' or '.join(map(str, STORED))}")
    if getattr(model.config, "weight_format", "float") != "float":
        raise PretrainedError("the model is quantized to 8 bits: export the float weights it was made of")
    # BERT's rows are often rounded up to a multiple.
    rows, spare = model.config.vocab_size, model.config.model_type == "bert"
    if len(tokenizer) > rows or (len(tokenizer) < rows and not spare):
        raise PretrainedError(
            f"the tokenizer has {len(tokenizer)} tokens, the softmax of the model {rows}: give the "
            "tokenizer it was trained with"
        )
    wrong = [name for name in texts if name in NEEDED or Path(name).name != name]
    if wrong:
        raise PretrainedError(
            f"texts names {wrong[0]!r}: needed are plain file names, and none of {', '.join(NEEDED)}"
        )


@torch.no_grad()
def _stored(model: Any, dtype: torch.dtype) -> tuple[dict[str, Tensor], float]:
    """State dict in `dtype`, in which tied weights stay one tensor, and the largest change of a number."""
    copies: dict[tuple, Tensor] = {}
    state, largest = {}, 0.0
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape))
        if place not in copies:
            copy = tensor.to("cpu", dtype) if tensor.is_floating_point() else tensor.cpu()
            if tensor.is_floating_point() and tensor.numel():
                if not bool(copy.isfinite().all()):
                    peak = float(tensor.abs().max())
                    raise PretrainedError(
                        f"{name} reaches {peak:g}, which {str(dtype)[6:]} cannot hold: is the model trained to the end? "
                        "dtype=torch.float32 holds every finite number"
                    )
                largest = max(largest, float((copy.double() - tensor.cpu().double()).abs().max()))
            copies[place] = copy
        state[name] = copies[place]
    return state, largest


def _kind(folder: Path) -> str | None:
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None


def _let_others_read(folder: Path) -> None:
    """Give all files the mode of an ordinary new one: safetensors lets nobody but the owner read what it writes."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.iterdir():
        path.chmod(0o666 & ~umask)


def _leave_code_out(folder: Path) -> None:
    """Remove the files of the model's code and the entries that point to them; name the precision to compute in."""
    # The last two tell how the tokenizer at hand was loaded, not how this one has to be.
    unwanted = ("auto_map", "is_local", "local_files_only")
    for path in folder.glob("*.py"):
        path.unlink()
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text(encoding="utf-8"))
        settings = {key: value for key, value in settings.items() if key not in unwanted}
        if name == "config.json":
            settings["dtype"] = READ_AS
        (folder / name).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
