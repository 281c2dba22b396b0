# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The small networks between the ELMo vectors and the output layer of `task_head="recurrent"`.

Shapes: B sentences, T words, W numbers of a word vector, H twice `task_hidden_size`. What a network gives for a sentence
depends on nothing else in the batch.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .configuration_elmo import ElmoConfig
from .word_layout import WordLayout

# Logit of what cannot be chosen: its probability is zero in every float type, and sums of two stay finite.
EXCLUDED = -1e4


class TaskBiLstm(nn.Module):
    """Bidirectional LSTM over the words of a mask: (B, T, W) -> (B, T, H), zero elsewhere."""

    def __init__(self, config: ElmoConfig, input_size: int):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size,
            config.task_hidden_size,
            config.task_num_layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.embedding_dropout if config.task_num_layers > 1 else 0.0,
        )

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """`mask` (B, T) bool may have padding and holes anywhere: the words are read as if they stood together."""
        if not mask.numel():
            return vectors.new_zeros(*mask.shape, 2 * self.lstm.hidden_size)
        layout = WordLayout(mask)
        run = self._run_padded if vectors.device.type == "cpu" else self._run_packed
        hidden = run(layout.to_left(vectors), layout.lengths)
        return layout.to_place(hidden).masked_fill(~mask.unsqueeze(-1), 0)

    def _run_packed(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Words (B, T, W) at the left -> (B, T, H), as cuDNN does it best."""
        lengths = lengths.clamp(min=1).cpu()  # a packed sequence cannot be empty
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=vectors.shape[1])
        return hidden

    def _run_padded(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """The same without packing, whose gradient on a processor costs the square of the longest length.

        The backward direction reads each sentence from its own last word, so that padding comes after it, too.
        """
        steps = torch.arange(vectors.shape[1], device=vectors.device)
        ends = lengths.unsqueeze(1)
        turned = torch.where(steps < ends, ends - 1 - steps, steps).unsqueeze(-1)  # (B, T, 1)

        def turn(rows: Tensor) -> Tensor:
            return rows.gather(1, turned.expand(-1, -1, rows.shape[-1]))

        for layer in range(self.lstm.num_layers):
            if layer:
                vectors = torch.dropout(vectors, self.lstm.dropout, self.training)
            backward = turn(self._run_direction(turn(vectors), f"l{layer}_reverse"))
            vectors = torch.cat([self._run_direction(vectors, f"l{layer}"), backward], dim=-1)
        return vectors

    def _run_direction(self, vectors: Tensor, place: str) -> Tensor:
        weights = [getattr(self.lstm, f"{name}_{place}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        start = vectors.new_zeros(1, len(vectors), self.lstm.hidden_size)
        return torch.lstm(vectors, (start, start), weights, True, 1, 0.0, self.training, False, True)[0]


class AttentivePooling(nn.Module):
    """BiLSTM, then maximum, mean, minimum and self-attentive sum of its words: (B, T, W) -> (B, 4H).

    The pooling of McCann et al. 2017 (arXiv:1708.00107), section 5, as in the sentiment classifier of Peters et al. 2018.
    A text without words gives zeros.
    """

    def __init__(self, config: ElmoConfig, input_size: int):
        super().__init__()
        size = 2 * config.task_hidden_size
        self.output_size = 4 * size
        self.encoder = TaskBiLstm(config, input_size)
        self.score = nn.Linear(size, 1, bias=False)  # a bias would not change the attention

    def forward(self, vectors: Tensor, mask: Tensor, words: Tensor) -> Tensor:
        """`mask` (B, T) bool tells which positions the LSTM reads, `words` which are pooled."""
        if not words.numel():
            return vectors.new_zeros(len(vectors), self.output_size)
        hidden = self.encoder(vectors, mask)
        others = ~words.unsqueeze(-1)
        attention = torch.softmax(self.score(hidden).masked_fill(others, EXCLUDED), dim=1)  # (B, T, 1)
        parts = [
            hidden.masked_fill(others, EXCLUDED).amax(dim=1),
            mean_of_words(hidden, words),
            hidden.masked_fill(others, -EXCLUDED).amin(dim=1),
            (attention * hidden).sum(dim=1),
        ]
        return torch.cat(parts, dim=-1).masked_fill(~words.any(dim=1, keepdim=True), 0)


class AttentionFlow(nn.Module):
    """Bidirectional attention flow between a question and its context (Seo et al. 2016, arXiv:1611.01603, section 2).

    From the contextual layer on; the ELMo vectors stand in for its words and characters, as in Peters et al. 2018.
    """

    def __init__(self, config: ElmoConfig, input_size: int):
        super().__init__()
        size = 2 * config.task_hidden_size
        self.output_size = 5 * size
        self.encoder = TaskBiLstm(config, input_size)
        self.similarity = nn.Linear(3 * size, 1, bias=False)
        self.modeling = TaskBiLstm(config, 4 * size)
        self.end_modeling = TaskBiLstm(config, size)

    def forward(self, vectors: Tensor, question: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Features of every context position as the start and as the end of the answer, (B, T, 5H) each.

        Args:
            vectors: (B, T, W) of question and context.
            question, context: (B, T) bool; a question may be empty.
        """
        of_context, of_question = self.encoder(vectors, context), self.encoder(vectors, question)  # (B, T, H)
        weights = self.similarity.weight.view(3, -1)
        scores = (of_context * weights[2]) @ of_question.transpose(1, 2)  # (B, T, T), equation 1
        scores = scores + (of_context @ weights[0]).unsqueeze(2) + (of_question @ weights[1]).unsqueeze(1)
        scores = scores.masked_fill(~question.unsqueeze(1), EXCLUDED)
        asked = torch.softmax(scores, dim=-1) @ of_question  # context to question
        best = scores.amax(dim=-1).masked_fill(~context, 2 * EXCLUDED)  # less than with an empty question
        core = torch.softmax(best, dim=-1).unsqueeze(1) @ of_context  # (B, 1, H), question to context
        joint = torch.cat([of_context, asked, of_context * asked, of_context * core], dim=-1)
        start = self.modeling(joint, context)
        end = self.end_modeling(start, context)
        return torch.cat([joint, start], dim=-1), torch.cat([joint, end], dim=-1)


def mean_of_words(vectors: Tensor, words: Tensor) -> Tensor:
    """Mean (B, W) of the vectors (B, T, W) where `words` (B, T) is True; zeros for a text without words."""
    count = words.sum(dim=1, keepdim=True).clamp(min=1)
    return vectors.masked_fill(~words.unsqueeze(-1), 0).sum(dim=1) / count
