# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Words, character ids and padding of ELMo, one character at a time in plain Python.

An oracle for the tokenizer: it shares no code with the product, reads bytes from an own UTF-8 writer and splits text
by an own table of character classes.
"""

import unicodedata

PADDING_OF_WORDS = 0
WHITE_SPACE = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0x20, *range(9, 14), *range(0x2000, 0x200B)}


def utf8_bytes(word):
    """Bytes of a word, without those of lone surrogates."""
    result = []
    for character in word:
        point = ord(character)
        if point < 0x80:
            result.append(point)
        elif point < 0x800:
            result += [0xC0 + point // 64, 0x80 + point % 64]
        elif 0xD800 <= point < 0xE000:
            continue
        elif point < 0x10000:
            result += [0xE0 + point // 4096, 0x80 + point // 64 % 64, 0x80 + point % 64]
        else:
            result += [
                0xF0 + point // 262144,
                0x80 + point // 4096 % 64,
                0x80 + point // 64 % 64,
                0x80 + point % 64,
            ]
    return result


def char_ids_of(word, width=50):
    """The `width` ids of one word, as AllenNLP's ELMoCharacterMapper describes them."""
    if word == "<S>":
        middle = [257]
    elif word == "</S>":
        middle = [258]
    else:
        middle = [byte + 1 for byte in utf8_bytes(word)[: width - 2]]
    row = [259, *middle, 260]
    while len(row) < width:
        row.append(261)
    return row


def encode_plainly(words, vocabulary, width=50, marks=True):
    """Ids and character ids of one sentence; `vocabulary` maps words to ids, "<UNK>" among them."""
    spelt = ["<S>", *words, "</S>"] if marks else list(words)
    ids = []
    for word in spelt:
        known = word in vocabulary and word not in ("[PAD]", "")
        ids.append(vocabulary[word] if known else vocabulary["<UNK>"])
    return ids, [char_ids_of(word, width) for word in spelt]


def pad_plainly(sentences, pad, side="right"):
    """Lists of different lengths as lists of one length; and the mask of the real places."""
    longest = max(len(sentence) for sentence in sentences)
    padded, mask = [], []
    for sentence in sentences:
        missing = longest - len(sentence)
        fill = [pad for _ in range(missing)]
        padded.append(list(sentence) + fill if side == "right" else fill + list(sentence))
        real = [1 for _ in sentence]
        none = [0 for _ in range(missing)]
        mask.append(real + none if side == "right" else none + real)
    return padded, mask


def is_punctuation(character):
    point = ord(character)
    ascii_mark = 33 <= point <= 47 or 58 <= point <= 64 or 91 <= point <= 96 or 123 <= point <= 126
    return ascii_mark or unicodedata.category(character).startswith("P")


def is_chinese(character):
    point = ord(character)
    if point == 0x3007:
        return True
    blocks = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFD)]
    return any(first <= point <= last for first, last in blocks)


def split_plainly(text, splitting="punctuation", split_cjk=False):
    """Words of a raw text with their first and last-plus-one character, one character at a time."""
    spans = []
    start = None
    for place, character in enumerate(text):
        alone = (splitting == "punctuation" and is_punctuation(character)) or (split_cjk and is_chinese(character))
        if ord(character) in WHITE_SPACE or alone:
            if start is not None:
                spans.append((start, place))
                start = None
            if alone:
                spans.append((place, place + 1))
        elif start is None:
            start = place
    if start is not None:
        spans.append((start, len(text)))
    return [(text[first:last], (first, last)) for first, last in spans]
