# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo demo` with a tiny model: offline, its files, its errors."""

import argparse
import json
import os
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from language_models import tiny_language_model, tiny_tokenizer

from hf_elmo import ElmoConfig, ElmoForPreTraining, ElmoModel, ElmoTokenizer, pretrained
from hf_elmo.cli import WrongUse
from hf_elmo.demo import command
from hf_elmo.demo.encoding import SMALL, ElmoEncoder, suitable_threads
from hf_elmo.demo.texts import DemoError, read_collection, read_groups

WORDS = ["<S>", "</S>", "<UNK>", "the", "play", "film", "won", "a"]


def run(*words) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A folder with a random `elmo-mini-en` that has its softmax, and one without."""
    root = tmp_path_factory.mktemp("box")
    torch.manual_seed(3)
    sizes = {
        "char_filters": [[1, 8], [2, 8], [3, 16]],
        "projection_size": 16,
        "cell_size": 32,
        "num_highway_layers": 1,
    }
    tokenizer = ElmoTokenizer(WORDS)
    model = ElmoForPreTraining(ElmoConfig(vocab_size=len(tokenizer), **sizes)).eval()
    pretrained.export(model, tokenizer, root / "elmo-mini-en")
    ElmoModel(ElmoConfig(**sizes)).save_pretrained(root / "encoder")
    ElmoTokenizer().save_pretrained(root / "encoder")
    return root


@pytest.fixture
def here(box, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "ROOT", box)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own(here):
    (here / "mouse.txt").write_text("a\tThe mouse ran.\nb\tClick the mouse.\na\tA mouse ate.\n")
    return here / "mouse.txt"


def test_the_whole_demo(here, capsys, monkeypatch):
    monkeypatch.setattr("hf_elmo.demo.picture.can_draw", lambda: False)  # thirty panels take seconds
    assert run() == 0
    text = capsys.readouterr().out
    assert [path.name for path in (here / "elmo-demo").iterdir()] == ["demo.html"]
    ElementTree.parse(here / "elmo-demo" / "demo.html")
    assert text.startswith("elmo-mini-en does not tell apart uses that differ in grammar (")  # it is random
    assert "Nearest words in" in text and "  in its place: " in text
    assert "\nPictures: elmo-demo/demo.html\nMore: --all" in text
    assert len(text.splitlines()) <= 46


def test_all_numbers_on_request(here, capsys, monkeypatch):
    monkeypatch.setattr("hf_elmo.demo.picture.can_draw", lambda: False)
    assert run("--all") == 0
    text = capsys.readouterr().out
    assert text.count('"play" in 8 sentences') == 2 and text.count("Words for the gap") == 2
    assert text.endswith("Pictures: elmo-demo/demo.html\n")


def test_own_word_and_sentences_twice_with_the_same_result(own, capsys):
    texts = []
    for _ in range(2):
        assert run("--word", "mouse", "--sentences", own, "--output", "out", "--json") == 0
        texts.append((capsys.readouterr().out, (own.parent / "out" / "demo.html").read_text()))
    assert texts[0] == texts[1]
    data = json.loads(texts[0][0])
    assert data["model"] == "elmo-mini-en" and list(data["groups"]) == ['senses of "mouse"']
    words = data["groups"]['senses of "mouse"']["words"]
    assert words["mouse"]["sentences"][1] == {"text": "Click the mouse.", "position": 2, "sense": "b"}
    assert data["look_ups"][0]["substitutes"]["searched"] == 5  # the words of the vocabulary but for the special ones
    assert data["files"] == ["out/demo.html", "out/demo.png"]
    assert sorted(path.name for path in (own.parent / "out").iterdir()) == ["demo.html", "demo.png"]
    assert (own.parent / "out" / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_written_to(here, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # whoever runs the tests may write everywhere
    with pytest.raises(DemoError, match="--output elmo-demo: .* cannot be written to; give another folder"):
        run()


def test_a_word_of_the_demo_in_detail(here, box, capsys, monkeypatch):
    monkeypatch.setattr("hf_elmo.demo.picture.can_draw", lambda: False)
    assert run("--word", "bank", "--all", "--model", box / "encoder") == 0
    text = capsys.readouterr().out
    assert '"bank" in 8 sentences' in text
    assert "The model has no softmax, so it cannot tell which words would fit a gap." in text


def test_without_matplotlib_the_page_is_enough(own, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert run("--word", "mouse", "--sentences", own) == 0
    out, err = capsys.readouterr()
    assert "no PNG: matplotlib is not installed (pip install 'hf-elmo[plot]')" in err
    assert "\nPictures: elmo-demo/demo.html\n" in out
    assert [path.name for path in (own.parent / "elmo-demo").iterdir()] == ["demo.html"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--sentences", "mouse.txt"], WrongUse, "--sentences needs the word to look for: --word WORD"),
        (["--word", "mouse"], DemoError, "no sentences with 'mouse': it has play, watch, .*Give your own with --sentences"),
        (["--word", "cat", "--sentences", "mouse.txt"], DemoError, "mouse.txt, line 1: 'cat' is not a word of the sentence"),
        (["--word", "a", "--sentences", "no.txt"], OSError, "no.txt"),
        (["--output", "mouse.txt"], DemoError, "--output mouse.txt: mouse.txt is a file; give a folder"),
        (["--output", "mouse.txt/new/out"], DemoError, "--output mouse.txt/new/out: .*/mouse.txt is a file; give a folder"),
        (["--model", "bert"], ValueError, "bert is a bert model; needed is an ELMo model"),
        (["--model", "./nothing"], ValueError, "./nothing: no such folder; give one from hf-elmo convert"),
    ],
)  # fmt: skip
def test_what_does_not_fit_leaves_no_files(words, error, message, own):
    (own.parent / "bert").mkdir()
    (own.parent / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(error, match=message):
        run(*words)
    assert not (own.parent / "elmo-demo").exists()


def test_a_model_that_is_not_installed(here, monkeypatch):
    monkeypatch.setattr(pretrained, "ROOT", here)
    with pytest.raises(
        pretrained.PretrainedError, match="elmo-mini-en belongs to hf_elmo, but this installation lacks"
    ):
        run()


@pytest.mark.parametrize("file", ["demo.html", "demo.png"])
def test_a_full_disk_leaves_no_half_file(file, own, monkeypatch):
    (own.parent / "elmo-demo").mkdir()
    (own.parent / "elmo-demo" / "demo.html").write_text("old")
    (own.parent / "elmo-demo" / "demo.png").write_text("old")

    def full(source, target, replace=os.replace):
        if target.name == file:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        run("--word", "mouse", "--sentences", own)
    old = {path.name for path in (own.parent / "elmo-demo").glob("demo.*") if path.read_bytes() == b"old"}
    assert old == {file, "demo.png"}  # the page comes first


def test_the_encoder_gives_the_models_layers_and_its_mix():
    torch.manual_seed(5)
    model, tokenizer = tiny_language_model(dtype=torch.float32), tiny_tokenizer()
    encoder = object.__new__(ElmoEncoder)
    encoder.model, encoder.tokenizer, encoder.language_model = model.elmo, tokenizer, model
    sentences = [["the", "cat"], ["a", "zebra", "sat"]]
    for words, vectors in zip(sentences, encoder.vectors(sentences), strict=True):
        batch = tokenizer([words], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            output = model.elmo(**batch, output_hidden_states=True)
        expected = torch.stack([*output.hidden_states, output.mixed_state])[:, 0, 1:-1]
        np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-5)
    found = encoder.substitutes(["the", "cat", "sat"], 1, 2)
    expected = model.substitutes(["the", "cat", "sat"], 1, tokenizer, k=99)
    assert [word for word, _ in found.words] == [each.word for each in expected[:2]]
    assert [p for _, p in found.words] == pytest.approx([np.exp(each.log_prob) for each in expected[:2]])
    assert (found.rank, found.searched) == ([each.word for each in expected].index("cat") + 1, len(expected))
    assert encoder.substitutes(["the", "zebra"], 1, 2).rank is None


class OfSize:
    def __init__(self, parameters):
        self.num_parameters = lambda: parameters


@pytest.mark.parametrize(("parameters", "threads"), [(SMALL - 1, 1), (SMALL, 3)])
def test_a_small_model_is_computed_by_one_thread(parameters, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(KeyError), suitable_threads(OfSize(parameters)):
            assert torch.get_num_threads() == threads
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_demo_computes_with_suitable_threads(own, monkeypatch):
    seen = []
    monkeypatch.setattr("hf_elmo.demo.study.make_study", lambda *_: seen.append(torch.get_num_threads()) or 1 / 0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError):
            run("--word", "mouse", "--sentences", own)
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def box_texts(split) -> list[str]:
    return [each.text for words in read_groups(split).values() for found in words.values() for each in found]


def test_tokens_without_a_letter_are_not_offered_but_keep_their_share():
    torch.manual_seed(5)
    tokenizer = ElmoTokenizer(["<S>", "</S>", "<UNK>", '"', "the", "3", "cat", ",", "x-1"])
    config = {"char_filters": [[1, 8]], "projection_size": 8, "cell_size": 16, "num_highway_layers": 1}
    model = ElmoForPreTraining(ElmoConfig(vocab_size=len(tokenizer), **config)).eval()
    with torch.no_grad():
        model.lm_head.bias[tokenizer.convert_tokens_to_ids('"')] = 9.0
    every = model.substitutes(["the", "cat", "3"], 1, tokenizer, k=6)
    assert every[0].word == '"' and len(every) == 6
    encoder = object.__new__(ElmoEncoder)
    encoder.tokenizer, encoder.language_model = tokenizer, model
    found = encoder.substitutes(["the", "cat", "3"], 1, 2)
    expected = [each for each in every if each.word in {"the", "cat", "x-1"}]
    assert [word for word, _ in found.words] == [each.word for each in expected[:2]]
    assert [share for _, share in found.words] == pytest.approx([np.exp(each.log_prob) for each in expected[:2]])
    assert (found.rank, found.searched) == ([each.word for each in expected].index("cat") + 1, 3)


def test_the_demos_words_are_split_as_the_tokenizer_does(box):
    encoder = ElmoEncoder(str(box / "encoder"))
    for text in [*box_texts(encoder.split), "It's 3.5, ok?"]:
        ids = encoder.tokenizer(text)["char_ids"]
        again = encoder.tokenizer(encoder.split(text), is_split_into_words=True)["char_ids"]
        assert ids == again
    assert len(read_collection(encoder.split)) >= 300
