# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The configuration of an ELMo model: every architectural choice of the original `options.json`."""

from dataclasses import field

from transformers.utils.versions import require_version

# Here because every way of loading a model begins with this file; older releases would stop at some import below.
require_version("transformers>=5.8.0", "This ELMo is written for it: pip install -U transformers")

from huggingface_hub.dataclasses import strict  # noqa: E402
from transformers.configuration_utils import PreTrainedConfig  # noqa: E402

# Class of each auto class, for loading with `trust_remote_code=True`. Written into every saved config, because
# transformers by itself records only the class that was saved.
AUTO_MAP = {
    "AutoConfig": "configuration_elmo.ElmoConfig",
    "AutoModel": "modeling_elmo.ElmoModel",
    "AutoModelForPreTraining": "modeling_elmo_pretraining.ElmoForPreTraining",
    "AutoModelForTokenClassification": "modeling_elmo_heads.ElmoForTokenClassification",
    "AutoModelForSequenceClassification": "modeling_elmo_heads.ElmoForSequenceClassification",
    "AutoModelForQuestionAnswering": "modeling_elmo_heads.ElmoForQuestionAnswering",
    "AutoModelForMultipleChoice": "modeling_elmo_heads.ElmoForMultipleChoice",
}

ACTIVATIONS = ("relu", "tanh")
BACKENDS = ("auto", "reference", "packed", "scan", "triton", "native")
WEIGHT_FORMATS = ("float", "int8")
TASK_HEADS = ("linear", "recurrent")


