# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Text to a folder of token shards, in steps that can be interrupted and go on where they were.

    check   every source is read once: text or not, how much, its hash
    screen  only with `exclude`: documents that share a run of words with excluded text are found, by several processes
    split   text becomes raw shards, by several processes; text is split into words only here
    count   vocabulary and repeated sentences, over all raw shards
    encode  raw shards become token shards, by several processes

All of it happens in OUTPUT.part. When manifest.json, with the hash of every file, is written, the folder is renamed.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hf_elmo import __version__, messages
from hf_elmo.corpus.blocks import HELD_OUT, TRAIN, Block, make_blocks
from hf_elmo.corpus.counting import count_repeated, count_words, read_vocabulary, vocabulary_text, write_ids
from hf_elmo.corpus.encoding import encode_shard
from hf_elmo.corpus.exclusion import find_excluded, leave_out, make_pieces, screen, write_index
from hf_elmo.corpus.jobs import run_jobs
from hf_elmo.corpus.raw_shards import make_raw_shard, raw_path, read_facts
from hf_elmo.corpus.settings import PADDING_WORD, SPECIAL_WORDS, CorpusSettings, PreparationError
from hf_elmo.corpus.shard_files import write_file
from hf_elmo.corpus.sources import Paragraph, Source, find_sources, read_paragraphs
from hf_elmo.corpus.splitting import WordSplitter
from hf_elmo.corpus.unfinished import alone, plain_errors

MANIFEST, VOCABULARY = "manifest.json", "vocab.txt"
FORMAT_NAME, FORMAT_VERSION = "hf_elmo corpus", 1
_RUN, _COUNTS, _IDS, _REPLACED = "run.json", "counts.json", "ids.json", "replaced"
_EXCLUDED, _LEFT_OUT = "excluded.safetensors", "left_out.json"
# Bytes on the disk for a byte of text at the widest: two times 4 for a word, which is a character of 3 bytes or about 5.
_DISK_FACTOR = {True: 3.0, False: 2.0}


