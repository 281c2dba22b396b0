# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The little that `transformers.Trainer` does not do: learning rates by depth, an encoder frozen altogether."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from transformers import Trainer
from transformers.training_args import OptimizerNames

from hf_elmo.finetune.optimization import optimizer_grouped_parameters


class Rates(NamedTuple):
    """Learning rates by depth, see `optimizer_grouped_parameters`."""

    learning_rate: float
    encoder_learning_rate: float | None = None
    layer_decay: float = 1.0


class FinetuneTrainer(Trainer):
    """A Trainer with parameter groups by depth.

    Args:
        rates: of the groups.
        encoder_is_frozen: keep the encoder in eval mode, so that a word has the same vector every time.
        token_loss: the loss is a mean over tokens: with ELMo, batches and processes count by their tokens, not alike.
    """

    def __init__(self, *args: Any, rates: Rates, encoder_is_frozen: bool, token_loss: bool, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.rates, self.encoder_is_frozen = rates, encoder_is_frozen
        # Only ELMo's heads are known to count by num_items_in_batch; BERT's take it and ignore it, and then Trainer
        # would neither average over the parts of a step nor over the processes. So does its label smoothing.
        model: Any = self.model
        is_elmo = model.config.model_type == "elmo"
        self.model_accepts_loss_kwargs = is_elmo and token_loss and not self.args.label_smoothing_factor

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimizer of `--optim` over the groups of `optimizer_grouped_parameters`."""
        if self.optimizer is None:
            model = self.model if model is None else model
            groups = optimizer_grouped_parameters(model, *self.rates, weight_decay=self.args.weight_decay)
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, model)
            if not isinstance(optimizer_class, type) or options.keys() & {"params", "model", "optimizer_dict"}:
                name = OptimizerNames(self.args.optim).value
                raise ValueError(f"--optim {name} makes parameter groups of its own; choose another, as adamw_torch")
            self.optimizer = optimizer_class(groups, **options)
        return self.optimizer

    def get_eval_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        """As Trainer does, but `--dataloader_drop_last` is for the training: what is scored is scored whole."""
        with self._whole_batches_or_not():
            return super().get_eval_dataloader(*args, **kwargs)

    def get_test_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        """See `get_eval_dataloader`."""
        with self._whole_batches_or_not():
            return super().get_test_dataloader(*args, **kwargs)

    @contextlib.contextmanager
    def _whole_batches_or_not(self) -> Iterator[None]:
        asked, self.args.dataloader_drop_last = self.args.dataloader_drop_last, False
        try:
            yield
        finally:
            self.args.dataloader_drop_last = asked

    def compute_loss(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """As Trainer does, after it has put the whole model into training mode."""
        if self.encoder_is_frozen:
            self.accelerator.unwrap_model(model).base_model.eval()
        return super().compute_loss(model, *args, **kwargs)
