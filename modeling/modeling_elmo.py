# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo (Peters et al. 2018, "Deep contextualized word representations") in the transformers API.

Shapes: B sentences, T words, C characters of a word, D `projection_size`, M `cell_size`, L `num_hidden_layers`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, auto_docstring, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .bidirectional_lstm import bidirectional_lstm, runs_packed
from .char_cnn import CharCnn, CharHighway
from .configuration_elmo import ElmoConfig
from .hub_upload import HubUpload
from .linear import Int8Linear
from .long_text import run_in_segments, stack_states
from .lstm_projection import LstmProjection
from .model_inputs import check_inputs
from .scalar_mix import ScalarMix
from .weight_copies import WeightsSeen
from .word_layout import WordLayout

if TYPE_CHECKING:
    # Never run. transformers copies the files it sees imported here, so a saved encoder can be loaded with every head.
    from .modeling_elmo_heads import ElmoForTask  # noqa: F401
    from .modeling_elmo_pretraining import ElmoForPreTraining  # noqa: F401

logger = logging.get_logger(__name__)


class ElmoLayer(GradientCheckpointingLayer):
    """One bidirectional layer: two LSTMs that never see each other, and the skip connection around them."""

    def __init__(self, config: ElmoConfig, layer_index: int):
        super().__init__()
        # The word vectors below layer 0 are no LSTM output: there the original has no skip.
        self.use_skip = config.use_skip_connections and layer_index > 0
        self.forward_direction = LstmProjection(config)
        self.backward_direction = LstmProjection(config)

    def forward(
        self, hidden_states: Tensor, layout: WordLayout, h: Tensor | None = None, c: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 2D), state h (B, 2D) and c (B, 2M) -> the same three; forward half first, zero at padding.

        All tensors are arguments and results of their own: reentrant checkpointing sees no gradient inside of others.
        """
        if runs_packed(self.forward_direction.backend, hidden_states):
            directions = (self.forward_direction, self.backward_direction)
            outputs, h, c = bidirectional_lstm(hidden_states, layout, directions, h, c)
        else:
            outputs, h, c = self._each_direction(hidden_states, layout, h, c)
        if self.use_skip:
            # Added after the state is taken and not clipped: the recurrence never sees it.
            outputs = outputs + hidden_states
        return outputs, h, c

    def _each_direction(
        self, hidden_states: Tensor, layout: WordLayout, h: Tensor | None, c: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        ahead_state = back_state = None
        if h is not None and c is not None:
            ahead_state, back_state = zip(h.chunk(2, dim=-1), c.chunk(2, dim=-1), strict=True)
        ahead_inputs, back_inputs = layout.to_left(hidden_states).chunk(2, dim=-1)
        ahead, ahead_state = self.forward_direction(ahead_inputs, layout.lengths, ahead_state)
        back, back_state = self.backward_direction(back_inputs, layout.lengths, back_state, reverse=True)
        h, c = (torch.cat(pair, dim=-1) for pair in zip(ahead_state, back_state, strict=True))
        return layout.to_place(torch.cat([ahead, back], dim=-1)), h, c


@auto_docstring
class ElmoPreTrainedModel(HubUpload, PreTrainedModel):
    config_class = ElmoConfig
    config: ElmoConfig
    base_model_prefix = "elmo"
    main_input_name = "input_ids"
    input_modalities = ["text"]
    supports_gradient_checkpointing = True
    _no_split_modules = ["ElmoLayer", "CharCnn"]
    _can_record_outputs = {"hidden_states": ElmoLayer}
    # Of a pretrained language model, encoder and heads need all but the softmax, and not to hear of it.
    _keys_to_ignore_on_load_unexpected = [r"^lm_head\."]

    def __init__(self, config: ElmoConfig, *inputs, **kwargs):
        config.validate()  # `from_pretrained` sets the options of its call after the configuration was checked
        super().__init__(config, *inputs, **kwargs)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Follow a tokenizer whose vocabulary has grown: only `config.vocab_size` does, the alphabet is fixed.

        Args:
            new_num_tokens: words of the tokenizer; None changes nothing.
            pad_to_multiple_of: round up to a multiple.
            mean_resizing: without effect, there is no word embedding to extend.
        Returns:
            The character embeddings, unchanged.
        """
        if new_num_tokens is not None:
            step = pad_to_multiple_of or 1
            self.config.vocab_size = -(-new_num_tokens // step) * step
        return cast(nn.Embedding, self.get_input_embeddings())

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, output_loading_info: bool = False, **kwargs):
        """`PreTrainedModel.from_pretrained`; refuses int8 settings that do not fit the weights, freezes what must be.

        Raises:
            ValueError: `weight_format` says int8 and the file holds float weights, or the other way round.
        """
        kwargs["output_loading_info"] = True
        loaded: Any = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model, info = loaded
        if any(name.endswith("weight_ih_scale") for name in (*info["missing_keys"], *info["unexpected_keys"])):
            raise ValueError(
                f"weight_format={model.config.weight_format!r} does not fit the weights of "
                f"{pretrained_model_name_or_path}: leave it out, and call model.quantize_int8() to get int8 weights"
            )
        for module in model.modules():
            if isinstance(module, ElmoPreTrainedModel):
                module._freeze()  # loading makes new parameters
        return (model, info) if output_loading_info else model

    def _freeze(self) -> None:
        """Take the gradient from the parameters of this module that do not learn."""

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initial values of bilm-tf (`bilm/training.py`), through the helpers that spare loaded weights."""
        super()._init_weights(module)
        if isinstance(module, nn.Embedding):
            init.uniform_(module.weight, -1.0, 1.0)
            # A row is a new tensor and does not know that its weight was loaded.
            if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.Conv1d):
            if self.config.char_activation == "relu":
                init.uniform_(module.weight, -0.05, 0.05)
            else:
                init.normal_(module.weight, std=(module.in_channels * module.kernel_size[0]) ** -0.5)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, Int8Linear) or getattr(module, "int8", False):
            # Only ever loaded; what a file lacks stands at zero, scaled by one.
            for name, parameter in module.named_parameters(recurse=False):
                (init.ones_ if name.endswith("_scale") else init.zeros_)(parameter)
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, CharHighway):
            size = module.weight.shape[1]
            init.normal_(module.weight, std=size**-0.5)
            # The gate starts at sigmoid(2) = 0.88 of the input, as bilm-tf's b_carry of -2 in the other sign.
            init.copy_(module.bias, torch.cat([module.bias.new_zeros(size), module.bias.new_full((size,), 2.0)]))
        elif isinstance(module, LstmProjection):
            # Glorot over bilm-tf's joint kernel (2D, 4M), of which the two matrices are halves.
            gates, size = module.weight_ih.shape
            bound = (6 / (2 * size + gates)) ** 0.5
            init.uniform_(module.weight_ih, -bound, bound)
            init.uniform_(module.weight_hh, -bound, bound)
            init.zeros_(module.bias)
            if module.weight_hr is not None:
                init.xavier_uniform_(module.weight_hr)
        elif isinstance(module, ScalarMix):
            init.zeros_(module.scalar_parameters)
            init.ones_(module.gamma)


@dataclass
class ElmoModelOutput(ModelOutput):
    """Output of [`ElmoModel`]; every position that is padding holds zeros.

    Args:
        last_hidden_state (`torch.FloatTensor` of shape `(B, T, 2D)`): top LSTM layer, forward half first.
        mixed_state (`torch.FloatTensor` of shape `(B, T, 2D)`): weighted sum of all layers; untrained, their mean.
            This is "the ELMo vector" of a word.
        mixed_states (`tuple`, if `config.num_scalar_mixes > 1`): all mixes; the first is `mixed_state`.
        state (`tuple`, on `output_state=True`): h `(L, B, 2D)` and c `(L, B, 2M)` after the last word read, forward
            half first. Detach it before a later call unless gradients shall flow through.
        hidden_states (`tuple`, on `output_hidden_states=True`): L + 1 tensors `(B, T, 2D)`: the word vector twice,
            then every LSTM layer.
    """

    last_hidden_state: torch.Tensor | None = None
    mixed_state: torch.Tensor | None = None
    mixed_states: tuple[torch.Tensor, ...] | None = None
    state: tuple[torch.Tensor, torch.Tensor] | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


class WordCache(NamedTuple):
    """Word vectors computed once, and what they were computed from."""

    char_ids: Tensor  # (V, C) int64
    vectors: Tensor  # (V, D)
    weights: WeightsSeen  # the encoder's weights at that time


@auto_docstring(
    custom_intro="""
    ELMo's encoder: one vector per word from its characters and its whole sentence. The same sentence always gives the
    same vectors, whatever else is in the batch and whatever was computed before.
    """
)
class ElmoModel(ElmoPreTrainedModel):
    def __init__(self, config: ElmoConfig):
        super().__init__(config)
        self.char_cnn = CharCnn(config)
        self.layers = nn.ModuleList(ElmoLayer(config, index) for index in range(config.num_hidden_layers))
        self.scalar_mix = ScalarMix(config.num_hidden_layers + 1, config.scalar_mix_layer_norm)
        self.extra_scalar_mixes = nn.ModuleList(
            ScalarMix(config.num_hidden_layers + 1, config.scalar_mix_layer_norm)
            for _ in range(config.num_scalar_mixes - 1)
        )
        self._word_cache: WordCache | None = None
        self.post_init()
        self._freeze()

    def get_input_embeddings(self) -> nn.Module:
        return self.char_cnn.char_embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.char_cnn.char_embeddings = value  # type: ignore[assignment]

    @torch.no_grad()
    def cache_words(self, tokenizer, words_per_pass: int = 512) -> int:
        """Compute the context-free vectors of the tokenizer's vocabulary once, to be looked up afterwards.

        AllenNLP's `vocab_to_cache`, without its traps: a word is taken from the cache only if its characters are those
        the cached vector was made from, only in eval mode, and only where no gradient of the character encoder is
        asked for. Optimiser steps, `load_state_dict`, `.to()` and averaging of weights drop the cache.

        Args:
            tokenizer: an `ElmoTokenizer` with a vocabulary.
            words_per_pass: words encoded at once; bounds the memory.
        Returns:
            Number of cached words.
        Raises:
            TypeError: not an `ElmoTokenizer`, for example a list of words.
        """
        if not hasattr(tokenizer, "vocabulary_char_ids"):
            raise TypeError(
                f"cache_words takes an ElmoTokenizer, got {type(tokenizer).__name__}. For a list of words: "
                "model.cache_words(ElmoTokenizer(words)), and encode with that tokenizer."
            )
        char_ids = torch.as_tensor(tokenizer.vocabulary_char_ids(), device=self.device)
        vectors = torch.cat([self.char_cnn(part) for part in char_ids.split(words_per_pass)])
        self._word_cache = WordCache(char_ids, vectors, WeightsSeen(list(self.char_cnn.parameters())))
        return len(vectors)

    @torch.no_grad()
    def quantize_int8(self) -> "ElmoModel":
        """Keep the large matrices in 8 bits from now on: in place, smaller and faster on processors.

        Vectors change slightly (mean cosine to float32 about 0.9998), so this is never done unasked. `save_pretrained`
        writes the 8-bit weights, and `from_pretrained` of that folder gives the quantized model. The weights cannot be
        trained any more; scalar mixes and whatever stands on top of the model can.

        Returns:
            The model itself.
        Raises:
            ValueError: the model is quantized already.
        """
        if self.config.weight_format == "int8":
            raise ValueError("the model is quantized already; load the float weights again to start anew")
        self.clear_word_cache()
        for module in list(self.modules()):
            if isinstance(module, CharCnn | CharHighway | LstmProjection):
                module.quantize()
        self.config.weight_format = "int8"
        self._freeze()
        return self

    def _freeze(self) -> None:
        if self.config.weight_format == "int8" or self.config.freeze_encoder:
            self.requires_grad_(False)
            for mix in (self.scalar_mix, *self.extra_scalar_mixes):
                mix.requires_grad_(True)

    def train(self, mode: bool = True) -> "ElmoModel":
        """As in every module; under `config.freeze_encoder` the encoder stays in eval mode."""
        super().train(mode)
        if self.config.freeze_encoder:
            self.char_cnn.eval()
            self.layers.eval()
        return self

    def clear_word_cache(self) -> None:
        """Forget the vectors of `cache_words`."""
        self._word_cache = None

    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        state: tuple[torch.Tensor, torch.Tensor] | None = None,
        output_state: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | ElmoModelOutput:
        r"""
        char_ids (`torch.LongTensor` of shape `(B, T, C)`):
            Character ids of every word, from [`ElmoTokenizer`]; a row of zeros is padding. The encoder reads nothing
            else: `input_ids` only serve to look up cached words.
        inputs_embeds (`torch.FloatTensor` of shape `(B, T, D)`, *optional*):
            Word vectors to use instead of the character encoder's, for example saved outputs of `model.char_cnn`.
        state (`tuple(torch.FloatTensor)`, *optional*):
            h `(L, B, 2D)` and c `(L, B, 2M)` to start from, as returned on `output_state=True`. Zeros by default.
        output_state (`bool`, defaults to `False`):
            Return the state after the last word.
        """
        mask = check_inputs(self.config, input_ids, char_ids, attention_mask, inputs_embeds, state)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_encoder):
            words = self._words_of(slice(None), input_ids, char_ids, inputs_embeds, mask)  # (B, T, D)
            layout = WordLayout(mask)
            hidden_states = torch.cat([words, words], dim=-1)  # (B, T, 2D)
            all_layers, all_states = [hidden_states], []
            for index, layer in enumerate(self.layers):
                h, c = (None, None) if state is None else (part[index].to(self.dtype) for part in state)
                hidden_states, h, c = layer(hidden_states, layout, h, c)
                all_layers.append(hidden_states)
                all_states.append((h, c))

        all_layers = [layer.to(hidden_states.device) for layer in all_layers]  # they differ under device_map
        return self.mix_layers(all_layers, mask, stack_states(all_states) if output_state else None)

    def mix_layers(
        self, layers: Sequence[Tensor], mask: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> ElmoModelOutput:
        """What `forward` makes of L + 1 layers (B, T, 2D), the encoder's or saved ones; mask (B, T) bool, state."""
        mixed = tuple(mix(layers, mask) for mix in (self.scalar_mix, *self.extra_scalar_mixes))
        return ElmoModelOutput(
            last_hidden_state=layers[-1],
            mixed_state=mixed[0],
            mixed_states=mixed if len(mixed) > 1 else None,
            state=state,
        )

    @torch.no_grad()
    def forward_in_segments(
        self,
        input_ids: torch.Tensor | None = None,
        char_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        state: tuple[torch.Tensor, torch.Tensor] | None = None,
        words_per_segment: int = 1024,
        **kwargs,
    ) -> ElmoModelOutput:
        """`forward` without gradients for texts of any length, whole books too: the same numbers in little memory.

        Both directions see the whole text. In memory are the results, the word vectors of a segment and, with
        `char_ids`, nothing else of the text's length; take `char_ids` as int16 to keep them small.

        Args:
            input_ids, char_ids, attention_mask, inputs_embeds, state: as in `forward`.
            words_per_segment: words of each text computed at a time.
            kwargs: further output of the tokenizer; not used.
        Returns:
            `last_hidden_state`, `mixed_state`, `mixed_states` and `state`, as `forward` gives them.
        Raises:
            ValueError: inputs that `forward` would refuse; `scalar_mix_layer_norm`, which looks at all words at once;
                `words_per_segment` below 1.
        """
        if self.config.scalar_mix_layer_norm:
            raise ValueError("scalar_mix_layer_norm=True looks at all words at once; use forward for this model")
        if words_per_segment < 1:
            raise ValueError(f"words_per_segment must be at least 1, got {words_per_segment}")
        mask = check_inputs(self.config, input_ids, char_ids, attention_mask, inputs_embeds, state)
        mixes = (self.scalar_mix, *self.extra_scalar_mixes)
        last = torch.zeros(*mask.shape, self.config.hidden_size, dtype=self.dtype, device=mask.device)
        mixed = tuple(torch.zeros_like(last) for _ in mixes)
        final_states: dict[int, list[tuple[Tensor, Tensor]]] = {}
        segments = run_in_segments(
            list(self.layers),
            lambda columns: self._words_of(columns, input_ids, char_ids, inputs_embeds, mask),
            mask,
            words_per_segment,
            final_states,
            state,
        )
        for columns, half, layers in segments:
            last[:, columns, half] = layers[-1]
            for whole, mix in zip(mixed, mixes, strict=True):
                whole[:, columns, half] = mix(layers, mask[:, columns])
        pairs = zip(final_states[0], final_states[1], strict=True)
        states = [(torch.cat([h, h2], dim=-1), torch.cat([c, c2], dim=-1)) for (h, c), (h2, c2) in pairs]
        return ElmoModelOutput(
            last_hidden_state=last,
            mixed_state=mixed[0],
            mixed_states=mixed if len(mixed) > 1 else None,
            state=stack_states(states),
        )

    def _words_of(self, columns: slice, input_ids, char_ids, inputs_embeds, mask: Tensor) -> Tensor:
        """Word vectors (B, S, D) of some columns, zero at padding."""
        part = mask[:, columns]
        if inputs_embeds is not None:
            return inputs_embeds[:, columns].to(self.dtype).masked_fill(~part.unsqueeze(-1), 0)
        # .long(): data sets keep them as int16, a quarter of the size
        char_ids = char_ids.reshape(*mask.shape, self.config.max_characters_per_token)[:, columns].long()
        return self._encode_words(None if input_ids is None else input_ids[:, columns], char_ids, part)

    def _encode_words(self, input_ids: Tensor | None, char_ids: Tensor, mask: Tensor) -> Tensor:
        """Context-free vectors (B, T, D), zero at padding."""
        if torch.compiler.is_compiling():  # a graph cannot depend on how many words are real
            return self.char_cnn(char_ids).masked_fill(~mask.unsqueeze(-1), 0)
        vectors = torch.zeros(*mask.shape, self.config.projection_size, dtype=self.dtype, device=char_ids.device)
        wanted, cache = mask, self._usable_word_cache()
        if cache is not None and input_ids is not None:
            ids = input_ids.clamp(0, len(cache.vectors) - 1)
            cached = mask & (cache.char_ids[ids] == char_ids).all(dim=-1)
            vectors[cached] = cache.vectors[ids[cached]].to(vectors.dtype)
            wanted = mask & ~cached
        if bool(wanted.any()):
            vectors[wanted] = self.char_cnn(char_ids[wanted]).to(vectors.dtype)  # autocast gives another
        return vectors

    def _usable_word_cache(self) -> WordCache | None:
        if self._word_cache is None or self.char_cnn.training:
            return None
        if torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.char_cnn.parameters()):
            return None  # a cached vector has no way back to the weights
        if not self._word_cache.weights.still_hold(list(self.char_cnn.parameters())):
            logger.warning(
                "The encoder's weights were changed or moved after cache_words(): the word cache is dropped."
            )
            self.clear_word_cache()
        return self._word_cache


__all__ = ["ElmoModel", "ElmoModelOutput", "ElmoPreTrainedModel"]
