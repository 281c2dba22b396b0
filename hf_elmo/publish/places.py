# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Where files lie on the machine that publishes: names of users, projects and data sets, of no use to a reader."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from hf_elmo.publish.errors import RefusedFiles
from hf_elmo.publish.source import kind_of

# Records of a run that need paths to be of use on the machine itself, so that they are left out and not refused.
RECORDS = ("finetune_arguments.yaml", "pretrain_settings.yaml", "trainer_state.json")
VOCABULARIES = ("vocab.txt", "tokenizer.json")  # their words may look like anything
_ABSOLUTE = re.compile(r"(?m)(?:^|[\s\"'=\[,])(?:(?:/[^/\s\"']+){2,}|[A-Za-z]:\\)")


def check_places(staged: Path, folder: Path) -> list[str]:
    """Look for the folder that is published, and for the home folder, in every text; remove records that hold paths.

    Returns:
        notes for people, one line each.
    Raises:
        RefusedFiles: another file tells where files lie.
    """
    notes, problems = [], {}
    patterns = {
        "the path of the folder": _pattern(folder.absolute(), folder.resolve()),
        "the path of your home folder": _pattern(Path.home(), Path.home().resolve()),
    }
    for path in sorted(path for path in staged.rglob("*") if path.is_file()):
        name = path.relative_to(staged).as_posix()
        kind = kind_of(name)
        if kind is None or kind.content not in ("text", "json", "settings") or name in VOCABULARIES:
            continue
        text = path.read_bytes().decode("utf-8")
        found = [(what, pattern.search(text)) for what, pattern in patterns.items()]
        told = [f"line {text.count(chr(10), 0, place.start()) + 1} holds {what}" for what, place in found if place]
        if name in RECORDS and (told or _ABSOLUTE.search(text)):
            path.unlink()
            notes.append(f"{name}: left out, it tells where files lie on this machine")
        elif told:
            problems[name] = f"{name}: {told[0]}"
    if problems:
        raise RefusedFiles(
            f"{len(problems)} files tell where files lie on this machine; nothing was sent. Name them without their "
            f"folders, or leave the files out: --exclude {' '.join(problems)}",
            list(problems.values()),
        )
    return notes


class _Pattern(NamedTuple):
    """Finds paths in a text; looking for the plain forms first takes a fiftieth of the time of the expression."""

    forms: list[str]
    expression: re.Pattern

    def search(self, text: str) -> re.Match | None:
        return self.expression.search(text) if any(form in text for form in self.forms) else None


def _pattern(*places: Path) -> _Pattern:
    """Finds these paths and what lies below, as they are or as JSON writes them; nothing for the root of a disk."""
    forms = sorted({form for place in places if place.name for form in (str(place), json.dumps(str(place))[1:-1])})
    return _Pattern(forms, re.compile(rf"(?<![\w.~-])(?:{'|'.join(map(re.escape, forms))})(?![\w-])"))
