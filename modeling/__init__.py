# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Configuration, tokenizer and model: the way of the data, top to bottom.

text -> `ElmoTokenizer` -> char_ids (B, T, C) -> `CharCnn` -> (B, T, D) -> L times `ElmoLayer`, two directions of
`lstm_projection` each -> L + 1 layers (B, T, 2D) -> `ScalarMix` -> heads (`modeling_elmo_heads`).

The same letters everywhere: B sentences, T words, C characters of a word (50), D `projection_size` (one direction),
M `cell_size`, L `num_hidden_layers`, V `vocab_size`. `hidden_size` is 2D.

These files travel with every saved model as its remote code. They import each other, torch, transformers, tokenizers,
huggingface_hub, numpy and the standard library, and nothing else.
"""

from .configuration_elmo import ElmoConfig
from .crf import Crf
from .lm_scoring import SentenceScore, Substitute
from .lm_vocabulary import VocabularyChange
from .lstm_projection import LstmProjection, LstmWeights, lstm_projection
from .modeling_elmo import ElmoModel, ElmoModelOutput, ElmoPreTrainedModel
from .modeling_elmo_heads import (
    ElmoForMultipleChoice,
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
)
from .modeling_elmo_pretraining import ElmoForPreTraining, ElmoForPreTrainingOutput
from .scalar_mix import ScalarMix
from .softmax_losses import LogUniformSample, chunked_cross_entropy, log_uniform_sample, sampled_softmax_loss
from .static_vectors import StaticVectorsReport
from .tokenization_elmo import ElmoTokenizer

__all__ = [
    "Crf",
    "ElmoConfig",
    "ElmoForMultipleChoice",
    "ElmoForPreTraining",
    "ElmoForPreTrainingOutput",
    "ElmoForQuestionAnswering",
    "ElmoForSequenceClassification",
    "ElmoForTokenClassification",
    "ElmoModel",
    "ElmoModelOutput",
    "ElmoPreTrainedModel",
    "ElmoTokenizer",
    "LogUniformSample",
    "LstmProjection",
    "LstmWeights",
    "ScalarMix",
    "SentenceScore",
    "StaticVectorsReport",
    "Substitute",
    "VocabularyChange",
    "chunked_cross_entropy",
    "log_uniform_sample",
    "lstm_projection",
    "sampled_softmax_loss",
]
