# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Files, folders and data sets to paragraphs of documents, a line at a time."""

import codecs
import hashlib
import lzma
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from hf_elmo.corpus.settings import CorpusSettings, PreparationError
from hf_elmo.data.files import ARCHIVES, OPENERS, DataError, format_by_suffix, name_parts, read_json_lines, read_lines
from hf_elmo.data.records import as_text, import_datasets

DATASET_PREFIX = "datasets:"
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".md": "markdown", ".markdown": "markdown"}
TEXT_SUFFIXES = {"", ".txt", ".text", ".tokens"}

# A line is a sentence or a paragraph, of JSON a document; a longer one means that the line breaks are lost.
LONGEST_LINE, LONGEST_JSON_LINE = 1_000_000, 100_000_000
LONGEST_WITHOUT_BREAK = 100_000
_CHUNK = 1 << 20


class Source(NamedTuple):
    """A file or a data set; `size` and `sha256` are those of the text, unpacked (0 and "" for a data set)."""

    name: str
    kind: str  # one of FORMATS, or "dataset"
    size: int
    sha256: str


class Paragraph(NamedTuple):
    """A piece of text in which sentences are looked for."""

    text: str
    begins_document: bool
    is_sentence: bool = False  # a heading, or a line that is one sentence


# ------------------------------------------------------------------------------------------------------ what there is


def find_sources(
    names: str | os.PathLike | Iterable[str | os.PathLike], settings: CorpusSettings
) -> tuple[list[Source], list[str]]:
    """Check every source to its last byte before any work begins.

    Returns:
        the sources in the order given, the files of a folder by name; and the files of folders that are left out.
    Raises:
        PreparationError: missing, binary, not UTF-8, damaged or empty, or line breaks are lost; names file and line.
    """
    found: list[Source] = []
    skipped: list[str] = []
    names = [names] if isinstance(names, str | os.PathLike) else list(names)
    if not names:
        raise PreparationError("no text is given: name at least one file, folder or datasets:NAME")
    for name in map(str, names):
        path = Path(name)
        if name.startswith(DATASET_PREFIX):
            found.append(Source(name, "dataset", 0, ""))
        elif path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.is_file()]
            good = [file for file in files if _is_text_file(file.relative_to(path)) and file.stat().st_size]
            if not good:
                raise PreparationError(f"{path} has no text files (.txt, .md, .jsonl, .ndjson, .json; packed or not)")
            found += [inspect(file, settings.format) for file in good]
            skipped += [str(file) for file in files if file not in set(good)]
        elif not path.exists():
            raise PreparationError(
                f"{name}: no such file or folder (a data set of the Hub is given as {DATASET_PREFIX}ORG/NAME)"
            )
        elif ARCHIVES.intersection(suffix.lower() for suffix in path.suffixes):
            raise PreparationError(f"{path} is an archive of several files: unpack it and name the folder")
        else:
            found.append(inspect(path, settings.format))
    return found, skipped


def _is_text_file(path: Path) -> bool:
    if any(part.startswith(".") for part in path.parts):
        return False
    parts = name_parts(path)
    return ("." + parts[-1] if len(parts) > 1 else "") in TEXT_SUFFIXES | SUFFIXES.keys()


