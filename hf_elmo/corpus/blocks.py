# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Paragraphs to blocks of text, each the content of one shard; where a block ends does not depend on who encodes it."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hf_elmo.corpus.sources import Paragraph

TRAIN, HELD_OUT = "train", "held_out"
OPENING_CHARACTERS = 1000  # of a document, by which it is held out or not


@dataclass(frozen=True)
class Block:
    """Text of one shard: consecutive paragraphs of the training or of the held-out part."""

    split: str
    index: int  # among the blocks of this part
    paragraphs: list[Paragraph]

    @property
    def name(self) -> str:
        return f"{self.split}-{self.index:06d}"

    def digest(self) -> str:
        """A hash of all that decides the shard, besides the settings."""
        digest = hashlib.blake2b(digest_size=16)
        for text, begins, is_sentence in self.paragraphs:
            digest.update(b"%d%d" % (begins, is_sentence) + text.encode() + b"\n")
        return digest.hexdigest()


def make_blocks(paragraphs: Iterable[Paragraph], held_out: float, shard_characters: int) -> Iterator[Block]:
    """Deal documents to the two parts, and cut each part into blocks.

    A block ends with the document in which it reaches `shard_characters`, but never has much more than twice as many:
    a document can go on in the next block.
    """
    builders = {split: _Builder(split, shard_characters) for split in (TRAIN, HELD_OUT)}
    for opening, rest in _documents(paragraphs):
        text = "\n".join(paragraph.text for paragraph in opening)[:OPENING_CHARACTERS]
        number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        builder = builders[HELD_OUT if number < held_out * 2.0**64 else TRAIN]
        for part in (opening, rest):
            for paragraph in part:
                yield from builder.add(paragraph)
    for builder in builders.values():
        yield from builder.flush()


def _documents(paragraphs: Iterable[Paragraph]) -> Iterator[tuple[list[Paragraph], Iterable[Paragraph]]]:
    """Each document as the list of its first paragraphs, and the others, which are to be used up before the next."""
    remaining = iter(paragraphs)
    following = next(remaining, None)
    while following is not None:
        opening, characters = [following], len(following.text)
        following = next(remaining, None)
        while following is not None and not following.begins_document and characters < OPENING_CHARACTERS:
            opening.append(following)
            characters += len(following.text)
            following = next(remaining, None)

        def rest() -> Iterator[Paragraph]:
            nonlocal following
            while following is not None and not following.begins_document:
                yield following
                following = next(remaining, None)

        yield opening, rest()


class _Builder:
    def __init__(self, split: str, shard_characters: int):
        self.split, self.limit = split, shard_characters
        self.index = self.characters = 0
        self.paragraphs: list[Paragraph] = []

    def add(self, paragraph: Paragraph) -> Iterator[Block]:
        full = self.limit if paragraph.begins_document else 2 * self.limit
        if self.characters >= full:
            yield from self.flush()
        self.paragraphs.append(paragraph)
        self.characters += len(paragraph.text)

    def flush(self) -> Iterator[Block]:
        if self.paragraphs:
            yield Block(self.split, self.index, self.paragraphs)
            self.index, self.characters, self.paragraphs = self.index + 1, 0, []
