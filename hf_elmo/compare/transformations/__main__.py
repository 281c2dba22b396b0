# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Look at the transformations, or use them on a text: `python -m hf_elmo.compare.transformations --help`."""

import argparse
import os
import sys
from collections.abc import Sequence

from hf_elmo.compare.transformations import STRENGTHS, TRANSFORMATIONS, get_transformation

# Every transformation finds a word here.
EXAMPLE = (
    'The grey theatre in my neighbourhood did n\'t open at 19:30 , so 2 friends and I received a really " well-known "'
    " film to watch for 1,500 yen ..."
)
SUMMARY = """\
Write sentences in other ways: typing slips, look-alike characters, case, spelling, punctuation, numbers.

Without a name, show an example of each. With a name, read lines of words from standard input and write them changed:
as many words on a line as before."""


def examples(words: Sequence[str], strength: int = 3, seed: int = 1) -> str:
    """A table with what each transformation makes of the words: name, family, how many words change, the text.

    Raises:
        ValueError: there is no such strength.
    """
    lines, family = [], ""
    for transformation in TRANSFORMATIONS.values():
        if transformation.family != family:
            family = transformation.family
            lines.append(f"\n{family}")
        after = transformation.apply(words, strength, seed)
        count = sum(old != new for old, new in zip(words, after, strict=True))
        lines.append(f"  {transformation.name:<13} {transformation.summary}; {count} of {len(words)} words here")
        lines.append(f"  {'':<13} {' '.join(after)}")
    return "\n".join(lines).lstrip("\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m hf_elmo.compare.transformations",
        description=SUMMARY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="transformation for the lines of standard input")
    parser.add_argument("--text", default=EXAMPLE, help="words between blanks to show examples on")
    parser.add_argument(
        "--strength", type=int, default=3, choices=STRENGTHS, help="10, 30 or 100 %% of the words that can change (3)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed changes other words in other ways (1)")
    options = parser.parse_args(arguments)
    if options.name is None:
        print(examples(options.text.split(), options.strength, options.seed))
        return 0
    try:
        transformation = get_transformation(options.name)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        for line in sys.stdin:
            print(" ".join(transformation.apply(line.split(), options.strength, options.seed)))
        sys.stdout.flush()
    except BrokenPipeError:  # as with `| head`: nobody reads on; what is left in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
