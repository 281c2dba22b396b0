# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The claims about ELMo, BERT and static vectors, each as the comparisons that decide on it; words in texts/claims.json."""

import re
from collections.abc import Iterator, Mapping, Sequence

from hf_elmo.compare.grammar import OVERALL
from hf_elmo.compare.integration import TAGGER, VECTORS
from hf_elmo.compare.ledger import Claim, Columns, Comparison, Figures, Row, any_column, below, part_of
from hf_elmo.compare.probes import ALL as ALL_WORDS
from hf_elmo.compare.senses import AMBIGUOUS, BASELINE

SENTIMENT = "MR"  # how its column begins
FROZEN = "frozen"
MEASURED = "measured"  # operations beside those counted, which are the same
SHORT = 128  # words of a sentence
FAR = 10  # words between subject and verb
FEW = 0.1  # of the examples
MOST_LINES, MOST_TRAINING_LINES, MOST_SECONDS = 12, 30, 60
# measure -> how the ids of its tables begin; each measure weighs the same
COSTS = {"operations": ("cost-flops",), "speed": ("cost-encoder",), "memory": ("cost-memory",)}
TRAINING_COSTS = {
    "updates": ("cost-training",),
    "fine-tuning": ("cost-time-to-score",),
    "pretraining": ("cost-pretraining",),
}
ALL_COSTS = {
    "parameters": ("cost-parameters",),
    **COSTS,
    "training": tuple(prefix for prefixes in TRAINING_COSTS.values() for prefix in prefixes),
}


def number_of(column: str) -> float:
    """The first number in the name of a column; 0 without one."""
    found = re.search(r"\d[\d,]*\.?\d*", column)
    return float(found[0].replace(",", "")) if found else 0.0


def is_lstm(row: Row) -> bool:
    """A row of a layer that knows context."""
    return str(row["group"]).startswith("lstm")


def layers_over_floors(figures: Figures, prefix: str, columns: Columns = any_column) -> Iterator[Comparison]:
    """Every LSTM layer of an ELMo over its own character layer and over static vectors."""
    for table in figures.tables(prefix):
        rows = figures.rows(table, "elmo")
        for column in filter(columns, table["columns"]):
            for row in filter(is_lstm, rows):
                own = [one for one in rows if one["contender"] == row["contender"] and one["group"] == "characters"]
                for floor in [*own, *figures.rows(table, "static")]:
                    yield from figures.between(table, column, row, floor)


def context_sensitive(figures: Figures) -> Iterator[Comparison]:
    yield from layers_over_floors(figures, "polysemy-auc")


def polysemy(figures: Figures) -> Iterator[Comparison]:
    yield from layers_over_floors(figures, "senses", lambda column: column == AMBIGUOUS)
    for table in figures.tables("senses"):
        for most_frequent in (row for row in table["rows"] if row["label"] == BASELINE):
            for row in figures.rows(table, "elmo"):
                if is_lstm(row):
                    yield from figures.between(table, AMBIGUOUS, row, most_frequent)


def ner_over_static(figures: Figures) -> Iterator[Comparison]:
    for prefix in ("quality-ner", "quality-transfer"):
        yield from figures.kinds_between(prefix, "elmo", "static", groups=(FROZEN,))


def sentiment_over_static(figures: Figures) -> Iterator[Comparison]:
    of_sentiment = lambda column: column.startswith(SENTIMENT)  # noqa: E731
    yield from figures.kinds_between("quality-classification", "elmo", "static", of_sentiment, groups=(FROZEN,))


def easy_integration(figures: Figures) -> Iterator[Comparison]:
    for prefix, column, bound in (
        ("integration-lines", VECTORS, MOST_LINES),
        ("integration-lines", TAGGER, MOST_TRAINING_LINES),
        ("integration-seconds", VECTORS, MOST_SECONDS),
    ):
        for table in figures.tables(prefix):
            for row in figures.rows(table, "elmo"):
                yield from below(table, column, row, bound)


def training_cost(figures: Figures) -> Iterator[Comparison]:
    of_pretraining = lambda column: column == "pretraining"  # noqa: E731
    for kind in ("bert", "static"):
        yield from part_of("updates", figures.kinds_between("cost-training", kind, "elmo", of_pretraining, costs=True))
        yield from part_of("pretraining", figures.kinds_between("cost-pretraining", kind, "elmo", costs=True))


def long_distance(figures: Figures) -> Iterator[Comparison]:
    for table in figures.tables("agreement-distance"):
        nearest, farthest = min(table["columns"], key=number_of), max(table["columns"], key=number_of)
        for row in figures.rows(table, "elmo"):
            yield from part_of("fall", figures.along(table, row, nearest, farthest))
    far = lambda column: number_of(column) >= FAR  # noqa: E731
    yield from part_of("far", figures.kinds_between("agreement-distance", "bert", "elmo", far))


def both_sides(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("blimp", "bert", "elmo", lambda column: column == OVERALL)


def bert_qa(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-qa", "bert", "elmo")


def bert_classification(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-classification", "bert", "elmo")


def bert_ner(figures: Figures) -> Iterator[Comparison]:
    for prefix in ("quality-ner", "quality-transfer"):
        yield from figures.kinds_between(prefix, "bert", "elmo")


def elmo_ahead(
    figures: Figures, measures: Mapping[str, Sequence[str]], columns: Columns = any_column
) -> Iterator[Comparison]:
    """ELMo against BERT in the tables of each measure of cost, a part of the claim."""
    for measure, prefixes in measures.items():
        for prefix in prefixes:
            found = figures.kinds_between(prefix, "elmo", "bert", columns, costs=True, but=(MEASURED,))
            yield from part_of(measure, found)


def bert_training_cost(figures: Figures) -> Iterator[Comparison]:
    yield from elmo_ahead(figures, TRAINING_COSTS)


def bert_inference_cost(figures: Figures) -> Iterator[Comparison]:
    yield from elmo_ahead(figures, COSTS, lambda column: number_of(column) <= SHORT)


def bert_long_texts(figures: Figures) -> Iterator[Comparison]:
    for measure, prefixes in COSTS.items():
        for table in (table for prefix in prefixes for table in figures.tables(prefix)):
            longest = max(table["columns"], key=number_of)
            if number_of(longest) > SHORT:
                at_longest = lambda column, longest=longest: column == longest  # noqa: E731
                yield from elmo_ahead(figures, {measure: (table["id"],)}, at_longest)


def bert_data_hungry(figures: Figures) -> Iterator[Comparison]:
    for table in figures.tables("examples-"):
        most = FEW * max(map(number_of, table["columns"]), default=0.0)
        if most > 0:
            few = lambda column, most=most: 0 < number_of(column) <= most  # noqa: E731
            yield from figures.kinds_between(table["id"], "elmo", "bert", few)


def masked_over_next_word(figures: Figures) -> Iterator[Comparison]:
    yield from figures.kinds_between("quality-", "bert", "elmo", groups=(FROZEN,))
    yield from figures.best_between("probes", "bert", "elmo", ALL_WORDS)
    yield from figures.best_between("senses", "bert", "elmo", AMBIGUOUS)


def elmo_cheaper(figures: Figures) -> Iterator[Comparison]:
    yield from elmo_ahead(figures, ALL_COSTS)


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
