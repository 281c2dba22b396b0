# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""From the files of AllenNLP or bilm-tf to a folder for `ElmoModel.from_pretrained`, in the order of the steps."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from hf_elmo.modeling.lm_vocabulary import CONVERTED_HEAD
from hf_elmo.modeling.modeling_elmo import ElmoModel
from hf_elmo.modeling.tokenization_elmo import ElmoTokenizer

from .allennlp import read_allennlp
from .errors import ConversionError
from .files import SourceFiles, find_files, read_vocabulary
from .hdf5_reader import is_hdf5
from .names import model_shapes
from .source import Source
from .staging import check_target, staged_folder
from .state_dict import read_state_dict
from .token_embeddings import check_token_embeddings
from .verify import quiet, verify_folder

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
REPORT = "conversion.json"
VOCABULARY = "vocab.txt"


def convert(
    source: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
    *,
    options: str | os.PathLike | None = None,
    weights: str | os.PathLike | None = None,
    softmax: str | os.PathLike | None = None,
    vocab: str | os.PathLike | None = None,
    token_embeddings: str | os.PathLike | None = None,
    dtype: str = "float32",
    verify: bool = False,
    overwrite: bool = False,
    splitting: str = "punctuation",
    split_cjk: bool = False,
    prefix: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Convert a pretrained ELMo to a folder that `ElmoModel` and `ElmoTokenizer` load.

    The source is what bilm-tf and AllenNLP read: options.json with weights.hdf5, or with a torch state dict AllenNLP
    has written. The folder is built beside `out` and renamed when it is complete; on any failure nothing is left.

    Args:
        source: a folder with options.json and one weights file, or a weights file with options.json beside it. Its
            only `*softmax*.hdf5` and its `vocab.txt` are used as well.
        out: folder to make.
        options, weights: the two files, instead of or in addition to `source`.
        softmax: HDF5 file with `softmax/W` (V, D) and `softmax/b` (V,), saved as lm_head.safetensors, where
            `ElmoForPreTraining.from_pretrained` finds it; needs its vocabulary (`vocab`) for that.
        vocab: vocabulary file of bilm-tf, a word a line; line n becomes token id n + 1 (from 0).
        token_embeddings: HDF5 file with `embedding` (V, D), compared with the character encoder word by word.
        dtype: how weights are stored: `"float32"`, `"float16"` or `"bfloat16"`.
        verify: compute sentences with an independent NumPy program from the source and compare all layers.
        overwrite: replace `out` if it is empty or a converted model; nothing else is ever replaced.
        splitting, split_cjk: settings of the tokenizer, see `ElmoTokenizer`.
        prefix: of the ELMo to take from a state dict with several.
        progress: called with a line of text at each step.
    Returns:
        The report, which is also written to conversion.json.
    Raises:
        ConversionError: the source cannot be converted, or `out` not be written; one line that says why.
    """
    if out is None:
        raise ConversionError("no target folder was given (out)")
    if dtype not in DTYPES:
        raise ConversionError(f"dtype is {dtype!r}; it must be one of {', '.join(DTYPES)}")
    say = progress or (lambda line: None)
    try:
        files = find_files(source, options, weights, softmax, vocab, token_embeddings)
        check_target(Path(out), files.all, overwrite)
        say(f"reading {files.weights.name}")
        model_source = _read(files, prefix)
        with staged_folder(Path(out)) as folder:
            report = _build(model_source, files, folder, dtype, splitting, split_cjk, say)
            if verify:
                say("verifying with NumPy from the original files")
                report["verification"] = verify_folder(
                    folder, files.options, files.weights, prefix=prefix, dtype=dtype
                )
            with open(folder / REPORT, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=2)
                file.write("\n")
    except OSError as error:
        raise ConversionError(f"{error.filename or out}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise ConversionError(f"{out} cannot be written: {error}") from error
    say(f"wrote {out}")
    return report


def _read(files: SourceFiles, prefix: str | None) -> Source:
    if is_hdf5(files.weights):
        if prefix is not None:
            raise ConversionError(f"prefix is for state dicts; {files.weights.name} is an HDF5 file")
        return read_allennlp(files.options, files.weights, files.softmax)
    if files.softmax is not None:
        raise ConversionError("a softmax file belongs to bilm-tf's HDF5 weights; a state dict of AllenNLP has none")
    return read_state_dict(files.options, files.weights, prefix)


def _build(
    source: Source, files: SourceFiles, folder: Path, dtype: str, splitting: str, split_cjk: bool, say: Callable
) -> dict:
    """Write everything but the report into `folder`; returns the report."""
    config = source.config
    words = None if files.vocab is None else read_vocabulary(files.vocab)
    if words is not None and source.softmax is not None and len(words) != len(source.softmax[0]):
        raise ConversionError(
            f"{files.vocab and files.vocab.name} has {len(words)} words, but the softmax has {len(source.softmax[0])} rows; "
            "they must belong together"
        )
    tokenizer = _make_tokenizer(words, config.max_characters_per_token, splitting, split_cjk)
    config.vocab_size = len(tokenizer)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "unk_token_id"):
        setattr(config, name, getattr(tokenizer, name))
    say("building the model")
    model = build_model(source)
    embeddings_report = None
    if files.token_embeddings is not None:
        if words is None:
            raise ConversionError(
                f"{files.token_embeddings.name} can only be checked with its vocabulary, which gives the words of its rows "
                "(vocab)"
            )
        say(f"comparing {len(words)} cached word vectors")
        embeddings_report = check_token_embeddings(model, words, files.token_embeddings)
    _to_dtype(model, DTYPES[dtype])
    say("writing")
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if source.softmax is not None:
        weight, bias = (torch.from_numpy(array).to(DTYPES[dtype]) for array in source.softmax)
        save_file({"weight": weight, "bias": bias}, folder / CONVERTED_HEAD, metadata={"format": "pt"})
    if files.vocab is not None:
        shutil.copyfile(files.vocab, folder / VOCABULARY)
    say("computing checksums")
    return {
        "kind": source.kind,
        "files": files.facts(),
        "packages": {
            "hf_elmo": package_version(),
            "torch": torch.__version__,
            "transformers": metadata.version("transformers"),
        },
        "dtype": dtype,
        "tensors_read": source.tensors_read,
        "parameters": sum(tensor.size for tensor in source.tensors.values()),
        "vocabulary_words": None if words is None else len(words),
        "softmax_words": None if source.softmax is None else len(source.softmax[0]),
        "repaired": source.repaired,
        "notes": source.notes,
        "ignored_options": source.ignored_options,
        "prefix": source.prefix,
        "not_part_of_elmo": {"count": len(source.other_tensors), "names": source.other_tensors},
        "token_embeddings": embeddings_report,
        "verification": None,
    }


def build_model(source: Source) -> ElmoModel:
    """An `ElmoModel` in eval mode with the tensors of `source`, without first making random ones."""
    needed = model_shapes(source.config)
    if needed != {name: array.shape for name, array in source.tensors.items()}:
        raise RuntimeError("the table of tensors and what was read differ")  # a mistake of ours, not of the file
    with torch.device("meta"):
        model = ElmoModel(source.config)
    tensors = {name: torch.from_numpy(array) for name, array in source.tensors.items()}
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval()


def _make_tokenizer(words: list[str] | None, width: int, splitting: str, split_cjk: bool) -> ElmoTokenizer:
    try:
        return ElmoTokenizer(words, splitting=splitting, split_cjk=split_cjk, max_characters_per_token=width)
    except ValueError as error:
        raise ConversionError(str(error)) from error


def _to_dtype(model: ElmoModel, dtype: torch.dtype) -> None:
    if dtype == torch.float32:
        return
    limit = torch.finfo(dtype).max
    for name, tensor in model.state_dict().items():
        largest = float(tensor.abs().max())
        if largest > limit:
            raise ConversionError(
                f"{name} reaches {largest:g}, which {str(dtype)[6:]} cannot hold; use float32 or bfloat16"
            )
    model.to(dtype)  # type: ignore[arg-type]


def package_version() -> str:
    """Version of this package, also in a checkout that is not installed."""
    version = getattr(sys.modules.get("hf_elmo"), "__version__", None)
    if version is not None:
        return str(version)
    try:
        return metadata.version("hf-elmo")
    except metadata.PackageNotFoundError:
        return "unknown"
