# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Texts that nobody expects, from a seed."""

import random

WHITE = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u2029\u3000"
EMOJI = ["😀", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🏳️‍🌈", "1️⃣", "🏴\U000e0067\U000e0062\U000e007f", "☺️"]
RIGHT_TO_LEFT = ["שָׁלוֹם", "עולם", "مرحبا", "بِسْمِ", "\u200fאב\u200e", "\u202eabc\u202c", "ﷺ", "٣٤"]
ZERO_WIDTH = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\ufe0f"]
MARKS = ["\u0301", "\u0308", "\u20dd", "\u0e49", "\u093f", "\u0338"]
SCRIPTS = [
    "river",
    "Zürich",
    "река",
    "ποταμός",
    "北京",
    "東京タワー",
    "강",
    "नदी",
    "แม่น้ำ",
    "Ⅷ",
    "ﬁsh",
    "𝔘𝔫𝔦",
    "ｗｉｄｅ",
]
MARKUP = ["<S>", "</S>", "<UNK>", "[PAD]", "\n\x00\n", "\n\x00\nthe", "##the", "a<S>b", "\U0010ffff", "<|endoftext|>"]
PUNCTUATION = ["...", "?!", "—", "„“", "'s", "،", "。", "$1,000.00", "a_b", "http://x.y/z?q=%20#a"]
KNOWN = ["the", "bank", "Anna", ".", "The"]


def fragment(chance: random.Random) -> str:
    """A piece of one kind, some characters to a few words long."""
    kind = chance.randrange(12)
    if kind == 0:
        return "".join(chance.choices(WHITE, k=chance.randint(1, 8)))
    if kind == 1:
        return "".join(map(chr, chance.choices([*range(32), *range(127, 160)], k=chance.randint(1, 5))))
    if kind == 2:  # lone surrogates, and a pair of them in two code points
        return "".join(map(chr, chance.choices(range(0xD800, 0xE000), k=chance.randint(1, 3))))
    if kind == 3:
        return chance.choice("aeé北\x00") + "".join(chance.choices(MARKS, k=chance.randint(1, 30)))
    if kind == 4:  # anything but surrogates
        points = [chance.randrange(0x110000) for _ in range(chance.randint(1, 6))]
        return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
    if kind == 5:
        return "\x00" * chance.randint(1, 4)
    if kind == 6:
        return chance.choice("xé語") * chance.randint(40, 200)
    pieces = (EMOJI, RIGHT_TO_LEFT, ZERO_WIDTH, [*SCRIPTS, *KNOWN], [*MARKUP, *PUNCTUATION])[kind - 7]
    return chance.choice(["", " "]).join(chance.choices(pieces, k=chance.randint(1, 4)))


def strange_texts(count: int, seed: int = 0, words: int = 10_000, characters: int = 100_000) -> list[str]:
    """`count` texts, the extremes first: none, white space, `words` words, one word of `characters` characters."""
    chance = random.Random(seed)
    extremes = [
        "",
        "   ",
        WHITE,
        "\n" * characters,
        "\x00",
        "\ud800",
        "\udc00 \ud83d",
        "\u200b",
        "\u0301",
        "\U0010ffff",
        "x" * characters,
        "\u0301" * (characters // 10),
        "." * (words // 10),
        "bank " * words,
        " ".join(f"w{number}" for number in range(words)),
        "<S> </S> <UNK> [PAD]",
    ]
    mixed = ["".join(fragment(chance) for _ in range(chance.randint(1, 7))) for _ in range(count - len(extremes))]
    return (extremes + mixed)[:count]
