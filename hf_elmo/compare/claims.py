# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The claims about ELMo, BERT and static vectors, each as the comparisons that decide on it; words in texts/claims.json."""

import re
from collections.abc import Iterator

from hf_elmo.compare.ledger import Claim, Comparison, Figures, Row, below

ENTITIES = ("wnut17", "wikigold", "crossner", "uner")
CLASSIFICATION = ("mr", "subj", "banking77", "clinc150", "snips")
SENTIMENT = ("mr",)
QUESTIONS = ("squad",)
SHORT = 128  # words of a sentence
FEW = 10  # per cent of the examples
MOST_LINES, MOST_TRAINING_LINES, MOST_SECONDS = 12, 30, 60


def _named(*starts: str):
    """Whether a column is one of these data sets."""
    return lambda column: re.split(r"[\s(]", column)[0].startswith(starts)


def _exactly(*names: str):
    return lambda column: re.split(r"[\s(]", column)[0] in names


def number_of(column: str) -> float | None:
    """The first number in the name of a column."""
    found = re.search(r"\d[\d,]*\.?\d*", column)
    return float(found[0].replace(",", "")) if found else None


def _is_context_layer(row: Row) -> bool:
    """Whether a row of an ELMo is that of an LSTM layer."""
    return "lstm" in str(row["group"] or row["label"])


def layers_over_floors(figures: Figures, prefix: str, columns=lambda column: True) -> Iterator[Comparison]:
    """Every LSTM layer of an ELMo over its own character layer and over static vectors."""
    for table in figures.tables(prefix):
        elmo = figures.rows(table, "elmo")
        for column in filter(columns, table["columns"]):
            for row in filter(_is_context_layer, elmo):
                own = [
                    one
                    for one in elmo
                    if one["contender"] == row["contender"] and "characters" in str(one["group"] or one["label"])
                ]
                for floor in [*own, *figures.rows(table, "static")]:
                    yield from figures.between(table, column, row, floor)


def context_sensitive(figures: Figures) -> Iterator[Comparison]:
    yield from layers_over_floors(figures, "polysemy")


def polysemy(figures: Figures) -> Iterator[Comparison]:
    yield from layers_over_floors(figures, "senses", lambda column: column == "lemmas with several senses")


def ner_over_static(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-frozen", "elmo", "static", _named(*ENTITIES))


def sentiment_over_static(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-frozen", "elmo", "static", _exactly(*SENTIMENT))


def easy_integration(figures: Figures) -> Iterator[Comparison]:
    for prefix, column, bound in (
        ("integration-lines", "word vectors", MOST_LINES),
        ("integration-lines", "training a tagger", MOST_TRAINING_LINES),
        ("integration-seconds", "word vectors", MOST_SECONDS),
    ):
        for table in figures.tables(prefix):
            for row in figures.rows(table, "elmo"):
                yield from below(table, column, row, bound)


def training_cost(figures: Figures) -> Iterator[Comparison]:
    for kind in ("bert", "static"):
        yield from figures.kinds_between("cost-training", kind, "elmo", _exactly("pretraining"), costs=True)


def long_distance(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between(
        "agreement-distance", "bert", "elmo", lambda column: (number_of(column) or 0) >= 1
    )


def both_sides(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("blimp", "bert", "elmo")


def bert_qa(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-", "bert", "elmo", _named(*QUESTIONS))


def bert_classification(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-", "bert", "elmo", _exactly(*CLASSIFICATION))


def bert_ner(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-", "bert", "elmo", _named(*ENTITIES))


def bert_training_cost(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("cost-training", "elmo", "bert", costs=True)


def bert_inference_cost(figures: Figures) -> Iterator[Comparison]:
    for prefix in ("cost-flops", "cost-encoder", "cost-memory"):
        short = lambda column: (number_of(column) or 0) <= SHORT  # noqa: E731
        yield from figures.kinds_between(prefix, "elmo", "bert", short, costs=True)


def bert_long_texts(figures: Figures) -> Iterator[Comparison]:
    for prefix in ("cost-flops", "cost-encoder", "cost-memory"):
        for table in figures.tables(prefix):
            longest = max(table["columns"], key=lambda column: number_of(column) or 0)
            if (number_of(longest) or 0) > SHORT:
                yield from figures.kinds_between(
                    table["id"], "elmo", "bert", lambda column, at=longest: column == at, costs=True
                )


def bert_data_hungry(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("examples", "elmo", "bert", lambda column: (number_of(column) or 100) <= FEW)


def masked_over_next_word(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-frozen", "bert", "elmo")


def elmo_cheaper(figures: Figures) -> Iterator[Comparison]:
    for prefix in ("cost-parameters", "cost-flops", "cost-encoder", "cost-memory", "cost-training"):
        yield from figures.kinds_between(prefix, "elmo", "bert", costs=True)


CLAIMS = (
    Claim("context-sensitive", context_sensitive),
    Claim("polysemy", polysemy),
    Claim("ner-over-static", ner_over_static),
    Claim("sentiment-over-static", sentiment_over_static),
    Claim("easy-integration", easy_integration),
    Claim("training-cost", training_cost),
    Claim("long-distance", long_distance),
    Claim("both-sides", both_sides),
    Claim("bert-qa", bert_qa),
    Claim("bert-classification", bert_classification),
    Claim("bert-ner", bert_ner),
    Claim("bert-training-cost", bert_training_cost),
    Claim("bert-inference-cost", bert_inference_cost),
    Claim("bert-long-texts", bert_long_texts),
    Claim("bert-data-hungry", bert_data_hungry),
    Claim("masked-over-next-word", masked_over_next_word),
    Claim("elmo-cheaper", elmo_cheaper),
)