@strict
class ElmoConfig(PreTrainedConfig):
    r"""
    Configuration of [`ElmoModel`] (Peters et al. 2018, "Deep contextualized word representations").

    The defaults are the *original* model: 93.6 million parameters, vectors of 1024 numbers. In shapes, D is
    `projection_size`, M `cell_size`, L `num_hidden_layers`, F the sum of the filter counts.

    Args:
        vocab_size (`int`, defaults to 4): words the tokenizer knows, special tokens included. The encoder reads
            characters, so only language-model heads and the tokenizer depend on it.
        num_characters (`int`, defaults to 262): rows of the character embedding: 0 is padding of whole words, 1 to
            256 are the byte values plus one, 257 to 261 mark sentence and word ends and padding inside a word.
        max_characters_per_token (`int`, defaults to 50): character ids per word, both word marks included.
        char_embedding_size (`int`, defaults to 16): width of a character embedding.
        char_filters (`list[list[int]]`): `[width in characters, number of filters]` of each convolution.
        char_activation (`str`, defaults to `"relu"`): `"relu"` or `"tanh"`, after the maximum over positions. The
            highway layers always use relu.
        num_highway_layers (`int`, defaults to 2): highway layers after the convolutions; 0 for none.
        use_char_projection (`bool`, *optional*): linear layer from F to D. By default present exactly if F != D.
        projection_size (`int`, defaults to 512): width D of a word vector and of one direction's output.
        cell_size (`int`, defaults to 4096): width M of the LSTM's memory cell.
        num_hidden_layers (`int`, defaults to 2): LSTM layers L, each with a forward and a backward direction.
        use_lstm_projection (`bool`, *optional*): output projection from M to D. By default present exactly if M != D.
        cell_clip (`float`, *optional*, defaults to 3.0): bound on the absolute memory cell; `None` for no bound.
        proj_clip (`float`, *optional*, defaults to 3.0): bound on the absolute projected output; `None` for no bound.
            Without an output projection it has no effect.
        forget_bias (`float`, defaults to 1.0): number added to the forget gate. TensorFlow (bilm-tf) keeps it out of
            the stored bias, hence 1.0; AllenNLP and ELMoForManyLangs store it inside the bias, hence 0.0.
        use_skip_connections (`bool`, defaults to `True`): add each layer's input to its output, from layer 1 on.
        scalar_mix_layer_norm (`bool`, defaults to `False`): normalise every layer before mixing, over all words of
            the batch as AllenNLP's `do_layer_norm` does; the vector of a sentence then depends on its batch.
        num_scalar_mixes (`int`, defaults to 1): independent mixes over one encoder run (AllenNLP's
            `num_output_representations`).
        lstm_backend (`str`, defaults to `"auto"`): `"reference"`, `"packed"`, `"native"` (C, compiled on first use,
            for the character encoder's matrices, too; float32 and int8 on CPUs without gradients, elsewhere as
            `"packed"`; large float32 matrices on AMX tiles where the processor has them), `"scan"` or `"triton"`
            (CUDA devices); see `lstm_projection`. All give the same numbers; second derivatives need `"reference"`.
        weight_format (`str`, defaults to `"float"`): `"int8"` keeps the large matrices in 8 bits. Set by
            [`ElmoModel.quantize_int8`], which also converts the weights.
        freeze_encoder (`bool`, defaults to `False`): the encoder learns nothing and stays in eval mode, without
            gradients; its scalar mixes and the head learn. Set it before the model is built or loaded.
        task_head (`str`, defaults to `"linear"`): `"linear"` puts a linear layer on the scalar mix; `"recurrent"` a
            small network of the kind ELMo's results rest on: a task BiLSTM for words, with attentive pooling for
            texts, and bidirectional attention flow for questions.
        task_hidden_size (`int`, defaults to 200): width of one direction of the task BiLSTM.
        task_num_layers (`int`, defaults to 1): layers of the task BiLSTM.
        embedding_dropout (`float`, defaults to 0.5): on the ELMo and static vectors that enter a head, and between
            the layers of the task BiLSTM; the default of AllenNLP's `Elmo` module.
        classifier_dropout (`float`, defaults to 0.1): before the output layer.
        use_crf (`bool`, defaults to `False`): a conditional random field on top of [`ElmoForTokenClassification`];
            the other heads ignore it.
        static_embedding_size (`int`, defaults to 0): width of a static vector of each word of the vocabulary, beside
            the ELMo vector; `model.load_static_vectors` fills them from a word2vec or GloVe file. 0 for none.
        freeze_static_embeddings (`bool`, defaults to `True`): the static vectors do not learn.
        use_elmo_vectors (`bool`, defaults to `True`): `False` gives a head the static vectors alone, a baseline for what
            ELMo adds; the encoder then neither runs nor learns. Needs `static_embedding_size`.
        lstm_dropout (`float`, defaults to 0.1): in the training of [`ElmoForPreTraining`], on the input of every LSTM
            layer and on the top layer; bilm-tf's `dropout`.
        num_sampled (`int`, defaults to 0): words drawn for the softmax in the training of [`ElmoForPreTraining`]; 0 for
            the full softmax. bilm-tf's `n_negative_samples_batch`, 8192 of 793,471 in the original.

    Raises:
        StrictDataclassError, ValueError: a value has the wrong type, is out of range, or contradicts another; the
            message names the field.
    """

    model_type = "elmo"

    vocab_size: int = 4
    num_characters: int = 262
    max_characters_per_token: int = 50
    char_embedding_size: int = 16
    char_filters: list | tuple = field(
        default_factory=lambda: [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
    )
    char_activation: str = "relu"
    num_highway_layers: int = 2
    use_char_projection: bool | None = None
    projection_size: int = 512
    cell_size: int = 4096
    num_hidden_layers: int = 2
    use_lstm_projection: bool | None = None
    cell_clip: float | int | None = 3.0
    proj_clip: float | int | None = 3.0
    forget_bias: float | int = 1.0
    use_skip_connections: bool = True
    scalar_mix_layer_norm: bool = False
    num_scalar_mixes: int = 1
    lstm_backend: str = "auto"
    weight_format: str = "float"
    freeze_encoder: bool = False
    task_head: str = "linear"
    task_hidden_size: int = 200
    task_num_layers: int = 1
    embedding_dropout: float | int = 0.5
    classifier_dropout: float | int = 0.1
    use_crf: bool = False
    static_embedding_size: int = 0
    freeze_static_embeddings: bool = True
    use_elmo_vectors: bool = True
    lstm_dropout: float | int = 0.1
    num_sampled: int = 0
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2
    unk_token_id: int | None = 3
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        self._check_char_filters()
        self.char_filters = [list(pair) for pair in self.char_filters]
        if self.use_char_projection is None:
            self.use_char_projection = self.char_cnn_size != self.projection_size
        if self.use_lstm_projection is None:
            self.use_lstm_projection = self.cell_size != self.projection_size
        self.auto_map = {**AUTO_MAP, **(kwargs.pop("auto_map", None) or {})}
        derived = kwargs.pop("hidden_size", self.hidden_size)
        if derived != self.hidden_size:
            raise ValueError(
                f"hidden_size={derived} contradicts projection_size={self.projection_size}: hidden_size is always "
                f"2 * projection_size (forward and backward). Set projection_size={int(derived) // 2} instead."
            )
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        """Width 2D of every hidden state: forward and backward direction side by side."""
        return 2 * self.projection_size

    @property
    def char_cnn_size(self) -> int:
        """Sum F of the filter counts: width of the convolutions' joint output."""
        return sum(count for _, count in self.char_filters)

    def _check_char_filters(self):
        wanted = "char_filters must be a non-empty list of [width, count] pairs of positive integers"
        if not self.char_filters:
            raise ValueError(f"{wanted}, got {self.char_filters!r}")
        for pair in self.char_filters:
            well_formed = isinstance(pair, list | tuple) and len(pair) == 2
            if not well_formed or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in pair):
                raise ValueError(f"{wanted}, got {pair!r} among them")

    def validate_sizes(self):
        """Part of the `@strict` validation: sizes are positive and fit each other."""
        for name in (
            "vocab_size",
            "char_embedding_size",
            "projection_size",
            "cell_size",
            "num_hidden_layers",
            "num_scalar_mixes",
            "task_hidden_size",
            "task_num_layers",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("num_highway_layers", "static_embedding_size", "num_sampled"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.num_characters < 262:
            raise ValueError(
                f"num_characters must be at least 262 (256 bytes, 5 marks, padding), got {self.num_characters}. "
                "Models trained with 261 get the padding row when they are converted."
            )
        if not self.use_elmo_vectors and not self.static_embedding_size:
            raise ValueError(
                "use_elmo_vectors=False leaves a head without input: static_embedding_size must be the width of the static "
                "vectors, got 0"
            )
        widest = max(width for width, _ in self.char_filters)
        if self.max_characters_per_token < max(widest, 3):
            raise ValueError(
                f"max_characters_per_token={self.max_characters_per_token} leaves no position for the widest filter "
                f"({widest} characters) or for both word marks and one byte (3). Raise it or narrow the filters."
            )

    def validate_projections(self):
        """Part of the `@strict` validation: a missing projection needs equal sizes on both sides."""
        if not self.use_char_projection and self.char_cnn_size != self.projection_size:
            raise ValueError(
                f"use_char_projection=False needs as many filters as projection_size={self.projection_size}, but the "
                f"filter counts add up to {self.char_cnn_size}"
            )
        if not self.use_lstm_projection and self.cell_size != self.projection_size:
            raise ValueError(
                f"use_lstm_projection=False needs cell_size equal to projection_size={self.projection_size}, got "
                f"{self.cell_size}"
            )

    def validate_choices(self):
        """Part of the `@strict` validation: named choices exist, clips are positive, dropouts are shares."""
        for name, choices in (
            ("char_activation", ACTIVATIONS),
            ("lstm_backend", BACKENDS),
            ("weight_format", WEIGHT_FORMATS),
            ("task_head", TASK_HEADS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("cell_clip", "proj_clip"):
            bound = getattr(self, name)
            if bound is not None and not 0 < bound < float("inf"):
                raise ValueError(f"{name} must be a positive number, or None for no clipping, got {bound}")
        for name in ("embedding_dropout", "classifier_dropout", "lstm_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be a share of at least 0 and below 1, got {getattr(self, name)}")


__all__ = ["ElmoConfig"]
