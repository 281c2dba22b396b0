# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Everything the demo finds out, computed once; the text, the pictures and the JSON only show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_elmo.demo.encoding import Encoder, Substitutes
from hf_elmo.demo.neighbours import Collection, Neighbour
from hf_elmo.demo.pca import plane
from hf_elmo.demo.separation import Separation, cosines, expected_nearest_same, more_than_chance, separation
from hf_elmo.demo.texts import Occurrence, Sentence

NEIGHBOURS = 3
SUBSTITUTES = 6


@dataclass(frozen=True)
class WordStudy:
    """One word in its sentences."""

    word: str
    occurrences: list[Occurrence]
    cosines: list[np.ndarray]  # of each layer (P, P)
    separations: list[Separation] | None  # of each layer; None without two senses
    planes: list[tuple[np.ndarray, np.ndarray]]  # of each layer: points (P, 2), shares of variance (2,)

    @property
    def senses(self) -> list[str]:
        """Names of the senses in the order in which they come."""
        return list(dict.fromkeys(each.sense for each in self.occurrences if each.sense is not None))

    @property
    def is_static(self) -> bool:
        """Whether the first layer gives all occurrences one vector, up to rounding."""
        return bool(self.cosines[0].min() >= 1 - 1e-6)


@dataclass(frozen=True)
class LookUp:
    """What stands nearest to one occurrence, and what the language models put in its place."""

    occurrence: Occurrence
    nearest: list[list[Neighbour]]  # of each layer
    substitutes: Substitutes | None


@dataclass(frozen=True)
class Group:
    """Words whose uses differ in the same thing."""

    name: str  # what the uses are, in the plural
    words: dict[str, WordStudy]

    @property
    def judged(self) -> dict[str, list[Separation]]:
        """Separations by layer of all words with senses."""
        return {word: study.separations for word, study in self.words.items() if study.separations is not None}

    def separated(self, layer: int) -> list[str]:
        """Words whose senses the layer separates."""
        return [word for word, study in self.judged.items() if study[layer].separates]

    def beyond_chance(self, layer: int) -> bool:
        """Whether the layer separates more words than chance would."""
        return more_than_chance(len(self.separated(layer)), len(self.judged))

    @property
    def best_layer(self) -> int:
        """The first of the layers above 0 that separate the most words."""
        layers = range(1, len(next(iter(self.words.values())).cosines))
        return max(layers, key=lambda layer: (len(self.separated(layer)), -layer))

    def nearest_same(self, layer: int) -> float:
        """Share of all occurrences whose nearest one has their sense."""
        pairs = [(each[layer].nearest_same, len(each[layer].cosines)) for each in self.judged.values()]
        return sum(share * count for share, count in pairs) / sum(count for _, count in pairs)

    @property
    def nearest_same_by_chance(self) -> float:
        studies = [self.words[word] for word in self.judged]
        senses = [[str(each.sense) for each in study.occurrences] for study in studies]
        return sum(expected_nearest_same(each) * len(each) for each in senses) / sum(map(len, senses))


@dataclass(frozen=True)
class Detail:
    """The main word as one of the groups has it, and what was looked up for one occurrence of each of its senses."""

    group: str
    word: WordStudy
    look_ups: list[LookUp]


@dataclass(frozen=True)
class Study:
    """What the demo found out about a model."""

    model: str
    layers: list[str]
    groups: list[Group]
    main: str  # the word that is shown in detail
    details: list[Detail]  # of each group that has it
    sentences: Sequence[Sentence]  # the collection of the neighbours

    @property
    def words(self) -> list[WordStudy]:
        """Those of all groups; a word of two groups comes twice."""
        return [word for group in self.groups for word in group.words.values()]

    @property
    def shown_layer(self) -> int:
        """The layer to draw where there is room for one: the best of the group in which the most words separate."""
        best = max(self.groups, key=lambda group: len(group.separated(group.best_layer)))  # the first of equal ones
        return best.best_layer


