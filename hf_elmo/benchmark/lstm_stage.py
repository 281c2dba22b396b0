# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the LSTM stage and the whole encoder are held against: torch's own LSTM, and the matrix products alone.

Shapes: B sentences, T words, N real words of the batch, D `projection_size`, M `cell_size`, F filters in all.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent, Direction

WORD_PADDING = 261  # the character id after the end of a word


class TorchLstmStage:
    """The layers of ELMo as two stacks of `torch.nn.LSTM(proj_size=D)`, which has neither clip.

    Its weights are those of the equivalent, shared. Sentences are sorted and packed once, the backward stack reads
    them reversed: the form in which torch's LSTM is fastest.
    """

    def __init__(self, equivalent: AllenNlpEquivalent):
        # A plain list: the weights belong to the equivalent.
        self.lstms = [(_torch_lstm(ahead), _torch_lstm(back)) for ahead, back in equivalent.directions()]

    def __call__(self, words: Tensor, mask: Tensor) -> list[Tensor]:
        """Word vectors (B, T, D) and mask (B, T), padding at the right -> every layer (B, T, 2D), zero at padding."""
        lengths, order = mask.sum(dim=1).sort(descending=True)
        columns = torch.arange(words.shape[1])
        reverse = (lengths.unsqueeze(1) - 1 - columns).clamp(min=0).unsqueeze(-1).expand(-1, -1, words.shape[2])
        ahead = pack_padded_sequence(words[order], lengths, batch_first=True)
        back = pack_padded_sequence(words[order].gather(1, reverse), lengths, batch_first=True)
        place, real = order.argsort(), (columns < lengths.unsqueeze(1)).unsqueeze(-1)
        outputs = []
        for index, (ahead_lstm, back_lstm) in enumerate(self.lstms):
            ahead, back = _layer(ahead_lstm, ahead, index > 0), _layer(back_lstm, back, index > 0)
            ahead_padded = pad_packed_sequence(ahead, batch_first=True, total_length=words.shape[1])[0]
            back_padded = pad_packed_sequence(back, batch_first=True, total_length=words.shape[1])[0]
            back_padded = back_padded.gather(1, reverse) * real
            outputs.append(torch.cat([ahead_padded, back_padded], dim=-1)[place])
        return outputs


def _layer(lstm: nn.LSTM, inputs: PackedSequence, skip: bool) -> PackedSequence:
    outputs, _ = lstm(inputs)
    return PackedSequence(outputs.data + inputs.data, outputs.batch_sizes) if skip else outputs


def _torch_lstm(direction: Direction) -> nn.LSTM:
    """`nn.LSTM` with the weights of a `Direction`; torch wants a second bias."""
    size, cell_size = direction.weight_hr.shape
    lstm = nn.LSTM(size, cell_size, proj_size=size, device="meta")
    weights = {
        "weight_ih_l0": direction.weight_ih,
        "weight_hh_l0": direction.weight_hh,
        "bias_ih_l0": direction.bias,
        "bias_hh_l0": torch.zeros_like(direction.bias),
        "weight_hr_l0": direction.weight_hr,
    }
    lstm.load_state_dict(weights, assign=True)
    return lstm


class BareProducts:
    """The matrix products that an exact float32 ELMo cannot avoid, and nothing else: the limit of plain torch.

    LSTM stage, for each layer and direction: all input products as one, then at each step the recurrent product and
    the projection of the sentences that are long enough. Character encoder: for each distinct word of a batch the
    windows that hold any of its characters, the highway layers and the projection. Weights lie transposed and
    contiguous, results go into buffers made beforehand. There are no gates, no activations and no sums, so the results
    mean nothing.
    """

    def __init__(self, equivalent: AllenNlpEquivalent):
        self.directions = [
            [_transposed(weight) for weight in (one.weight_ih, one.weight_hh, one.weight_hr)]
            for pair in equivalent.directions()
            for one in pair
        ]
        encoder = equivalent.char_cnn
        convolutions = cast("list[nn.Conv1d]", list(encoder.convolutions))
        dense = cast("list[nn.Linear]", [*encoder.highways, encoder.projection])
        self.filters = [(one.kernel_size[0], _transposed(one.weight.flatten(1))) for one in convolutions]
        self.dense = [_transposed(one.weight) for one in dense]

    def lstm_stage(self, mask: Tensor) -> Callable[[], None]:
        """The work of the LSTM stage on a batch with this mask (B, T) bool, its buffers filled with random numbers."""
        lengths = mask.sum(dim=1)
        alive = (lengths.unsqueeze(0) > torch.arange(mask.shape[1]).unsqueeze(1)).sum(dim=1)
        alive_now = [count for count in alive.tolist() if count > 0]
        size, gate_size = self.directions[0][0].shape
        words = torch.rand(sum(alive_now), size) - 0.5
        gates_of_words = torch.empty(len(words), gate_size)
        h, cell = torch.rand(len(mask), size) - 0.5, torch.rand(len(mask), gate_size // 4) - 0.5
        gates = torch.empty(len(mask), gate_size)
        steps = [(h[:count], gates[:count], cell[:count]) for count in alive_now]

        def work() -> None:
            for weight_ih, weight_hh, weight_hr in self.directions:
                torch.mm(words, weight_ih, out=gates_of_words)
                for h_now, gates_now, cell_now in steps:
                    torch.mm(h_now, weight_hh, out=gates_now)
                    torch.mm(cell_now, weight_hr, out=h_now)

        return work

    def char_cnn(self, char_ids: Tensor) -> Callable[[], None]:
        """The work of the character encoder on the distinct words of char_ids (B, T, C)."""
        words = char_ids.flatten(0, 1).unique(dim=0)
        words = words[(words > 0).any(dim=1)]
        used = ((words > 0) & (words != WORD_PADDING)).sum(dim=1)  # (n,) characters, marks included
        products = []
        for span, weight in self.filters:
            rows = int(used.clamp(max=char_ids.shape[-1] - span + 1).sum())
            products.append((torch.rand(rows, len(weight)), weight, torch.empty(rows, weight.shape[1])))
        for weight in self.dense:
            products.append((torch.rand(len(words), len(weight)), weight, torch.empty(len(words), weight.shape[1])))

        def work() -> None:
            for inputs, weight, outputs in products:
                torch.mm(inputs, weight, out=outputs)

        return work


def _transposed(weight: Tensor) -> Tensor:
    return weight.detach().t().contiguous()
