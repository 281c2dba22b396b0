# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Vectors of contenders against the models run by hand, and the planted ones."""

import gzip

import numpy as np
import pytest
import torch
from comparison_tasks import WORDS, write_vectors

from hf_elmo.compare.contenders import ContenderError, contender_name, identity, load_contender, overlapping_windows
from hf_elmo.compare.running import Context, contender_specs
from hf_elmo.compare.settings import Settings

SENTENCES = [WORDS[:5], [WORDS[7]], [], WORDS[3:9]]


def close(got, expected):
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=1e-5)


def test_elmo_gives_its_hidden_states(elmo_folder):
    contender = load_contender(str(elmo_folder))
    assert (contender.name, contender.kind) == ("tiny-elmo", "elmo")
    assert contender.layers == ("characters", "lstm1", "lstm2") and contender.dimension == 24
    for words, vectors in zip(SENTENCES, contender.vectors(SENTENCES), strict=True):
        assert vectors.dtype == torch.float32 and vectors.shape == (3, len(words), 24)
        if words:
            batch = contender.tokenizer([words], is_split_into_words=True, return_tensors="pt")
            with torch.no_grad():
                states = contender.model(**batch, output_hidden_states=True).hidden_states
            close(vectors, torch.stack([state[0, 1:-1] for state in states]))


def by_hand(contender, words):
    """The mean over the pieces of each word of a sentence that fits into the positions."""
    tokenizer, ids, owner = contender.tokenizer, [contender.tokenizer.cls_token_id], [None]
    for number, word in enumerate(words):
        pieces = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word)) or [tokenizer.unk_token_id]
        ids += pieces
        owner += [number] * len(pieces)
    ids.append(tokenizer.sep_token_id)
    with torch.no_grad():
        states = contender.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    rows = [[place for place, one in enumerate(owner) if one == number] for number in range(len(words))]
    return torch.stack([torch.stack([state[0, places].mean(dim=0) for places in rows]) for state in states])


def test_bert_gives_the_mean_over_the_pieces_of_a_word(bert_folder):
    contender = load_contender(str(bert_folder))
    assert contender.kind == "bert" and contender.layers == ("embeddings", "layer1", "layer2")
    several = [word for word in WORDS if len(contender.tokenizer.tokenize(word)) > 1]
    assert len(several) > 5
    sentences = [[*several[:3], WORDS[0], "\u200b", "unheard", WORDS[2]], [several[4]], []]
    found = contender.vectors(sentences)
    assert [tuple(vectors.shape) for vectors in found] == [(3, 7, 16), (3, 1, 16), (3, 0, 16)]
    for words, vectors in zip(sentences[:2], found, strict=False):
        close(vectors, by_hand(contender, words))


def test_long_sentences_are_read_in_windows(bert_folder):
    contender = load_contender(str(bert_folder))
    assert contender.window == 18
    words = [WORDS[2 * (number % 12)] for number in range(40)]  # one piece each
    (vectors,) = contender.vectors([words])
    starts = [0, 9, 18, 22]
    windows = [by_hand(contender, words[start : start + 18]) for start in starts]
    for place in range(40):
        inside = [n for n, start in enumerate(starts) if start <= place < start + 18]
        expected = [windows[n][:, place - starts[n]] for n in inside]
        # farthest from the edges of the window that cut the sentence; both of two that are as far are right
        depth = [min(place - starts[n] if n else 99, starts[n] + 17 - place if n < 3 else 99) for n in inside]
        allowed = [one for one, far in zip(expected, depth, strict=True) if far >= max(depth) - 1]
        assert any(torch.allclose(vectors[:, place], one, atol=1e-5) for one in allowed), place


@pytest.mark.parametrize("length, window", [(0, 5), (5, 5), (6, 5), (23, 7), (24, 7), (1000, 510), (9, 1)])
def test_each_place_is_kept_once(length, window):
    windows = overlapping_windows(length, window)
    assert [place for _, _, kept in windows for place in kept] == list(range(length))
    for start, end, kept in windows:
        assert 0 <= start <= kept.start and kept.stop <= end <= length and end - start <= window


@pytest.mark.parametrize("kind", ["elmo_folder", "bert_folder"])
def test_a_sentence_has_its_vectors_in_any_company(kind, request):
    contender = load_contender(str(request.getfixturevalue(kind)))
    together = contender.vectors([*SENTENCES, WORDS * 2])
    for words, vectors in zip(SENTENCES, together, strict=False):
        close(vectors, contender.vectors([words])[0])


def test_static_vectors_are_looked_up(vectors_file):
    contender = load_contender(f"static:{vectors_file}")
    assert (contender.name, contender.kind, contender.layers) == ("plain", "static", ("vectors",))
    rows = {line.split()[0]: line.split()[1:] for line in vectors_file.read_text().splitlines()[1:]}
    (vectors, none) = contender.vectors([["bela", "nowhere", "BELA"], []])
    expected = torch.tensor([float(number) for number in rows["bela"]])
    close(vectors[0], torch.stack([expected, torch.zeros(12), expected]))
    assert none.shape == (1, 0, 12) and contender.unknown_words == 1
    assert contender.facts()["parameters"] == 24 * 12


def test_the_table_of_the_box():
    from hf_elmo.pretrained import static_vectors

    try:
        words, matrix = static_vectors.load("word2vec-mini-en")
    except ValueError:
        pytest.skip("word2vec-mini-en is not in this installation")
    contender = load_contender("word2vec-mini-en")
    (vectors,) = contender.vectors([[words[10], words[5000]]])
    assert np.array_equal(vectors[0].numpy(), matrix[[10, 5000]])


