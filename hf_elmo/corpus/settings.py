# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What decides the content of a prepared corpus; the number of processes and the like do not."""

import os
from dataclasses import dataclass

FORMATS = ("text", "wiki", "markdown", "jsonl")
DOCUMENTS = ("file", "blank-line", "line")
SENTENCES = ("rules", "lines")
SPLITTINGS = ("punctuation", "whitespace")  # of the tokenizer, which would load torch

DEFAULT_VOCABULARY_SIZE = 50_000
SPECIAL_WORDS = ("<S>", "</S>", "<UNK>")  # ids 1, 2, 3: `bos_token_id`, `eos_token_id`, `unk_token_id` of ElmoConfig
PADDING_WORD = "[PAD]"  # id 0, not in the file


class PreparationError(ValueError):
    """A corpus cannot be prepared or read as asked; the message is one line for people."""


@dataclass(frozen=True)
class CorpusSettings:
    """How text becomes words and ids.

    Args:
        format: one of FORMATS for every file; None goes by the ending of its name (.jsonl, .ndjson, .json, .md,
            .markdown; else text, or wiki where the first line is a `<doc ...>` of WikiExtractor).
        text_field: name of the text in JSON lines and data sets.
        documents: what a document of a text file is. The other formats say where their documents begin.
        sentences: "rules" finds sentence ends (see `split_sentences`); "lines": a line is a sentence.
        splitting: "punctuation" or "whitespace", as `ElmoTokenizer`; "whitespace" is `str.split`, for text that is
            tokenised already.
        split_cjk: make every Chinese character a word.
        vocabulary: a bilm-tf vocabulary file to use; None counts the words of the training part.
        vocabulary_size: lines of the vocabulary at most, the three special words included.
        min_count: a rarer word stays out of the vocabulary.
        held_out: share of the documents, 0 to 1, that is kept apart; chosen by a hash of how they begin.
        max_sentence_words: longer sentences are cut, and counted.
        shard_characters: text that goes into a shard; one shard for each process is in memory.
        exclude: files or folders of text that must not get into the corpus, as held-out and development text; a
            document of the sources that shares a run of words with them is left out whole. A name or several. The
            sources, data sets too, are read once more for it.
        exclude_run_words: words of such a run, upper and lower case and punctuation marks aside.
        dataset_config, dataset_split, dataset_revision: for sources `datasets:NAME`.
    """

    format: str | None = None
    text_field: str = "text"
    documents: str = "file"
    sentences: str = "rules"
    splitting: str = "punctuation"
    split_cjk: bool = False
    vocabulary: str | None = None
    vocabulary_size: int | None = None
    min_count: int = 1
    held_out: float = 0.0
    max_sentence_words: int = 1000
    shard_characters: int = 8_000_000
    exclude: tuple[str, ...] = ()
    exclude_run_words: int = 13
    dataset_config: str | None = None
    dataset_split: str = "train"
    dataset_revision: str | None = None

    def __post_init__(self):
        """Raises PreparationError naming the setting, the value and what is possible."""
        names = (self.exclude,) if isinstance(self.exclude, str | os.PathLike) else self.exclude
        object.__setattr__(self, "exclude", tuple(map(str, names)))
        for name, values in (
            ("format", (None, *FORMATS)),
            ("documents", DOCUMENTS),
            ("sentences", SENTENCES),
            ("splitting", SPLITTINGS),
        ):
            if getattr(self, name) not in values:
                shown = ", ".join(map(str, values))
                raise PreparationError(f"{name} must be one of {shown}; got {getattr(self, name)!r}")
        for name in ("min_count", "max_sentence_words", "shard_characters", "exclude_run_words"):
            if getattr(self, name) < 1:
                raise PreparationError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.held_out < 1:
            raise PreparationError(f"held_out is a share of the documents, from 0 to below 1; got {self.held_out}")
        if self.vocabulary is not None and (self.vocabulary_size is not None or self.min_count > 1):
            raise PreparationError(
                "a given vocabulary has its size: leave out vocabulary_size and min_count, or the vocabulary"
            )
        if self.vocabulary_size is not None and self.vocabulary_size <= len(SPECIAL_WORDS):
            raise PreparationError(
                f"vocabulary_size={self.vocabulary_size} has no room for a word: {len(SPECIAL_WORDS)} are special "
                f"({', '.join(SPECIAL_WORDS)})"
            )

    @property
    def words_wanted(self) -> int | None:
        """Words of a new vocabulary besides the special ones; None for all that reach `min_count`."""
        if self.vocabulary_size is not None:
            return self.vocabulary_size - len(SPECIAL_WORDS)
        return DEFAULT_VOCABULARY_SIZE - len(SPECIAL_WORDS) if self.min_count == 1 else None
