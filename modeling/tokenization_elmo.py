# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Text to words to character ids: the tokenizer of an ELMo model."""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from tokenizers import models
from transformers.tokenization_utils_base import BatchEncoding
from transformers.tokenization_utils_tokenizers import TokenizersBackend

from .character_encoding import (
    LONE_SURROGATE,
    SPLITTINGS,
    STAND_IN,
    EncodedCorpus,
    WordTable,
    build_backend,
    build_pre_tokenizer,
    commonest_words,
    frame_sentences,
    number_corpus,
    number_words,
    pad_char_ids,
    read_vocabulary_file,
    replace_surrogates,
    warn_of_cut_words,
    words_to_char_ids,
)
from .hub_upload import HubUpload, add_missing_code
from .text_samples import advice_on_truncation, as_samples, find_words, hide_stand_ins, one_token_each


class ElmoTokenizer(HubUpload, TokenizersBackend):
    r"""
    Tokenizer of ELMo models: one token per word, with the word's 50 character ids.

    Calling it gives `input_ids` (B, T), `char_ids` (B, T, C) and `attention_mask` (B, T). `char_ids` are those of
    AllenNLP's `batch_to_ids` with `<S>` and `</S>` around each sentence; the model reads only them. `input_ids` are
    ids of whole words, the targets of a language model; a word outside the vocabulary keeps its characters.

    With `is_split_into_words=True` every given word is one position, whatever it contains. There and with
    `splitting="whitespace"` the words `<S>` and `</S>` are the sentence marks; splitting at punctuation makes three words
    of a `<S>` in a text. The other special tokens are ordinary words.
    `decode(skip_special_tokens=True)` keeps unknown words, as `unk_token`.

    Args:
        vocab (list of `str`, or `dict` of word to id, *optional*): words in the order of their ids, from 1 (line
            number plus one, as in bilm-tf); 0 is padding. Missing special tokens are added at the end.
        splitting (`str`, defaults to `"punctuation"`): `"punctuation"` splits raw text at white space and makes each
            punctuation mark a word; `"whitespace"` splits at white space only, for text that is already tokenised.
        split_cjk (`bool`, defaults to `False`): make every Chinese character of raw text a word.
        max_characters_per_token (`int`, defaults to 50): character ids per word (C), two word marks included.
        unk_token, bos_token, eos_token, pad_token (`str`): bilm-tf's names, and `"[PAD]"` for id 0.
        vocab_file (`str`, *optional*): a bilm-tf vocabulary file, instead of `vocab`.

    Raises:
        ValueError: a setting has no such value, or the vocabulary contradicts itself; the message says how.
    """

    vocab_files_names = {"vocab_file": "vocab.txt", "tokenizer_file": "tokenizer.json"}
    model_input_names = ["input_ids", "char_ids", "attention_mask"]
    model = models.WordPiece  # type: ignore[assignment]

    _table: WordTable | None = None

    def __init__(
        self,
        vocab: Iterable[str] | Mapping[str, int] | None = None,
        *,
        splitting: str = "punctuation",
        split_cjk: bool = False,
        max_characters_per_token: int = 50,
        unk_token="<UNK>",
        bos_token="<S>",
        eos_token="</S>",
        pad_token="[PAD]",
        vocab_file: str | os.PathLike | None = None,
        **kwargs,
    ):
        if splitting not in SPLITTINGS:
            raise ValueError(f"splitting must be one of {', '.join(SPLITTINGS)}, got {splitting!r}")
        if not isinstance(max_characters_per_token, int) or max_characters_per_token < 3:
            raise ValueError(
                f"max_characters_per_token must be an integer of at least 3 (two word marks and one byte), got "
                f"{max_characters_per_token!r}"
            )
        saved = kwargs.get("tokenizer_file") is not None or kwargs.get("tokenizer_object") is not None
        if not saved:
            if isinstance(vocab, str | os.PathLike):
                vocab, vocab_file = None, vocab
            if vocab is not None and vocab_file is not None:
                raise ValueError("both vocab and vocab_file are given; give one of them")
            if unk_token is None:
                raise ValueError("unk_token must be a word, got None: words outside the vocabulary need an id")
            words = read_vocabulary_file(vocab_file) if vocab_file is not None else vocab
            special = [str(token) for token in (bos_token, eos_token, unk_token) if token is not None]
            ids = number_words(words, special, None if pad_token is None else str(pad_token))
            self._tokenizer = build_backend(ids, str(unk_token), splitting, split_cjk)
        if not saved or bos_token is None or eos_token is None or kwargs.keys() & {"add_bos_token", "add_eos_token"}:
            kwargs.setdefault("add_bos_token", True)  # makes the base class write the template of marks anew
            kwargs.setdefault("add_eos_token", True)
        kwargs.pop("merges", None)
        self._lock = threading.RLock()
        self.max_characters_per_token = max_characters_per_token
        super().__init__(
            splitting=splitting,
            split_cjk=split_cjk,
            max_characters_per_token=max_characters_per_token,
            unk_token=unk_token,
            bos_token=bos_token,
            eos_token=eos_token,
            pad_token=pad_token,
            **kwargs,
        )
        if saved:
            # A splitter that someone put into the backend stays; one of ours follows the settings given here.
            if self._standard_splitting() not in (None, (splitting, split_cjk)):
                self.backend_tokenizer.pre_tokenizer = build_pre_tokenizer(splitting, split_cjk)
            marks = self.backend_tokenizer.encode("").ids
            self._add_bos_token = self.bos_token_id in marks
            self._add_eos_token = self.eos_token_id in marks

    @classmethod
    def convert_to_native_format(cls, trust_remote_code=False, **kwargs):
        """Keep `tokenizer_file`: by default a class with an `__init__` gets only the vocabulary out of it."""
        return kwargs

    @classmethod
    def _patch_mistral_regex(cls, tokenizer, *args, **kwargs):
        """Not for this class; the base class asks the Hub about every tokenizer with over 100,000 words."""
        return tokenizer

    def __getstate__(self):
        # The table can be rebuilt, and a hash of the pickle (datasets' cache) must not depend on what was encoded.
        return {name: value for name, value in self.__dict__.items() if name not in ("_table", "_lock")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.RLock()

    # ------------------------------------------------------------------------------------------------------- settings

    def _standard_splitting(self) -> tuple[str, bool] | None:
        """The settings whose splitter the backend has; None if it has another one."""
        state = getattr(self.backend_tokenizer.pre_tokenizer, "__getstate__", lambda: None)()
        for splitting in SPLITTINGS:
            for split_cjk in (False, True):
                if build_pre_tokenizer(splitting, split_cjk).__getstate__() == state:
                    return splitting, split_cjk
        return None

    @property
    def splitting(self) -> str:
        """How raw text is split: `"punctuation"` or `"whitespace"`."""
        return (self._standard_splitting() or (self.init_kwargs["splitting"],))[0]

    @property
    def split_cjk(self) -> bool:
        """Whether every Chinese character of raw text is a word."""
        return (self._standard_splitting() or (None, self.init_kwargs["split_cjk"]))[1]

    def _add_tokens(self, new_tokens, special_tokens=False) -> int:
        # The backend finds added tokens inside of words. The vocabulary's own, `<S>` and `[PAD]` among them, are whole
        # words of a text or nothing.
        is_known = self.backend_tokenizer.model.token_to_id
        return super()._add_tokens([token for token in new_tokens if is_known(str(token)) is None], special_tokens)

    def _word_table(self) -> WordTable:
        if self._table is None or self._table.key != WordTable.key_of(self):
            self._table = WordTable(self)
        return self._table

    def vocabulary_char_ids(self) -> np.ndarray:
        """Character ids of every token id: (V, C) int64, a row of zeros for padding."""
        return self._word_table().rows[:-1].astype(np.int64)

    # ------------------------------------------------------------------------------------------------------- encoding

    def _encode_plus(  # type: ignore[override]  # the callers name every argument after the texts
        self,
        text,
        text_pair=None,
        is_split_into_words: bool = False,
        return_tensors=None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        **kwargs,
    ) -> BatchEncoding:
        samples, batched = as_samples(text, text_pair, is_split_into_words)
        if kwargs.get("sanitize_control_tokens"):  # chats; the base class then gives ids without their text
            return super()._encode_plus(text, text_pair, return_tensors=return_tensors, **kwargs)
        with self._lock:  # the backend's settings change during the call
            encoded = self._encode_samples(
                samples, is_split_into_words, return_overflowing_tokens=return_overflowing_tokens, **kwargs
            )
            ids, mask = encoded["input_ids"], encoded.pop("attention_mask")
            lengths = [len(sequence) for sequence in ids]
            flat_ids = np.fromiter(chain.from_iterable(ids), np.int64, sum(lengths))
            flat_mask = np.fromiter(chain.from_iterable(mask), np.int64, sum(lengths))
            ends = np.cumsum(lengths)
            table = self._word_table()

            # Words outside the vocabulary, and words of the text that are spelt like the padding token.
            unknown = flat_ids == table.unknown_id
            if table.pad_id is not None:
                unknown |= (flat_ids == table.pad_id) & (flat_mask == 1)
            owners = encoded.get("overflow_to_sample_mapping", range(len(ids)))
            positions, words = find_words(unknown, ends, encoded.encodings, samples, owners, is_split_into_words)
            if is_split_into_words and "offset_mapping" in encoded:
                hide_stand_ins(encoded["offset_mapping"], ends, positions, words)
            if (normalizer := self.backend_tokenizer.normalizer) is not None:
                words = [normalizer.normalize_str(LONE_SURROGATE.sub("", word)) for word in words]
            for place in positions[flat_ids[positions] == table.pad_id].tolist() if table.pad_id is not None else ():
                sequence = np.searchsorted(ends, place, side="right")
                ids[sequence][place - ends[sequence]] = flat_ids[place] = table.unknown_id

            data: dict[str, Any] = {"input_ids": ids, "char_ids": None, "attention_mask": mask, **encoded}
            kind = None if return_tensors is None else str(getattr(return_tensors, "value", return_tensors))
            if kind in ("pt", "np") and len(set(lengths)) == 1:
                chars = table.char_ids(flat_ids, flat_mask, positions, words)
                shape = len(lengths), lengths[0]
                arrays = flat_ids.reshape(shape), chars.reshape(*shape, table.width), flat_mask.reshape(shape)
                tensors = arrays if kind == "np" else map(torch.from_numpy, arrays)
                data.update(zip(("input_ids", "char_ids", "attention_mask"), tensors, strict=True))
            else:
                rows = iter(table.char_id_lists(flat_ids, flat_mask, positions, words))
                data["char_ids"] = [list(islice(rows, length)) for length in lengths]
        if return_attention_mask is None:
            return_attention_mask = "attention_mask" in self.model_input_names
        if not return_attention_mask:
            del data["attention_mask"]
        if not batched and return_tensors is None and not return_overflowing_tokens:
            data = {key: value[0] if value and isinstance(value[0], list) else value for key, value in data.items()}
        return BatchEncoding(data, encoded.encodings, tensor_type=return_tensors)

    def _changes_words(self) -> bool:
        """Whether someone gave the backend tokens that it finds inside of words, or a normalizer."""
        return self.backend_tokenizer.normalizer is not None or bool(self.added_tokens_decoder)

    def _encode_samples(self, samples: list, split: bool, **kwargs) -> BatchEncoding:
        """The base class's encoding of a batch, as lists."""
        backend = self.backend_tokenizer
        pre_tokenizer = backend.pre_tokenizer
        kwargs.update(is_split_into_words=split, return_attention_mask=True)
        try:
            if split:
                backend.pre_tokenizer = None
                samples = one_token_each(backend, samples, self._changes_words())
            try:
                return super()._encode_plus(samples, **kwargs)
            except TypeError:
                cleaned = replace_surrogates(samples)  # Rust has no lone surrogates
                if cleaned == samples:
                    raise
                return super()._encode_plus(cleaned, **kwargs)
        except BaseException as error:  # a panic of the backend is no Exception
            if (advice := advice_on_truncation(error, kwargs)) is None:
                raise
            raise ValueError(advice) from error
        finally:
            if split:
                backend.pre_tokenizer = pre_tokenizer

    def encode_corpus(
        self, sentences: Iterable[str | Sequence[str]], add_special_tokens: bool = True, char_ids: bool = True
    ) -> EncodedCorpus:
        """Encode a corpus that is already split into words, several times as fast as calling the tokenizer.

        The ids are those of `tokenizer(words, is_split_into_words=True)`. Each distinct word is encoded once.

        Args:
            sentences: S sentences, each a list of words, or a string that `str.split` splits at white space.
            add_special_tokens: put the sentence marks around each sentence.
            char_ids: give the character ids as well, 2 * C bytes a word.
        Returns:
            [`EncodedCorpus`]: flat `input_ids` (N,) int32, `char_ids` (N, C) int16 or None, `offsets` (S + 1,) int64.
        Raises:
            TypeError: `sentences` is one string, or a word is not a string.
        """
        distinct, numbers, lengths = number_corpus(sentences)
        with self._lock:
            table = self._word_table()
            before, after = self._marks() if add_special_tokens else ([], [])
            if distinct and self._changes_words():
                options = {"is_split_into_words": True, "add_special_tokens": False, "return_tensors": "np"}
                alone = self([[word] for word in distinct], **options)
                word_ids, word_rows = alone["input_ids"][:, 0], alone["char_ids"][:, 0].astype(np.int16)
            else:
                word_ids = [table.vocabulary.get(word, table.unknown_id) for word in distinct]
                word_rows, byte_lengths = words_to_char_ids(distinct, table.width, table.boundaries)
                warn_of_cut_words(byte_lengths, table.width)
        rows, offsets = frame_sentences(numbers, lengths, len(before), len(after))
        input_ids = np.array([*before, *after, *word_ids], np.int32)[rows]
        if not char_ids:
            return EncodedCorpus(input_ids, None, offsets)
        char_rows = np.concatenate([table.rows[np.array(before + after, np.int64)], word_rows])
        return EncodedCorpus(input_ids, np.take(char_rows, rows, axis=0), offsets)

    def _marks(self) -> tuple[list[int], list[int]]:
        """Ids that the template puts before and after a sentence."""
        self.backend_tokenizer.no_truncation()
        self.backend_tokenizer.no_padding()
        probe = self.backend_tokenizer.encode([STAND_IN], is_pretokenized=True)
        word = probe.special_tokens_mask.index(0)
        return probe.ids[:word], probe.ids[word + 1 :]

    # ------------------------------------------------------------------------------------------- after the encoding

    def pad(
        self,
        encoded_inputs,
        padding=True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        *args,
        **kwargs,
    ) -> BatchEncoding:
        """Pad as every tokenizer does, and `char_ids` with rows of zeros.

        Args:
            encoded_inputs: one encoding, a batch, or a list of encodings; values are lists, arrays or tensors.

        Raises:
            ValueError: the `char_ids` of an example are not one row of `max_characters_per_token` for each token.
        """
        if isinstance(encoded_inputs, list | tuple) and encoded_inputs and isinstance(encoded_inputs[0], Mapping):
            encoded_inputs = {key: [example[key] for example in encoded_inputs] for key in encoded_inputs[0].keys()}
        given = encoded_inputs.get("input_ids")
        char_ids = encoded_inputs.get("char_ids")
        others = BatchEncoding({key: value for key, value in encoded_inputs.items() if key != "char_ids"})
        padded = super().pad(others, padding, max_length, pad_to_multiple_of, padding_side, *args, **kwargs)
        if char_ids is None or given is None or len(given) == 0:
            return padded if char_ids is None else BatchEncoding({**padded, "char_ids": char_ids})

        single = not hasattr(given[0], "__len__") or getattr(given[0], "ndim", 1) == 0
        after = padded["input_ids"]
        if single:
            char_ids, given, after = [char_ids], [given], [after]
        left = (padding_side or self.padding_side) == "left"
        rows = pad_char_ids(char_ids, given, after, self.max_characters_per_token, left)
        if isinstance(padded["input_ids"], list):
            padded["char_ids"] = rows[0].tolist() if single else [array.tolist() for array in rows]
        else:
            chars = rows[0] if single else np.stack(rows)
            padded["char_ids"] = chars if isinstance(padded["input_ids"], np.ndarray) else torch.from_numpy(chars)
        return padded

    def get_special_tokens_mask(self, token_ids_0, token_ids_1=None, already_has_special_tokens: bool = False):
        """1 for sentence marks and padding, 0 for words; an unknown word is a word."""
        mask = super().get_special_tokens_mask(token_ids_0, token_ids_1, already_has_special_tokens)
        return [int(special and int(id_) != self.unk_token_id) for special, id_ in zip(mask, token_ids_0, strict=True)]

    def _decode(
        self, token_ids, skip_special_tokens: bool = False, clean_up_tokenization_spaces=None, **kwargs
    ) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        if skip_special_tokens:
            skipped = self.get_special_tokens_mask(ids, already_has_special_tokens=True)
            ids = [id_ for id_, skip in zip(ids, skipped, strict=True) if not skip]
        return super()._decode(ids, skip_special_tokens, clean_up_tokenization_spaces, **kwargs)

    # ------------------------------------------------------------------------------------------------------ vocabulary

    def _save_pretrained(self, save_directory, *args, **kwargs) -> tuple[str, ...]:
        add_missing_code(save_directory)
        return super()._save_pretrained(save_directory, *args, **kwargs)

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        """Write the words as a bilm-tf vocabulary file, `vocab.txt`: a word a line, from id 1.

        Raises:
            ValueError: id 0 is not padding, or a word cannot stand on a line.
        """
        by_id = {number: word for word, number in self.get_vocab().items()}
        if by_id[0] != self.pad_token:
            raise ValueError(
                f"id 0 is the word {by_id[0]!r}, but a vocabulary file begins at id 1, after padding. Give padding the id 0, "
                "or write a tokenizer.json: save_pretrained keeps every id"
            )
        words = [by_id[number] for number in range(1, len(by_id))]
        path = os.path.join(save_directory, (filename_prefix + "-" if filename_prefix else "") + "vocab.txt")
        with open(path + ".part", "w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(word + "\n" for word in words)
        if read_vocabulary_file(path + ".part") != words:
            os.remove(path + ".part")
            raise ValueError(
                "a vocabulary file cannot hold words with line breaks or white space around them, a byte order mark or the "
                "word !!!MAXTERMID, which bilm-tf skips; save_pretrained keeps every word"
            )
        os.replace(path + ".part", path)
        return (path,)

    def train_new_from_iterator(
        self,
        text_iterator,
        vocab_size: int,
        length: int | None = None,
        new_special_tokens=None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs,
    ) -> "ElmoTokenizer":
        """A tokenizer with the same settings and the commonest words of a corpus, in order of frequency.

        Args:
            text_iterator: texts, or lists of texts; split as this tokenizer splits.
            vocab_size: words at most, special tokens included.
            length: number of texts, for the progress bar.
            new_special_tokens: special tokens to add to those of this tokenizer.
            special_tokens_map: old name to new name of special tokens.
            kwargs: for `tokenizers.trainers.WordLevelTrainer`, such as `min_frequency`.
        Raises:
            ValueError: `vocab_size` has no room for the special tokens.
        """
        renamed = special_tokens_map or {}
        settings = {key: value for key, value in self.init_kwargs.items() if key != "added_tokens_decoder"}
        for name in ("splitting", "split_cjk", "max_characters_per_token"):
            settings[name] = getattr(self, name)
        for name, token in self.special_tokens_map.items():
            if name in self.SPECIAL_TOKENS_ATTRIBUTES:
                settings[name] = renamed.get(str(token), str(token))
        extra = [renamed.get(token, token) for token in self.extra_special_tokens]
        settings["extra_special_tokens"] = [*extra, *(new_special_tokens or [])]
        # As in bilm-tf's files, the special words come first; each once, should two of them be the same.
        first = dict.fromkeys(settings[name] for name in ("bos_token", "eos_token", "unk_token") if settings[name])
        special = {*first, settings["pad_token"], *map(str, settings["extra_special_tokens"])} - {None}
        if vocab_size < len(special):
            raise ValueError(f"vocab_size={vocab_size} is less than the {len(special)} special tokens")
        room = vocab_size - len(special)
        words = commonest_words(self.backend_tokenizer, text_iterator, length, room, special, **kwargs)
        new = type(self)([*first, *words], **settings)
        for part in ("normalizer", "pre_tokenizer", "decoder"):
            if (chosen := getattr(self._tokenizer, part)) is not None:
                setattr(new._tokenizer, part, chosen)
        return new


__all__ = ["ElmoTokenizer", "EncodedCorpus"]