def inspect(path: Path, kind: str | None = None) -> Source:
    """Read a file once, in chunks of bounded size: is it UTF-8 text with line breaks, how much, of which format?

    Raises:
        PreparationError: see `find_sources`.
    """
    kind = kind or format_by_suffix(path, SUFFIXES)
    longest = LONGEST_JSON_LINE if kind == "jsonl" else LONGEST_LINE
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size = line_bytes = breaks = 0
    start = b""
    try:
        with OPENERS.get(path.suffix.lower(), open)(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                if b"\0" in chunk and not (start or chunk).startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise PreparationError(
                        f"{path} is no text: it has a zero byte at position {size + chunk.index(0)}"
                    )
                start = start or chunk[:4096]
                digest.update(chunk)
                size += len(chunk)
                breaks += chunk.count(b"\n")
                pieces = chunk.split(b"\n")
                if max(line_bytes + len(pieces[0]), *map(len, pieces)) > longest:
                    raise PreparationError(
                        f"{path} has a line of more than {longest / 1e6:g} MB after {breaks:,} line breaks; "
                        "a line should be a sentence or a paragraph (of JSON lines, a document): break it, for example "
                        "with fold -s -w 10000"
                    )
                line_bytes = len(pieces[-1]) + (line_bytes if len(pieces) == 1 else 0)
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _reason(path, error) from error
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        if path.suffix.lower() not in OPENERS:
            raise PreparationError(f"{path} cannot be read: {error.strerror}") from error  # type: ignore[union-attr]
        raise _reason(path, error) from error
    if not start.strip() and size <= len(start):
        raise PreparationError(f"{path} is empty" if size == 0 else f"{path} holds nothing but white space")
    if breaks == 0 and size > LONGEST_WITHOUT_BREAK and kind != "jsonl":
        raise PreparationError(
            f"{path} has {size:,} bytes and no line break; a line should be a sentence or a paragraph: break the text "
            "first, for example with fold -s -w 10000"
        )
    if kind is None:
        kind = "wiki" if start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<doc ") else "text"
    return Source(str(path), kind, size, digest.hexdigest())


def _reason(path: Path, error: Exception) -> PreparationError:
    """The error of a file that cannot be decoded or unpacked, with its line."""
    try:
        for _ in read_lines(path):
            pass
    except (DataError, OSError) as found:
        return PreparationError(str(found))
    return PreparationError(f"{path} cannot be read: {error}")  # it has changed meanwhile


# --------------------------------------------------------------------------------------------------------- paragraphs


def read_paragraphs(source: Source, settings: CorpusSettings) -> Iterator[Paragraph]:
    """The paragraphs of a source, none of them blank, in order.

    Raises:
        PreparationError, DataError: the content is not as its format needs; names the place.
    """
    if source.kind == "dataset":
        return _dataset(source.name.removeprefix(DATASET_PREFIX), settings)
    path = Path(source.name)
    if source.kind == "jsonl":
        return chain.from_iterable(
            _record(as_text((place, fields), settings.text_field)) for place, fields in read_json_lines(path)
        )
    if source.kind == "wiki":
        return _wiki(path)
    if source.kind == "markdown":
        return _markdown(path)
    return _text(path, settings.documents)


def _text(path: Path, documents: str) -> Iterator[Paragraph]:
    begins = True
    for line in read_lines(path):
        if line.strip():
            yield Paragraph(line, begins)
            begins = documents == "line"
        elif documents == "blank-line":
            begins = True


def _record(text: str) -> Iterator[Paragraph]:
    begins = True
    for line in text.split("\n"):
        if line.strip():
            yield Paragraph(line, begins)
            begins = False


_WIKI_TITLE = re.compile(r'\btitle="(.*)">\s*$')


def _wiki(path: Path) -> Iterator[Paragraph]:
    """WikiExtractor's output: `<doc id= url= title=>`, the title again, a paragraph a line, `</doc>`."""
    begins, title = True, ""
    for line in read_lines(path):
        stripped = line.strip()
        if stripped.startswith("<doc ") and stripped.endswith(">"):
            begins = True
            match = _WIKI_TITLE.search(stripped)
            title = match[1] if match else ""
        elif stripped and stripped != "</doc>":
            yield Paragraph(line, begins, is_sentence=begins and stripped == title)
            begins = False


_HEADING = re.compile(r"(#{1,6})(?:\s+(.*?))?\s*#*\s*$")
_RULE = re.compile(r"\s*([-*_=])\s*(\1\s*){2,}$")
_MARKS = re.compile(r"!\[[^\]]*\]\([^)]*\)|\[([^\]]*)\]\([^)]*\)|(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\2(?!\w)")
_ITEM = re.compile(r"\s*(?:>\s?)*(?:[-*+]\s+)?")


def _markdown(path: Path) -> Iterator[Paragraph]:
    """A heading of the first level begins a document (a book), a blank line a paragraph; of marks, the text stays."""
    begins = True
    lines: list[str] = []
    for line in chain(read_lines(path), [""]):
        heading = _HEADING.match(line)
        if lines and (heading or not line.strip() or _RULE.match(line) or sum(map(len, lines)) > LONGEST_LINE):
            yield Paragraph(_unmarked(" ".join(lines)), begins)
            begins, lines = False, []
        if heading:
            begins = begins or len(heading[1]) == 1
            if (title := _unmarked(heading[2] or "")).strip():
                yield Paragraph(title, begins, is_sentence=True)
                begins = False
        elif line.strip() and not _RULE.match(line):
            text = line[_ITEM.match(line).end() :].strip()  # type: ignore[union-attr]  # it matches anything
            lines += [text] if text else []


def _unmarked(text: str) -> str:
    return _MARKS.sub(lambda match: match[1] or match[3] or "", text) or text


def _dataset(name: str, settings: CorpusSettings) -> Iterator[Paragraph]:
    datasets = import_datasets()
    try:
        rows = datasets.load_dataset(
            name,
            settings.dataset_config,
            split=settings.dataset_split,
            revision=settings.dataset_revision,
            streaming=True,
        )
        first = list(islice(rows, 1))
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())[:300]
        raise PreparationError(f"`datasets` cannot load {name}, split {settings.dataset_split}: {reason}") from error
    if not first:
        raise PreparationError(f"{name}, split {settings.dataset_split}, has no rows")
    for number, row in enumerate(rows, start=1):
        yield from _record(as_text((f"{name}, row {number}", row), settings.text_field))
