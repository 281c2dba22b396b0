# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo as the language model it is trained as (Peters et al. 2018, section 3.1; bilm-tf, `bilm/training.py`).

The forward LSTMs predict each next word, the backward LSTMs each previous one, through one softmax over the words of
the vocabulary. Shapes: B sentences, T words, C characters of a word, D `projection_size`, M `cell_size`, L
`num_hidden_layers`, V `vocab_size`.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, auto_docstring, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_elmo import ElmoConfig
from .lm_scoring import SentenceScore, Substitute, score_sentences, substitutes_of
from .lm_vocabulary import VocabularyChange, WordRows, change_rows, first_word, load_converted_head, rows_by_word
from .model_inputs import check_inputs
from .modeling_elmo import ElmoModel, ElmoPreTrainedModel
from .softmax_losses import chunked_cross_entropy, sampled_softmax_loss
from .word_layout import WordLayout

logger = logging.get_logger(__name__)

IGNORED = -100  # the label of words that are not predicted, as everywhere in transformers


@dataclass
class ElmoForPreTrainingOutput(ModelOutput):
    """Output of [`ElmoForPreTraining`]. A loss over sampled words has a name of its own: it is no perplexity. With
    `backward_char_ids` the backward half of all hidden states stands in reverse order of that stream.

    Args:
        loss (`torch.FloatTensor`): half the sum of the two losses below; full softmax.
        forward_loss, backward_loss (`torch.FloatTensor`): mean negative log-likelihood of a direction's targets; nan if
            it has none.
        sampled_loss, sampled_forward_loss, sampled_backward_loss (`torch.FloatTensor`, with `num_sampled`, instead of
            the above): the same over sampled words.
        num_forward_targets, num_backward_targets (`torch.LongTensor`): words that a direction had to predict.
        forward_logits, backward_logits (`torch.FloatTensor` of shape `(B, T, V)`, on `output_logits=True`): each
            position's scores of the next and the previous word; -inf for padding, which is no word.
        last_hidden_state (`torch.FloatTensor` of shape `(B, T, 2D)`): top LSTM layer, forward half first.
        state (`tuple`, on `output_state=True`): h `(L, B, 2D)` and c `(L, B, 2M)` after the last word read, detached.
        hidden_states (`tuple`, on `output_hidden_states=True`): what enters the layers, and the top layer.
    """

    loss: torch.Tensor | None = None
    forward_loss: torch.Tensor | None = None
    backward_loss: torch.Tensor | None = None
    sampled_loss: torch.Tensor | None = None
    sampled_forward_loss: torch.Tensor | None = None
    sampled_backward_loss: torch.Tensor | None = None
    num_forward_targets: torch.Tensor | None = None
    num_backward_targets: torch.Tensor | None = None
    forward_logits: torch.Tensor | None = None
    backward_logits: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    state: tuple[torch.Tensor, torch.Tensor] | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None

    @property
    def objective(self) -> torch.Tensor | None:
        """What training minimises: the sampled loss where words were sampled, else the loss."""
        return self.loss if self.sampled_loss is None else self.sampled_loss


