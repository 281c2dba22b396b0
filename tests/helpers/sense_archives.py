# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Small sense corpora as the published ones are written, and contenders whose vectors hold what is planted in them."""

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from planted_senses import SIZE, noise

from hf_elmo.compare.settings import Settings


def write_archive(path: Path, documents: Sequence[Sequence[str]]) -> Path:
    """Documents of sentences such as "the bank/NOUN/river was steep"; a word with marks has a part of speech and a sense."""
    with tarfile.open(path, f"w:{path.suffix.removeprefix('.').replace('tar', '')}") as archive:
        for number, sentences in enumerate(documents):
            lines = ['<?xml version="1.0"?>', '<!DOCTYPE SimpleWsdDoc SYSTEM "simple-wsd-doc.dtd">', "<SimpleWsdDoc>"]
            for sentence in sentences:
                level = "SENTENCE_BREAK"
                for word in sentence.split():
                    text, *marks = word.split("/")
                    pairs = {"text": text, "break_level": level}
                    if marks:
                        pairs |= {"lemma": text.capitalize(), "pos": marks[0], "sense": f"{text}.{marks[1]}"}
                    lines.append(f"<word {' '.join(f'{key}={quoteattr(value)}' for key, value in pairs.items())}/>")
                    level = "SPACE_BREAK"
            content = "\n".join([*lines, "</SimpleWsdDoc>"]).encode()
            info = tarfile.TarInfo(f"part/{number:03}.xml")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


class PlantedContender:
    """Layers named by what is in them: the word alone, or the word and what a function finds in its sentence.

    Args:
        knows: layer -> function of words and position that gives a text whose noise is mixed into the word's.
    """

    kind, dimension = "elmo", SIZE

    def __init__(self, name: str, knows: dict[str, Callable[[Sequence[str], int], str] | None]):
        self.name, self.spec, self.knows = name, name, knows
        self.layers = tuple(knows)

    def vectors(self, sentences):
        return [torch.tensor(self._of(words), dtype=torch.float32) for words in sentences]

    def _of(self, words) -> np.ndarray:
        return np.stack(
            [
                np.stack([noise(word) + (2 * noise(find(words, at)) if find else 0) for at, word in enumerate(words)])
                for find in self.knows.values()
            ]
        )


def context(folder: Path | None, *contenders, quick: bool = False) -> SimpleNamespace:
    """What `run` of an experiment is given."""
    by_name = {each.name: each for each in contenders}
    settings = Settings(Path("unused"), folder, models=tuple(by_name), quick=quick)
    return SimpleNamespace(settings=settings, data=folder, device="cpu", contender=by_name.__getitem__)
