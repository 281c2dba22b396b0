# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Reads ELMo out of torch state dicts written by AllenNLP: `Elmo`, `ElmoTokenEmbedder`, `_ElmoBiLm` or a whole model."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from .errors import ConversionError, name_some
from .hdf5_reader import Found, as_float32, check_tensors
from .names import allennlp_table, to_model, untrained_mixes
from .options import Options, read_options
from .source import Source

SUFFIXES = (".th", ".pt", ".bin", ".safetensors")
ANCHOR = "_token_embedder._char_embedding_weights"
BILM = "_elmo_lstm."  # what `Elmo` calls its `_ElmoBiLm`
CACHE = "_word_embedding.weight"
MAX_DEPTH = 8


def read_state_dict(options_path: Path, weights_path: Path, prefix: str | None = None) -> Source:
    """Read the ELMo of a state dict of AllenNLP, with its mixes.

    Args:
        options_path: options.json of the model it was trained from; the state dict has no clips.
        weights_path: `.th`, `.pt` or `.bin` (read with `weights_only=True`, so no code of the file is run) or `.safetensors`.
        prefix: of the module to take, if there are several; found automatically otherwise.
    Raises:
        ConversionError: no ELMo or several; a tensor under its prefix is missing, too many or of another shape.
    """
    options = read_options(options_path)
    name = Path(weights_path).name
    if not options.config["use_skip_connections"]:
        raise ConversionError(
            f"{options.name}: lstm.use_skip_connections is not true, but AllenNLP, which wrote the names in {name}, only "
            "has models with skip connections. Give the options.json the model was trained with."
        )
    tensors = load_tensors(weights_path)
    bilm, elmo = find_prefix(name, tensors, prefix)
    found, cached = {}, None
    for full_name, tensor in tensors.items():
        if full_name.startswith(elmo):
            short = full_name[len(bilm) :] if full_name.startswith(bilm) else full_name[len(elmo) :]
            if full_name == bilm + CACHE:
                cached = tensor
                continue
            dtype = str(tensor.dtype).removeprefix("torch.")
            problem = None if tensor.layout == torch.strided else "is sparse"
            found[short] = Found(tuple(tensor.shape), dtype, problem)
    config, has_mixes = _config_for(options, found)
    table = allennlp_table(config, with_mixes=has_mixes)
    where = f"{name} under {elmo!r}" if elmo else name
    check_tensors(where, found, table.source_shapes, kind="tensor")
    sources = {}
    for short in table.source_shapes:
        full_name = (elmo if short.startswith("scalar_mix_") else bilm) + short
        sources[short] = as_float32(name, full_name, tensors[full_name].detach().to(torch.float32).numpy())
    source = Source(
        kind="allennlp-state-dict",
        config=config,
        tensors=to_model(table, sources) if has_mixes else {**to_model(table, sources), **untrained_mixes(config)},
        tensors_read=len(sources),
        ignored_options=options.ignored,
        repaired=list(options.repaired),
        other_tensors=[full_name for full_name in tensors if not full_name.startswith(elmo)],
        prefix=bilm,
    )
    _add_notes(source, found, cached)
    return source


def find_prefix(name: str, tensors: Mapping[str, object], prefix: str | None = None) -> tuple[str, str]:
    """Prefixes of the biLM's tensors and of the `Elmo` around it (the same, if there is only a biLM).

    Raises:
        ConversionError: there is none, or there are several and `prefix` names none of them; lists them.
    """
    found = {}
    for full_name in tensors:
        if full_name == ANCHOR or full_name.endswith("." + ANCHOR):
            bilm = full_name[: -len(ANCHOR)]
            outer = bilm[: -len(BILM)] if bilm == BILM or bilm.endswith("." + BILM) else bilm
            # `Elmo` always has a mix; without one, somebody's module merely has the same name.
            has_mix = any(key.startswith(outer + "scalar_mix_") for key in tensors)
            found[bilm] = outer if has_mix else bilm
    if not found:
        raise ConversionError(
            f"{name} holds no ELMo of AllenNLP: no tensor is called ...{ANCHOR}. {_guess(tensors)}".strip()
        )
    if prefix is not None:
        wanted = prefix.rstrip(".") + "." if prefix else ""
        chosen = {bilm: elmo for bilm, elmo in found.items() if wanted in (bilm, elmo)}
        if len(chosen) != 1:
            listed = name_some(repr(elmo) for elmo in found.values())
            raise ConversionError(f"{name} has no ELMo under the prefix {prefix!r}; there is one under {listed}")
        found = chosen
    if len(found) > 1:
        listed = name_some((repr(elmo) for elmo in found.values()), limit=20)
        raise ConversionError(f"{name} holds {len(found)} ELMo modules; choose one with prefix=: {listed}")
    return next(iter(found.items()))