@auto_docstring(
    custom_intro="""
    ELMo with its softmax: two language models, forward and backward, that share the character encoder and the softmax.
    """
)
class ElmoForPreTraining(ElmoPreTrainedModel):
    # Missing in converted folders, where `lm_head.safetensors` has it; from_pretrained tells what it found.
    _keys_to_ignore_on_load_missing = [r"^lm_head\."]

    def __init__(self, config: ElmoConfig):
        super().__init__(config)
        self.elmo = ElmoModel(config)
        self.lm_head = nn.Linear(config.projection_size, config.vocab_size)  # row r scores token id r
        self._head_is_new = False
        self.post_init()
        self._freeze()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, output_loading_info: bool = False, **kwargs):
        """`ElmoPreTrainedModel.from_pretrained`; takes the softmax of a converted folder from `lm_head.safetensors`.

        Where there is no softmax at all, as in the weights AllenNLP published, it is initialised and has to be trained;
        the encoder is loaded as always.

        Raises:
            ValueError: the rows of `lm_head.safetensors` are not those of the vocabulary.
        """
        model, info = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        if model._head_is_new:
            model._head_is_new = False
            if not load_converted_head(model.lm_head, pretrained_model_name_or_path, model.config, kwargs):
                info["missing_keys"] = {*info["missing_keys"], "lm_head.weight", "lm_head.bias"}
                model._keys_to_ignore_on_load_missing = set()  # told here
                logger.warning(
                    f"{pretrained_model_name_or_path} has no softmax: the one of ElmoForPreTraining is new and predicts "
                    "nothing before it is trained. The encoder was loaded."
                )
        model._freeze()  # after the encoder's own, which would have the mixes learn
        return (model, info) if output_loading_info else model

    def _freeze(self) -> None:
        # No loss reaches the mix of the layers: a later task learns it, and several processes would wait for gradients.
        for mix in (self.elmo.scalar_mix, *self.elmo.extra_scalar_mixes):
            mix.requires_grad_(False)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self.lm_head:
            # Loaded modules do not come here.
            self._head_is_new = True

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        self.lm_head = new_embeddings

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """As `ElmoModel.resize_token_embeddings`; the softmax gets the mean of its rows for each new word."""
        embeddings = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        if self.config.vocab_size == self.lm_head.out_features:
            return embeddings  # optimisers hold these parameters
        known = min(self.config.vocab_size, self.lm_head.out_features)
        self.lm_head = change_rows(self.lm_head, self.config, {row: row for row in range(known)})
        return embeddings

    def change_vocabulary(self, old_tokenizer, new_tokenizer) -> VocabularyChange:
        """Give the softmax the words of another tokenizer, for training on with another text.

        Words of both keep their rows to the last bit, and so do the special tokens, whatever they are called; every new
        word starts from the mean of all old rows. The encoder reads characters and stays. Make optimisers afterwards.

        Args:
            old_tokenizer: the `ElmoTokenizer` that the model was trained with.
            new_tokenizer: the `ElmoTokenizer` of the new text.
        Returns:
            How many words were kept, added and dropped.
        Raises:
            ValueError: `old_tokenizer` has not as many words as the softmax.
        """
        if len(old_tokenizer) != self.lm_head.out_features:
            raise ValueError(
                f"old_tokenizer has {len(old_tokenizer)} words, the softmax {self.lm_head.out_features}: give the "
                "tokenizer that was saved with the model"
            )
        old_rows, change = rows_by_word(old_tokenizer, new_tokenizer)
        self.config.vocab_size = len(new_tokenizer)
        for name in ("pad_token_id", "bos_token_id", "eos_token_id", "unk_token_id"):
            setattr(self.config, name, getattr(new_tokenizer, name))
        self.lm_head = change_rows(self.lm_head, self.config, old_rows)
        return change

    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        backward_char_ids: torch.Tensor | None = None,
        forward_targets: torch.Tensor | None = None,
        backward_targets: torch.Tensor | None = None,
        state: tuple[torch.Tensor, torch.Tensor] | None = None,
        output_state: bool = False,
        num_sampled: int | None = None,
        sparse_gradient: bool = False,
        generator: torch.Generator | None = None,
        output_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | ElmoForPreTrainingOutput:
        r"""
        char_ids (`torch.LongTensor` of shape `(B, T, C)`):
            Character ids of every word, from [`ElmoTokenizer`]; a row of zeros is padding.
        inputs_embeds (`torch.FloatTensor` of shape `(B, T, D)`, *optional*):
            Word vectors to use instead of the character encoder's.
        labels (`torch.LongTensor` of shape `(B, T)`, *optional*):
            Whole sentences: the token id of the word at each position, usually `input_ids`; -100 for words that shall not
            be predicted, padding needs none. Each direction predicts its neighbour, so `<S>` is a target of the backward
            direction alone and `</S>` of the forward one.
        backward_char_ids (`torch.LongTensor` of shape `(B, T, C)`, *optional*):
            Lanes: what the backward direction reads, in its reading order, which is another stream than `char_ids`, read
            by the forward direction alone. No padding; `<S> w1 .. wn` and `</S> wn .. w1`, sentence after sentence, cut
            into windows whose `state` is carried on, are the order of bilm-tf.
        forward_targets (`torch.LongTensor` of shape `(B, T)`, *optional*):
            Lanes: token id of the word that follows each word of `char_ids` in its stream, or -100.
        backward_targets (`torch.LongTensor` of shape `(B, T)`, *optional*):
            Lanes: the same of `backward_char_ids`.
        state (`tuple(torch.FloatTensor)`, *optional*):
            h `(L, B, 2D)` and c `(L, B, 2M)` to start from, as returned on `output_state=True`. Zeros by default.
        output_state (`bool`, defaults to `False`):
            Give the state after the last word, detached: gradients end with the window, as in bilm-tf.
        num_sampled (`int`, *optional*):
            Words drawn for each direction's softmax; 0 for all. By default `config.num_sampled` in training mode and 0 in
            eval mode.
        sparse_gradient (`bool`, defaults to `False`):
            With sampling: the gradient of the softmax as a sparse tensor of the rows used.
        generator (`torch.Generator`, *optional*):
            Source of the sampled words; torch's default of the CPU if `None`.
        output_logits (`bool`, defaults to `False`):
            Give the scores of all words, two tensors `(B, T, V)`.
        """
        mask = check_inputs(self.config, input_ids, char_ids, attention_mask, inputs_embeds, state)
        lanes = backward_char_ids is not None
        if lanes:
            _check_lanes(mask, char_ids, backward_char_ids, forward_targets, backward_targets, labels)
        elif forward_targets is not None or backward_targets is not None:
            raise ValueError(
                "forward_targets and backward_targets belong to lanes, with backward_char_ids; whole sentences take labels"
            )
        words = self._words_of_both(input_ids, char_ids, backward_char_ids, inputs_embeds, mask)
        top, new_state = self._run_layers(words, mask, state, self.config.lstm_dropout if self.training else 0.0)
        ahead, back = F.dropout(top, self.config.lstm_dropout, self.training).chunk(2, dim=-1)
        if lanes:
            back = back.flip(1)  # in the order of its stream again
        elif labels is not None:
            forward_targets, backward_targets = neighbours(labels, mask)
        results: dict[str, Any] = {}
        if forward_targets is not None and backward_targets is not None:
            if num_sampled is None:
                num_sampled = self.config.num_sampled if self.training else 0
            sampling: dict[str, Any] = (
                {"num_sampled": num_sampled, "sparse": sparse_gradient, "generator": generator} if num_sampled else {}
            )
            # The targets of a direction in all parts of an update, on all devices: the parts' losses add up to the update's.
            num_items_in_batch = kwargs.get("num_items_in_batch")
            reduction = "mean" if num_items_in_batch is None else "sum"
            losses = [
                self.direction_loss(hidden, targets, reduction, **sampling)
                for hidden, targets in ((ahead, forward_targets), (back, backward_targets))
            ]
            if num_items_in_batch is not None:
                losses = [loss / num_items_in_batch for loss in losses]
            prefix = "sampled_" if num_sampled else ""
            results[prefix + "loss"] = 0.5 * (losses[0] + losses[1])
            results[prefix + "forward_loss"], results[prefix + "backward_loss"] = losses
            results["num_forward_targets"] = (forward_targets != IGNORED).sum()
            results["num_backward_targets"] = (backward_targets != IGNORED).sum()
        if output_logits:
            results["forward_logits"], results["backward_logits"] = self.logits(ahead), self.logits(back)
        return ElmoForPreTrainingOutput(**results, last_hidden_state=top, state=new_state if output_state else None)

    def direction_loss(self, hidden: Tensor, targets: Tensor, reduction: str = "mean", **sampling) -> Tensor:
        """Negative log-likelihood of `targets` (B, T) given one direction's top layer (B, T, D).

        Args:
            hidden: (B, T, D) float.
            targets: (B, T) int64 token ids, or -100.
            reduction: "mean" over the targets, "sum", or "none" for (B * T,).
            sampling: `num_sampled` and what else `sampled_softmax_loss` takes; the full softmax without.
        Raises:
            IndexError: a target is no word of the vocabulary.
        """
        first = first_word(self.config)
        hidden = hidden.flatten(0, 1)
        weight, bias = (WordRows.apply(rows, first) for rows in (self.lm_head.weight, self.lm_head.bias))
        rows = targets.to(weight.device).flatten()
        rows = torch.where(rows == IGNORED, IGNORED, rows - first)
        loss = sampled_softmax_loss if sampling else chunked_cross_entropy
        try:
            return loss(hidden.to(weight.device), weight, bias, rows, reduction=reduction, **sampling)
        except IndexError as error:
            wrong = targets[(targets != IGNORED) & ((targets < first) | (targets >= self.config.vocab_size))]
            raise IndexError(
                f"a word to predict has the id {int(wrong[0])}; the vocabulary has {first} to "
                f"{self.config.vocab_size - 1}. Encode with the model's own tokenizer; -100 leaves a word out"
            ) from error

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores (..., V) of all words given one direction's top layer (..., D); -inf for padding."""
        scores = self.lm_head(hidden.to(self.lm_head.weight.device))
        first = first_word(self.config)
        return F.pad(scores[..., first:], (first, 0), value=-torch.inf)

    @torch.no_grad()
    def token_log_probs(
        self,
        input_ids: torch.Tensor,
        char_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Exact log-probability of each word of whole sentences, without dropout in any mode.

        Args:
            input_ids, char_ids, attention_mask: the tokenizer's output.
            labels: token ids to score instead of `input_ids`; -100 for none.
        Returns:
            (B, T) given all words before it, and (B, T) given all words after it; 0 for padding and for words that a
            direction does not predict: the first one, and the last one.
        """
        top, mask = self.top_layer(input_ids, char_ids, attention_mask)
        ahead, back = top.chunk(2, dim=-1)
        targets = neighbours(input_ids if labels is None else labels, mask)
        losses = [
            self.direction_loss(hidden, target, reduction="none").view(*mask.shape)
            for hidden, target in zip((ahead, back), targets, strict=True)
        ]
        forward_log_probs, backward_log_probs = (torch.zeros_like(loss) for loss in losses)
        forward_log_probs[:, 1:] = -losses[0][:, :-1]
        backward_log_probs[:, :-1] = -losses[1][:, 1:]
        return forward_log_probs, backward_log_probs

    def score(self, sentences, tokenizer, batch_size: int = 32) -> list[SentenceScore]:
        """Exact log-probability of every word of every sentence, in both directions; no matter what else is scored.

        Args:
            sentences: lists of words, or strings that are split at white space.
            tokenizer: the model's `ElmoTokenizer`.
            batch_size: sentences computed at once.
        Raises:
            TypeError: `sentences` is one string.
            ValueError: the tokenizer puts no sentence marks around a sentence, or has another vocabulary.
        """
        return score_sentences(self, sentences, tokenizer, batch_size)

    def substitutes(self, sentence, position: int, tokenizer, k: int = 10) -> list[Substitute]:
        """The k most probable words at a position of a sentence, from its left and its right context.

        The probabilities of both directions are multiplied and made to add up to 1 over all words but the special
        tokens. The word that stands there is not read, and is one of the candidates.

        Args:
            sentence: list of words, or a string that is split at white space.
            position: index of the word to replace, from 0.
            tokenizer: the model's `ElmoTokenizer`.
            k: number of words.
        Raises:
            IndexError: there is no such word.
            ValueError: the tokenizer puts no sentence marks around a sentence, or has another vocabulary; k below 1.
        """
        return substitutes_of(self, sentence, position, tokenizer, k)

    @torch.no_grad()
    def top_layer(self, input_ids, char_ids, attention_mask=None) -> tuple[Tensor, Tensor]:
        """Top LSTM layer (B, T, 2D) of whole sentences without dropout, and the mask (B, T) bool."""
        mask = check_inputs(self.config, input_ids, char_ids, attention_mask, None, None)
        return self._run_layers(self._words_of_both(input_ids, char_ids, None, None, mask), mask, None, 0.0)[0], mask

    def _words_of_both(self, input_ids, char_ids, backward_char_ids, inputs_embeds, mask: Tensor) -> Tensor:
        """Word vectors (B, T, 2D): what the forward direction reads, and what the backward one reads from its end."""
        with self._encoder_gradients():
            if backward_char_ids is None:
                words = self.elmo._words_of(slice(None), input_ids, char_ids, inputs_embeds, mask)
                return torch.cat([words, words], dim=-1)
            # Together, so that a word of both streams is encoded once.
            both, both_mask = torch.cat([char_ids, backward_char_ids]), torch.cat([mask, mask])
            ahead, back = self.elmo._words_of(slice(None), None, both, None, both_mask).chunk(2)
            return torch.cat([ahead, back.flip(1)], dim=-1)

    def _run_layers(self, hidden: Tensor, mask: Tensor, state, dropout: float) -> tuple[Tensor, Any]:
        """Top layer (B, T, 2D) and the detached state after the last word."""
        layout, states = WordLayout(mask), []
        with self._encoder_gradients():
            for index, layer in enumerate(self.elmo.layers):
                # Outside of the skip connection, which carries what is left of the input (bilm-tf's DropoutWrapper).
                hidden = F.dropout(hidden, dropout, layer.training)
                h, c = (None, None) if state is None else (part[index].detach().to(self.dtype) for part in state)
                hidden, h, c = layer(hidden, layout, h, c)
                states.append((h.detach().to(mask.device), c.detach().to(mask.device)))
        h, c = (torch.stack(parts) for parts in zip(*states, strict=True))
        return hidden, (h, c)

    def _encoder_gradients(self):
        return torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_encoder)


def neighbours(labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Targets (B, T) of both directions at each position: the next word and the previous one, -100 if there is none."""
    if labels.shape != mask.shape:
        raise ValueError(f"labels has shape {tuple(labels.shape)}; needed is {tuple(mask.shape)} (sentences, words)")
    labels = labels.to(mask.device).masked_fill(~mask, IGNORED)
    following, preceding = torch.full_like(labels, IGNORED), torch.full_like(labels, IGNORED)
    following[:, :-1], preceding[:, 1:] = labels[:, 1:], labels[:, :-1]
    return following.masked_fill(~mask, IGNORED), preceding.masked_fill(~mask, IGNORED)


def _check_lanes(mask: Tensor, char_ids, backward_char_ids, forward_targets, backward_targets, labels) -> None:
    if labels is not None:
        raise ValueError("labels are for whole sentences; lanes take forward_targets and backward_targets")
    if char_ids is None or char_ids.shape != backward_char_ids.shape:
        came = None if char_ids is None else tuple(char_ids.shape)
        raise ValueError(
            f"lanes take two streams of one shape, got char_ids {came} and backward_char_ids "
            f"{tuple(backward_char_ids.shape)}"
        )
    if (forward_targets is None) != (backward_targets is None):
        raise ValueError("lanes take both forward_targets and backward_targets, or neither")
    for name, targets in (("forward_targets", forward_targets), ("backward_targets", backward_targets)):
        if targets is not None and targets.shape != mask.shape:
            raise ValueError(f"{name} has shape {tuple(targets.shape)}; needed is {tuple(mask.shape)} (lanes, words)")
    if not bool((mask & (backward_char_ids > 0).any(dim=-1)).all()):
        raise ValueError("lanes have no padding: every position of both streams must be a word, or belong to labels")


__all__ = ["ElmoForPreTraining", "ElmoForPreTrainingOutput"]
