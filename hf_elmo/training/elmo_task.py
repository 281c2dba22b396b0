# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo's bidirectional language model as a task of the training loop (Peters et al. 2018; bilm-tf, `bilm/training.py`)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from hf_elmo.auto import register_auto_classes
from hf_elmo.corpus import LaneBatches, SentenceBatches, TokenShards, model_inputs
from hf_elmo.modeling import ElmoConfig, ElmoForPreTraining, ElmoTokenizer
from hf_elmo.perplexity import Perplexity, perplexity
from hf_elmo.pretrained import resolve
from hf_elmo.training.settings import PretrainError, PretrainSettings

SPECIAL_IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "unk_token_id")
# Fields of the configuration that may differ from the model that is trained on.
CHANGEABLE = ("lstm_dropout", "num_sampled", "freeze_encoder", "lstm_backend")
# Part of the definition of a perplexity with carried state: lanes, and the least of sentences for each of them.
LANES_OF_EVALUATION, SENTENCES_OF_A_LANE = 64, 8


class ElmoTask:
    """Model and data of a run: whole sentences from zero states, or bilm-tf's lanes with carried state.

    Args:
        settings: of the run.
        rank, world_size: which of how many processes this one is.
        device: where character ids are looked up.
        say: takes lines for people.
    Raises:
        PretrainError, PreparationError, ValueError: configuration, corpus or model do not fit.
    """

    unit = "words"  # what is counted and predicted

    def __init__(
        self, settings: PretrainSettings, rank: int, world_size: int, device: torch.device, say: Callable[[str], None]
    ):
        self.settings, self.device = settings, device
        self.shards = TokenShards.open(settings.corpus or "")
        self.tokenizer: ElmoTokenizer = self.shards.tokenizer()
        self.model = _make_model(settings, self.tokenizer, say)
        self.held_out = _held_out(settings, self.shards)
        config = self.model.config
        # Words are cut where the model cuts them, which the folder of the result has to know.
        self.tokenizer = self.shards.tokenizer(max_characters_per_token=config.max_characters_per_token)
        common: dict[str, Any] = {"seed": settings.seed, "max_characters_per_token": config.max_characters_per_token}
        common |= {"rank": rank, "world_size": world_size}
        self.batches: Any
        if settings.order == "lanes":
            self.batches = LaneBatches(self.shards, settings.lanes, settings.unroll_steps, **common)
        else:
            self.batches = SentenceBatches(self.shards, settings.max_tokens, **common)
        self.table = self.shards.character_table(config.max_characters_per_token).to(device)
        self.carried: dict[str, Tensor] = {}

    @property
    def data_facts(self) -> dict[str, Any]:
        """What decides the data besides the settings."""
        return {"corpus": self.shards.fingerprint, "vocabulary": self.shards.manifest["vocabulary"]["sha256"]}

    def batches_of(self, epochs: float) -> int:
        """Batches of so many passes over the text."""
        if self.settings.order == "lanes":
            return round(epochs * self.batches.steps_per_epoch)
        return batches_in(self.batches, epochs)

    def counts(self, batch: dict[str, Any]) -> list[int]:
        """Words that a direction predicts: as many ahead as back."""
        if self.settings.order == "lanes":
            return [int((batch["forward"]["labels"] != -100).sum())]
        lengths = batch["attention_mask"].sum(dim=1)
        return [int((lengths - 1).clamp(min=0).sum())]

    def loss(self, model: nn.Module, batch: dict[str, Any], totals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Half the sum of both directions' losses; a loss over sampled words says so in its name."""
        options: dict[str, Any] = {"num_items_in_batch": totals[0], "sparse_gradient": self.settings.sparse_gradient}
        if self.settings.order == "lanes":
            options |= {"output_state": True}
            if self.carried:
                options["state"] = (self.carried["h"], self.carried["c"])
        output = model(**model_inputs(batch, self.table), **options)
        if self.settings.order == "lanes":
            self.carried = dict(zip(("h", "c"), output.state, strict=True))
        names = ("loss", "forward_loss", "backward_loss")
        prefix = "" if output.sampled_loss is None else "sampled_"
        parts = {prefix + name: getattr(output, prefix + name).detach() for name in names}
        return (output.loss if output.sampled_loss is None else output.sampled_loss), parts

    def evaluate(self, model: nn.Module, most: int | None) -> dict[str, float]:
        """Perplexities of the held-out text by the full softmax in float32: each sentence on its own, and carried state."""
        if self.held_out is None:
            return {}
        count = self.held_out.sentences if most is None else min(most, self.held_out.sentences)
        batch_size = 256 if self.device.type == "cuda" else 32
        with plain_forward(model):
            own = perplexity(model, self.tokenizer, _evenly(self.held_out, count), batch_size=batch_size)
            found = {**_named(own, ""), "unknown_rate": own.num_unknown / own.num_targets}
            if self.settings.order == "lanes" or most is None:
                lanes = evaluation_lanes(count)
                carried = perplexity(
                    model,
                    self.tokenizer,
                    _evenly(self.held_out, count),
                    order="lanes",
                    num_lanes=lanes,
                    batch_size=lanes,
                )
                found |= {**_named(carried, "carried_state_"), "carried_state_lanes": lanes}
        return found

    def save(self, model: nn.Module, folder: Path) -> None:
        """The model with its softmax, the tokenizer, and the code that loads them without this package."""
        register_auto_classes()
        model.save_pretrained(folder)  # type: ignore[operator]
        self.tokenizer.save_pretrained(folder)

    def describe(self) -> list[str]:
        """What will be trained on what, as lines for people."""
        config = self.model.config
        softmax = sum(parameter.numel() for parameter in self.model.lm_head.parameters())
        encoder = sum(parameter.numel() for parameter in self.model.elmo.parameters())
        drawn = f"{config.num_sampled:,} words drawn" if config.num_sampled else "full softmax"
        order = (
            f"{self.settings.lanes} lanes x {self.settings.unroll_steps} words, state carried"
            if self.settings.order == "lanes"
            else f"sentences in batches of up to {self.settings.max_tokens:,} words"
        )
        return [
            f"elmo: {encoder:,} parameters and {softmax:,} of the softmax over {config.vocab_size:,} words ({drawn})",
            f"text: {self.shards.words:,} words in {self.shards.sentences:,} sentences; {order}",
        ]


def batches_in(batches: Any, epochs: float) -> int:
    """Batches of so many passes over the text, whose number may differ from one pass to the next."""
    whole, part = divmod(epochs, 1)
    counts = [batches.steps_in_epoch(epoch) for epoch in range(int(whole))]
    return sum(counts) + (round(part * batches.steps_in_epoch(int(whole))) if part else 0)


def _make_model(
    settings: PretrainSettings, tokenizer: ElmoTokenizer, say: Callable[[str], None]
) -> ElmoForPreTraining:
    special = {name: getattr(tokenizer, name) for name in SPECIAL_IDS}
    if settings.init_from is None:
        return ElmoForPreTraining(ElmoConfig(**{**settings.config, **special, "vocab_size": len(tokenizer)}))
    source = check_init_from(settings, "elmo")
    for name in settings.config:
        if name not in CHANGEABLE:
            raise PretrainError(
                f"--config {name}: with --init_from the configuration is that of {settings.init_from}, except "
                f"{', '.join(CHANGEABLE)}"
            )
    model, info = ElmoForPreTraining.from_pretrained(
        source, output_loading_info=True, dtype=torch.float32, **settings.config
    )
    if any(name.startswith("lm_head") for name in info["missing_keys"]):
        say(f"{settings.init_from} has no softmax: a new one for the {len(tokenizer) - 1:,} words of the corpus")
        model.config.vocab_size = len(tokenizer)
        for name, value in special.items():
            setattr(model.config, name, value)
        model.lm_head = nn.Linear(model.config.projection_size, len(tokenizer))
        model._init_weights(model.lm_head)
        return model
    old = ElmoTokenizer.from_pretrained(source)
    if old.get_vocab() != tokenizer.get_vocab():
        change = model.change_vocabulary(old, tokenizer)
        say(f"softmax: {change.kept:,} words keep their rows, {change.added:,} are new, {change.dropped:,} go")
    return model


def check_init_from(settings: PretrainSettings, wanted: str) -> str:
    """Where the model that is trained on is loaded from; refuses one of another kind, which would get new weights.

    Raises:
        PretrainError: says what it is.
        PretrainedError: this installation lacks the model of the package that is named.
        OSError: there is no such model.
    """
    source = resolve(settings.init_from or "")
    found = PreTrainedConfig.get_config_dict(source)[0].get("model_type")
    if found != wanted:
        raise PretrainError(f"--init_from {settings.init_from} is a model of type {found}; needed is {wanted}")
    return source


def _held_out(settings: PretrainSettings, shards: TokenShards) -> TokenShards | None:
    if settings.held_out is not None:
        other = TokenShards.open(settings.held_out)
        if other.manifest["vocabulary"]["sha256"] != shards.manifest["vocabulary"]["sha256"]:
            raise PretrainError(
                f"--held_out {settings.held_out} has another vocabulary than the corpus: prepare it with "
                f"--vocabulary {shards.vocabulary_path}"
            )
    elif "held_out" in shards.manifest["parts"]:
        return TokenShards.open(shards.folder, "held_out")
    else:
        return None
    return other


def _evenly(shards: TokenShards, count: int) -> Iterator[list[str]]:
    """So many sentences, spread over the text; they come from the disk, however long it is."""
    total = shards.sentences
    for number, sentence in enumerate(shards.iter_sentences()):
        if (number + 1) * count // total > number * count // total:
            yield sentence


def evaluation_lanes(sentences: int) -> int:
    """Lanes of a perplexity with carried state; in a short text fewer, else there is hardly a state to carry."""
    return max(1, min(LANES_OF_EVALUATION, sentences // SENTENCES_OF_A_LANE))


def _named(found: Perplexity, prefix: str) -> dict[str, float]:
    names = {"perplexity": found.joint, "forward_perplexity": found.forward, "backward_perplexity": found.backward}
    return {prefix + name: value for name, value in names.items()}


@contextmanager
def plain_forward(model: nn.Module) -> Iterator[None]:
    """Without the autocast that Accelerate puts around `forward`: evaluation in the weights' own precision."""
    wrapped = model.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            model.__dict__["forward"] = wrapped


__all__ = ["ElmoTask", "plain_forward"]
