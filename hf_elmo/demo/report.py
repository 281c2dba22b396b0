# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The study as text for a terminal of 80 columns; every sentence about the model follows from the numbers."""

import textwrap
from collections.abc import Iterator

from hf_elmo.demo.separation import SIGNIFICANT
from hf_elmo.demo.study import LookUp, Study, WordStudy
from hf_elmo.demo.texts import Occurrence

WIDTH = 80
MOST_IN_TABLE = 18  # occurrences that fit beside each other


def report(study: Study) -> str:
    """All parts, one after the other."""
    parts = [senses_table(study), [*verdict(study)], word_table(study), neighbours(study), substitutes(study)]
    return "\n\n".join("\n".join(part) for part in parts if part)


def senses_table(study: Study) -> list[str]:
    """Mean cosine of two occurrences of one sense and of two senses, for every word and layer."""
    if not study.judged:
        return []
    width = max(8, *map(len, study.judged))
    lines = [
        "One word, two senses: the mean cosine of its vectors in two sentences",
        "(same sense, different senses; * when at most 5 % of random sortings do as well)",
        "",
        " " * width + "".join(f"{layer:>12} " for layer in study.layers),
        " " * width + "   same diff " * len(study.layers),
    ]
    for word, layers in study.judged.items():
        cells = (f" {found.same:5.2f} {found.different:5.2f}{'*' if found.separates else ' '}" for found in layers)
        lines.append(f"{word:<{width}}" + "".join(cells))
    return [line.rstrip() for line in lines]


def verdict(study: Study) -> Iterator[str]:
    """What the table shows, in words."""
    first = study.layers[0].capitalize()
    studies = [study.words[word] for word in study.judged or study.words]
    if all(each.is_static for each in studies):
        yield f"{first}, the static floor, reads letters only: one vector for each word."
    else:
        yield f"{first}, the static floor, reads letters only: one vector for each spelling."
    if not study.judged:
        yield "No senses were given, so nothing is said about them; see the picture."
        return
    count = len(study.judged)
    least = max(layers[0].least_chance for layers in study.judged.values())
    if count == 1 and least > SIGNIFICANT:
        yield f"Too few sentences to tell: of random sortings {least:.1%} would be perfect as well."
        yield "Three sentences of one sense and four of another are enough."
        return
    seen = []
    for index, layer in enumerate(study.layers[1:], start=1):
        separated = study.separated(index)
        sees = count == 1 and bool(separated) or count > 1 and study.beyond_chance(index)
        seen.append(sees)
        if count == 1:
            (word,) = study.judged
            found = study.judged[word][index]
            yield from _wrapped(
                f"{layer.capitalize()}: {found.chance:.1%} of random sortings do as well: the senses "
                + ("separate." if sees else "do not separate.")
            )
            continue
        line = f"{layer.capitalize()} separates {len(separated)} of {count} words"
        if not sees:
            yield line + ": no more than chance does."
        elif len(separated) == count:
            yield line + "."
        else:
            yield from _wrapped(f"{line}, not: {', '.join(word for word in study.judged if word not in separated)}.")
    shares = ", ".join(f"{layer} {study.nearest_same(index):.0%}" for index, layer in enumerate(study.layers))
    yield from _wrapped(
        f"Nearest other occurrence has the same sense: {shares} (chance {study.nearest_same_by_chance:.0%})."
    )
    if not any(seen):
        senses = "the senses" if count > 1 else f'the senses of "{next(iter(study.judged))}"'
        yield f"So {senses} do not separate in this model."
    elif count > 1:
        best = max(range(1, len(study.layers)), key=lambda index: (len(study.separated(index)), -index))
        yield f"So context tells senses apart in {len(study.separated(best))} of {count} words at best ({study.layers[best]})."


def word_table(study: Study) -> list[str]:
    """Sentences of the main word, and the cosines of its vectors on each layer that knows context."""
    word = study.words[study.main]
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


def neighbours(study: Study) -> list[str]:
    """The nearest words of a collection for each look-up and layer."""
    if not study.look_ups:
        return []
    lines = [f"Nearest words in {len(study.sentences)} other sentences, after Peters et al. 2018, table 4"]
    for look_up in study.look_ups:
        lines += ["", *_query(look_up.occurrence)]
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
    return [*lines, "", *_about_neighbours(study)] if len(study.look_ups) > 1 else lines


def _about_neighbours(study: Study) -> Iterator[str]:
    """How many neighbours the look-ups share: all of them where context does not count."""
    for index, layer in enumerate(study.layers):
        if layer == "mix":
            continue
        found = [{(near.sentence, near.position) for near in look_up.nearest[index]} for look_up in study.look_ups]
        shared, most = len(set.intersection(*found)), max(map(len, found))
        own = sum(
            near.word.lower() == study.main.lower() for look_up in study.look_ups for near in look_up.nearest[index]
        )
        every = sum(len(look_up.nearest[index]) for look_up in study.look_ups)
        yield from _wrapped(
            f'{layer.capitalize()}: these uses share {shared} of {most} neighbours; {own} of all {every} are "{study.main}" '
            "itself."
        )


def substitutes(study: Study) -> list[str]:
    """What the language models would write in place of the main word."""
    lines = ["Words for the gap, by the forward and the backward language model together"]
    for look_up in study.look_ups:
        if look_up.substitutes is None:
            return ["The model has no softmax, so it cannot tell which words would fit a gap."]
        lines += ["", *_query(look_up.occurrence), *_substitute_lines(look_up)]
    return lines if study.look_ups else []


def _substitute_lines(look_up: LookUp) -> Iterator[str]:
    found = look_up.substitutes
    assert found is not None  # the caller saw to it
    yield from _wrapped("  " + ", ".join(f"{word} {probability:.1%}" for word, probability in found.words))
    word = look_up.occurrence.word
    where = f"number {found.rank}" if found.rank is not None else f"not among the first {found.searched}"
    yield f'  the word that stands there, "{word}": {where}'


def _query(occurrence: Occurrence) -> list[str]:
    sense = f" ({occurrence.sense})" if occurrence.sense else ""
    return [snippet(occurrence.words, occurrence.position, WIDTH - len(sense)) + sense]


def snippet(words: list[str], position: int, width: int) -> str:
    """The word between brackets with what fits of its sentence around it."""
    shown = list(words)
    shown[position] = f"[{shown[position]}]"
    begin, end = position, position + 1

    def text(begin: int, end: int) -> str:
        inner = _joined(shown[begin:end])
        return ("... " if begin else "") + inner + (" ..." if end < len(shown) else "")

    grown = True
    while grown:
        grown = False
        for wider in ((begin - 1, end), (begin, end + 1)):
            if wider[0] >= 0 and wider[1] <= len(shown) and len(text(*wider)) <= width:
                begin, end = wider
                grown = True
    return text(begin, end)


def _joined(words: list[str]) -> str:
    """Words as they are written: no blank before a closing mark."""
    line = ""
    for word in words:
        line += word if not line or word in {".", ",", ";", ":", "!", "?", ")"} else " " + word
    return line


def _wrapped(line: str) -> Iterator[str]:
    """Lines of at most 80 columns, the following ones indented."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent)
