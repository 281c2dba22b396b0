# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The whole study as text for a terminal of 80 columns: `hf-elmo demo --all`."""

from collections.abc import Iterator

from hf_elmo.demo.layout import WIDTH, query, snippet, wrapped
from hf_elmo.demo.study import Detail, Group, LookUp, Study, WordStudy
from hf_elmo.demo.verdict import about_floor, about_group, headline

MOST_IN_TABLE = 18  # occurrences that fit beside each other


def report(study: Study) -> str:
    """All parts, one after the other."""
    parts = [list(wrapped(headline(study))), [about_floor(study)]]
    for group in study.groups:
        parts += [senses_table(study, group), [line for each in about_group(study, group) for line in wrapped(each)]]
    for detail in study.details:
        parts += [word_table(study, detail), neighbours(study, detail), substitutes(detail)]
    return "\n\n".join("\n".join(part) for part in parts if part)


def senses_table(study: Study, group: Group) -> list[str]:
    """Mean cosine of two occurrences of one sense and of two senses, for every word and layer."""
    judged = group.judged
    if not judged:
        return []
    width = max(8, *map(len, judged))
    lines = [
        f"{group.name.capitalize()}: mean cosine of the vectors in two sentences",
        "(same use, different uses; * when at most 5 % of random sortings do as well)",
        "",
        " " * width + "".join(f"{layer:>12} " for layer in study.layers),
        " " * width + "   same diff " * len(study.layers),
    ]
    for word, layers in judged.items():
        cells = (f" {found.same:5.2f} {found.different:5.2f}{'*' if found.separates else ' '}" for found in layers)
        lines.append(f"{word:<{width}}" + "".join(cells))
    return [line.rstrip() for line in lines]


def word_table(study: Study, detail: Detail) -> list[str]:
    """Sentences of the main word, and the cosines of its vectors on each layer that knows context."""
    word = detail.word
    size = len(word.occurrences)
    lines = [f'"{word.word}" in {size} sentences, and the cosines of its vectors, times 100']
    if size > MOST_IN_TABLE:
        return [*lines, f"(a table of {size} columns is too wide; --json has the numbers)"]
    width = max((len(sense) for sense in word.senses), default=0)
    for number, each in enumerate(word.occurrences, start=1):
        label = f"{number:>3} {each.sense or '':<{width}} ".rstrip() + " "
        lines.append(label + snippet(each.words, each.position, WIDTH - len(label)))
    shown = [index for index, layer in enumerate(study.layers) if index > 0 and layer != "mix"]
    beside = max(1, (WIDTH - 3) // (4 * size + 4))
    for start in range(0, len(shown), beside):
        lines += _cosine_rows(study, word, shown[start : start + beside])
    return [line.rstrip() for line in lines]


def _cosine_rows(study: Study, word: WordStudy, layers: list[int]) -> list[str]:
    size = len(word.occurrences)
    numbers = "".join(f"{number:>4}" for number in range(1, size + 1))
    lines = [
        "",
        "   " + "    ".join(f"{study.layers[index]:^{4 * size}}" for index in layers),
        "   " + "    ".join(numbers for _ in layers),
    ]
    for row in range(size):
        cells = (
            "".join("   ." if row == column else f"{100 * value:>4.0f}" for column, value in enumerate(values))
            for values in (word.cosines[index][row] for index in layers)
        )
        lines.append(f"{row + 1:>3}" + "    ".join(cells))
    return lines


def neighbours(study: Study, detail: Detail) -> list[str]:
    """The nearest words of a collection for each look-up and layer."""
    if not detail.look_ups:
        return []
    lines = [f"Nearest words in {len(study.sentences)} other sentences, after Peters et al. 2018, table 4"]
    for look_up in detail.look_ups:
        lines += ["", query(look_up.occurrence)]
        for index, layer in enumerate(study.layers):
            if index == 0:
                words = ", ".join(f"{near.word} {near.cosine:.2f}" for near in look_up.nearest[0])
                lines.append(f"  {layer}: {words} (in any sentence)")
                continue
            if layer == "mix":
                continue
            for near in look_up.nearest[index]:
                sentence = study.sentences[near.sentence]
                topic = f" ({sentence.topic})" if sentence.topic else ""
                start = f"  {layer}: {near.cosine:5.2f} "
                text = snippet(sentence.words, near.position, WIDTH - len(start) - len(topic))
                lines.append(f"{start}{text}{topic}")
    return [*lines, "", *_about_neighbours(study, detail)] if len(detail.look_ups) > 1 else lines


def _about_neighbours(study: Study, detail: Detail) -> Iterator[str]:
    """How many neighbours the look-ups share: all of them where context does not count."""
    for index, layer in enumerate(study.layers):
        if layer == "mix":
            continue
        found = [{(near.sentence, near.position) for near in look_up.nearest[index]} for look_up in detail.look_ups]
        shared, most = len(set.intersection(*found)), max(map(len, found))
        own = sum(
            near.word.lower() == study.main.lower() for look_up in detail.look_ups for near in look_up.nearest[index]
        )
        every = sum(len(look_up.nearest[index]) for look_up in detail.look_ups)
        yield from wrapped(
            f'{layer.capitalize()}: these uses share {shared} of {most} neighbours; {own} of all {every} are "{study.main}" '
            "itself."
        )


def substitutes(detail: Detail) -> list[str]:
    """What the language models would write in place of the main word."""
    lines = [
        "Words for the gap, by the forward and the backward language model together",
        "(tokens without a letter are left out; the others keep their probability)",
    ]
    for look_up in detail.look_ups:
        if look_up.substitutes is None:
            return ["The model has no softmax, so it cannot tell which words would fit a gap."]
        lines += ["", query(look_up.occurrence), *_substitute_lines(look_up)]
    return lines if detail.look_ups else []


def _substitute_lines(look_up: LookUp) -> Iterator[str]:
    found = look_up.substitutes
    assert found is not None  # the caller saw to it
    yield from wrapped("  " + ", ".join(f"{word} {probability:.1%}" for word, probability in found.words))
    word = look_up.occurrence.word
    where = f"number {found.rank}" if found.rank is not None else f"not among the first {found.searched}"
    yield f'  the word that stands there, "{word}": {where}'
