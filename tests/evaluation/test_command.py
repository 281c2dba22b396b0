# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo evaluate` from its arguments to its table and its result file."""

import argparse
import json
import os
import shlex
import subprocess
import sys

import pytest
import torch
from support import ROOT
from transformers import BertConfig, BertForPreTraining, BertTokenizer

from hf_elmo import ElmoConfig, ElmoForPreTraining, ElmoModel, ElmoTokenizer
from hf_elmo.corpus import TokenShards
from hf_elmo.evaluation import command
from hf_elmo.evaluation.blimp import distinct_sentences, read_pairs
from hf_elmo.perplexity import perplexity

SMALL = {"char_filters": [[1, 4], [2, 4]], "projection_size": 4, "cell_size": 6, "num_highway_layers": 1}


def evaluate(*words):
    parser = argparse.ArgumentParser(prog="hf-elmo evaluate", allow_abbrev=False)
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def numbers_of(table):
    """Rows of a printed table by their first words; columns stand two blanks apart."""
    rows = [[cell for cell in line.split("  ") if cell] for line in table.strip().splitlines()]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    """The folder of a language model with random weights and the vocabulary of the corpus."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("models") / "elmo"
    tokenizer = TokenShards.open(corpus).tokenizer()
    ElmoForPreTraining(ElmoConfig(vocab_size=len(tokenizer), **SMALL)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blimp")
    texts = {
        "order": [("the dog sees a cat", "the sees dog a cat"), ("a man ran", "man a ran"), ("xx sat", "yy sat")],
        "words": [("the dog sees a cat", "the dog of a cat"), ("old river", "river old")],
    }
    for name, found in texts.items():
        lines = [
            {"sentence_good": good, "sentence_bad": bad, "UID": name, "field": "syntax", "linguistics_term": name}
            for good, bad in found
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_perplexities_of_elmo_and_ngrams_are_over_the_same_words(corpus, model, tmp_path, capsys):
    output = tmp_path / "result.json"
    assert evaluate("perplexity", model, corpus, "--ngram-corpus", corpus, "--num-lanes", 4, "--output", output) == 0
    out, err = capsys.readouterr()
    rows = numbers_of(out)
    assert list(rows) == ["perplexity", "ELMo, sentences", "ELMo, 4 lanes", "unigram", "Kneser-Ney 5-gram"]
    held_out = TokenShards.open(corpus, "held_out")
    counts = [f"{held_out.words + held_out.sentences:,}", f"{held_out.unknown_words:,}"]
    assert all(row[3:] == counts for row in list(rows.values())[1:])
    assert "counting 5-grams" in err and f"result written to {output}" in err

    result = json.loads(output.read_text())
    metrics = result["metrics"]
    expected = perplexity(
        ElmoForPreTraining.from_pretrained(model), ElmoTokenizer.from_pretrained(model), held_out.iter_sentences()
    )
    found = metrics["ELMo, sentences"]
    assert [found[name] for name in expected._fields] == pytest.approx(list(expected), rel=1e-6)
    for found in metrics.values():
        assert found["joint"] == pytest.approx((found["forward"] * found["backward"]) ** 0.5)
    assert metrics["Kneser-Ney 5-gram"]["forward"] < metrics["unigram"]["forward"] < expected.forward
    assert metrics["unigram"]["forward"] == pytest.approx(metrics["unigram"]["backward"])
    assert metrics["Kneser-Ney 5-gram"]["forward"] != metrics["Kneser-Ney 5-gram"]["backward"]
    assert result["data"]["held_out"]["sha256"] == held_out.fingerprint
    assert len(result["model"]["sha256"]) == 64 and {"code", "packages", "machine"} <= result.keys()
    assert str(tmp_path) not in output.read_text() and str(corpus.parent) not in output.read_text()


def test_the_command_of_a_result_gives_it_again(corpus, tmp_path, monkeypatch, capsys):
    output = tmp_path / "result.json"
    settings = ("--ngram-corpus", corpus, "--ngram-orders", 1, 2, "--max-sentences", 50)
    evaluate("perplexity", "none", corpus, *settings, "--output", output)
    result = json.loads(output.read_text())
    words = shlex.split(result["run"]["command"])
    assert words[:3] == ["hf-elmo", "evaluate", "perplexity"]
    monkeypatch.chdir(corpus.parent)  # paths are kept by their last name
    evaluate(*words[2:], "--output", output)
    again = json.loads(output.read_text())
    assert again["metrics"] == result["metrics"] and again["run"]["command"] == result["run"]["command"]
    assert result["model"] is None


def test_ngrams_alone_on_a_text_that_is_split_or_not(corpus, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("the dog sees a cat\n\nthe young, old man\n")
    found = []
    for more in ([], ["--pretokenized"]):
        assert evaluate("perplexity", "none", text, "--ngram-corpus", corpus, "--ngram-orders", 2, *more) == 0
        found.append(numbers_of(capsys.readouterr().out)["Kneser-Ney 2-gram"][3:])
    # The corpus splits at white space, and so does its tokenizer; `young,` is unknown in either way.
    assert found == [["11", "1"], ["11", "1"]]


def test_blimp_by_elmo_and_ngrams(corpus, model, pairs, tmp_path, capsys):
    output = tmp_path / "result.json"
    assert evaluate("blimp", model, pairs, "--ngram-corpus", corpus, "--output", output) == 0
    rows = numbers_of(capsys.readouterr().out)
    result = json.loads(output.read_text())
    read = read_pairs(pairs)
    scores = ElmoForPreTraining.from_pretrained(model).score(
        [sentence.split() for sentence in distinct_sentences(read)[0]], ElmoTokenizer.from_pretrained(model)
    )
    by_sentence = dict(zip(distinct_sentences(read)[0], scores, strict=True))
    right = [by_sentence[pair.good].total > by_sentence[pair.bad].total for pair in read]
    joint = result["metrics"]["ELMo, joint"]
    assert joint["overall"] == pytest.approx((sum(right[:3]) / 3 + sum(right[3:]) / 2) / 2)
    assert joint["paradigm"]["words"]["pairs"] == 2 and joint["pairs_with_equal_ids"] == 1
    assert joint["method"] == "exact log-probability of the sentence"
    unigram = result["metrics"]["unigram, forward"]
    assert unigram["paradigm"]["order"] == {"accuracy": 0.5, "pairs": 3, "ties": 3}  # the same words in another order
    names = ["ELMo", "unigram", "Kneser-Ney 5-gram"]
    columns = [f"{name}, {column}" for name in names for column in ("forward", "backward", "joint")]
    assert list(result["metrics"]) == columns and len(rows["overall"]) == 9
    assert rows["overall"][2] == f"{joint['overall']:.1%}"[:-1]
    assert result["data"]["blimp"]["pairs"] == 5 and len(result["data"]["blimp"]["sha256"]) == 64


def test_blimp_by_a_pretrained_bert_is_marked_as_no_probability(pairs, tmp_path, capsys):
    torch.manual_seed(2)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "sees", "a", "cat", "of", "old", "river"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertForPreTraining(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path / "bert")
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    output = tmp_path / "result.json"
    assert evaluate("blimp", tmp_path / "bert", pairs, "--max-pairs", 2, "--output", output) == 0
    (name,) = json.loads(output.read_text())["metrics"]
    found = json.loads(output.read_text())["metrics"][name]
    assert name == "masked LM, pseudo log likelihood"
    assert found["method"] == "pseudo-log-likelihood (Salazar et al. 2020), no probability of the sentence"
    assert found["paradigm"]["order"]["pairs"] == 2 and 0 <= found["overall"] <= 1
    with pytest.raises(ValueError, match="is a bert model, which has no perplexity; needed is ELMo"):
        evaluate("perplexity", tmp_path / "bert", pairs / "order.jsonl")


def test_an_interrupted_run_writes_nothing(corpus, tmp_path, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("hf_elmo.evaluation.run_perplexity.ngram_perplexity", interrupt)
    settings = ("perplexity", "none", corpus, "--ngram-corpus", corpus, "--output", tmp_path / "result.json")
    assert evaluate(*settings) == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err and not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        evaluate(*settings, "--debug")


def test_models_and_texts_that_do_not_fit_are_refused(corpus, model, pairs, tmp_path):
    (tmp_path / "text.txt").write_text("a b\n")
    (tmp_path / "notes.json").write_text("{}")
    ElmoModel(ElmoConfig(**SMALL)).save_pretrained(tmp_path / "encoder")
    ElmoTokenizer(["other", "words"]).save_pretrained(tmp_path / "encoder")
    other = ElmoTokenizer(["other", "words"])
    ElmoForPreTraining(ElmoConfig(vocab_size=len(other), **SMALL)).save_pretrained(tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    text, grams = tmp_path / "text.txt", ("--ngram-corpus", corpus)
    for words, message in (
        (("none", text), "MODEL is none: there is nothing to evaluate without --ngram-corpus"),
        ((tmp_path / "no", text), "no: no such folder; give a folder, a model of the box, or ORG/NAME on the Hub"),
        ((tmp_path, text), "has no config.json; give a folder of a model"),
        ((tmp_path / "encoder", text), r"encoder lacks 2 weights \(lm_head.bias, ...\): it predicts no words"),
        ((tmp_path / "other", text, *grams), "the vocabulary of .* is not that of .*other .6.; .* words differ"),
        ((model, text, "--device", "nowhere"), "--device nowhere cannot be used"),
        (("none", corpus, *grams, "--split", "dev"), "has no part 'dev'"),
        (("none", text, *grams, "--split", "train"), "--split is for a prepared corpus"),
        (
            ("none", corpus, *grams, "--split", "train"),
            "would be tested on the text they are trained on, the train part of",
        ),
        (("none", corpus, *grams, "--pretokenized"), "--pretokenized is for texts"),
        (("none", text, *grams, "--output", tmp_path / "no" / "x.json"), "no, does not exist; make it first"),
        (("none", text, *grams, "--output", tmp_path / "notes.json"), "notes.json is no result file and is not"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate("perplexity", *words)
    assert (tmp_path / "notes.json").read_text() == "{}"


@pytest.mark.parametrize("words", [["--help"], ["perplexity", "--help"], ["blimp", "--help"]])
def test_help_loads_neither_torch_nor_transformers(words):
    code = (
        "import argparse, sys; sys.argv[0] = 'hf-elmo'; from hf_elmo.evaluation import command\n"
        "parser = argparse.ArgumentParser(); command.add_arguments(parser)\n"
        "try: parser.parse_args(sys.argv[1:])\n"
        "except SystemExit: print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
    assert done.stderr == "[]\n" and "usage" in done.stdout


def test_example_and_summary_name_the_commands():
    assert all(name in command.EXAMPLE for name in ("evaluate perplexity", "evaluate blimp"))
    assert "\n" not in command.SUMMARY


@pytest.mark.slow
def test_the_command_itself_reads_a_model_of_the_box(tmp_path):
    """In a process of its own, where nothing has registered the classes before; both models of the box."""
    pairs = tmp_path / "one.jsonl"
    row = {"sentence_good": "The cat sleeps.", "sentence_bad": "The cat sleep.", "UID": "one", "field": "syntax"}
    pairs.write_text(json.dumps({**row, "linguistics_term": "agreement"}) + "\n")
    for name in ("elmo-mini-en", "bert-mini-en"):
        words = [sys.executable, "-m", "hf_elmo", "evaluate", "blimp", name, str(tmp_path)]
        done = subprocess.run(
            words, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stderr
        assert "overall" in done.stdout.lower()
