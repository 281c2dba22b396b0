# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Sentences with the senses of their words: the word sense corpora of Google Research, tar archives of XML.

MASC and SemCor with senses of the New Oxford American Dictionary (Yuan et al. 2016, COLING; data set `wsd_noad`).
"""

import lzma
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hf_elmo.data.files import DataError

SENTENCE_BREAKS = ("SENTENCE_BREAK", "PARAGRAPH_BREAK")  # a word with one of them begins a sentence
LONGEST = 128  # words of a sentence; tables without breaks are cut there


class Sense(NamedTuple):
    """The sense that a word of a sentence was given."""

    position: int
    lemma: str  # in small letters
    pos: str  # NOUN, VERB, ADJ, ADV and a few others
    sense: str


class SenseSentence(NamedTuple):
    """Words, and the senses of some of them."""

    words: list[str]
    senses: list[Sense]


def read_documents(path: Path, max_documents: int | None = None) -> list[list[SenseSentence]]:
    """Documents with their sentences; those without a sense are left out.

    Args:
        path: a .tar archive of XML files, compressed or not.
        max_documents: so many at even distance in the archive; None for all.
    Raises:
        DataError: no such file, damaged, or no word in it has a sense.
    """
    try:
        with tarfile.open(path) as archive:
            members = [member for member in archive.getmembers() if member.isfile() and member.name.endswith(".xml")]
            count = len(members) if max_documents is None else min(max_documents, len(members))
            chosen = {index * len(members) // count for index in range(count)}
            texts = [
                (member.name, archive.extractfile(member).read())  # type: ignore[union-attr]  # it is a file
                for index, member in enumerate(members)
                if index in chosen
            ]
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read: {reason}; needed is a .tar archive of XML files") from error
    documents = [list(_sentences(f"{path}, {name}", text)) for name, text in texts]
    if not any(documents):
        raise DataError(f"{path} has no word with a sense; needed is XML with <word text lemma pos sense>")
    return [document for document in documents if document]


def _sentences(place: str, text: bytes) -> Iterator[SenseSentence]:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{place}: no XML ({error})") from error
    words: list[str] = []
    senses: list[Sense] = []
    for element in root.iter("word"):
        if words and (element.get("break_level") in SENTENCE_BREAKS or len(words) == LONGEST):
            if senses:
                yield SenseSentence(words, senses)
            words, senses = [], []
        form = element.get("text", "").strip()
        if not form:
            continue
        if sense := element.get("sense"):
            lemma = element.get("lemma") or form
            senses.append(Sense(len(words), lemma.lower(), element.get("pos", ""), sense))
        words.append(form)
    if senses:
        yield SenseSentence(words, senses)


__all__ = ["Sense", "SenseSentence", "read_documents"]
