# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo with an output layer for a task.

`config.task_head="linear"` puts a linear layer on the scalar mix, `"recurrent"` a small network of the kind the ELMo
paper used. Shapes: B sentences, T words, C characters of a word, D `projection_size`, L `num_hidden_layers`, W numbers
that enter a head: 2D and `static_embedding_size`.
"""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.loss.loss_utils import fixed_cross_entropy
from transformers.modeling_outputs import (
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import can_return_tuple

from .configuration_elmo import ElmoConfig
from .crf import Crf, bio_constraints
from .model_inputs import check_inputs
from .modeling_elmo import ElmoModel, ElmoModelOutput, ElmoPreTrainedModel
from .scalar_mix import ScalarMix
from .segments import find_segments
from .static_vectors import StaticVectors, StaticVectorsReport
from .task_encoders import EXCLUDED, AttentionFlow, AttentivePooling, TaskBiLstm, mean_of_words


@auto_docstring
class ElmoForTask(ElmoPreTrainedModel):
    """What all heads share: the encoder, the static vectors beside it, dropout; `elmo` is the [`ElmoModel`]."""

    def __init__(self, config: ElmoConfig):
        super().__init__(config)
        if config.num_scalar_mixes != 1:
            raise ValueError(
                f"a head uses one scalar mix, the config has num_scalar_mixes={config.num_scalar_mixes}: load the model "
                "with num_scalar_mixes=1"
            )
        self.elmo = ElmoModel(config)
        self.static_embeddings = (
            StaticVectors(config.vocab_size, config.static_embedding_size, config.pad_token_id)
            if config.static_embedding_size
            else None
        )
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.input_size = config.hidden_size * config.use_elmo_vectors + config.static_embedding_size

    @property
    def scalar_mix(self) -> ScalarMix:
        """The mix whose sum the head reads."""
        return self.elmo.scalar_mix

    def load_static_vectors(self, tokenizer, source: str | os.PathLike | Mapping) -> StaticVectorsReport:
        """Fill the static vectors of the tokenizer's words; they are saved with the model.

        A word that `source` lacks gets the vector of its lower-case spelling, else zeros. The table has a row for each
        word of `config.vocab_size`; `resize_token_embeddings(len(tokenizer))` makes it fit.

        Args:
            tokenizer: an `ElmoTokenizer` with a vocabulary, the one that encodes the data.
            source: a text file of word2vec or GloVe (`.gz` too), or a mapping of word to numbers.
        Returns:
            How many words were found.
        Raises:
            ValueError: `config.static_embedding_size` is 0 or another width than the vectors'; the vocabulary is empty,
                larger than the table, or shares no word with `source`.
        """
        if self.static_embeddings is None:
            raise ValueError(
                "the model has no static vectors: build or load it with static_embedding_size=<their width>"
            )
        return self.static_embeddings.load(tokenizer, source)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """As `ElmoModel.resize_token_embeddings`; static vectors of new words are zeros."""
        embeddings = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        if self.static_embeddings is not None:
            self.static_embeddings.resize(self.config.vocab_size)
        return embeddings

    def _freeze(self) -> None:
        if not self.config.use_elmo_vectors:
            self.elmo.requires_grad_(False)  # several processes would wait for gradients that never come
        if self.static_embeddings is not None:
            self.static_embeddings.requires_grad_(not self.config.freeze_static_embeddings)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, StaticVectors | Crf):
            for parameter in module.parameters():
                init.zeros_(parameter)
        else:
            super()._init_weights(module)

    def _embed(
        self, input_ids, char_ids, attention_mask, inputs_embeds, encoder_layers, **kwargs
    ) -> tuple[Tensor, Tensor, ElmoModelOutput]:
        """What enters the head (B, T, W), the mask (B, T) bool, and the encoder's output, empty if it did not run."""
        if not self.config.use_elmo_vectors:
            if encoder_layers is not None:
                raise ValueError("use_elmo_vectors=False reads static vectors alone: leave encoder_layers out")
            mask = check_inputs(self.config, input_ids, char_ids, attention_mask, inputs_embeds, None)
            outputs = ElmoModelOutput()
        elif encoder_layers is None:
            mask = check_inputs(self.config, input_ids, char_ids, attention_mask, inputs_embeds, None)
            outputs = self.elmo(
                input_ids=input_ids, char_ids=char_ids, attention_mask=mask, inputs_embeds=inputs_embeds, **kwargs
            )
        else:
            mask = self._check_layers(encoder_layers, attention_mask, inputs_embeds)
            outputs = self.elmo.mix_layers(encoder_layers.to(self.dtype).unbind(dim=2), mask)
        parts = [] if outputs.mixed_state is None else [outputs.mixed_state]
        if self.static_embeddings is not None:
            if input_ids is None:
                raise ValueError("static vectors are looked up by input_ids; pass the tokenizer's whole output")
            static = self.static_embeddings(input_ids).masked_fill(~mask.unsqueeze(-1), 0)
            parts.append(static.to(parts[0].dtype) if parts else static)
        return self.embedding_dropout(torch.cat(parts, dim=-1)), mask, outputs

    def _check_layers(self, encoder_layers, attention_mask, inputs_embeds) -> Tensor:
        if attention_mask is None or inputs_embeds is not None:
            raise ValueError("encoder_layers needs attention_mask beside it, and no inputs_embeds")
        needed = (*attention_mask.shape, self.config.num_hidden_layers + 1, self.config.hidden_size)
        if tuple(encoder_layers.shape) != needed:
            raise ValueError(
                f"encoder_layers has shape {tuple(encoder_layers.shape)}; needed is {needed}: sentences and words of "
                "attention_mask, num_hidden_layers + 1, hidden_size"
            )
        return attention_mask.bool()


