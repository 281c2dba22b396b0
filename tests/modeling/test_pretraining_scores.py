# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores of sentences, words that might stand in them, and softmaxes that follow another vocabulary."""

import pytest
import torch
from elmo_builders import largest_difference
from language_models import SENTENCES, WORDS, encode, tiny_language_model, tiny_tokenizer, with_labels
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoForPreTraining, ElmoTokenizer

TOLERANCE = TOLERANCES["log_probability", "float64"]


def dense_log_probs(model, sentence: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, V) of both directions from the encoder's vectors, all words but padding; rows are reading positions."""
    with torch.no_grad():
        top = model.elmo(char_ids=encode([sentence])["char_ids"]).last_hidden_state[0]
        scores = [half @ model.lm_head.weight[1:].T + model.lm_head.bias[1:] for half in top.chunk(2, dim=-1)]
    return tuple(part.log_softmax(dim=-1) for part in scores)


def test_scores_of_every_word_in_both_directions():
    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    scores = model.score(SENTENCES, tokenizer)
    for sentence, score in zip(SENTENCES, scores, strict=True):
        ids = encode([sentence])["input_ids"][0] - 1
        ahead, back = dense_log_probs(model, sentence)
        expected = [float(ahead[place, ids[place + 1]]) for place in range(len(ids) - 1)]
        assert score.words == sentence.split()
        assert [*score.forward, score.end] == pytest.approx(expected, abs=TOLERANCE)
        assert score.forward_total == pytest.approx(sum(expected), abs=TOLERANCE)
        expected_back = [float(back[place + 1, ids[place]]) for place in range(len(ids) - 1)]
        assert [score.begin, *score.backward] == pytest.approx(expected_back, abs=TOLERANCE)
        assert score.total == pytest.approx(sum(expected) + sum(expected_back), abs=TOLERANCE)
        both = [ahead + back for ahead, back in zip(expected[:-1], expected_back[1:], strict=True)]
        assert score.joint == pytest.approx(both, abs=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_scores_depend_on_nothing_else_in_the_batch(dtype):
    model, tokenizer = tiny_language_model(dtype=dtype, lstm_dropout=0.5).train(), tiny_tokenizer()
    together = model.score(SENTENCES, tokenizer)
    tokenizer.padding_side = "left"
    tolerance = TOLERANCES["log_probability", str(dtype)[6:]]
    for scores in (model.score(SENTENCES, tokenizer, batch_size=1), model.score(SENTENCES, tokenizer, batch_size=3)):
        for ours, theirs in zip(scores, together, strict=True):
            assert ours.words == theirs.words
            assert ours.joint == pytest.approx(theirs.joint, abs=tolerance)
            assert ours.total == pytest.approx(theirs.total, abs=10 * tolerance)


def test_no_sentences_no_scores():
    assert tiny_language_model().score([], tiny_tokenizer()) == []


def test_substitutes_are_the_most_probable_words_of_both_directions_together():
    model, sentence = tiny_language_model(), SENTENCES[0]
    ahead, back = dense_log_probs(model, sentence)
    for position in (0, 2, 5):
        forward, backward = ahead[position], back[position + 2]
        joint = (forward + backward)[3:].exp()  # all but the special words
        expected = sorted(zip((joint / joint.sum()).log().tolist(), WORDS[3:], strict=True), reverse=True)
        found = model.substitutes(sentence, position, tiny_tokenizer(), k=4)
        assert [substitute.word for substitute in found] == [word for _, word in expected[:4]]
        for substitute, (log_prob, word) in zip(found, expected, strict=False):
            row = WORDS.index(word)
            given = (substitute.log_prob, substitute.forward, substitute.backward)
            assert given == pytest.approx((log_prob, float(forward[row]), float(backward[row])), abs=1e-5)
    everything = model.substitutes(sentence, 0, tiny_tokenizer(), k=99)
    assert {substitute.word for substitute in everything} == set(WORDS[3:])


def test_a_substitute_does_not_depend_on_the_word_that_stands_there():
    model, tokenizer = tiny_language_model(), tiny_tokenizer()
    first, second = (model.substitutes(f"the {word} sat", 1, tokenizer, k=3) for word in ("cat", "zebra"))
    assert [word.word for word in first] == [word.word for word in second]
    assert [word.log_prob for word in first] == pytest.approx([word.log_prob for word in second], abs=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda model: model.score("the cat", tiny_tokenizer()), TypeError, "sentences is one string"),
        (
            lambda model: model.score(["the"], ElmoTokenizer(["the"])),
            ValueError,
            "has 5 words, the model's softmax 13",
        ),
        (lambda model: model.substitutes("the cat", 2, tiny_tokenizer()), IndexError, "has words 0 to 1"),
        (lambda model: model.substitutes("the cat", 1, tiny_tokenizer(), k=0), ValueError, "k is 0"),
        (
            lambda model: model.score(["the"], ElmoTokenizer(WORDS, add_eos_token=False)),
            ValueError,
            "give a tokenizer that puts both around a sentence",
        ),
        (lambda model: model.change_vocabulary(ElmoTokenizer(["the"]), tiny_tokenizer()), ValueError, "has 5 words"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(tiny_language_model())


# Another vocabulary


def rows_of(model, tokenizer) -> dict[str, tuple]:
    return {
        word: (model.lm_head.weight[row].tolist(), model.lm_head.bias[row].item())
        for word, row in tokenizer.get_vocab().items()
    }


def test_a_new_vocabulary_keeps_the_rows_of_its_words_to_the_last_bit():
    model, old = tiny_language_model(dtype=torch.float32), tiny_tokenizer()
    new = ElmoTokenizer(["<S>", "</S>", "[UNK]", "mat", "dog", "the", "river"], unk_token="[UNK]")
    before, encoder = rows_of(model, old), {name: p.clone() for name, p in model.elmo.named_parameters()}
    mean = model.lm_head.weight[1:].double().mean(dim=0).tolist()
    change = model.change_vocabulary(old, new)
    after = rows_of(model, new)
    assert len(after) == 8 == model.config.vocab_size == model.lm_head.out_features
    for word in ("<S>", "</S>", "mat", "the", "[PAD]"):
        assert after[word] == before[word]
    assert after["[UNK]"] == before["<UNK>"]  # the same role
    assert after["dog"] == after["river"] and after["dog"][0] == pytest.approx(mean, abs=1e-6)
    assert change == (6, 2, 7)
    assert all(torch.equal(parameter, encoder[name]) for name, parameter in model.elmo.named_parameters())
    assert model.config.unk_token_id == new.unk_token_id == 3

    encoded = new(["the dog"], return_tensors="pt")
    loss = model(**encoded, labels=encoded["input_ids"]).loss
    loss.backward()
    assert float(loss.detach()) > 0 and model.lm_head.weight.grad is not None


def test_going_to_a_vocabulary_and_back_gives_the_same_losses():
    model, old = tiny_language_model(), tiny_tokenizer()
    before = model(**with_labels(SENTENCES)).loss
    larger = tiny_tokenizer(["<S>", "</S>", "<UNK>", "dog", *reversed(WORDS[3:])])
    model.change_vocabulary(old, larger)
    model.change_vocabulary(larger, old)
    assert torch.equal(model(**with_labels(SENTENCES)).loss, before)


@pytest.mark.parametrize("words", [16, 9])
def test_resizing_keeps_the_first_rows(words):
    model = tiny_language_model()
    before = model.lm_head.weight.detach().clone()
    model.resize_token_embeddings(words)
    kept = min(words, len(before))
    assert model.lm_head.weight.shape[0] == model.lm_head.bias.shape[0] == model.config.vocab_size == words
    assert torch.equal(model.lm_head.weight[:kept], before[:kept])
    assert largest_difference(model.lm_head.weight[kept:], before[1:].mean(0).expand(words - kept, -1)) <= TOLERANCE


def test_saving_keeps_the_softmax(tmp_path):
    model = tiny_language_model(dtype=torch.float32)
    model.save_pretrained(tmp_path)
    again, info = ElmoForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert not any(p.requires_grad for name, p in again.named_parameters() if "scalar_mix" in name)
