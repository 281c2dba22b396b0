# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Configuration, tokenizer and model of a run through the Auto classes: pretrained or new, ELMo or BERT-like."""

import contextlib
import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from hf_elmo.auto import register_auto_classes
from hf_elmo.finetune.arguments import ArgumentsError, key_values
from hf_elmo.finetune.optimization import HEAD_PARTS, freeze_encoder
from hf_elmo.finetune.options import ModelArguments
from hf_elmo.modeling import ElmoConfig, ElmoTokenizer
from hf_elmo.pretrained import STATIC_VECTORS, PretrainedError, names, resolve

# New models that learn within minutes on a processor. Sizes of our own: about 40,000 and 1.3 million weights.
BUILT_IN: dict[str, dict[str, Any]] = {
    "elmo-tiny": {
        "char_embedding_size": 8,
        "char_filters": [[1, 8], [2, 8], [3, 16], [4, 16]],
        "num_highway_layers": 1,
        "projection_size": 24,
        "cell_size": 48,
    },
    "elmo-mini": {
        "char_embedding_size": 16,
        "char_filters": [[1, 32], [2, 32], [3, 64], [4, 64], [5, 64]],
        "num_highway_layers": 1,
        "projection_size": 128,
        "cell_size": 256,
    },
}
ELMO_ONLY = ("task_head", "use_crf", "static_vectors", "vocabulary_size", "cache_features")
# Most words of a training set are among these; GloVe has as many.
LARGEST_STATIC_VOCABULARY = 400_000
# Their word pieces carry the space before a word, which single words of a tagged sentence lack.
NEEDS_PREFIX_SPACE = {"bloom", "gpt2", "roberta", "deberta", "longformer", "led", "bart"}


class ModelError(ValueError):
    """The model cannot be made or does not fit the task; one line for people."""


class Prepared(NamedTuple):
    """What is trained, and what there is to say about it."""

    model: Any
    tokenizer: Any
    new_parameters: list[str]  # those without pretrained values
    notes: list[str]


def load_config_and_tokenizer(arguments: ModelArguments, pretokenized: bool) -> tuple[Any, Any]:
    """Configuration with the changes asked for, and a tokenizer with word positions.

    Args:
        arguments: of the run.
        pretokenized: the data come as words.
    Raises:
        ModelError: not a model folder, or nothing the Auto classes know.
        ArgumentsError: an option is not for this model, or the configuration has no such setting.
    """
    register_auto_classes()
    config = _load_config(arguments)
    _override(config, arguments)
    tokenizer = _load_tokenizer(arguments, config, pretokenized)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"{type(tokenizer).__name__} tells no word positions (is_fast is False): another tokenizer is needed"
        )
    if config.model_type == "elmo" and not hasattr(tokenizer, "vocabulary_char_ids"):
        raise ModelError(f"{type(tokenizer).__name__} gives no characters: an ELMo model needs an ElmoTokenizer")
    return config, tokenizer


def _load_config(arguments: ModelArguments) -> Any:
    if arguments.from_scratch in BUILT_IN:
        return ElmoConfig(**BUILT_IN[arguments.from_scratch])
    name = arguments.model or arguments.from_scratch
    assert name is not None  # checked with the arguments
    if name in BUILT_IN:
        raise ArgumentsError(f"{name} has no weights to start from: give --from_scratch {name} instead of --model")
    _check_name(name)
    try:
        return AutoConfig.from_pretrained(resolve(name), **_hub_options(arguments))
    except PretrainedError as error:
        raise ModelError(str(error)) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: {' '.join(str(error).split())}") from error


def _check_name(name: str) -> None:
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        hint = "hf-elmo convert makes one of it" if (folder / "options.json").is_file() else "give a saved model"
        raise ModelError(f"{name} has no config.json: {hint}")
    if not folder.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ModelError(
            f"{name}: no such folder; give a saved model, an id on the Hub, {' or '.join(names())}, or "
            f"{' or '.join(BUILT_IN)} with --from_scratch"
        )


