# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""BERT's two tasks, masked words and next sentences, for the training loop (Devlin et al. 2018, section 3.1).

The model is transformers' own; only its output layer is asked for the masked pieces alone.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoTokenizer, BertConfig, BertForPreTraining

from hf_elmo.corpus import TokenShards
from hf_elmo.training.bert_evaluation import evaluate_bert
from hf_elmo.training.elmo_task import batches_in, check_init_from, plain_forward
from hf_elmo.training.piece_shards import PieceShards, is_pieces
from hf_elmo.training.sentence_pairs import SentencePairs
from hf_elmo.training.settings import PretrainError, PretrainSettings
from hf_elmo.training.wordpiece import prepare_pieces

_EVALUATED_AT_ONCE = 64  # rows
WORDS_OF_A_PROCESS = 1_000_000  # of a text that is cut into pieces; below, starting one takes longer


class BertLosses(BertForPreTraining):
    """`BertForPreTraining` with other outputs: sums of both losses, the logits of masked pieces alone."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        labels: Tensor,
        next_sentence_label: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Sums of the cross entropies of the masked pieces and of the pairs, both float32 scalars.

        Args:
            input_ids, attention_mask, token_type_ids, labels: (B, T) int64; labels -100 where nothing is masked.
            next_sentence_label: (B,) int64, 0 if the second segment follows the first; None for single segments.
        """
        vectors, pooled = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, return_dict=False
        )
        masked = labels != -100
        pieces, pairs = self.cls(vectors[masked], pooled)
        masked_loss = F.cross_entropy(pieces.float(), labels[masked], reduction="sum")
        if next_sentence_label is None:
            # Every parameter gets a gradient, for which several processes wait.
            return masked_loss, 0.0 * pairs.float().sum()
        return masked_loss, F.cross_entropy(pairs.float(), next_sentence_label, reduction="sum")


