# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a transformation is: some words of a sentence are written in another way, the rest stays.

Only words change, never their number or order, so that labels of words and of sentences stay where they are. They are
kept in the sense that the writer meant the same; a reader may not always recover it, which is what is measured.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

# Share of the words a transformation can change that it does change.
SHARES = {1: 0.1, 2: 0.3, 3: 1.0}

Item = TypeVar("Item")


class Draw:
    """Random numbers for one place of a text, made of a hash: the same in every process, release and Python."""

    def __init__(self, *key: int | str):
        # ASCII JSON also takes lone surrogates, which have no UTF-8.
        self._state = hashlib.blake2b(json.dumps(key).encode("ascii"), digest_size=16)
        self.share = self._number() / 2**64  # uniform, [0, 1)

    def _number(self) -> int:
        self._state.update(b".")
        return int.from_bytes(self._state.digest()[:8], "big")

    def below(self, limit: int) -> int:
        """A whole number from 0 to limit - 1."""
        return self._number() % limit

    def pick(self, options: Sequence[Item]) -> Item:
        """One of several options."""
        return options[self.below(len(options))]


# The other form of `words[position]`, or None where there is none.
Change = Callable[[Sequence[str], int, Draw], str | None]
# The place whose draw decides whether the word at `position` changes: words that only change together share one.
Unit = Callable[[Sequence[str], int], int]


def _itself(words: Sequence[str], position: int) -> int:
    return position


@dataclass(frozen=True)
class Transformation:
    """A way to write words otherwise.

    A word gets the same other form at each strength, and a word that a weak transformation changes is changed by a
    stronger one too. What happens depends on the words, the name and the seed alone.
    """

    name: str
    family: str
    summary: str  # a line that says what happens to a word
    change: Change
    unit: Unit = _itself

    def apply(self, words: Sequence[str], strength: int, seed: int) -> list[str]:
        """As many words, some of them changed.

        Args:
            words: of one sentence.
            strength: 1, 2 or 3: of the words that can be changed, each is with a chance of 10 %, 30 % or 100 %.
            seed: other seeds choose other words and other forms.
        Raises:
            ValueError: there is no such strength; the words are one text instead of a list.
        """
        if strength not in SHARES:
            raise ValueError(f"strength {strength!r}: it is one of {', '.join(map(str, SHARES))}")
        if isinstance(words, str):
            raise ValueError(f"{words[:40]!r} is a text; needed is a list of words")
        # The whole sentence is in the key: the same word at the same place of other sentences has its own draw.
        text = "\x1f".join(words).encode("utf-8", "surrogatepass")
        key = (seed, self.name, hashlib.blake2b(text, digest_size=16).hexdigest())
        return [self._form(words, position, SHARES[strength], key) for position in range(len(words))]

    def apply_at(self, words: Sequence[str], position: int, seed: int) -> list[str]:
        """The words with that at `position` changed alone, as `apply` would, and those that only change with it."""
        full, unit = self.apply(words, 3, seed), self.unit(words, position)
        return [full[place] if self.unit(words, place) == unit else word for place, word in enumerate(words)]

    def changeable(self, words: Sequence[str], seed: int) -> list[int]:
        """Positions of the words that this transformation can change."""
        return changed_positions(words, self.apply(words, 3, seed))

    def _form(self, words: Sequence[str], position: int, share: float, key: tuple[int | str, ...]) -> str:
        if not words[position] or Draw(*key, "whether", self.unit(words, position)).share >= share:
            return words[position]
        changed = self.change(words, position, Draw(*key, "how", position))
        return words[position] if changed is None else changed


def changed_positions(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """Where two equally long lists of words differ.

    Raises:
        ValueError: they have different lengths.
    """
    if len(before) != len(after):
        raise ValueError(f"{len(before)} words before and {len(after)} after; needed is the same number")
    return [position for position, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


def of_word(change: Callable[[str, Draw], str | None]) -> Change:
    """A change that looks at the word alone."""
    return lambda words, position, draw: change(words[position], draw)


def like_case(word: str, other: str) -> str:
    """`other` in the letter case of `word`: all capitals, a first capital, or as it is."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[0].upper() + other[1:] if word[0].isupper() else other