@auto_docstring(
    custom_intro="""
    ELMo for labels of words, such as parts of speech and named entities (Peters et al. 2018, section 4).
    """
)
class ElmoForTokenClassification(ElmoForTask):
    def __init__(self, config: ElmoConfig):
        super().__init__(config)
        self.num_labels = len(label_names(config))
        self.encoder = TaskBiLstm(config, self.input_size) if config.task_head == "recurrent" else None
        size = self.input_size if self.encoder is None else 2 * config.task_hidden_size
        self.classifier = nn.Linear(size, self.num_labels)
        self.crf = Crf(self.num_labels) if config.use_crf else None
        self.post_init()
        self._freeze()

    @can_return_tuple
    @auto_docstring
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        encoder_layers: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | TokenClassifierOutput:
        r"""
        char_ids (`torch.LongTensor` of shape `(B, T, C)`):
            Character ids of every word, from [`ElmoTokenizer`].
        inputs_embeds (`torch.FloatTensor` of shape `(B, T, D)`, *optional*):
            Word vectors to use instead of the character encoder's.
        labels (`torch.LongTensor` of shape `(B, T)`, *optional*):
            Label of every word; -100 for positions that do not count. With `config.use_crf` those are left out of the
            chain of labels.
        encoder_layers (`torch.FloatTensor` of shape `(B, T, L + 1, 2D)`, *optional*):
            Saved `hidden_states` of the encoder, which then does not run; needs `attention_mask`.

        With `config.use_crf` the loss is the negative log-likelihood per word. In training mode `logits` are then the
        emissions; in eval mode they tell how far the best labels of the sentence with this label here stay behind the
        best ones of all, so that their argmax is the Viterbi path, and follows the BIO scheme if the labels do.
        """
        vectors, mask, outputs = self._embed(
            input_ids, char_ids, attention_mask, inputs_embeds, encoder_layers, **kwargs
        )
        if self.encoder is not None:
            vectors = self.encoder(vectors, mask)
        logits = self.classifier(self.dropout(vectors))

        loss = None
        if self.crf is None:
            if labels is not None:
                loss = self.loss_function(logits, labels, self.config, **kwargs)
        else:
            emissions = logits
            if not self.training:
                words = find_segments(self.config, mask, input_ids, char_ids).words
                logits, _ = self.crf.max_marginals(emissions, words, bio_constraints(label_names(self.config)))
            if labels is not None:
                items = kwargs.get("num_items_in_batch")
                items = (labels != -100).sum().clamp(min=1) if items is None else items
                loss = self.crf.negative_log_likelihood(emissions, labels) / items
        return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


