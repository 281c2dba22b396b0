# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The table of tensors: which part of which source tensor becomes which part of which tensor of `ElmoModel`.

One row is a `Piece`. What differs between the formats is data in it: transposition, order of the gates, sign, rows.
`to_model` and `to_source` read the same table in both directions and change no bit of any value.

Letters: E `char_embedding_size`, F filters in all, D `projection_size`, M `cell_size`, L `num_hidden_layers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hf_elmo.modeling.configuration_elmo import ElmoConfig

# Blocks of the gates: TensorFlow stores input, candidate, forget, output; torch input, forget, candidate, output.
# Exchanging the two middle blocks leads from each to the other.
SWAP_GATES = (0, 2, 1, 3)
DIRECTIONS = ("forward", "backward")

Shape = tuple[int, ...]


class Piece(NamedTuple):
    """One block of a source tensor and the block of a model tensor it becomes."""

    source: str
    target: str
    axes: tuple[int, ...] | None = None  # source axes in the target's order; None: all as they are
    source_rows: tuple[int, int] | None = None  # along the source's first axis; None: all
    target_rows: tuple[int, int] | None = None  # along the target's first axis; None: all
    swap_gates: bool = False  # along the target's first axis
    negate: bool = False


@dataclass
class TensorTable:
    """All pieces of one model in one format, with the shapes on both sides."""

    source_shapes: dict[str, Shape] = field(default_factory=dict)
    target_shapes: dict[str, Shape] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)

    def add(self, shape: Shape, *pieces: Piece) -> None:
        for piece in pieces:
            self.source_shapes[piece.source] = shape
            self.pieces.append(piece)


def model_shapes(config: ElmoConfig) -> dict[str, Shape]:
    """Name and shape of every tensor in the state dict of `ElmoModel(config)`."""
    size, cell, filters = config.projection_size, config.cell_size, config.char_cnn_size
    shapes: dict[str, Shape] = {"char_cnn.char_embeddings.weight": (config.num_characters, config.char_embedding_size)}
    for i, (width, count) in enumerate(config.char_filters or ()):
        shapes[f"char_cnn.convolutions.{i}.weight"] = (count, config.char_embedding_size, width)
        shapes[f"char_cnn.convolutions.{i}.bias"] = (count,)
    for k in range(config.num_highway_layers):
        shapes[f"char_cnn.highways.{k}.weight"] = (2 * filters, filters)
        shapes[f"char_cnn.highways.{k}.bias"] = (2 * filters,)
    if config.use_char_projection:
        shapes["char_cnn.projection.weight"] = (size, filters)
        shapes["char_cnn.projection.bias"] = (size,)
    for layer in range(config.num_hidden_layers):
        for direction in DIRECTIONS:
            prefix = f"layers.{layer}.{direction}_direction."
            shapes[prefix + "weight_ih"] = (4 * cell, size)
            shapes[prefix + "weight_hh"] = (4 * cell, size)
            shapes[prefix + "bias"] = (4 * cell,)
            if config.use_lstm_projection:
                shapes[prefix + "weight_hr"] = (size, cell)
    for mix in range(config.num_scalar_mixes):
        prefix = mix_prefix(mix)
        shapes[prefix + "scalar_parameters"] = (config.num_hidden_layers + 1,)
        shapes[prefix + "gamma"] = (1,)
    return shapes


def mix_prefix(mix: int) -> str:
    """Where the mix of that number stands in the state dict of `ElmoModel`."""
    return "scalar_mix." if mix == 0 else f"extra_scalar_mixes.{mix - 1}."


def hdf5_table(config: ElmoConfig, bare_cell: bool = False) -> TensorTable:
    """Table of bilm-tf's and AllenNLP's `weights.hdf5` (bilm-tf `dump_weights`; AllenNLP `Elmo`).

    The mixes have no source there. `bare_cell` takes the names bilm-tf gives a single LSTM layer, which has no
    `MultiRNNCell`.
    """
    embedding, size, cell = config.char_embedding_size, config.projection_size, config.cell_size
    filters = config.char_cnn_size
    table = TensorTable(target_shapes=model_shapes(config))
    # Row 0 of ours is the padding of whole words. Files have no row for it, and ids there are smaller by one.
    rows = config.num_characters - 1
    table.add(
        (rows, embedding),
        Piece("char_embed", "char_cnn.char_embeddings.weight", target_rows=(1, rows + 1)),
    )
    for i, (width, count) in enumerate(config.char_filters or ()):
        ours = f"char_cnn.convolutions.{i}."
        # A TensorFlow kernel is [height 1, width, in, out], torch's is (out, in, width).
        table.add((1, width, embedding, count), Piece(f"CNN/W_cnn_{i}", ours + "weight", axes=(3, 2, 1, 0)))
        table.add((count,), Piece(f"CNN/b_cnn_{i}", ours + "bias"))
    for k in range(config.num_highway_layers):
        theirs, ours = f"CNN_high_{k}/", f"char_cnn.highways.{k}."
        transform, gate = (0, filters), (filters, 2 * filters)
        table.add((filters, filters), Piece(theirs + "W_transform", ours + "weight", (1, 0), target_rows=transform))
        table.add((filters,), Piece(theirs + "b_transform", ours + "bias", target_rows=transform))
        # What the file calls carry opens for the transformed value; our gate opens for the input: sigmoid(-x) is
        # 1 - sigmoid(x).
        table.add(
            (filters, filters), Piece(theirs + "W_carry", ours + "weight", (1, 0), target_rows=gate, negate=True)
        )
        table.add((filters,), Piece(theirs + "b_carry", ours + "bias", target_rows=gate, negate=True))
    if config.use_char_projection:
        table.add((filters, size), Piece("CNN_proj/W_proj", "char_cnn.projection.weight", axes=(1, 0)))
        table.add((size,), Piece("CNN_proj/b_proj", "char_cnn.projection.bias"))
    for layer in range(config.num_hidden_layers):
        for number, direction in enumerate(DIRECTIONS):
            theirs = f"RNN_{number}/RNN/" + ("" if bare_cell else f"MultiRNNCell/Cell{layer}/") + "LSTMCell/"
            ours = f"layers.{layer}.{direction}_direction."
            # The rows are the layer's input, then the previous output.
            table.add(
                (2 * size, 4 * cell),
                Piece(theirs + "W_0", ours + "weight_ih", (1, 0), source_rows=(0, size), swap_gates=True),
                Piece(theirs + "W_0", ours + "weight_hh", (1, 0), source_rows=(size, 2 * size), swap_gates=True),
            )
            # The 1 that TensorFlow adds to the forget gate is config.forget_bias, not part of the bias.
            table.add((4 * cell,), Piece(theirs + "B", ours + "bias", swap_gates=True))
            if config.use_lstm_projection:
                table.add((cell, size), Piece(theirs + "W_P_0", ours + "weight_hr", axes=(1, 0)))
    return table


def allennlp_table(config: ElmoConfig, with_mixes: bool = True) -> TensorTable:
    """Table of the state dict of AllenNLP's `Elmo`; values, signs and gate order are ours already.

    The names are those under the prefix of `_ElmoBiLm`, except the mixes, which are under the prefix of `Elmo`: they
    begin with `scalar_mix_`.
    """
    table = TensorTable(target_shapes=model_shapes(config))
    shapes = table.target_shapes

    def same(source: str, target: str) -> None:
        table.add(shapes[target], Piece(source, target))

    same("_token_embedder._char_embedding_weights", "char_cnn.char_embeddings.weight")
    for i in range(len(config.char_filters or ())):
        for part in ("weight", "bias"):
            same(f"_token_embedder.char_conv_{i}.{part}", f"char_cnn.convolutions.{i}.{part}")
    for k in range(config.num_highway_layers):
        for part in ("weight", "bias"):
            same(f"_token_embedder._highways._layers.{k}.{part}", f"char_cnn.highways.{k}.{part}")
    if config.use_char_projection:
        for part in ("weight", "bias"):
            same(f"_token_embedder._projection.{part}", f"char_cnn.projection.{part}")
    for layer in range(config.num_hidden_layers):
        for direction in DIRECTIONS:
            theirs, ours = f"_elmo_lstm.{direction}_layer_{layer}.", f"layers.{layer}.{direction}_direction."
            same(theirs + "input_linearity.weight", ours + "weight_ih")
            same(theirs + "state_linearity.weight", ours + "weight_hh")
            same(theirs + "state_linearity.bias", ours + "bias")
            if config.use_lstm_projection:
                same(theirs + "state_projection.weight", ours + "weight_hr")
    for mix in range(config.num_scalar_mixes if with_mixes else 0):
        ours = mix_prefix(mix)
        for j in range(config.num_hidden_layers + 1):
            parameter = Piece(
                f"scalar_mix_{mix}.scalar_parameters.{j}", ours + "scalar_parameters", target_rows=(j, j + 1)
            )
            table.add((1,), parameter)
        same(f"scalar_mix_{mix}.gamma", ours + "gamma")
    return table


def untrained_mixes(config: ElmoConfig) -> dict[str, np.ndarray]:
    """Mixes that give the mean of all layers, for sources without one; float32."""
    mixes = {}
    for mix in range(config.num_scalar_mixes):
        mixes[mix_prefix(mix) + "scalar_parameters"] = np.zeros(config.num_hidden_layers + 1, np.float32)
        mixes[mix_prefix(mix) + "gamma"] = np.ones(1, np.float32)
    return mixes


def to_model(table: TensorTable, sources: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors of the model from those of the source; both with the shapes of `table`.

    Parts without a source (the padding row of the character embedding) are zero. Tensors of the model no piece leads
    to are left out.
    """
    tensors: dict[str, np.ndarray] = {}
    for piece in table.pieces:
        source = sources[piece.source]
        if piece.target not in tensors:
            tensors[piece.target] = np.zeros(table.target_shapes[piece.target], source.dtype)
        target = tensors[piece.target]
        rows = slice(*(piece.target_rows or (0, len(target))))
        block = source[slice(*(piece.source_rows or (0, len(source))))]
        if piece.axes is not None:
            block = block.transpose(piece.axes)
        block = block.reshape(target[rows].shape)
        if piece.swap_gates:
            block = _exchange(block)
        target[rows] = -block if piece.negate else block
    return tensors


def to_source(table: TensorTable, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `to_model`: tensors of the source from those of the model."""
    sources: dict[str, np.ndarray] = {}
    for piece in table.pieces:
        target = tensors[piece.target]
        if piece.source not in sources:
            sources[piece.source] = np.empty(table.source_shapes[piece.source], target.dtype)
        source = sources[piece.source]
        rows = slice(*(piece.source_rows or (0, len(source))))
        block = target[slice(*(piece.target_rows or (0, len(target))))]
        if piece.negate:
            block = -block
        if piece.swap_gates:
            block = _exchange(block)
        if piece.axes is not None:
            shape = source[rows].shape
            block = block.reshape([shape[axis] for axis in piece.axes]).transpose(np.argsort(piece.axes))
        source[rows] = block
    return sources


def _exchange(block: np.ndarray) -> np.ndarray:
    """`block` with the two middle ones of its four gates exchanged along the first axis."""
    gates = block.reshape(4, -1, *block.shape[1:])
    return gates[list(SWAP_GATES)].reshape(block.shape)