def _hub_options(arguments: ModelArguments) -> dict[str, Any]:
    return {"revision": arguments.revision or "main", "trust_remote_code": arguments.trust_remote_code}


def _override(config: Any, arguments: ModelArguments) -> None:
    changes = key_values(arguments.config_overrides, "config_overrides")
    if config.model_type == "elmo":
        if arguments.task_head is not None:
            changes["task_head"] = arguments.task_head
        changes |= {"use_crf": True} if arguments.use_crf else {}
        changes.setdefault("freeze_encoder", arguments.freeze_encoder)  # an earlier stage may have frozen it
        if arguments.static_vectors is not None:
            changes["static_embedding_size"] = static_width(arguments.static_vectors)
        if arguments.model is None:
            changes["weight_format"] = "float"  # 8 bits are made of trained weights
    else:
        for option in ELMO_ONLY:
            if getattr(arguments, option):
                name = arguments.model or arguments.from_scratch
                raise ArgumentsError(f"--{option} is for ELMo; {name} is a {config.model_type} model")
    try:
        for name, value in changes.items():
            if not hasattr(config, name):
                raise AttributeError(f"{type(config).__name__} has no setting {name!r}")
            setattr(config, name, value)
        if changes and hasattr(config, "validate"):
            config.validate()  # strict configurations see whether values fit each other
    except (TypeError, ValueError, AttributeError, StrictDataclassError) as error:
        raise ArgumentsError(f"argument --config_overrides: {' '.join(str(error).split())}") from error
    if arguments.cache_features and not config.use_elmo_vectors:
        raise ArgumentsError(
            "--cache_features keeps ELMo vectors, which use_elmo_vectors=false leaves out: give one of the two"
        )


def _load_tokenizer(arguments: ModelArguments, config: Any, pretokenized: bool) -> Any:
    if arguments.from_scratch in BUILT_IN and arguments.tokenizer is None:
        return ElmoTokenizer(split_cjk=arguments.split_cjk, max_characters_per_token=config.max_characters_per_token)
    if arguments.split_cjk:
        raise ArgumentsError(
            f"--split_cjk is for {' and '.join(BUILT_IN)}; other models have a tokenizer that knows it"
        )
    name = arguments.tokenizer or arguments.model or arguments.from_scratch
    assert name is not None
    extra = {"add_prefix_space": True} if pretokenized and config.model_type in NEEDS_PREFIX_SPACE else {}
    try:
        return AutoTokenizer.from_pretrained(resolve(name), **_hub_options(arguments), **extra)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{name} has no tokenizer: {' '.join(str(error).split())}; name one with --tokenizer"
        ) from error


def give_vocabulary(
    tokenizer: Any,
    config: Any,
    arguments: ModelArguments,
    texts: Iterable[str | list[str]],
    other_texts: Iterable[str | list[str]] = (),
) -> Any:
    """The tokenizer with the commonest words of the training data, if it was asked for or is needed and missing.

    Static vectors are looked up by word, so without a vocabulary there would be none; the encoder needs none. They are
    not learned from the training data, so words that only the data for evaluation have get theirs, too.

    Args:
        tokenizer: an ElmoTokenizer.
        config: its `vocab_size` follows.
        texts: of the training data, as strings or as lists of words.
        other_texts: of all other data, for a vocabulary that nobody asked for.
    """
    has_words = len(tokenizer) > len(tokenizer.all_special_ids)
    wanted = arguments.vocabulary_size or (
        LARGEST_STATIC_VOCABULARY if arguments.static_vectors and not has_words else None
    )
    if wanted is not None:
        texts = iter(texts) if arguments.vocabulary_size else chain(texts, other_texts)
        first = list(islice(texts, 1))
        texts = chain(first, texts)
        special = set(tokenizer.all_special_tokens)
        if first and isinstance(first[0], str):
            tokenizer = tokenizer.train_new_from_iterator(texts, wanted + len(special))
        else:
            counts = Counter(word for words in texts for word in words if word and word not in special)
            words = sorted(counts, key=lambda word: (-counts[word], word))[:wanted]
            kept = {name: getattr(tokenizer, name) for name in ("splitting", "split_cjk", "max_characters_per_token")}
            tokenizer = ElmoTokenizer(words, **kept, **tokenizer.special_tokens_map)
    config.vocab_size = max(len(tokenizer), config.vocab_size if wanted is None else 0)
    for name in ("pad", "bos", "eos", "unk"):
        setattr(config, f"{name}_token_id", getattr(tokenizer, f"{name}_token_id"))
    return tokenizer