def prepare(
    sources: str | os.PathLike | Iterable[str | os.PathLike],
    output: str | os.PathLike,
    *,
    processes: int = 1,
    overwrite: bool = False,
    restart: bool = False,
    say: Callable[[str], None] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Turn text into a folder of token shards with a vocabulary, as `TokenShards` reads it.

    The content of the folder is the same to the last bit for every number of processes and interruptions; memory does
    not depend on the size of the corpus. More than one process needs a script with an `if __name__ == "__main__":`.

    Args:
        sources: files, folders, or `datasets:NAME` for what `datasets.load_dataset` streams.
        output: a new folder; `output`.part beside it holds the finished work until then.
        processes: that split and encode text.
        overwrite: replace `output` if it is a corpus of this function.
        restart: throw away what an unfinished run left.
        say: takes lines about what is going on; None prints them on stderr.
        settings: see `CorpusSettings`.
    Returns:
        the manifest: settings, sources, excluded files, how many documents were left out for them, and for each part its
        words, sentences, documents, unknown and repeated ones.
    Raises:
        PreparationError, DataError (both ValueError): wrong settings, bad text, a folder that is not ours.
        OSError: the output cannot be written; what was finished stays, and the same call goes on with it.
    """
    chosen = CorpusSettings(**settings)
    if processes < 1:
        raise PreparationError(f"processes must be at least 1, got {processes}")
    target = Path(output)
    part = target.with_name(target.name + ".part")
    _check_output(target, part, overwrite)
    if chosen.vocabulary is not None:
        read_vocabulary(Path(chosen.vocabulary))
    found, skipped = find_sources(sources, chosen)
    run = _Run(chosen, found, find_excluded(chosen), part, processes, say or messages.say)
    run.announce(target, skipped)
    with plain_errors(target, part), alone(part, target):
        part.mkdir(exist_ok=True)
        manifest = run.finish(restart)
        _move(part, target)
    return manifest


def _check_output(target: Path, part: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise PreparationError(f"the folder {target.parent} of the output does not exist: make it first")
    if target.exists():
        if not overwrite:
            raise PreparationError(f"{target} exists already: give --overwrite, or another name")
        if not _is_ours(target / MANIFEST):
            raise PreparationError(f"{target} is not a corpus of this program and is not replaced: give another name")
    if part.exists() and not _is_ours(part / _RUN):
        # killed before it had its record?
        if not part.is_dir() or {path.name for path in part.iterdir()} - {_RUN + ".new"}:
            raise PreparationError(f"{part}, where the work would go, is something else: move it away")


def _is_ours(record: Path) -> bool:
    try:
        return json.loads(record.read_text(encoding="utf-8"))["format"] == FORMAT_NAME
    except (OSError, ValueError, KeyError, TypeError):
        return False


class _Run:
    """The steps of one preparation, in the folder for unfinished work."""

    def __init__(
        self,
        settings: CorpusSettings,
        sources: Sequence[Source],
        excluded: Sequence[Source],
        part: Path,
        processes: int,
        say: Callable[[str], None],
    ):
        self.settings, self.sources, self.excluded = settings, sources, excluded
        self.part, self.processes, self.say = part, processes, say
        self.size = sum(source.size for source in sources)

    def announce(self, target: Path, skipped: Sequence[str]) -> None:
        """Say what will be done, and refuse when the disk has no room for it."""
        settings = self.settings
        kinds = Counter(source.kind for source in self.sources)
        what = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        vocabulary = settings.vocabulary or (
            (f"the commonest {settings.words_wanted:,} words" if settings.words_wanted is not None else "all words")
            + (f" that occur {settings.min_count} times or more" if settings.min_count > 1 else "")
        )
        self.say(
            f"will split {self.size / 1e6:,.1f} MB of text ({what}) at "
            f"{'sentence ends' if settings.sentences == 'rules' else 'lines'} and {settings.splitting}"
            f"{', Chinese characters apart' if settings.split_cjk else ''}, on {self.processes} process"
            f"{'es' if self.processes > 1 else ''}; vocabulary: {vocabulary}; held out: {settings.held_out:.2%} of the "
            f"documents; to {target}"
        )
        if self.excluded:
            self.say(
                f"will leave out documents that share {settings.exclude_run_words} words in a row with "
                f"{sum(source.size for source in self.excluded) / 1e6:,.1f} MB of excluded text ({len(self.excluded):,} "
                f"file{'s' if len(self.excluded) > 1 else ''})"
            )
        if skipped:
            shown = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
            self.say(f"left out, hidden, empty or of another kind: {len(skipped):,} files ({shown})")
        done = sum(file.stat().st_size for file in self.part.glob("*")) if self.part.is_dir() else 0
        needed, free = self.size * _DISK_FACTOR[self.settings.split_cjk] - done, shutil.disk_usage(target.parent).free
        if needed > free:
            raise PreparationError(
                f"the disk of {target} has {free / 1e9:.1f} GB free, this may need {needed / 1e9:.1f} GB: make room, or "
                "give an output on another disk"
            )

    def finish(self, restart: bool) -> dict[str, Any]:
        """Do what is not done yet; returns the manifest, which is then in the folder."""
        if restart:
            shutil.rmtree(self.part)
            self.part.mkdir()
        self._agree_with_unfinished_run()
        try:
            if not (self.part / _COUNTS).exists() and not (self.part / MANIFEST).exists():
                self._count(*self._split(*self._screen()))
        except BaseException:
            if not any(self.part.glob("raw-*")):  # nothing to go on with
                shutil.rmtree(self.part, ignore_errors=True)
            raise
        if not (self.part / MANIFEST).exists():
            self._encode()
        manifest = json.loads((self.part / MANIFEST).read_text(encoding="utf-8"))
        files = [entry["file"] for part in manifest["parts"].values() for entry in part["shards"]]
        for path in self.part.iterdir():
            if path.name not in {MANIFEST, VOCABULARY, _RUN, _REPLACED, *files}:
                path.unlink()
        return manifest

    def _agree_with_unfinished_run(self) -> None:
        settings = asdict(self.settings)
        if self.settings.vocabulary is not None:
            settings["vocabulary"] = hashlib.sha256(Path(self.settings.vocabulary).read_bytes()).hexdigest()
        del settings["exclude"]  # its files stand below
        now = {
            "format": FORMAT_NAME,
            "version": FORMAT_VERSION,
            "hf_elmo": __version__,
            "settings": settings,
            "sources": [source._asdict() for source in self.sources],
            "exclude": [source._asdict() for source in self.excluded],
        }
        record = self.part / _RUN
        if not record.exists():
            write_file(record, _json(now))
        before = json.loads(record.read_text(encoding="utf-8"))
        if before != now:
            names = [name for name in settings if before["settings"].get(name) != settings[name]]
            names += [name for name in ("version", "hf_elmo", "sources", "exclude") if before.get(name) != now[name]]
            raise PreparationError(
                f"{self.part} is an unfinished run with other settings or text ({', '.join(names)}): repeat that command "
                "to finish it, or give --restart to throw its work away"
            )

    def _splitter(self) -> WordSplitter:
        from hf_elmo.modeling.character_encoding import build_pre_tokenizer

        splitting, split_cjk = self.settings.splitting, self.settings.split_cjk
        return WordSplitter(build_pre_tokenizer(splitting, split_cjk), splitting, split_cjk)

    def _paragraphs(self) -> Iterator[Paragraph]:
        return chain.from_iterable(read_paragraphs(source, self.settings) for source in self.sources)

    def _bar(self, step: str) -> tqdm:
        seconds = 0.5 if sys.stderr.isatty() else 30  # a log file needs no animation
        return tqdm(desc=step, total=self.size or None, unit="B", unit_scale=True, mininterval=seconds)

    def _screen(self) -> tuple[set[int], int]:
        """Numbers of the documents that share a run of words with excluded text, and how many documents there are.

        Both are kept in a file once they are known. Without excluded text the sources are not read for it.
        """
        if not self.excluded:
            return set(), 0
        record = self.part / _LEFT_OUT
        if not record.exists():
            splitter, run_words = self._splitter(), self.settings.exclude_run_words
            index = self.part / _EXCLUDED
            sha256 = write_index(index, self.excluded, self.settings, splitter)
            work = partial(screen, index=index, sha256=sha256, run_words=run_words, splitter=splitter)
            blocks = make_blocks(self._paragraphs(), 0.0, self.settings.shard_characters)
            left_out: set[int] = set()
            documents = 0
            with self._bar("screening") as bar:
                for piece, found in run_jobs(work, make_pieces(blocks, run_words, splitter), self.processes):
                    left_out.update(found)
                    documents += sum(paragraph.begins_document for paragraph in piece.paragraphs)
                    bar.set_postfix_str(f"{len(left_out):,} documents left out", refresh=False)
                    bar.update(_bytes_of(piece.paragraphs))
            write_file(record, _json({"documents": documents, "left_out": sorted(left_out)}))
        screened = json.loads(record.read_text(encoding="utf-8"))
        return set(screened["left_out"]), screened["documents"]

    def _split(self, left_out: set[int], documents: int) -> tuple[list[str], Counter]:
        """Make the raw shards; returns their names, and what they hold in all."""
        settings = self.settings
        work = partial(
            make_raw_shard,
            folder=self.part,
            splitter=self._splitter(),
            by_rules=settings.sentences == "rules",
            max_sentence_words=settings.max_sentence_words,
        )
        paragraphs = leave_out(self._paragraphs(), left_out, documents) if self.excluded else self._paragraphs()
        blocks = make_blocks(paragraphs, settings.held_out, settings.shard_characters)
        names: list[str] = []
        total: Counter = Counter({"left_out_documents": len(left_out)})
        begin, new_words = time.perf_counter(), 0
        with self._bar("splitting") as bar:
            # The finished ones of an earlier run are compared with the text and not made again.
            for block, facts in run_jobs(partial(_make_or_find, work=work, folder=self.part), blocks, self.processes):
                names.append(block.name)
                new_words += 0 if facts.pop("found") else facts["words"]
                total.update(facts)
                rate = new_words / (time.perf_counter() - begin)
                bar.set_postfix_str(f"{total['words']:,} words, {rate:,.0f} words/s", refresh=False)
                bar.update(_bytes_of(block.paragraphs))
        if left_out and not names:
            raise PreparationError(
                f"every document shares {settings.exclude_run_words} words in a row with the excluded text: give smaller "
                "documents (--documents), a larger --exclude-run-words, or other text"
            )
        self._check_parts(names)
        return names, total

    def _check_parts(self, names: Sequence[str]) -> None:
        missing = [split for split in self._splits() if not any(name.startswith(split) for name in names)]
        if missing == list(self._splits()):
            raise PreparationError("the text has no words")
        if missing:
            shutil.rmtree(self.part)  # another share or kind of documents makes other shards
            raise PreparationError(
                f"no document fell into the {missing[0].replace('_', '-')} part at held_out={self.settings.held_out}; give "
                "another share, or smaller documents (--documents blank-line or line; now "
                f"{self.settings.documents!r})"
            )

    def _splits(self) -> tuple[str, ...]:
        return (TRAIN, HELD_OUT) if self.settings.held_out else (TRAIN,)

    def _count(self, names: Sequence[str], total: Counter) -> None:
        """Write the vocabulary, and the numbers that only all raw shards together can tell."""
        paths = {
            split: [raw_path(self.part, name) for name in names if name.startswith(split)] for split in self._splits()
        }
        self.say(f"{total['words']:,} words in {total['sentences']:,} sentences; counting them")
        distinct = None
        if self.settings.vocabulary is not None:
            text = Path(self.settings.vocabulary).read_bytes()
        else:
            counted = count_words(paths[TRAIN], self.settings.words_wanted, self.settings.min_count)
            text, distinct = vocabulary_text(counted.words), counted.distinct
        write_file(self.part / VOCABULARY, text)
        write_ids(self.part / _IDS, read_vocabulary(self.part / VOCABULARY))
        repeated = count_repeated(paths[TRAIN], paths.get(HELD_OUT, []))
        found = {
            "names": names,
            "left_out_documents": total["left_out_documents"],
            "distinct_words": distinct,
            "repeated": repeated._asdict(),
        }
        write_file(self.part / _COUNTS, _json(found))

    def _encode(self) -> None:
        """Make the token shards and, when all are there, the manifest."""
        counts = json.loads((self.part / _COUNTS).read_text(encoding="utf-8"))
        ids = read_vocabulary(self.part / VOCABULARY)
        work = partial(
            encode_shard,
            folder=self.part,
            ids_path=self.part / _IDS,
            ids_sha256=hashlib.sha256((self.part / _IDS).read_bytes()).hexdigest(),
            unknown_id=ids["<UNK>"],
        )
        shards: dict[str, list[dict[str, Any]]] = {split: [] for split in self._splits()}
        for name, entry in run_jobs(work, counts["names"], self.processes):
            shards[name.rpartition("-")[0]].append(entry)
        text = (self.part / VOCABULARY).read_bytes()
        run = json.loads((self.part / _RUN).read_text(encoding="utf-8"))
        repeated = counts["repeated"]
        manifest = {
            **run,
            "left_out_documents": counts["left_out_documents"],
            "vocabulary": {
                "file": VOCABULARY,
                "sha256": hashlib.sha256(text).hexdigest(),
                "ids": len(ids),
                "distinct_words": counts["distinct_words"],
                "special_ids": {word: ids[word] for word in (*SPECIAL_WORDS, PADDING_WORD)},
            },
            "parts": {split: _summary(entries, repeated[split]) for split, entries in shards.items()},
        }
        if HELD_OUT in shards:
            manifest["parts"][HELD_OUT]["sentences_in_train"] = repeated["held_out_in_train"]
        write_file(self.part / MANIFEST, _json(manifest))


def _make_or_find(block: Block, work: Callable[[Block], dict[str, int]], folder: Path) -> dict[str, Any]:
    """What is in the raw shard of a block, which an earlier run may have made."""
    facts = read_facts(raw_path(folder, block.name))
    if facts is None:
        return {**work(block), "found": False}
    if facts.pop("digest") != block.digest():
        raise PreparationError(f"the text has changed since the unfinished run in {folder}: give --restart")
    return {**facts, "found": True}


def _bytes_of(paragraphs: Sequence[Paragraph]) -> int:
    """About how much of the text they take up."""
    return sum(len(paragraph.text.encode()) + 1 for paragraph in paragraphs)


def _summary(entries: list[dict[str, Any]], repeated: int) -> dict[str, Any]:
    sums = {
        name: sum(entry[name] for entry in entries)
        for name in ("words", "sentences", "documents", "unknown_words", "cut_sentences")
    }
    return {
        **sums,
        "unknown_rate": sums["unknown_words"] / sums["words"],
        "repeated_sentences": repeated,
        "shards": entries,
    }


def _move(part: Path, target: Path) -> None:
    """Give the finished folder its name; an earlier corpus goes when the new one is in its place."""
    if target.exists():
        os.replace(target, part / _REPLACED)
    os.replace(part, target)
    (target / _RUN).unlink()  # not earlier: it marks the unfinished folder as ours
    shutil.rmtree(target / _REPLACED, ignore_errors=True)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
