# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo embed`: a text file to a vector file, in pieces, so that a run that was killed goes on where it was.

Beside OUTPUT lies a folder OUTPUT.part with the finished pieces and run.json, which says what they were made from.
At the end the pieces are put together, OUTPUT appears in one step, and the folder goes.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from hf_elmo import __version__, messages
from hf_elmo.data import files
from hf_elmo.vector_files import (
    ASSEMBLED,
    FORMAT_NAME,
    REPLACED,
    KeyCheck,
    Shards,
    VectorShape,
    check_output,
    discard,
    format_of,
    is_assembled,
    write_vectors,
)

LOCK_NAME, RECORD_NAME = "lock", "run.json"
STDIN_COPY = "input.new.txt"
BEFORE_RECORD = {LOCK_NAME, STDIN_COPY, RECORD_NAME + ".new"}  # what may be there when run.json is not yet
OWN_NAMES = re.compile(
    rf"lock|run\.json(\.new)?|input(\.new)?\.txt|{ASSEMBLED}(\.\w+)?|{REPLACED}|shard-\d+\.safetensors(\.new)?"
)


class CorpusError(ValueError):
    """The input, the output or the unfinished run does not fit; the message is one line for people."""


class EmbedSettings(NamedTuple):
    """The options of `hf-elmo embed`, named as on the command line."""

    model: str
    input: str
    output: str
    revision: str | None = None
    layers: str = "mix"
    pretokenized: bool = False
    keep_boundaries: bool = False
    dtype: str = "float32"
    output_format: str | None = None
    forget_sentences: bool = False
    use_sentence_keys: bool = False
    max_batch_words: int = 4096
    device: str | None = None
    threads: int | None = None
    overwrite: bool = False
    restart: bool = False


class InputFacts(NamedTuple):
    """What one pass over the input finds out, before the model is loaded."""

    sha256: str  # of the text, unpacked
    lines: int
    words: int  # separated by white space
    empty: int


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file, plain or .gz, .xz, .bz2, without their ends and outer white space; one at a time.

    Raises:
        CorpusError: not UTF-8, naming the line; damaged or cut-off archive.
    """
    try:
        for line in files.read_lines(path, may_be_empty=True):
            yield line.strip()
    except files.DataError as error:
        said = str(error)
        raise CorpusError(said.replace(str(path), "standard input", 1) if path.name == STDIN_COPY else said) from error


def scan_input(path: Path, keys: KeyCheck | None = None) -> InputFacts:
    """Read the input once: its hash, its size, whether it is UTF-8 and, on request, whether lines can be keys."""
    digest = hashlib.sha256()
    lines = words = empty = 0
    for line in read_lines(path):
        digest.update(line.encode() + b"\n")
        count = len(line.split())
        lines, words, empty = lines + 1, words + count, empty + (count == 0)
        if keys is not None:
            keys.add(lines - 1, line)
    if keys is not None:
        keys.raise_if_repeated()
    return InputFacts(digest.hexdigest(), lines, words, empty)


def model_identity(model: Any, tokenizer: Any) -> str:
    """A hash of what decides the vectors: every weight, the configuration, the splitting into words."""
    digest = hashlib.sha256()
    volatile = ("_name_or_path", "transformers_version", "auto_map", "architectures", "dtype", "lstm_backend")
    config = {key: value for key, value in model.config.to_dict().items() if key not in volatile}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def load_model(name: str, revision: str | None, device: str | None) -> tuple[Any, Any]:
    """The model in float32 and its tokenizer, from a folder, the box or the Hub, through hf_elmo's own classes.

    Raises:
        CorpusError: not an ELMo model, not converted yet, or no such device; says what to do.
        PretrainedError: the installation lacks the model of the box that is named.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from hf_elmo.auto import register_auto_classes
    from hf_elmo.conversion.known_models import EXAMPLE_NAME, find_model
    from hf_elmo.devices import usable_device
    from hf_elmo.pretrained import resolve

    register_auto_classes()
    name = resolve(name)
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").exists():
        if (folder / "options.json").exists():
            raise CorpusError(f"{name} must be converted first: hf-elmo convert {name} {folder.name}-hf")
        raise CorpusError(f"{name} has no config.json; give a folder that hf-elmo convert has written")
    if not folder.exists() and (find_model(name) or name == EXAMPLE_NAME):
        raise CorpusError(f"{name} must be converted first: hf-elmo convert {name} elmo-{name}, then give elmo-{name}")
    if not folder.exists() and (name.startswith((".", "/", "~")) or name.count("/") != 1):
        raise CorpusError(
            f"{name}: no such folder; give one from hf-elmo convert, elmo-mini-en, or a model on the Hub as ORG/NAME"
        )
    chosen = usable_device(device, CorpusError)
    try:
        config = AutoConfig.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{name}: {' '.join(str(error).split())}") from error
    if config.model_type != "elmo":
        raise CorpusError(f"{name} is a {config.model_type} model; needed is an ELMo model")
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    model, loading = AutoModel.from_pretrained(name, revision=revision, dtype=torch.float32, output_loading_info=True)
    if loading["missing_keys"]:  # transformers fills them with random numbers
        missing = sorted(loading["missing_keys"])
        raise CorpusError(f"{name} lacks {len(missing)} weights ({missing[0]}, ...): convert or download it again")
    return model.to(chosen).eval(), tokenizer


