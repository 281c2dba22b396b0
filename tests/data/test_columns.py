# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Tagged sentences out of CoNLL columns, .iob2, CoNLL-U and JSON."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_elmo.data import DataError, load_tagging


def load(tmp_path, text, name="train.conll", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    dataset = load_tagging(path, **options)
    return [list(zip(row["tokens"], row["tags"], strict=True)) for row in dataset]


CONLLU = """\
# sent_id = 1
# text = I can't, vámonos now.
1\tI\tI\tPRON\tPRP\tCase=Nom|Number=Sing\t2\tnsubj\t_\tNER=O
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\t_
2\tca\tcan\tAUX\tMD\t_\t0\troot\t_\tNER=B-X
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\tSpaceAfter=No
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t0:root\t_
4\t10 000\t10 000\tNUM\tCD\t_\t2\tobj\t_\tNER=I-X|Lang=en

# sent_id = 2
1\tnow\tnow\tADV\tRB\t_\t0\troot\t_\t_
"""


def test_tabs(tmp_path):
    text = "New\tB-LOC\nYork\tI-LOC\n\n\t\nis\tO\n"
    assert load(tmp_path, text) == [[("New", "B-LOC"), ("York", "I-LOC")], [("is", "O")]]


def test_spaces_and_more_columns(tmp_path):
    text = "-DOCSTART- -X- O O\n\nEU  NNP I-NP I-ORG\nrejects VBZ I-VP O\n"
    assert load(tmp_path, text) == [[("EU", "B-ORG"), ("rejects", "O")]]
    assert load(tmp_path, text, column=1) == [[("EU", "NNP"), ("rejects", "VBZ")]]
    assert load(tmp_path, text, column="2") == [[("EU", "B-NP"), ("rejects", "B-VP")]]
    assert load(tmp_path, text, column=0, token_column=1) == [[("NNP", "EU"), ("VBZ", "rejects")]]


def test_iob1_becomes_bio2_unless_plain(tmp_path):
    text = "Paris I-LOC\nRome B-LOC\nof O\n"
    assert load(tmp_path, text) == [[("Paris", "B-LOC"), ("Rome", "B-LOC"), ("of", "O")]]
    assert load(tmp_path, text, scheme="plain")[0][0] == ("Paris", "I-LOC")


@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_hash_is_a_word_where_it_has_a_tag(tmp_path, separator):
    text = "# id = 5 of 7\n#_O\n1_O\n\n# another comment\n#tag_B-X\n#_O\n".replace("_", separator)
    assert load(tmp_path, text) == [[("#", "O"), ("1", "O")], [("#tag", "B-X"), ("#", "O")]]


def test_only_line_feeds_end_lines(tmp_path):
    text = "\ufeffa\u2028b\tO\r\n\xa0\tO\r\n\x85\tB-X\r\n\r\nc\tO"
    assert load(tmp_path, text) == [[("a\u2028b", "O"), ("\xa0", "O"), ("\x85", "B-X")], [("c", "O")]]


def test_iob2(tmp_path):
    text = "# text = a b\n1\tAnn\tB-PER\t-\tstephen\n2\tran\tO\t-\t-\n\n1\tBob\tB-PER\t-\t-\n"
    expected = [[("Ann", "B-PER"), ("ran", "O")], [("Bob", "B-PER")]]
    assert load(tmp_path, text, "dev.iob2") == expected
    assert load(tmp_path, text, "dev.txt") == expected  # known by its first line


@pytest.mark.parametrize("name", ["dev.conllu", "dev.txt"])
def test_conllu_without_ranges_and_empty_nodes(tmp_path, name):
    assert load(tmp_path, CONLLU, name) == [
        [("I", "PRON"), ("ca", "AUX"), ("n't", "PART"), ("10 000", "NUM")],
        [("now", "ADV")],
    ]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("xpos", ["PRP", "MD", "RB", "CD"]),
        (4, ["PRP", "MD", "RB", "CD"]),
        ("-3", ["nsubj", "root", "advmod", "obj"]),
        ("deprel", ["nsubj", "root", "advmod", "obj"]),
        ("misc:NER", ["O", "B-X", "O", "B-X"]),
        ("feats:Case", ["Nom", "O", "O", "O"]),
    ],
)
def test_conllu_columns(tmp_path, column, expected):
    assert [tag for _, tag in load(tmp_path, CONLLU, "a.conllu", column=column)[0]] == expected


