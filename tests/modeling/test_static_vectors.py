# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Static vectors: every form of the files, which row a word gets, and what the model does with them."""

import gzip
import itertools

import numpy as np
import pytest
import torch
from elmo_builders import tiny_config

from hf_elmo.modeling import (
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoTokenizer,
)
from hf_elmo.modeling.static_vectors import read_text_vectors

WORDS = ["the", "cat", "Cat", "NASA", "New York", "zebra"]
GLOVE = "the 1 2 3\ncat 4 5 6\nnasa 7 8 9\nNew York 0.5 -1e-1 .25\nunseen 0 0 0\n"


@pytest.fixture
def tokenizer():
    return ElmoTokenizer(WORDS)


def model_for(tokenizer, **settings) -> ElmoForTokenClassification:
    settings = {"vocab_size": len(tokenizer), "static_embedding_size": 3, "embedding_dropout": 0.0} | settings
    return ElmoForTokenClassification(tiny_config(**settings)).eval()


def load(tokenizer, tmp_path, content: str | bytes, name="vectors.txt", **settings):
    model = model_for(tokenizer, **settings)
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    report = model.load_static_vectors(tokenizer, tmp_path / name)
    rows = model.static_embeddings.weight.detach()
    return {word: rows[id_].tolist() for word, id_ in tokenizer.get_vocab().items()}, report