def embed_corpus(settings: EmbedSettings, say: Callable[[str], None] | None = None) -> str:
    """Write the vectors of every line of `settings.input` to `settings.output`; go on with an unfinished run.

    Returns:
        One line about the result, for stdout.
    Raises:
        CorpusError, EmbedError, VectorFileError: see there; OSError for files that cannot be read or written.
    """
    say = say or messages.say
    kind = format_of(settings.output, settings.output_format)
    if settings.use_sentence_keys and kind == "npy":
        raise CorpusError("a NumPy folder has no keys: leave out --use-sentence-keys")
    output = Path(settings.output)
    part = output.with_name(output.name + ".part")
    check_output(kind, output)
    _check_part(part)
    if not output.parent.is_dir():
        raise CorpusError(f"the folder {output.parent} of the output does not exist: make it first")
    if output.exists() and not settings.overwrite and not is_assembled(part, kind):
        raise CorpusError(f"{output} exists already: give --overwrite, or another name")
    if settings.input != "-" and not Path(settings.input).is_file():
        raise CorpusError(f"{settings.input} is no file: give a text file (.gz, .xz and .bz2 too), or - for stdin")
    part.mkdir(exist_ok=True)
    with _alone(part, output):
        if settings.restart:
            _clear(part)
        try:
            summary = _Run(settings, kind, output, part, say).finish()
        except BaseException:
            if not any(part.glob("shard-*")):  # nothing to go on with
                with contextlib.suppress(OSError):  # of the two errors, the first one is the one to see
                    _clear(part)
            raise
        _clear(part)
    return summary


def _check_part(part: Path) -> None:
    """Refuse a folder for the pieces that is not from an earlier run; what is in it may be thrown away.

    Raises:
        CorpusError: there is something else of this name.
    """
    if not part.exists():
        return
    names = {path.name for path in part.iterdir()} if part.is_dir() else {part.name}
    if names <= BEFORE_RECORD:
        return
    try:
        record = json.loads((part / RECORD_NAME).read_text(encoding="utf-8"))
        ours = isinstance(record, dict) and record.keys() >= {"hf_elmo", "model", "input"}
    except OSError:
        ours = False
    except ValueError:  # cut off by a power failure, or of another program
        ours = all(map(OWN_NAMES.fullmatch, names))
    if not ours:
        raise CorpusError(
            f"{part}, where the pieces would go, is not from hf-elmo embed: move it away, or give OUTPUT another name"
        )


def _clear(part: Path) -> None:
    """Remove what runs leave, all but the lock and what somebody put beside it; run.json, which marks the rest, last."""
    for path in sorted(part.iterdir(), key=lambda path: path.name == RECORD_NAME):
        if path.name != LOCK_NAME and OWN_NAMES.fullmatch(path.name):
            discard(path)