class _ElmoForText(ElmoForTask):
    """One vector of a whole text or pair of texts, (B, T, W) -> `num_outputs` numbers."""

    def __init__(self, config: ElmoConfig, num_outputs: int):
        super().__init__(config)
        self.pooling = AttentivePooling(config, self.input_size) if config.task_head == "recurrent" else None
        size = self.input_size if self.pooling is None else self.pooling.output_size
        self.classifier = nn.Linear(size, num_outputs)
        self.post_init()
        self._freeze()

    def _classify(self, input_ids, char_ids, vectors: Tensor, mask: Tensor) -> Tensor:
        # Sentence marks are no words: AllenNLP's ELMo drops them as well. The BiLSTM reads them, one stands between
        # the texts of a pair.
        words = find_segments(self.config, mask, input_ids, char_ids).words
        pooled = mean_of_words(vectors, words) if self.pooling is None else self.pooling(vectors, mask, words)
        return self.classifier(self.dropout(pooled))


@auto_docstring(
    custom_intro="""
    ELMo for labels of texts and of pairs of texts: one of several labels, any number of labels, or a number, told by
    `config.problem_type`. It reads the mean of the words' vectors, or what attentive pooling over a task BiLSTM gives;
    a text without words counts as zeros.
    """
)
class ElmoForSequenceClassification(_ElmoForText):
    def __init__(self, config: ElmoConfig):
        super().__init__(config, num_outputs=len(label_names(config)))
        self.num_labels = len(label_names(config))

    @can_return_tuple
    @auto_docstring
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        encoder_layers: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | SequenceClassifierOutput:
        r"""
        char_ids (`torch.LongTensor` of shape `(B, T, C)`):
            Character ids of every word, from [`ElmoTokenizer`].
        inputs_embeds (`torch.FloatTensor` of shape `(B, T, D)`, *optional*):
            Word vectors to use instead of the character encoder's; needs `input_ids`, which tell the sentence marks.
        labels (`torch.Tensor` of shape `(B,)` or `(B, num_labels)`, *optional*):
            Labels: integers for one of several, floats for any number of labels and for regression.
        encoder_layers (`torch.FloatTensor` of shape `(B, T, L + 1, 2D)`, *optional*):
            Saved `hidden_states` of the encoder, which then does not run; needs `attention_mask` and `input_ids`.
        """
        vectors, mask, outputs = self._embed(
            input_ids, char_ids, attention_mask, inputs_embeds, encoder_layers, **kwargs
        )
        logits = self._classify(input_ids, char_ids, vectors, mask)

        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
            items = kwargs.get("num_items_in_batch")
            if items is not None and self.config.problem_type != "single_label_classification":
                # The stock losses are means over this call; Trainer counts the labels of a whole step, everywhere.
                loss = loss * labels.numel() / items
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


@auto_docstring(
    custom_intro="""
    ELMo for the choice of one of several texts, or of several continuations of a text: a score for each choice as in
    [`ElmoForSequenceClassification`].
    """
)
class ElmoForMultipleChoice(_ElmoForText):
    def __init__(self, config: ElmoConfig):
        super().__init__(config, num_outputs=1)

    @can_return_tuple
    @auto_docstring
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        encoder_layers: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | MultipleChoiceModelOutput:
        r"""
        input_ids (`torch.LongTensor` of shape `(B, N, T)`):
            Word ids of N choices.
        char_ids (`torch.LongTensor` of shape `(B, N, T, C)`, or flattened to `(B, N, T * C)` beside `input_ids`):
            Character ids of every word, from [`ElmoTokenizer`].
        attention_mask (`torch.Tensor` of shape `(B, N, T)`, *optional*):
            1 for words, 0 for padding.
        inputs_embeds (`torch.FloatTensor` of shape `(B, N, T, D)`, *optional*):
            Word vectors to use instead of the character encoder's; needs `input_ids`, which tell the sentence marks.
        labels (`torch.LongTensor` of shape `(B,)`, *optional*):
            The right choice of each.
        encoder_layers (`torch.FloatTensor` of shape `(B, N, T, L + 1, 2D)`, *optional*):
            Saved `hidden_states` of the encoder, which then does not run; needs `attention_mask` and `input_ids`.
        """
        given = next((x for x in (input_ids, char_ids, attention_mask, inputs_embeds) if x is not None), None)
        if given is None or given.dim() < 3:
            raise ValueError(
                "needed are tensors of shape (questions, choices, words, ...), got "
                f"{'none' if given is None else tuple(given.shape)}"
            )
        num_choices = given.shape[1]
        if char_ids is not None:
            words = given.shape[2] if char_ids is not given else char_ids.shape[2]
            char_ids = char_ids.reshape(-1, words, self.config.max_characters_per_token)
        input_ids, attention_mask, inputs_embeds, encoder_layers = (
            None if x is None else x.flatten(0, 1) for x in (input_ids, attention_mask, inputs_embeds, encoder_layers)
        )
        vectors, mask, outputs = self._embed(
            input_ids, char_ids, attention_mask, inputs_embeds, encoder_layers, **kwargs
        )
        logits = self._classify(input_ids, char_ids, vectors, mask).view(-1, num_choices)

        loss = None
        if labels is not None:
            loss = fixed_cross_entropy(logits, labels.to(logits.device), **kwargs)
        return MultipleChoiceModelOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