def test_a_shuffled_contender_keeps_numbers_and_loses_their_order(elmo_folder):
    plain, shuffled = (load_contender(f"{prefix}{elmo_folder}") for prefix in ("", "shuffled:"))
    assert shuffled.name == "shuffled:tiny-elmo" and shuffled.layers == plain.layers
    before, after = plain.vectors(SENTENCES), shuffled.vectors(SENTENCES)
    for words, old, new in zip(SENTENCES, before, after, strict=True):
        assert old.shape == new.shape
        assert not len(words) or not torch.equal(old, new)
        rows = [sorted(map(tuple, layer.sort(dim=-1).values.tolist())) for layer in (*old, *new)]
        assert rows[:3] == rows[3:]
    alone = [shuffled.vectors([words])[0] for words in SENTENCES]
    for one, other in zip(after, alone, strict=True):
        close(one, other)


def test_a_copy_is_the_same_under_another_name(elmo_folder):
    plain, copy = load_contender(str(elmo_folder)), load_contender(f"copy:{elmo_folder}")
    assert copy.name == "copy:tiny-elmo"
    assert all(map(torch.equal, plain.vectors(SENTENCES), copy.vectors(SENTENCES)))


def test_facts_tell_which_model_it_is(elmo_folder):
    facts = load_contender(str(elmo_folder)).facts()
    assert facts["kind"] == "elmo" and len(facts["sha256"]) == 64
    model = load_contender(str(elmo_folder)).model
    assert facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_a_card_beside_a_model_is_no_part_of_its_identity(tmp_path):
    def identity_with(**files: str) -> str:
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content)
        identity.cache_clear()
        return identity(str(tmp_path))

    first = identity_with(config_json="{}", README_md="old", loss_svg="<svg/>")
    assert identity_with(README_md="new", loss_svg="<svg></svg>") == first
    assert identity_with(config_json="{ }") != first


def test_identity_of_compressed_vectors_is_that_of_what_they_hold(tmp_path):
    content = b"1 2\na 1 2\n"
    for name, date in (("first", 1), ("second", 2)):
        with open(tmp_path / f"{name}.txt.gz", "wb") as file, gzip.GzipFile(name, "wb", 9, file, date) as lines:
            lines.write(content)
    (tmp_path / "plain.txt").write_bytes(content)
    (tmp_path / "other.txt.gz").write_bytes(gzip.compress(content + b"b 1 2\n"))
    (tmp_path / "damaged.txt.gz").write_bytes((tmp_path / "first.txt.gz").read_bytes()[:-9])
    assert (tmp_path / "first.txt.gz").read_bytes() != (tmp_path / "second.txt.gz").read_bytes()
    first, *others = (
        identity(f"static:{tmp_path / name}")
        for name in ("plain.txt", "first.txt.gz", "second.txt.gz", "other.txt.gz", "damaged.txt.gz")
    )
    assert others[:2] == [first, first] and first not in others[2:] and others[2] != others[3]


@pytest.mark.parametrize("keep, reason", [(slice(None, -9), "ended before"), (slice(9, None), "Not a gzipped file")])
def test_damaged_vectors_are_named(tmp_path, keep, reason):
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(gzip.compress(b"a 1 2\nb 3 4\n" * 1000)[keep])
    with pytest.raises(
        ContenderError, match=rf"static:.*cut\.txt\.gz cannot be unpacked: .*{reason}.*; get or make the"
    ):
        load_contender(f"static:{path}")


def test_identity_follows_the_content(tmp_path):
    first, second, third = (write_vectors(tmp_path / f"{n}.txt", seed) for n, seed in enumerate((0, 0, 1)))
    assert identity(f"static:{first}") == identity(f"static:{second}") != identity(f"static:{third}")
    assert identity(f"shuffled:static:{first}") != identity(f"static:{first}")


def test_names(tmp_path):
    assert contender_name("elmo-mini-en") == "elmo-mini-en"
    assert contender_name("org/model") == "org/model"
    assert contender_name("shuffled:static:/a/glove.6B.txt.gz") == "shuffled:glove.6B"
    assert contender_name(str(tmp_path)) == tmp_path.name
    with pytest.raises(ContenderError, match="would both be called glove"):
        contender_specs(["static:a/glove.txt", "static:b/glove.txt"])
    with pytest.raises(ContenderError, match="nothing to compare"):
        contender_specs([])


def test_what_cannot_be_loaded_is_told(tmp_path, elmo_folder):
    with pytest.raises(ContenderError, match="no such folder"):
        load_contender(str(tmp_path / "absent"))
    with pytest.raises(ContenderError, match="no such file"):
        load_contender("static:absent.txt")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    with pytest.raises(ContenderError, match="broken"):
        load_contender(str(broken))
    with pytest.raises(ValueError, match="not among the contenders a"):
        Context(Settings(tmp_path, models=("a",))).contender("b")


def test_a_model_that_lacks_weights_is_refused(tmp_path, elmo_folder):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(elmo_folder, tmp_path / "torn")
    weights = load_file(tmp_path / "torn" / "model.safetensors")
    lost = next(name for name in weights if "layers.1" in name)
    del weights[lost]
    save_file(weights, tmp_path / "torn" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ContenderError, match="lacks 1 weights"):
        load_contender(str(tmp_path / "torn"))