class BertTask:
    """Model and data of a run.

    Args:
        settings: of the run.
        rank, world_size: which of how many processes this one is.
        device: of the model.
        say: takes lines for people.
        pieces: folder of the prepared pieces, see `prepare_run_pieces`.
    Raises:
        PretrainError, PreparationError, ValueError: configuration, corpus or model do not fit.
    """

    unit = "pieces"  # what is counted and predicted

    def __init__(
        self,
        settings: PretrainSettings,
        rank: int,
        world_size: int,
        device: torch.device,
        say: Callable[[str], None],
        pieces: dict[str, Path],
    ):
        self.settings, self.device = settings, device
        self.shards = PieceShards.open(pieces["train"])
        self.held_out = _held_out(pieces, self.shards)
        self.tokenizer = AutoTokenizer.from_pretrained(self.shards.tokenizer_folder)
        self.model = _make_model(settings, self.tokenizer)
        if settings.max_length > self.model.config.max_position_embeddings:
            raise PretrainError(
                f"--max_length {settings.max_length} is more than max_position_embeddings="
                f"{self.model.config.max_position_embeddings}"
            )
        pairs: dict[str, Any] = {
            "max_length": settings.max_length,
            "next_sentence": settings.next_sentence,
            "mask_fraction": settings.mask_fraction,
            "whole_word": settings.whole_word_masking,
        }
        self.batches = SentencePairs(
            self.shards, settings.batch_size, **pairs, seed=settings.seed, rank=rank, world_size=world_size
        )
        self.held_out_pairs: SentencePairs | None = None  # made now, so that text without pairs is refused now
        if self.held_out is not None and (settings.final_evaluation or settings.eval_steps):
            self.held_out_pairs = SentencePairs(self.held_out, _EVALUATED_AT_ONCE, **pairs)
        self.carried: dict[str, Tensor] = {}

    @property
    def data_facts(self) -> dict[str, Any]:
        """What decides the data besides the settings."""
        return {"pieces": self.shards.fingerprint}

    def batches_of(self, epochs: float) -> int:
        """Batches of so many passes over the text."""
        return batches_in(self.batches, epochs)

    def counts(self, batch: dict[str, Any]) -> list[int]:
        """Pieces read, pieces to predict, and pairs."""
        masked = int((batch["labels"] != -100).sum())
        return [int(batch["attention_mask"].sum()), masked, len(batch["input_ids"])]

    def loss(self, model: nn.Module, batch: dict[str, Any], totals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of both losses' means."""
        masked, pairs = model(**batch)
        masked = masked / totals[1].clamp(min=1)
        if not self.settings.next_sentence:
            return masked + pairs, {"loss": masked.detach(), "masked_loss": masked.detach()}
        pairs = pairs / totals[2]
        parts = {"loss": masked + pairs, "masked_loss": masked, "next_sentence_loss": pairs}
        return masked + pairs, {name: value.detach() for name, value in parts.items()}

    def evaluate(self, model: nn.Module, most: int | None) -> dict[str, float]:
        """Figures on the held-out text with masks that are always the same; see `evaluate_bert`."""
        if self.held_out_pairs is None:
            return {}
        with plain_forward(model):
            return evaluate_bert(model, self.held_out_pairs, _EVALUATED_AT_ONCE, self.device, most=most)

    def save(self, model: nn.Module, folder: Path) -> None:
        """As transformers' own `BertForPreTraining`, with the tokenizer."""
        plain = BertForPreTraining(model.config)  # type: ignore[arg-type]
        plain.load_state_dict({name: tensor.cpu() for name, tensor in model.state_dict().items()})
        plain.save_pretrained(folder)
        # Positions beyond those of training hold what they were filled with: the tokenizer says how far it may go.
        self.tokenizer.model_max_length = self.settings.max_length
        self.tokenizer.save_pretrained(folder)

    def describe(self) -> list[str]:
        """What will be trained on what, as lines for people."""
        count = sum(parameter.numel() for parameter in self.model.parameters())
        return [
            f"bert: {count:,} parameters, {self.model.config.vocab_size:,} word pieces",
            f"text: {self.shards.pieces:,} pieces in {self.shards.sentences:,} sentences of {self.shards.documents:,} "
            f"documents; batches of {self.settings.batch_size} pairs of up to {self.settings.max_length} pieces",
        ]


def _make_model(settings: PretrainSettings, tokenizer: Any) -> BertLosses:
    if settings.init_from is not None:
        source = check_init_from(settings, "bert")
        if settings.config:
            names = ", ".join(settings.config)
            raise PretrainError(
                f"--config {names}: with --init_from the configuration is that of {settings.init_from}"
            )
        if AutoTokenizer.from_pretrained(source).get_vocab() != tokenizer.get_vocab():
            raise PretrainError(
                f"{settings.init_from} has other word pieces than --corpus: give pieces of its own as --corpus, from "
                "hf_elmo.training.wordpiece.prepare_pieces with vocabulary_from=OUTPUT/pieces of its run"
            )
        return BertLosses.from_pretrained(source, dtype=torch.float32)
    given = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    return BertLosses(BertConfig(**{**settings.config, **given}))


def _held_out(pieces: dict[str, Path], shards: PieceShards) -> PieceShards | None:
    if "held_out" in pieces:
        return PieceShards.open(pieces["held_out"])
    return PieceShards.open(pieces["train"], "held_out") if "held_out" in shards.manifest["parts"] else None


def prepare_run_pieces(
    settings: PretrainSettings, processes: int, say: Callable[[str], None], folder: Path | None = None
) -> dict[str, Path]:
    """Cut corpus and held-out text into word pieces, once for each output folder; returns their folders.

    A corpus that is cut into pieces already, by `prepare_pieces`, is taken as it is.
    """
    out = folder or Path(settings.output_dir or ".")
    found: dict[str, Path] = {}
    for name, source in (("train", settings.corpus), ("held_out", settings.held_out)):
        if source is None:
            continue
        if is_pieces(source):
            found[name] = Path(source)
            continue
        words = TokenShards.open(source).words  # before a folder is made
        found[name] = out / ("pieces" if name == "train" else "pieces-held-out")
        out.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"vocab_size": settings.vocab_size, "lowercase": settings.lowercase}
        if name == "held_out":
            options = {"vocabulary_from": found["train"]}
        prepare_pieces(
            source, found[name], processes=max(1, min(processes, words // WORDS_OF_A_PROCESS)), say=say, **options
        )
    return found


__all__ = ["BertLosses", "BertTask", "prepare_run_pieces"]