def _guess(tensors: Mapping[str, object]) -> str:
    if any(full_name.endswith("char_cnn.char_embeddings.weight") for full_name in tensors):
        return "It holds a model of this package: load it with ElmoModel.from_pretrained."
    if any("char_emb_layer" in full_name or "word_emb_layer" in full_name for full_name in tensors):
        return "It looks like ELMoForManyLangs, another architecture."
    return f"It holds {name_some(tensors)}." if tensors else "It holds no tensors."


def _config_for(options: Options, found: dict[str, Found]):
    """Configuration of what the state dict holds, and whether it has mixes.

    Trained mixes are counted; the forget gate's 1 is inside the bias there (AllenNLP `elmo_lstm.py`, load_weights).
    """
    mixes = {match.group(1) for key in found if (match := re.match(r"scalar_mix_([0-9]{1,4})\.", key))}
    changes = {"forget_bias": 0.0, "num_scalar_mixes": max(len(mixes), 1)}
    config = options.make_config(**changes)
    if config.char_cnn_size == config.projection_size:
        changes["use_char_projection"] = any(key.startswith("_token_embedder._projection.") for key in found)
    if config.cell_size == config.projection_size:
        changes["use_lstm_projection"] = any(key.endswith(".state_projection.weight") for key in found)
    return options.make_config(**changes), bool(mixes)


def _add_notes(source: Source, found: dict[str, Found], cached: torch.Tensor | None) -> None:
    rows = source.tensors["char_cnn.char_embeddings.weight"]
    if rows[0].any():
        rows[0] = 0.0
        source.repaired.append(
            "weights: the padding row of the character embedding was not zero; no real word reads it"
        )
    for dtype, effect in (("float16", "widened"), ("bfloat16", "widened"), ("float64", "rounded")):
        count = sum(entry.dtype == dtype for entry in found.values())
        if count:
            source.notes.append(f"weights: {count} tensors were stored as {dtype} and {effect} to float32")
    if cached is not None:
        source.notes.append(
            f"weights: the cached vectors of {cached.shape[0]} words (vocab_to_cache) were left out; they are computed "
            "from the characters, so a cache changed by training is lost"
        )
    if not any(key.startswith("scalar_mix_") for key in found):
        source.notes.append("the state dict has no scalar mix; the mix is the mean of all layers until it is trained")
    else:
        source.notes.append(
            "a state dict does not say whether do_layer_norm was used; if it was, set scalar_mix_layer_norm in config.json"
        )


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a torch or safetensors file by name; those in nested dicts have the joined name `outer.inner`.

    Raises:
        ConversionError: the file is damaged, or holds Python objects other than tensors and plain values.
    """
    name = Path(path).name
    if Path(path).suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
            raise ConversionError(f"{name} is no readable safetensors file: {error}. Get the file again.") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file makes it meet
        reason = str(error).split("\n")[0].split(". ")[0]
        raise ConversionError(
            f"{name} cannot be read as tensors ({type(error).__name__}: {reason}). It is damaged, or holds Python objects; "
            "only state dicts (torch.save(model.state_dict(), ...)) are read."
        ) from error
    return dict(_flatten(content))


def _flatten(content, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor):
        yield prefix, content
    elif isinstance(content, Mapping) and depth < MAX_DEPTH:
        for key, value in content.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key), depth + 1)
