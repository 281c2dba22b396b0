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
class Study:
    """What the demo found out about a model."""

    model: str
    layers: list[str]
    words: dict[str, WordStudy]
    main: str  # the word that is shown in detail
    look_ups: list[LookUp]  # of one occurrence for each sense of the main word
    sentences: Sequence[Sentence]  # the collection of the neighbours

    def separated(self, layer: int) -> list[str]:
        """Words whose senses the layer separates."""
        return [word for word, study in self.judged.items() if study[layer].separates]

    def beyond_chance(self, layer: int) -> bool:
        """Whether the layer separates more words than chance would."""
        return more_than_chance(len(self.separated(layer)), len(self.judged))

    @property
    def judged(self) -> dict[str, list[Separation]]:
        """Separations by layer of all words with senses."""
        return {word: study.separations for word, study in self.words.items() if study.separations is not None}

    def nearest_same(self, layer: int) -> float:
        """Share of all occurrences whose nearest one has their sense."""
        pairs = [(each[layer].nearest_same, len(each[layer].cosines)) for each in self.judged.values()]
        return sum(share * count for share, count in pairs) / sum(count for _, count in pairs)

    @property
    def nearest_same_by_chance(self) -> float:
        studies = [self.words[word] for word in self.judged]
        senses = [[str(each.sense) for each in study.occurrences] for study in studies]
        return sum(expected_nearest_same(each) * len(each) for each in senses) / sum(map(len, senses))


def make_study(
    encoder: Encoder, words: Mapping[str, Sequence[Occurrence]], main: str, sentences: Sequence[Sentence]
) -> Study:
    """Compare the occurrences of each word, and look up neighbours and substitutes of one of each sense of `main`.

    Args:
        encoder: the model.
        words: occurrences of each word, two or more.
        main: one of them.
        sentences: among which neighbours are looked up.
    """
    of_sentences = iter(encoder.vectors([each.words for found in words.values() for each in found]))
    own: dict[str, list[np.ndarray]] = {
        word: [next(of_sentences)[:, each.position] for each in found] for word, found in words.items()
    }
    studies = {word: _study_word(word, list(words[word]), np.stack(own[word], axis=1)) for word in words}
    collection = Collection(sentences, encoder.vectors([sentence.words for sentence in sentences]))
    look_ups = []
    for place in _one_of_each_sense(words[main]):
        occurrence, vector = words[main][place], own[main][place]
        nearest = [
            collection.nearest(occurrence, vector[layer], layer, NEIGHBOURS) for layer in range(len(encoder.layers))
        ]
        found = encoder.substitutes(occurrence.words, occurrence.position, SUBSTITUTES)
        look_ups.append(LookUp(occurrence, nearest, found))
    return Study(encoder.name, list(encoder.layers), studies, main, look_ups, sentences)


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
    words = {}
    for word, each in study.words.items():
        layers: dict[str, Any] = {}
        for index, layer in enumerate(study.layers):
            points, shares = each.planes[index]
            layers[layer] = {
                "cosines": _plain(each.cosines[index]),
                "plane": _plain(points),
                "explained_variance": _plain(shares),
            }
            if each.separations is not None:
                found = each.separations[index]
                layers[layer] |= {
                    "same_sense": _plain(found.same),
                    "different_sense": _plain(found.different),
                    "chance": _plain(found.chance),
                    "separates": found.separates,
                    "nearest_same": _plain(found.nearest_same),
                }
        sentences = [{"text": o.text, "position": o.position, "sense": o.sense} for o in each.occurrences]
        words[word] = {"sentences": sentences, "layers": layers}
    look_ups = []
    for look_up in study.look_ups:
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
        look_ups.append(
            {
                "sentence": look_up.occurrence.text,
                "position": look_up.occurrence.position,
                "neighbours": nearest,
                "substitutes": None
                if gap is None
                else {"words": [[w, _plain(p)] for w, p in gap.words], "rank": gap.rank, "searched": gap.searched},
            }
        )
    summary = {
        layer: {"separated": study.separated(index), "more_than_chance": study.beyond_chance(index)}
        for index, layer in enumerate(study.layers)
    }
    return {"model": study.model, "layers": study.layers, "summary": summary, "words": words, "look_ups": look_ups}


def _plain(values: Any) -> Any:
    # Adding zero turns -0.0, which depends on the rounding of the machine, into 0.0.
    return (np.asarray(values, dtype=np.float64).round(6) + 0.0).tolist()
