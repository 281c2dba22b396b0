# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The study in about 45 lines of a terminal: what is seen, how far uses lie apart, neighbours, words for the gap."""

from itertools import zip_longest

from hf_elmo.demo.layout import WIDTH, query, snippet, wrapped
from hf_elmo.demo.study import Detail, Group, LookUp, Study
from hf_elmo.demo.verdict import headline

BETWEEN = 4  # columns between two tables
CELL = 7


def summary(study: Study) -> str:
    """The parts, one after the other."""
    parts = [list(wrapped(headline(study))), _tables(study), _look_ups(study)]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part)


def _tables(study: Study) -> list[str]:
    """A small table for each group, beside each other where there is room."""
    tables = [_table(group, study.layers) for group in study.groups if group.judged]
    if not tables:
        return []
    lines = [
        "How much more alike are a word's vectors in two sentences of the same use than",
        "of different uses? (cosines; * when at most 5 % of random sortings do as well)",
    ]
    widths = [max(map(len, table)) for table in tables]
    if sum(widths) + BETWEEN * (len(tables) - 1) > WIDTH:
        return lines + [line for table in tables for line in ["", *table]]
    rows = zip_longest(*tables, fillvalue="")
    between = " " * BETWEEN
    return [*lines, "", *(between.join(map(str.ljust, row, widths)) for row in rows)]


def _table(group: Group, layers: list[str]) -> list[str]:
    judged = group.judged
    width = max(8, *map(len, judged))
    names = [layer.removeprefix("layer ") for layer in layers]
    lines = [group.name, f"{'layer':<{width}}" + "".join(f"{name:>{CELL - 1}} " for name in names)]
    for word, found in judged.items():
        # Adding zero turns -0.0 into 0.0.
        gaps = ((round(each.same - each.different, 2) + 0.0, "*" if each.separates else " ") for each in found)
        lines.append(f"{word:<{width}}" + "".join(f"{gap:>+{CELL - 1}.2f}{mark}" for gap, mark in gaps))
    if len(judged) > 1:
        counts = (len(group.separated(layer)) for layer in range(len(layers)))
        lines.append(f"{f'* of {len(judged)}':<{width}}" + "".join(f"{count:>{CELL - 1}} " for count in counts))
    return lines


def _look_ups(study: Study) -> list[str]:
    detail = study.details[0]
    lines = list(wrapped(f"Nearest words in {len(study.sentences)} other sentences (as Peters et al. 2018, table 4)"))
    same_floor = detail.word.is_static
    if same_floor:
        lines.append(f'  {study.layers[0]}: {_floor(detail.look_ups[0])} (of "{study.main}" in any sentence)')
    for look_up in detail.look_ups:
        lines += ["", query(look_up.occurrence)]
        if not same_floor:
            lines.append(f"  {study.layers[0]}: {_floor(look_up)}")
        lines += [*_neighbours(study, look_up), *_gap(look_up)]
    return [*lines, *_about_gaps(detail)]


def _floor(look_up: LookUp) -> str:
    return ", ".join(f"{near.word} {near.cosine:.2f}" for near in look_up.nearest[0])


def _neighbours(study: Study, look_up: LookUp) -> list[str]:
    """Two words on each layer that knows context, one if there are more than two such layers."""
    shown = [index for index, layer in enumerate(study.layers) if index > 0 and layer != "mix"]
    lines = []
    for index in shown:
        for near in look_up.nearest[index][: 2 if len(shown) <= 2 else 1]:
            start = f"  {study.layers[index]}: {near.cosine:.2f} "
            lines.append(start + snippet(study.sentences[near.sentence].words, near.position, WIDTH - len(start)))
    return lines


def _gap(look_up: LookUp) -> list[str]:
    if look_up.substitutes is None:
        return []
    text = "  in its place: "
    for place, (word, share) in enumerate(look_up.substitutes.words):
        more = f"{', ' if place else ''}{word} {share:.1%}"
        if place and len(text) + len(more) > WIDTH:  # as many as fit
            break
        text += more
    return [text]


def _about_gaps(detail: Detail) -> list[str]:
    if any(look_up.substitutes is None for look_up in detail.look_ups):
        return ["", *wrapped("The model has no softmax, so it cannot tell which words would fit in its place.")]
    return [
        "",
        "In its place: by the forward and the backward language model, which do not read",
        "the word itself; tokens without a letter are left out.",
    ]
