# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The parts of the recurrent heads and the finding of words and pairs, each text for itself against plain torch."""

import pytest
import torch
from elmo_builders import tiny_config
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoTokenizer
from hf_elmo.modeling.segments import find_segments
from hf_elmo.modeling.task_encoders import AttentionFlow, AttentivePooling, TaskBiLstm

EXACT = TOLERANCES["head", "float64"]
# Which of seven positions the words of each text have: to the left, right, with holes, none, one, all.
PLACES = [[0, 1, 2], [4, 5, 6], [0, 3, 4, 6], [], [3], [0, 1, 2, 3, 4, 5, 6]]


def settings(**changes):
    return tiny_config(task_head="recurrent", task_hidden_size=3, **changes)


def vectors_and_mask(size: int, places=PLACES):
    vectors = torch.randn(len(places), 7, size, dtype=torch.float64)
    mask = torch.zeros(len(places), 7, dtype=torch.bool)
    for row, chosen in enumerate(places):
        mask[row, chosen] = True
    return vectors, mask


@pytest.mark.parametrize("layers", [1, 2])
def test_bilstm_reads_each_text_as_if_it_were_alone(layers):
    encoder = TaskBiLstm(settings(task_num_layers=layers), 5).double().eval()
    vectors, mask = vectors_and_mask(5)
    vectors.requires_grad_()
    got = encoder(vectors, mask)
    assert got.shape == (6, 7, 6) and not got[~mask].any()
    for row, places in enumerate(PLACES):
        if places:
            alone, _ = encoder.lstm(vectors[row : row + 1, places])
            assert (got[row, places] - alone[0]).abs().max() <= EXACT
    got.sum().backward()
    assert not vectors.grad[~mask].any() and vectors.grad[mask].any(dim=-1).all()


@pytest.mark.parametrize("layers", [1, 2])
def test_padded_and_packed_runs_have_the_same_values_and_gradients(layers):
    encoder = TaskBiLstm(settings(task_num_layers=layers), 5).double().eval()
    lengths = torch.tensor([3, 7, 0, 1])
    words = (torch.arange(7) < lengths.unsqueeze(1)).unsqueeze(-1)
    vectors = torch.randn(4, 7, 5, dtype=torch.float64) * words
    weights = torch.randn(4, 7, 6, dtype=torch.float64) * words
    found = []
    for run in (encoder._run_padded, encoder._run_packed):
        inputs = vectors.clone().requires_grad_()
        hidden = run(inputs, lengths)
        gradients = torch.autograd.grad((hidden * weights).sum(), [inputs, *encoder.parameters()])
        found.append([hidden * words, *gradients])
    assert all((padded - packed).abs().max() <= EXACT for padded, packed in zip(*found, strict=True))


def test_bilstm_of_nothing():
    encoder = TaskBiLstm(settings(), 5)
    for shape in ((2, 0), (0, 4)):
        assert encoder(torch.zeros(*shape, 5), torch.zeros(shape, dtype=torch.bool)).shape == (*shape, 6)


def test_dropout_stands_between_the_layers():
    encoder = TaskBiLstm(settings(task_num_layers=2, embedding_dropout=0.4), 5)
    assert encoder.lstm.dropout == 0.4 and TaskBiLstm(settings(embedding_dropout=0.4), 5).lstm.dropout == 0
    inputs = torch.ones(2, 3, 5), torch.ones(2, 3, dtype=torch.bool)
    assert not torch.equal(encoder(*inputs), encoder(*inputs))
    encoder.eval()
    assert torch.equal(encoder(*inputs), encoder(*inputs))


def test_pooling_is_maximum_mean_minimum_and_attention():
    pooling = AttentivePooling(settings(), 5).double().eval()
    vectors, mask = vectors_and_mask(5)
    words = mask.clone()
    words[5, [0, 6]] = False  # read by the LSTM, not pooled
    got = pooling(vectors, mask, words)
    assert got.shape == (6, pooling.output_size) and not got[3].any()
    for row, places in enumerate(PLACES):
        if not places:
            continue
        hidden, _ = pooling.encoder.lstm(vectors[row : row + 1, places])
        hidden = hidden[0][words[row, places]]
        weights = torch.exp(hidden @ pooling.score.weight[0])
        attended = (hidden * (weights / weights.sum()).unsqueeze(1)).sum(0)
        expected = torch.cat([hidden.max(0).values, hidden.mean(0), hidden.min(0).values, attended])
        assert (got[row] - expected).abs().max() <= EXACT
    assert not pooling(vectors[:, :0], mask[:, :0], words[:, :0]).any()


