# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Numbers that know where they come from, and the search for numbers in a card that come from nowhere.

A template holds no measured digit. It asks for a value of a result file or of a cited source, computes with it, and
shows it; what is shown stands between two marks of Unicode's private area until the card is whole. Every digit outside
such marks is then either part of a name, a date, code, an address, or a fault: see `unsourced_numbers`.
"""

import json
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
BEGIN, END = "\ue000", "\ue001"


@dataclass(frozen=True)
class Number:
    """A value with the places it comes from; sums, differences, products and quotients keep them.

    Attributes:
        value: the number.
        sources: `file: path` of a result, `sources.yaml: key` of a citation, or what a shape follows from.
        text: how the source writes it, shown as it is; None after computing.
    """

    value: float
    sources: frozenset[str]
    text: str | None = None

    def _with(self, other: "Number | float", compute: Callable[[Any, Any], float]) -> "Number":
        if isinstance(other, Number):
            return Number(compute(self.value, other.value), self.sources | other.sources)
        return Number(compute(self.value, other), self.sources)

    def __add__(self, other: "Number | float") -> "Number":
        return self._with(other, operator.add)

    def __sub__(self, other: "Number | float") -> "Number":
        return self._with(other, operator.sub)

    def __mul__(self, other: "Number | float") -> "Number":
        return self._with(other, operator.mul)

    def __truediv__(self, other: "Number | float") -> "Number":
        return self._with(other, operator.truediv)

    def __rtruediv__(self, other: float) -> "Number":
        return self._with(other, lambda mine, theirs: theirs / mine)

    def __neg__(self) -> "Number":
        return Number(-self.value, self.sources)

    def __abs__(self) -> "Number":
        return Number(abs(self.value), self.sources)

    def __lt__(self, other: "Number | float") -> bool:
        return self.value < (other.value if isinstance(other, Number) else other)

    def __gt__(self, other: "Number | float") -> bool:
        return self.value > (other.value if isinstance(other, Number) else other)

    def __str__(self) -> str:
        """As the source writes it, whole numbers with thousands separated; anything else must be rounded by a filter."""
        if self.text is not None:
            return shown(self.text)
        if float(self.value).is_integer():
            return shown(f"{int(self.value):,}")
        raise ValueError(f"{self.value!r} ({', '.join(sorted(self.sources))}) needs a filter that rounds it")


def shown(text: str) -> str:
    """Text that a number stands in, marked as coming from a source."""
    return f"{BEGIN}{text}{END}"


def rounded(number: Number, digits: int = 1) -> str:
    """A number with so many digits after the point, thousands separated."""
    return shown(f"{_needed(number).value:,.{digits}f}")


def plain(number: Number) -> str:
    """A whole number as code writes it, without separators."""
    return shown(f"{int(_needed(number).value)}")


def percent(number: Number, digits: int = 1) -> str:
    """A share of 1 in percent, without the sign."""
    return shown(f"{100 * _needed(number).value:.{digits}f}")


def millions(number: Number, digits: int = 1) -> str:
    """A count in millions."""
    return shown(f"{_needed(number).value / 1e6:,.{digits}f}")


def ten_thousands(number: Number, digits: int = 0) -> str:
    """A count in units of 10,000, as Chinese counts."""
    return shown(f"{_needed(number).value / 1e4:.{digits}f}")


def hundred_millions(number: Number, digits: int = 2) -> str:
    """A count in units of 100 million, as Chinese counts."""
    return shown(f"{_needed(number).value / 1e8:.{digits}f}")


def significant(number: Number, digits: int = 2) -> str:
    """A number with so many digits that count: 0.00012, 3.4, 1,200."""
    value = _needed(number).value
    after = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return shown(f"{value:,.{after}f}")


def scientific(number: Number) -> str:
    """A tolerance: 5e-6."""
    mantissa, exponent = f"{_needed(number).value:.0e}".split("e")
    return shown(f"{mantissa}e{int(exponent)}")


FILTERS = {
    function.__name__: function
    for function in (rounded, plain, percent, millions, ten_thousands, hundred_millions, significant, scientific)
}


def _needed(number: Any) -> Number:
    if not isinstance(number, Number):
        raise ValueError(f"{number!r} has no source: take it from result(), cited() or the shape of the model")
    return number


class Results:
    """The result files of a folder, read when they are asked for.

    Args:
        folder: that paths are relative to.
    """

    def __init__(self, folder: str | Path = RESULTS):
        self.folder = Path(folder)
        self.read: Callable[[str], Any] = lru_cache(maxsize=None)(self._read)

    def _read(self, file: str) -> Any:
        path = self.folder / file
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise OSError(f"{path}: no such result file") from error
        except ValueError as error:
            raise ValueError(f"{path} is no JSON file: {error}") from error

    def has(self, file: str) -> bool:
        """Whether the result file is there."""
        return (self.folder / file).is_file()

    def entry(self, file: str, path: str) -> Any:
        """What stands in a result file at a path of keys and list places, with dots between them.

        Raises:
            OSError, ValueError: there is no such file, or nothing at that place.
        """
        found = self.read(file)
        for key in path.split("."):
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ValueError(f"{self.folder / file} holds nothing at {path!r} ({key!r} is not there)") from error
        return found

    def number(self, file: str, path: str) -> Number:
        """The number at a path of a result file.

        Raises:
            OSError, ValueError: as `entry`, or no finite number stands there.
        """
        found = self.entry(file, path)
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            raise ValueError(f"{self.folder / file} holds no number at {path!r} but {found!r}")
        return Number(found, frozenset({f"{file}: {path}"}))

    def count(self, file: str, path: str) -> Number:
        """How many entries stand at a path of a result file.

        Raises:
            OSError, ValueError: as `entry`, or no list or mapping stands there.
        """
        found = self.entry(file, path)
        if not isinstance(found, list | dict):
            raise ValueError(f"{self.folder / file} holds no list at {path!r} but {found!r}")
        return Number(len(found), frozenset({f"{file}: {path} (entries)"}))


class Sources:
    """Cited values by name, from `sources.yaml`: each with the document it was read in and its address."""

    NEEDED = ("title", "url", "read", "values")
    READ = ("original", "copy", "derived", "repository")

    def __init__(self, path: str | Path = HERE / "sources.yaml"):
        self.path = Path(path)
        self.entries: dict[str, dict[str, Any]] = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        for key, entry in self.entries.items():
            missing = [name for name in self.NEEDED if name not in entry]
            if missing:
                raise ValueError(f"{self.path}: {key} lacks {', '.join(missing)}")
            if entry["read"] not in self.READ:
                raise ValueError(f"{self.path}: read of {key} is {entry['read']!r}; needed is {', '.join(self.READ)}")

    def number(self, key: str) -> Number:
        """The cited value `source.name`.

        Raises:
            ValueError: there is none.
        """
        source, _, name = key.partition(".")
        try:
            text = self.entries[source]["values"][name]
        except KeyError as error:
            raise ValueError(f"{self.path} cites nothing as {key!r}") from error
        return Number(float(str(text).replace(",", "")), frozenset({f"{self.path.name}: {key}"}), str(text))

    def link(self, source: str) -> str:
        """The source as a Markdown link; a part of this project, which the Hub does not hold, by its name.

        Raises:
            ValueError: there is none.
        """
        if source not in self.entries:
            raise ValueError(f"{self.path} cites nothing as {source!r}")
        entry = self.entries[source]
        return f"[{shown(entry['title'])}]({entry['url']})" if entry["url"] else f"`{entry['title']}`"


# What may hold digits without being a measurement. The names are those of data, formats, licences, hardware and methods.
NAMES = """
    CoNLL-2003 W-NUT\\ 17 BANKING77 CLINC150 WikiText-2 SQuAD\\ 1\\.1 SST-2 1\\ Billion\\ Word\\ Benchmark GTX\\ 1080 A100 H200 P100
    UTF-8 SHA-256 AVX-512 int8 float16 float32 float64 bfloat16 word2vec model2vec Apache-2\\.0 CC\\ BY-SA\\ 3\\.0 CC\\ BY\\ 2\\.5
    lstm1 lstm2 F1 GPT-2 elmo-original-5\\.5b
"""
_STRUCTURAL = (
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),  # metadata, whose values a test compares with the result files
    re.compile(r"^(`{3,})[^\n]*\n.*?^\1", re.DOTALL | re.MULTILINE),  # code
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\]\([^)\s]*\)"),  # addresses
    re.compile(r"https?://[^\s)|,，。；）]+"),
    re.compile(r"(?<![\d.])(?:18|19|20)\d\d(?:-\d\d-\d\d)?(?!\d|\.\d)"),  # years and dates
    re.compile("|".join(NAMES.replace("\\ ", "\0").split()).replace("\0", " ")),
)


def unsourced_numbers(marked: str) -> list[str]:
    """Pieces of a rendered card, marks still in it, that hold a digit which no source gave; empty if all is well.

    Digits in metadata, code, addresses, dates and in the names of `NAMES` do not count.
    """
    text = re.sub(f"{BEGIN}[^{BEGIN}{END}]*{END}", "", marked)
    for pattern in _STRUCTURAL:
        text = pattern.sub("", text)
    return [found.group().strip() for found in re.finditer(r"[^\s|]*\d[^\s|]*", text)]


def without_marks(marked: str) -> str:
    """The card as readers get it."""
    return marked.replace(BEGIN, "").replace(END, "")