class _Run:
    """One run over one corpus, from the first look at the input to the finished file."""

    def __init__(self, settings: EmbedSettings, kind: str, output: Path, part: Path, say: Callable[[str], None]):
        self.settings, self.kind, self.output, self.part, self.say = settings, kind, output, part, say

    def finish(self) -> str:
        settings = self.settings
        source = self._spool_stdin() if settings.input == "-" else Path(settings.input)
        self.facts = scan_input(source, KeyCheck(self.kind) if settings.use_sentence_keys else None)
        import torch

        if settings.threads:
            torch.set_num_threads(settings.threads)
        model, tokenizer = load_model(settings.model, settings.revision, settings.device)
        from hf_elmo.embed import check_layers

        choice = check_layers(settings.layers, model.config)
        shape = VectorShape(choice.count if choice.kind == "all" else 0, choice.size, settings.dtype)
        self._agree_with_unfinished_run(model_identity(model, tokenizer))
        if settings.input == "-":
            os.replace(source, self.part / "input.txt")
            source = self.part / "input.txt"
        shards = Shards(self.part, shape)
        if self.output.exists() and not settings.overwrite:
            return self._summary(shards)  # killed between the last rename and the tidying up
        self._check_room(shards)
        self.say(
            f"{settings.input}: {self.facts.lines:,} lines, {self.facts.words:,} words between white space; "
            f"{settings.model} on {model.device}, layers {settings.layers}, to {self.output} ({self.kind})"
        )
        if self.facts.empty:
            self.say(f"empty lines: {self.facts.empty:,}; each gets an array of no words, {choice.empty_shape}")
        self._embed(model, tokenizer, source, shards)
        self._assemble(source, shards)
        return self._summary(shards)

    def _spool_stdin(self) -> Path:
        """stdin can be read only once: keep a copy for the second pass and for going on later."""
        path = self.part / STDIN_COPY
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return path

    def _agree_with_unfinished_run(self, identity: str) -> None:
        """Refuse to join pieces of different runs; batch size, device and threads change rounding only."""
        settings = self.settings
        now = {
            "model": identity,
            "input": self.facts.sha256,
            "lines": self.facts.lines,
            "layers": str(settings.layers),
            "pretokenized": settings.pretokenized,
            "keep-boundaries": settings.keep_boundaries,
            "dtype": settings.dtype,
            "hf_elmo": __version__,
        }
        record = self.part / RECORD_NAME
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            before = None
        except ValueError:
            before = {}
        if before is not None and before != now:
            different = [name for name in now if before.get(name) != now[name]]
            shown = ", ".join(
                name if name in ("model", "input") else f"{name}: {before.get(name)} there, {now[name]} here"
                for name in different
            )
            raise CorpusError(
                f"{self.part} is an unfinished run with other settings ({shown}): repeat that command to finish it, or "
                "give --restart to throw its pieces away"
            )
        temporary = record.with_name(RECORD_NAME + ".new")
        temporary.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, record)

    def _check_room(self, shards: Shards) -> None:
        """The pieces and the finished file are on the disk together for a while."""
        if not self.settings.pretokenized:
            return  # how many words the text has is not known before it is split
        done = sum(shards.lengths)
        needed = (2 * self.facts.words - done) * shards.shape.bytes_per_word
        free = shutil.disk_usage(self.part).free
        if needed > free:
            raise CorpusError(
                f"the disk of {self.output} has {free / 1e9:.1f} GB free, this needs {needed / 1e9:.1f} GB (pieces and "
                "result together): make room, or try --dtype float16 or fewer --layers"
            )

    def _embed(self, model: Any, tokenizer: Any, source: Path, shards: Shards) -> None:
        import torch

        from hf_elmo.embed import embed_windows

        settings, done = self.settings, len(shards.lengths)
        if done:
            self.say(f"going on after line {done:,} of {self.facts.lines:,}")
        lines = (line for index, line in enumerate(read_lines(source)) if index >= done)
        sentences: Iterable[Any] = (line.split() for line in lines) if settings.pretokenized else lines
        windows = embed_windows(
            model,
            tokenizer,
            sentences,
            settings.layers,
            keep_boundaries=settings.keep_boundaries,
            dtype=settings.dtype,
            max_batch_words=settings.max_batch_words,
        )
        terminal = sys.stderr.isatty()
        with tqdm(
            total=self.facts.words if settings.pretokenized and not settings.keep_boundaries else None,
            initial=sum(shards.lengths),
            unit=" words",
            unit_scale=True,
            file=sys.stderr,
            mininterval=0.5 if terminal else 30,  # a log file needs no animation
        ) as bar:
            try:
                for window in windows:
                    shards.append(window)
                    bar.set_postfix_str(f"{len(shards.lengths):,} of {self.facts.lines:,} lines", refresh=False)
                    bar.update(sum(item.shape[-2] for item in window))
            except torch.OutOfMemoryError as error:
                raise CorpusError(
                    f"out of memory after line {len(shards.lengths):,}: give a smaller --max-batch-words (now "
                    f"{settings.max_batch_words}); the finished lines are kept"
                ) from error
        if len(shards.lengths) != self.facts.lines:
            raise CorpusError(f"{settings.input} changed while it was read: give --restart")

    def _assemble(self, source: Path, shards: Shards) -> None:
        settings = self.settings
        metadata = {
            "format": FORMAT_NAME,
            "hf_elmo": __version__,
            "model": settings.model,
            "revision": str(settings.revision),
            "layers": str(settings.layers),
            "dtype": settings.dtype,
            "keep_boundaries": str(settings.keep_boundaries).lower(),
            "pretokenized": str(settings.pretokenized).lower(),
            "sentences": str(len(shards.lengths)),
            "words": str(sum(shards.lengths)),
        }
        keys = read_lines(source) if settings.use_sentence_keys else None
        index = None if settings.forget_sentences or settings.use_sentence_keys else read_lines(source)
        write_vectors(self.kind, self.output, shards, keys, index, metadata)

    def _summary(self, shards: Shards) -> str:
        layers = f"{shards.shape.layers}, " if shards.shape.layers else ""
        return (
            f"{self.settings.output}: {len(shards.lengths):,} sentences, {sum(shards.lengths):,} words, each "
            f"({layers}n, {shards.shape.size}) {shards.shape.dtype}"
        )


@contextlib.contextmanager
def _alone(part: Path, output: Path) -> Iterator[None]:
    """Keep a second run with the same output out; the lock goes with the process, however it ends.

    Afterwards the folder goes if nothing but the lock is left: not earlier, as Windows removes no open file.
    """
    from filelock import Timeout
    from huggingface_hub.utils import WeakFileLock

    held = False
    try:
        with WeakFileLock(part / LOCK_NAME, timeout=1):
            held = True
            yield
    except Timeout as error:
        raise CorpusError(f"another hf-elmo embed is writing {output}: wait for it, or stop it") from error
    finally:
        with contextlib.suppress(OSError):
            if held and {path.name for path in part.iterdir()} <= {LOCK_NAME}:
                (part / LOCK_NAME).unlink(missing_ok=True)
                part.rmdir()