def test_attention_flow_by_its_equations():
    """Seo et al. 2016, equations 1 to 3, pair by pair of words."""
    flow = AttentionFlow(settings(), 5).double().eval()
    questions = [[1, 2], [0], [1, 3], [], [2]]
    contexts = [[0, 4, 5], [2, 3, 4, 5, 6], [0], [3, 6], [0, 1]]
    vectors, question = vectors_and_mask(5, questions)
    _, context = vectors_and_mask(5, contexts)
    starts, ends = flow(vectors, question, context)
    assert starts.shape == ends.shape == (5, 7, flow.output_size)
    weight = flow.similarity.weight[0]
    for row, (asks, tells) in enumerate(zip(questions, contexts, strict=True)):
        h, _ = flow.encoder.lstm(vectors[row : row + 1, tells])
        h = h[0]
        if asks:
            u, _ = flow.encoder.lstm(vectors[row : row + 1, asks])
            similarity = torch.stack([torch.stack([weight @ torch.cat([t, j, t * j]) for j in u[0]]) for t in h])
            asked = torch.softmax(similarity, dim=1) @ u[0]
            core = torch.softmax(similarity.max(dim=1).values, dim=0) @ h
        else:  # nothing was asked: no attention to the question, and the same to every word of the context
            asked, core = torch.zeros_like(h), h.mean(dim=0)
        joint = torch.cat([h, asked, h * asked, h * core], dim=1)
        modeled, _ = flow.modeling.lstm(joint.unsqueeze(0))
        at_end, _ = flow.end_modeling.lstm(modeled)
        for got, last in ((starts, modeled), (ends, at_end)):
            assert (got[row, tells] - torch.cat([joint, last[0]], dim=1)).abs().max() <= EXACT


# ------------------------------------------------------------------------------------------------------------ segments


def named(segments, row: int, length: int) -> str:
    """f and s for words of the first and second text, a dash for marks and padding; in capitals where it opens."""
    masks = zip(segments.first[row], segments.second[row], segments.opening[row], strict=True)
    letters = ["f" if first else "s" if second else "O" if opening else "-" for first, second, opening in masks]
    assert torch.equal(segments.words[row], segments.first[row] | segments.second[row])
    return "".join(letters[:length])


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("through", ["char_ids", "input_ids", "int16"])
def test_words_and_pairs_are_found(side, through):
    tokenizer = ElmoTokenizer(["a", "b"], padding_side=side, splitting="whitespace")
    pairs = [("a b", "b x y"), ("", "a"), ("a", ""), ("", ""), ("a </S> b", "</S> a <S>")]
    # Marks are never words; the first text ends where </S> and <S> meet.
    expected = ["Off--sss-", "O--s-", "Of---", "O---", "Of-f---s--"]
    config = tiny_config(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, vocab_size=6)
    for texts, names, is_pair in ((zip(*pairs, strict=True), expected, True), ([["a x", ""]], ["Off-", "O-"], False)):
        batch = tokenizer(*map(list, texts), padding=True, return_tensors="pt")
        ids = {
            "char_ids": (None, batch["char_ids"]),
            "input_ids": (batch["input_ids"], None),
            "int16": (None, batch["char_ids"].flatten(1).to(torch.int16)),
        }[through]
        segments = find_segments(config, batch["attention_mask"].bool(), *ids)
        width = batch["input_ids"].shape[1]
        for row, name in enumerate(names):
            padding = "-" * (width - len(name))
            assert named(segments, row, width) == (name + padding if side == "right" else padding + name)
            assert segments.is_pair[row] == is_pair


def test_the_marks_of_the_config_count():
    ids, mask = torch.tensor([[5, 7, 6, 5, 8, 6]]), torch.ones(1, 6, dtype=torch.bool)
    assert named(find_segments(tiny_config(vocab_size=9, bos_token_id=5, eos_token_id=6), mask, ids, None), 0, 6) == (
        "Of--s-"
    )
    without = find_segments(tiny_config(vocab_size=9, bos_token_id=None, eos_token_id=None), mask, ids, None)
    assert without.words.all() and not without.is_pair.any()


def test_a_word_with_the_mark_as_second_byte_is_a_word():
    """Character id 257 means a sentence mark only right after the begin of a word."""
    char_ids = torch.full((1, 1, 50), 261)
    char_ids[0, 0, :3] = torch.tensor([100, 257, 260])
    assert find_segments(tiny_config(), torch.ones(1, 1, dtype=torch.bool), None, char_ids).words.all()


def test_neither_ids_nor_characters():
    with pytest.raises(ValueError, match="must tell words from sentence marks: pass the tokenizer's input_ids"):
        find_segments(tiny_config(), torch.ones(1, 2, dtype=torch.bool), None, None)