@auto_docstring(
    custom_intro="""
    ELMo for answers that are spans of a context, from `tokenizer(question, context)`. The first position, the `<S>`
    before the question, stands for "no answer", as in SQuAD 2.0 with BERT.
    """
)
class ElmoForQuestionAnswering(ElmoForTask):
    def __init__(self, config: ElmoConfig):
        super().__init__(config)
        self.flow = AttentionFlow(config, self.input_size) if config.task_head == "recurrent" else None
        size = self.input_size if self.flow is None else self.flow.output_size
        # Without a bias, which no softmax over positions sees.
        self.start_output, self.end_output = nn.Linear(size, 1, bias=False), nn.Linear(size, 1, bias=False)
        self.post_init()
        self._freeze()

    @can_return_tuple
    @auto_docstring
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        start_positions: torch.Tensor | None = None,
        end_positions: torch.Tensor | None = None,
        encoder_layers: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | QuestionAnsweringModelOutput:
        r"""
        char_ids (`torch.LongTensor` of shape `(B, T, C)`):
            Character ids of every word, from [`ElmoTokenizer`].
        inputs_embeds (`torch.FloatTensor` of shape `(B, T, D)`, *optional*):
            Word vectors to use instead of the character encoder's.
        start_positions (`torch.LongTensor` of shape `(B,)`, *optional*):
            First word of the answer; 0 (with padding on the right) if there is none.
        end_positions (`torch.LongTensor` of shape `(B,)`, *optional*):
            Last word of the answer; 0 if there is none.
        encoder_layers (`torch.FloatTensor` of shape `(B, T, L + 1, 2D)`, *optional*):
            Saved `hidden_states` of the encoder, which then does not run; needs `attention_mask`.

        With `config.task_head="recurrent"` every row must be a pair, the question first, and only words of the context
        and the first position can be chosen. Long contexts in several features (`return_overflowing_tokens`) are pairs
        each.
        """
        vectors, mask, outputs = self._embed(
            input_ids, char_ids, attention_mask, inputs_embeds, encoder_layers, **kwargs
        )
        starts, ends, choosable = vectors, vectors, mask
        if self.flow is not None:
            segments = find_segments(self.config, mask, input_ids, char_ids)
            if not bool(segments.is_pair.all()):
                row = int(segments.is_pair.int().argmin())
                raise ValueError(
                    f"row {row} has no end of a question before a context, </S> <S>: encode both as a pair with the "
                    "sentence marks, tokenizer(question, context)"
                )
            choosable = segments.second | segments.opening
            starts, ends = self.flow(vectors, segments.first, choosable)
        start_logits, end_logits = (
            output(self.dropout(features)).squeeze(-1).masked_fill(~choosable, EXCLUDED)
            for output, features in ((self.start_output, starts), (self.end_output, ends))
        )

        loss = None
        if start_positions is not None and end_positions is not None:
            loss = self.loss_function(start_logits, end_logits, start_positions, end_positions, **kwargs)
        return QuestionAnsweringModelOutput(
            loss=loss, start_logits=start_logits, end_logits=end_logits, hidden_states=outputs.hidden_states
        )


def label_names(config: ElmoConfig) -> tuple[str, ...]:
    """Names of the labels in the order of their ids."""
    names: Any = config.id2label
    return tuple(names[label] for label in range(len(names)))


__all__ = [
    "ElmoForMultipleChoice",
    "ElmoForQuestionAnswering",
    "ElmoForSequenceClassification",
    "ElmoForTokenClassification",
]