def make_study(
    encoder: Encoder,
    groups: Mapping[str, Mapping[str, Sequence[Occurrence]]],
    main: str,
    sentences: Sequence[Sentence],
) -> Study:
    """Compare the occurrences of each word, and look up neighbours and substitutes of one of each sense of `main`.

    Args:
        encoder: the model.
        groups: by name, the occurrences of each word, two or more.
        main: a word of one of them or more.
        sentences: among which neighbours are looked up.
    """
    found = [(name, word, list(each)) for name, words in groups.items() for word, each in words.items()]
    of_sentences = iter(encoder.vectors([each.words for *_, occurrences in found for each in occurrences]))
    collection = Collection(sentences, encoder.vectors([sentence.words for sentence in sentences]))
    studies: dict[str, dict[str, WordStudy]] = {name: {} for name in groups}
    details = []
    for name, word, occurrences in found:
        own = [next(of_sentences)[:, each.position] for each in occurrences]
        studies[name][word] = study = _study_word(word, occurrences, np.stack(own, axis=1))
        if word == main:
            places = _one_of_each_sense(occurrences)
            look_ups = [_look_up(encoder, collection, occurrences[place], own[place]) for place in places]
            details.append(Detail(name, study, look_ups))
    own_groups = [Group(name, words) for name, words in studies.items()]
    return Study(encoder.name, list(encoder.layers), own_groups, main, details, sentences)


def _look_up(encoder: Encoder, collection: Collection, occurrence: Occurrence, vectors: np.ndarray) -> LookUp:
    """From the vectors (layers, S) of the occurrence."""
    nearest = [collection.nearest(occurrence, vector, layer, NEIGHBOURS) for layer, vector in enumerate(vectors)]
    return LookUp(occurrence, nearest, encoder.substitutes(occurrence.words, occurrence.position, SUBSTITUTES))


def _study_word(word: str, occurrences: list[Occurrence], vectors: np.ndarray) -> WordStudy:
    """From the vectors (layers, P, S) of its occurrences."""
    senses = [each.sense for each in occurrences if each.sense is not None]
    can_judge = 1 < len(set(senses)) < len(senses)
    return WordStudy(
        word,
        occurrences,
        [cosines(layer) for layer in vectors],
        [separation(layer, senses) for layer in vectors] if can_judge else None,
        [plane(layer) for layer in vectors],
    )


def _one_of_each_sense(occurrences: Sequence[Occurrence]) -> list[int]:
    """The first occurrence of each sense; without senses, the first two."""
    first: dict[str, int] = {}
    for place, occurrence in enumerate(occurrences):
        first.setdefault(occurrence.sense or str(min(place, 1)), place)
    return list(first.values())


def as_json(study: Study) -> dict[str, Any]:
    """The study as plain data, numbers to six digits."""
    groups = {}
    for group in study.groups:
        summary = {
            layer: {"separated": group.separated(index), "more_than_chance": group.beyond_chance(index)}
            for index, layer in enumerate(study.layers)
        }
        words = {word: _word_as_json(each, study.layers) for word, each in group.words.items()}
        groups[group.name] = {"summary": summary, "words": words}
    look_ups = [
        {"group": detail.group, **_look_up_as_json(look_up, study)}
        for detail in study.details
        for look_up in detail.look_ups
    ]
    return {"model": study.model, "layers": study.layers, "groups": groups, "look_ups": look_ups}


def _word_as_json(word: WordStudy, names: list[str]) -> dict[str, Any]:
    layers: dict[str, Any] = {}
    for index, layer in enumerate(names):
        points, shares = word.planes[index]
        layers[layer] = {
            "cosines": _plain(word.cosines[index]),
            "plane": _plain(points),
            "explained_variance": _plain(shares),
        }
        if word.separations is not None:
            found = word.separations[index]
            layers[layer] |= {
                "same_sense": _plain(found.same),
                "different_sense": _plain(found.different),
                "chance": _plain(found.chance),
                "separates": found.separates,
                "nearest_same": _plain(found.nearest_same),
            }
    sentences = [{"text": o.text, "position": o.position, "sense": o.sense} for o in word.occurrences]
    return {"sentences": sentences, "layers": layers}


def _look_up_as_json(look_up: LookUp, study: Study) -> dict[str, Any]:
    nearest = {
        layer: [
            {
                "word": near.word,
                "cosine": _plain(near.cosine),
                "sentence": study.sentences[near.sentence].text,
                "position": near.position,
                "topic": study.sentences[near.sentence].topic,
            }
            for near in found
        ]
        for layer, found in zip(study.layers, look_up.nearest, strict=True)
    }
    gap = look_up.substitutes
    return {
        "sentence": look_up.occurrence.text,
        "position": look_up.occurrence.position,
        "neighbours": nearest,
        "substitutes": None
        if gap is None
        else {"words": [[w, _plain(p)] for w, p in gap.words], "rank": gap.rank, "searched": gap.searched},
    }


def _plain(values: Any) -> Any:
    # Adding zero turns -0.0, which depends on the rounding of the machine, into 0.0.
    return (np.asarray(values, dtype=np.float64).round(6) + 0.0).tolist()
