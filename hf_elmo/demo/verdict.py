# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the numbers of a study say, in words; no sentence about a model stands anywhere else."""

from collections.abc import Iterator

from hf_elmo.demo.separation import SIGNIFICANT
from hf_elmo.demo.study import Group, Study


def headline(study: Study) -> str:
    """One sentence about all groups."""
    groups = [group for group in study.groups if group.judged]
    if not groups:
        return "No senses were given, so nothing is said about them; see the picture."
    if len(groups) == 1 and len(groups[0].judged) == 1:
        return _about_one_word(study, groups[0])
    told, untold = [], []
    for group in groups:
        layer = group.best_layer
        separated = len(group.separated(layer))
        count = f"{separated} of {len(group.judged)} words"
        if group.beyond_chance(layer):
            told.append(f"{group.name} ({count} on {study.layers[layer]})")
        else:
            untold.append(f"{group.name} ({count}{', as chance might' if separated else ''})")
    if not told:
        return f"{study.model} does not tell apart {' or '.join(untold)}."
    but = f", but not {' or '.join(untold)}" if untold else ""
    return f"{study.model} tells apart {' and '.join(told)}{but}."


def _about_one_word(study: Study, group: Group) -> str:
    (word,) = group.judged
    least = group.judged[word][0].least_chance
    if least > SIGNIFICANT:
        return (
            f"Too few sentences to tell: of random sortings {least:.1%} would be perfect as well. Three sentences of one "
            "sense and four of another are enough."
        )
    layer = group.best_layer
    if not group.separated(layer):
        return f'{study.model} does not tell the senses of "{word}" apart.'
    chance = group.judged[word][layer].chance
    return f'{study.model} tells the senses of "{word}" apart ({study.layers[layer]}; {chance:.1%} of random sortings do as well).'


def about_floor(study: Study) -> str:
    """What the first layer sees."""
    each = "word" if all(word.is_static for word in study.words) else "spelling"
    return f"{study.layers[0].capitalize()}, the static floor, reads letters only: one vector for each {each}."


def about_group(study: Study, group: Group) -> Iterator[str]:
    """Sentences on each layer; none where no senses were given, or one word has too few sentences."""
    judged = group.judged
    if not judged or (len(judged) == 1 and max(each[0].least_chance for each in judged.values()) > SIGNIFICANT):
        return
    for index, layer in enumerate(study.layers[1:], start=1):
        separated = group.separated(index)
        if len(judged) == 1:
            (found,) = (each[index] for each in judged.values())
            outcome = "the senses separate." if separated else "the senses do not separate."
            yield f"{layer.capitalize()}: {found.chance:.1%} of random sortings do as well: {outcome}"
            continue
        line = f"{layer.capitalize()} separates {len(separated)} of {len(judged)} words"
        if not group.beyond_chance(index):
            yield line + ": no more than chance does."
        elif len(separated) == len(judged):
            yield line + "."
        else:
            yield f"{line}, not: {', '.join(word for word in judged if word not in separated)}."
    shares = ", ".join(f"{layer} {group.nearest_same(index):.0%}" for index, layer in enumerate(study.layers))
    yield f"The nearest other occurrence is of the same use: {shares} (chance {group.nearest_same_by_chance:.0%})."