FORMS = {
    "glove": GLOVE,
    "word2vec": "5 3\n" + GLOVE.replace("\n", " \n"),  # its lines end with a space
    "windows": GLOVE.replace("\n", "\r\n"),
    "no newline at the end": GLOVE.rstrip(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
def test_every_form_of_file(tokenizer, tmp_path, form, compressed):
    content = gzip.compress(FORMS[form].encode()) if compressed else FORMS[form]
    rows, report = load(tokenizer, tmp_path, content, "vectors.txt.gz" if compressed else "vectors.txt")
    assert rows["the"] == [1, 2, 3] and rows["NASA"] == [7, 8, 9]
    assert rows["New York"] == pytest.approx([0.5, -0.1, 0.25])
    assert rows["Cat"] == rows["cat"] == [4, 5, 6]
    assert rows["zebra"] == rows["<UNK>"] == rows["[PAD]"] == [0, 0, 0]
    assert report == (9, 3, 2) and report.missing == 4  # zebra and the three special words


@pytest.mark.parametrize("order", list(itertools.permutations(["Cat 1 1 1\n", "cat 2 2 2\n", "Cat 3 3 3\n"])))
def test_own_spelling_comes_first_and_the_first_line_counts(tokenizer, tmp_path, order):
    rows, report = load(tokenizer, tmp_path, "".join(order))
    first = next(line for line in order if line.startswith("Cat"))
    assert rows["Cat"] == [float(first[4])] * 3 and rows["cat"] == [2, 2, 2]
    assert report == (9, 2, 0)


def test_a_mapping_serves_as_well(tokenizer):
    model = model_for(tokenizer)
    vectors = {"cat": [4, 5, 6], "nasa": np.array([7.0, 8, 9]), "unseen": [1]}
    assert model.load_static_vectors(tokenizer, vectors) == (9, 1, 2)
    assert model.static_embeddings.weight[tokenizer.get_vocab()["NASA"]].tolist() == [7, 8, 9]
    # loading anew leaves nothing of the old vectors
    model.load_static_vectors(tokenizer, {"the": [1, 1, 1]})
    assert model.static_embeddings.weight.sum() == 3


def test_a_file_is_read_line_by_line(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2 3\nbroken 1\n")
    lines = read_text_vectors(path, 3, {"the"})
    assert next(lines)[0] == "the"
    with pytest.raises(ValueError, match="line 2"):
        next(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the 1 2\n", r"vectors.txt, line 1: the vector has 2 numbers, config.static_embedding_size is 3"),
        ("the 1 2 3\ncat 1 2 3 4\n", "line 2: the vector has 4 numbers"),
        ("the 1 2 3\n\n", "line 2: the vector has 0 numbers"),
        ("9 300\nthe 1 2 3\n", "line 1: the vector has 300 numbers, config.static_embedding_size is 3"),
        (b"2 3\nthe \x00\x00\x80\x3f\x00\x00", "line 2: .* binary word2vec files must be converted first"),
        ("the 1 two 3\n", "line 1: the vector of 'the' is not 3 finite numbers"),
        ("cat 1 2 3\nthe 1 nan 3\n", "line 2: the vector of 'the' is not 3 finite numbers"),
        ("dog 1 2 3\n", "vectors.txt holds no word of the tokenizer's vocabulary of 9 words"),
        ("", "holds no word"),
    ],
)
def test_what_is_wrong_with_a_file(tokenizer, tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        load(tokenizer, tmp_path, content)


def test_bytes_that_are_no_text_are_no_word(tokenizer, tmp_path):
    rows, _ = load(tokenizer, tmp_path, b"\xff\xfe 1 2 3\nthe 1 2 3\n")
    assert rows["the"] == [1, 2, 3]


def test_what_is_wrong_with_the_model_or_the_tokenizer(tokenizer):
    vectors = {"the": [1, 2, 3]}
    with pytest.raises(ValueError, match="no static vectors: build or load it with static_embedding_size="):
        model_for(tokenizer, static_embedding_size=0).load_static_vectors(tokenizer, vectors)
    with pytest.raises(ValueError, match="holds special tokens only.*train_new_from_iterator"):
        model_for(tokenizer).load_static_vectors(ElmoTokenizer(), vectors)
    with pytest.raises(ValueError, match=r"has 10 words, the table .* 4 rows.*resize_token_embeddings"):
        model_for(tokenizer, vocab_size=4).load_static_vectors(tokenizer, vectors)
    with pytest.raises(ValueError, match=r"the vector of 'the' has shape \(2,\); needed is \(3,\)"):
        model_for(tokenizer).load_static_vectors(tokenizer, {"the": [1, 2]})


def test_vectors_change_the_logits_of_their_words_only(tokenizer):
    model, batch = model_for(tokenizer), tokenizer("the zebra cat", return_tensors="pt")
    with torch.no_grad():
        before = model(**batch).logits
        model.load_static_vectors(tokenizer, {"the": [1, 2, 3], "cat": [4, 5, 6]})
        change = model(**batch).logits - before
    expected = model.classifier.weight[:, -3:] @ torch.tensor([[1.0, 2, 3], [0, 0, 0], [4, 5, 6]]).T
    assert torch.allclose(change[0, 1:4], expected.T, atol=1e-6) and not change[0, [0, 4]].any()


@pytest.mark.parametrize("frozen", [True, False])
def test_vectors_learn_only_if_they_may(tokenizer, tmp_path, frozen):
    model = model_for(tokenizer, freeze_static_embeddings=frozen)
    model.load_static_vectors(tokenizer, {"the": [1, 2, 3]})
    model.save_pretrained(tmp_path)
    for version in (model, ElmoForTokenClassification.from_pretrained(tmp_path)):
        batch = tokenizer(["the cat", "the"], padding=True, return_tensors="pt")
        version(**batch).logits.square().sum().backward()
        weight = version.static_embeddings.weight
        assert weight.requires_grad != frozen and torch.equal(weight, model.static_embeddings.weight)
        if not frozen:
            touched = weight.grad.abs().sum(dim=1) > 0
            assert touched[tokenizer.convert_tokens_to_ids(["the", "cat", "<S>"])].all() and not touched[0]


def test_a_larger_vocabulary_keeps_the_rows(tokenizer):
    model = model_for(tokenizer)
    model.load_static_vectors(tokenizer, {"the": [1, 2, 3]})
    old = model.static_embeddings.weight.clone()
    tokenizer.add_tokens(["dog"])
    with pytest.raises(ValueError, match=r"input_ids hold 10, the table of static vectors has 10 rows"):
        model(**tokenizer("the dog", return_tensors="pt"))
    model.resize_token_embeddings(len(tokenizer))
    weight = model.static_embeddings.weight
    assert torch.equal(weight[:10], old) and not weight[10:].any() and not weight.requires_grad
    assert model.config.vocab_size == len(tokenizer) == len(weight)
    model(**tokenizer("the dog", return_tensors="pt"))
    model.resize_token_embeddings(5)
    assert torch.equal(model.static_embeddings.weight, old[:5])


def test_words_without_ids_have_no_static_vector(tokenizer):
    batch = tokenizer("the cat", return_tensors="pt")
    with pytest.raises(ValueError, match="static vectors are looked up by input_ids"):
        model_for(tokenizer)(char_ids=batch["char_ids"])


HEADS = [ElmoForTokenClassification, ElmoForSequenceClassification, ElmoForQuestionAnswering]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("form", ["linear", "recurrent"])
def test_static_vectors_alone_are_all_that_a_head_knows(tokenizer, head, form):
    settings = {"vocab_size": len(tokenizer), "static_embedding_size": 3, "task_head": form, "task_hidden_size": 4}
    model = head(tiny_config(**settings, use_elmo_vectors=False)).eval()
    model.load_static_vectors(tokenizer, {"the": [1, 2, 3], "cat": [4, 5, 6], "zebra": [4, 5, 6]})
    pairs = ("the cat", "the cat"), ("the zebra", "the zebra"), ("the the", "the the")
    with torch.no_grad():
        same, too, other = (model(**tokenizer(*pair, return_tensors="pt")).to_tuple()[0] for pair in pairs)
    assert torch.equal(same, too) and not torch.equal(same, other)


def test_without_elmo_vectors_the_encoder_neither_runs_nor_learns(tokenizer, monkeypatch):
    model = model_for(tokenizer, use_elmo_vectors=False).train()
    monkeypatch.setattr(model.elmo, "forward", lambda *_, **__: pytest.fail("the encoder ran"))
    batch = tokenizer(["the cat", "zebra"], padding=True, return_tensors="pt")
    output = model(**batch, labels=torch.zeros_like(batch["input_ids"]), output_hidden_states=True)
    output.loss.backward()
    assert output.hidden_states is None
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        "classifier.weight",
        "classifier.bias",
    }
    assert not any(p.requires_grad or p.grad is not None for p in model.elmo.parameters())


def test_saved_layers_beside_static_vectors_alone_are_refused(tokenizer):
    model, batch = model_for(tokenizer, use_elmo_vectors=False), tokenizer("the cat", return_tensors="pt")
    with pytest.raises(
        ValueError, match="use_elmo_vectors=False reads static vectors alone: leave encoder_layers out"
    ):
        model(**batch, encoder_layers=torch.zeros(1, 4, 3, model.config.hidden_size))
