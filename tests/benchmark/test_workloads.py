# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The made-up text resembles English, comes out the same every time, and is cut into batches as said."""

import pytest
import torch

from hf_elmo.benchmark import workloads


@pytest.fixture(scope="module")
def text():
    return workloads.make_text(None, 1000, seed=1, batch_sizes=[8])


def test_sentences_and_words_have_the_lengths_said(text):
    lengths = [len(sentence) for sentence in text.sentences]
    assert min(lengths) == 5 and max(lengths) == 60 and 21 < sum(lengths) / len(lengths) < 23
    assert 4.2 < text.facts["characters_per_word"] < 5.2
    first = [word for sentence in text.sentences for word in sentence][:700]
    assert 300 < len(set(first)) < 450  # about half of them, as in 30 sentences of news
    assert text.facts["vocabulary"] == len(text.tokenizer) and 0.1 < text.facts["unknown_fraction"] < 0.35


def test_the_made_text_depends_on_the_seed_alone(tiny):
    spellings = workloads.make_spellings(3)
    assert spellings == workloads.make_spellings(3) != workloads.make_spellings(4)
    assert len(set(spellings)) == len(spellings) == workloads.SPELLINGS
    once = workloads.make_sentences(spellings, 50, 3)
    assert once == workloads.make_sentences(spellings, 50, 3) != workloads.make_sentences(spellings, 50, 4)


def test_corpus_order_is_the_order_of_the_text(text):
    workload = workloads.make_workload(text, 8, "corpus", 24)
    assert [sentence for group in workload.sentences for sentence in group] == text.sentences[:24]
    assert workload.words == sum(map(len, text.sentences[:24])) == workload.facts["words"]
    first = workload.batches[0]
    assert first["char_ids"].shape == (8, max(map(len, text.sentences[:8])) + 2, 50)
    assert set(first) == {"input_ids", "char_ids", "attention_mask"}


def test_buckets_hold_like_lengths_from_short_to_long(text):
    workload = workloads.make_workload(text, 8, "bucketed", 32)
    assert workload.facts["batches"] == 4 and workload.facts["padding_fraction"] < 0.02
    means = [sum(map(len, group)) / 8 for group in workload.sentences]
    assert means == sorted(means) and means[0] < 15 and means[-1] > 30
    assert workloads.make_workload(text, 8, "corpus", 32).facts["padding_fraction"] > 0.2


@pytest.mark.parametrize("batch_size, wanted, sentences", [(1, None, 8), (8, None, 32), (128, None, 256), (8, 2, 8)])
def test_a_pass_is_a_few_batches(batch_size, wanted, sentences):
    assert workloads.count_sentences(batch_size, wanted) == sentences


def test_a_text_of_ones_own(tmp_path):
    (tmp_path / "own.txt").write_text("the cat sat .\n\nthe dog ran .\n")
    text = workloads.make_text(tmp_path / "own.txt", 8, seed=1, batch_sizes=[1, 2])
    assert text.sentences == [["the", "cat", "sat", "."], ["the", "dog", "ran", "."]]
    assert text.facts["text"] == "own.txt" and text.facts["words"] == 8
    with pytest.raises(ValueError, match="the text has 2 sentences, a batch of --batch-sizes 3"):
        workloads.make_text(tmp_path / "own.txt", 8, seed=1, batch_sizes=[3])


def test_the_published_sizes():
    sizes = {name: (size["projection_size"], size["cell_size"]) for name, size in workloads.SIZES.items()}
    assert sizes == {"small": (128, 1024), "medium": (256, 2048), "original": (512, 4096)}
    assert [size["num_highway_layers"] for size in workloads.SIZES.values()] == [1, 1, 2]


def test_clips_act_on_the_random_weights(text):
    model = workloads.build_model(workloads.SIZES["small"], seed=1)
    batch = workloads.make_workload(text, 16, "bucketed").batches[-1]
    with torch.inference_mode():
        cells = model(**batch, output_state=True).state[1]
    assert cells.abs().max() == 3 and (cells.abs() < 3).float().mean() > 0.9


def test_random_weights_depend_on_the_seed_alone(tiny):
    once, again, other = (list(workloads.build_model(tiny, seed).parameters()) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(once, other, strict=True) if a.dim() > 1)