def test_json_and_several_files(tmp_path):
    row = {"words": ["Ann", "ran"], "ner_tags": ["I-PER", "O"]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n\n" + json.dumps(row))
    (tmp_path / "a.json").write_text(json.dumps(row) + "\n" + json.dumps(row))  # lines, as Dataset.to_json writes them
    (tmp_path / "b.json").write_text(json.dumps([{"tokens": ["x"], "y": [3]}, {"tokens": [], "y": []}]))
    both = load_tagging([tmp_path / "a.jsonl", str(tmp_path / "a.json")])
    assert both["tags"][:] == [["B-PER", "O"]] * 4
    assert load_tagging(tmp_path / "b.json", "y", token_column="tokens")[:] == {"tokens": [["x"]], "tags": [["3"]]}


def test_parts_of_speech_are_left_alone(tmp_path):
    assert load(tmp_path, "I\tB-\nO\tI-x\nU\tNOUN\n") == [[("I", "B-"), ("O", "I-x"), ("U", "NOUN")]]


TWO_COLUMNS = "a\tO\nb\tO\n"
BAD = [
    ("a.conll", "a\tO\nb\n", {}, "line 2: 1 columns where the first token line has 2 (separated by '\\t'): 'b'"),
    ("a.conll", "a\tO\n#b\n", {}, "line 2: 1 columns"),  # no comment inside a sentence
    ("a.conll", "a\tO\n\tO\n", {}, "line 2: the token is empty"),
    ("a.conll", "a\tO\nb\t \n", {}, "line 2: the tag is empty"),
    ("a.conll", "a sentence of words\nanother\n", {}, "line 2: 1 columns where the first token line has 4"),
    ("a.conll", "word\n", {}, "one column, 'word'; needed are a token and its tag in each line"),
    ("a.conll", "", {}, "a.conll is empty"),
    ("a.conll", "\n-DOCSTART- O\n\n", {}, "a.conll holds no sentence"),
    ("a.conll", TWO_COLUMNS, {"column": 2}, "has 2 columns, numbered from 0; there is no column 2"),
    ("a.conll", TWO_COLUMNS, {"column": "upos"}, "columns of CoNLL files have no names, but 'upos' was asked for"),
    ("a.conll", TWO_COLUMNS, {"format": "xml"}, "format='xml' is not known for this task; it is one of conll, conllu"),
    ("a.conll", TWO_COLUMNS, {"scheme": "iob"}, "scheme='iob'; it is one of auto, bio2, plain"),
    ("a.conll", TWO_COLUMNS, {"format": "conllu"}, "line 1: 2 columns separated by tabs; conllu has 10"),
    ("a.conll", "a\tO\nb\tB-X\nc\tE-X\n", {}, "the tag of 'c' is 'E-X', but tags of spans are O, B-... and I-..."),
    ("a.conll", "a\tNOUN\n", {"scheme": "bio2"}, "line 1: the tag of 'a' is 'NOUN'"),
    ("a.conllu", CONLLU, {"column": "pos"}, "conllu has no column 'pos'; its columns are id, form, lemma, upos, xpos"),
    ("a.conllu", CONLLU, {"column": 10}, "conllu has no column '10'"),
    ("a.conllu", CONLLU, {"column": "upos:X"}, "conllu has no column 'upos:X'"),
    ("a.conllu", CONLLU, {"token_column": 2}, "conllu has its tokens in the column 'form'; leave out token_column="),
    ("a.iob2", "x\tAnn\tO\n", {}, "line 1: 'x' stands where iob2 has the number of the token"),
    ("a.iob2", "1\tAnn\tO\n3\tran\tO\n", {}, "line 2: token 3 follows 1; a line is missing"),
    ("a.iob2", "1\tAnn\n", {}, "line 1: 2 columns separated by tabs; iob2 has 3 to 5"),
    ("a.iob2", "1\t\tO\n", {}, "line 1: the form is empty"),
    ("a.json", '[{"tokens": ["a"], "tags": []}]', {}, "record 1: 1 tokens but 0 tags; each token needs one"),
    ("a.json", '[{"tokens": "a b", "tags": []}]', {}, "record 1: 'tokens' is no list; needed is one item a token"),
    ("a.json", '[{"tokens": [1], "tags": ["O"]}]', {}, "record 1: a token is 1; needed is text in quotes"),
    ("a.json", '[{"tokens": ["a"], "tags": [true]}]', {}, "record 1: a tag is True; needed is text in quotes"),
    ("a.json", '[{"tokens": ["a"]}]', {}, "the columns are 'tokens'; none is called tags, ner_tags"),
    ("a.json", '[{"tokens": [], "tags": []}]', {}, "a.json holds no sentence"),
]


@pytest.mark.parametrize(("name", "text", "options", "message"), BAD)
def test_errors_name_file_and_place(tmp_path, name, text, options, message):
    with pytest.raises(DataError, match=re.escape(message)) as error:
        load(tmp_path, text, name, **options)
    assert name in str(error.value) or "=" in str(error.value)
    assert "\n" not in str(error.value)


no_ends = st.characters(exclude_categories=("Cs",), exclude_characters="\t\n\r\ufeff")
words = st.one_of(
    st.text(no_ends, min_size=1, max_size=5), st.sampled_from(["#", "# x", "-", "1", "\xa0", "\x85", " "])
)
words = words.filter(lambda word: not word.startswith("-DOCSTART-"))
written = st.lists(
    st.lists(st.tuples(words, st.sampled_from(["O", "B-a", "B-b-c"])), min_size=1, max_size=4), min_size=1, max_size=4
)
gaps = st.sampled_from(["\n", "\n\n \n", "\n# a comment of words\n", "\n-DOCSTART-\tO\n\n"])


@given(written, st.sampled_from(["\t", " ", "\tx\t"]), gaps, st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(sentences, separator, gap, end, last_end):
    if separator == " ":
        sentences = [[(word.replace(" ", "_"), tag) for word, tag in sentence] for sentence in sentences]
    blocks = ["".join(f"{word}{separator}{tag}\n" for word, tag in sentence) for sentence in sentences]
    text = gap.join(blocks).rstrip("\n") + "\n" * last_end
    with tempfile.TemporaryDirectory() as folder:
        assert load(Path(folder), text.replace("\n", end), format="conll") == sentences