def load_model(arguments: ModelArguments, config: Any, tokenizer: Any, auto_class: str) -> Prepared:
    """The model with its head, in float32.

    Args:
        arguments: of the run.
        config, tokenizer: as they shall be saved with it.
        auto_class: name of the Auto class of the task.
    Raises:
        ModelError: the weights of the encoder are incomplete or do not fit, the model has no such head.
    """
    auto = getattr(transformers, auto_class)
    name = arguments.model
    try:
        if name is None:
            model = auto.from_config(config, trust_remote_code=arguments.trust_remote_code)
            new = [parameter for parameter, _ in model.named_parameters()]
        else:
            with _no_loading_report():  # the plan says which weights are new
                model, info = auto.from_pretrained(
                    resolve(name),
                    config=config,
                    dtype=torch.float32,  # some are saved in half precision, in which optimizers lose small steps
                    output_loading_info=True,
                    ignore_mismatched_sizes=arguments.ignore_mismatched_sizes,
                    **_hub_options(arguments),
                )
            new = sorted({*info["missing_keys"], *(key[0] for key in info["mismatched_keys"])})
    except (OSError, ValueError, RuntimeError) as error:
        text = " ".join(str(error).split())
        if text.startswith("Unrecognized configuration class"):  # then all others are listed
            text = f"transformers has no {auto_class} for a {config.model_type} model"
        raise ModelError(f"{name or arguments.from_scratch}: {text}") from error
    lost = [
        key for key in new if name and key.startswith(f"{model.base_model_prefix}.") and not HEAD_PARTS.search(key)
    ]
    if lost:
        raise ModelError(
            f"{name} lacks {len(lost)} weights of the encoder ({lost[0]}, ...): it is damaged or another kind of model"
        )
    notes = []
    if config.model_type == "elmo" and arguments.static_vectors is not None:
        notes.append(_fill_static(model, tokenizer, arguments.static_vectors))
    if arguments.freeze_encoder:
        freeze_encoder(model)
    return Prepared(model, tokenizer, new, notes)


@contextlib.contextmanager
def _no_loading_report() -> Iterator[None]:
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def static_width(path: str) -> int:
    """Numbers in a vector of a table in the box, or of a word2vec or GloVe text file, from its first line.

    Raises:
        ModelError: the first line is no word with its vector, or the installation lacks the table.
        OSError: the file cannot be read.
    """
    if _is_in_the_box(path):
        return _from_the_box(path)[1].shape[1]
    opener: Callable[..., Any] = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as lines:
        fields = lines.readline().split()
    width = int(fields[1]) if len(fields) == 2 and fields[1].isdecimal() else len(fields) - 1
    if width < 1:
        raise ModelError(f"{path} begins with no word and its numbers: needed is a text file of word2vec or GloVe")
    return width


def _is_in_the_box(path: str) -> bool:
    """Whether it names a table of the box; a local file of that name wins."""
    return path in STATIC_VECTORS and not Path(path).exists()


def _from_the_box(name: str) -> tuple[Sequence[str], Any]:
    from hf_elmo.pretrained.static_vectors import load

    try:
        return load(name)
    except PretrainedError as error:
        raise ModelError(str(error)) from error


def _fill_static(model: Any, tokenizer: Any, path: str) -> str:
    source = dict(zip(*_from_the_box(path), strict=True)) if _is_in_the_box(path) else path
    try:
        report = model.load_static_vectors(tokenizer, source)
    except ValueError as error:
        raise ModelError(str(error)) from error
    return (
        f"static vectors: {report.found:,} of {report.words:,} words in {Path(path).name}, "
        f"{report.found_in_lower_case:,} more in lower case, {report.missing:,} without"
    )
