# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Download the files of a published model: resumed after any interruption, checked, kept in a cache folder.

While a file is on its way it is called `<name>.part`; `<name>.download.json` beside it says where it comes from and
which version of it (RFC 9110: Range, If-Range, ETag). Only a complete file ever has its real name.
"""

import contextlib
import errno
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from .known_models import KnownModel, base_address, megabytes, payload_bytes

BLOCK = 1 << 18
LONGEST_WAIT = 30.0  # seconds between two attempts
RETRIES_WITHOUT_NETWORK = 1


class DownloadError(OSError):
    """A file could not be fetched; the message is one line for people and says what to do."""


class _RetryError(Exception):
    """This attempt failed in a way that another attempt may mend; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0, unreachable: bool = False):
        super().__init__(reason)
        self.wait = wait
        self.unreachable = unreachable


class _Answer(NamedTuple):
    """What the headers of an answer say: where the body starts, how long the whole file is, which version it is."""

    start: int
    total: int | None
    validator: str | None


def cache_folder(download_dir: str | os.PathLike | None = None) -> Path:
    """Folder of the downloads: `download_dir`, else `$HF_HOME/hf_elmo` (~/.cache/huggingface/hf_elmo)."""
    if download_dir is not None:
        return Path(download_dir).expanduser()
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "hf_elmo"


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network, read at the time of the call."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def download_model(
    model: KnownModel,
    download_dir: str | os.PathLike | None = None,
    *,
    with_softmax: bool = False,
    say: Callable[[str], None] | None = None,
    **settings,
) -> dict[str, Path]:
    """Fetch a published model into `<cache>/<name>/`: options.json, weights.hdf5, and the softmax on request.

    The softmax and its vocabulary go to a folder of their own below, so that the model's folder keeps a single HDF5
    file. Complete files are not fetched again.
    Args:
        with_softmax: fetch the softmax weights and the vocabulary too.
        say: called with one line for each step; by default they go to stderr.
        settings: passed on to `download` (retries, timeout, wait).
    Returns:
        Paths: "options", "weights", and "softmax", "vocab" if asked for.
    Raises:
        DownloadError: see `download`; also when the model has no published softmax.
    """
    if with_softmax and model.softmax is None:
        raise DownloadError(f"no softmax was published for {model.name}: leave out --with-softmax")
    folder, base = cache_folder(download_dir) / model.name, base_address()
    fetch = dict(settings, say=say or _say)
    paths = {"options": download(base + model.options, folder / "options.json", **fetch)}
    minimum = _minimum_size(paths["options"])
    paths["weights"] = download(base + model.weights, folder / "weights.hdf5", minimum=minimum, **fetch)
    if with_softmax and model.softmax is not None and model.vocab is not None:
        paths["vocab"] = download(base + model.vocab, folder / "softmax" / "vocab.txt", **fetch)
        paths["softmax"] = download(base + model.softmax, folder / "softmax" / "softmax_weights.hdf5", **fetch)
    return paths


def _minimum_size(options_path: Path) -> int:
    try:
        return payload_bytes(json.loads(options_path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        _record_path(options_path).unlink(missing_ok=True)  # so that the next run fetches it again
        raise DownloadError(
            f"what was downloaded as {options_path} is no options.json of a model ({type(error).__name__}: {error}); "
            "something between here and the server answered in its place. Try again, or give --options and --weights"
        ) from error


def download(
    url: str,
    path: str | os.PathLike,
    *,
    minimum: int = 0,
    retries: int = 5,
    timeout: float = 30.0,
    wait: float = 1.0,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Fetch one file, continuing where an earlier attempt, in this process or another, stopped.

    Args:
        url: http(s) address.
        path: the file to make. If it is there, complete and from the same address, nothing is fetched.
        minimum: bytes below which the file cannot be right.
        retries: attempts after the first that bring nothing new before giving up; progress starts the count again.
        timeout: seconds without a byte after which an attempt counts as failed.
        wait: seconds before the second attempt, doubled each time up to 30.
    Returns:
        The path.
    Raises:
        DownloadError: offline mode, no network, HTTP error, disk full, wrong size, changed on the server again and
            again. What had arrived is kept, so that the next call continues.
    """
    path, say = Path(path), say or _say
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url} is no web address (http:// or https://): check HF_ELMO_MODELS_URL")
    if _is_complete(url, path):
        return path
    if is_offline():
        raise DownloadError(
            f"offline mode (HF_HUB_OFFLINE=1) and {path} is not in the cache: unset it, or download {url} elsewhere and "
            "give the files with --options and --weights"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            if not _is_complete(url, path):
                _Download(url, path, timeout, say).run(retries, wait, minimum)
    except OSError as error:
        raise _clear_error(error, path) from error
    return path


def _clear_error(error: OSError, path: Path) -> DownloadError:
    if isinstance(error, DownloadError):
        return error
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DownloadError(
            f"the disk of {path.parent} is full: make room or choose another folder with --download-dir, then run the "
            "same command again; it continues where it stopped"
        )
    return DownloadError(f"cannot write {path}: {error.strerror or error}; choose another folder with --download-dir")


class _Download:
    """One file on its way: the part so far, the version it belongs to, and the attempts to complete it."""

    def __init__(self, url: str, path: Path, timeout: float, say: Callable[[str], None]):
        self.url, self.path, self.timeout, self.say = url, path, timeout, say
        self.part = path.with_name(path.name + ".part")
        self.connected = False
        self.restarts = 0
        record = _read_record(path)
        self.validator = record.get("validator") if record.get("url") == url else None
        self.total = record.get("total") if record.get("url") == url else None
        # Without a version that the server can be asked for, old bytes cannot be continued safely.
        if self.validator is None or self.size > (self.total or 0):
            self._discard()

    @property
    def size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def run(self, retries: int, wait: float, minimum: int) -> None:
        failures, furthest = 0, self.size
        size = f", {megabytes(self.total)}" if self.total else ""
        self.say(f"downloading {self.url}{size}" + (f", continuing at {megabytes(furthest)}" if furthest else ""))
        while True:
            try:
                self._attempt()
                return self._finish(minimum)
            except _RetryError as problem:
                failures = 0 if self.size > furthest else failures + 1
                furthest = max(furthest, self.size)
                limit = (
                    min(retries, RETRIES_WITHOUT_NETWORK) if problem.unreachable and not self.connected else retries
                )
                if failures > limit:
                    raise DownloadError(self._give_up(problem, failures)) from problem
                pause = max(problem.wait, min(wait * 2 ** max(failures - 1, 0), LONGEST_WAIT))
                self.say(f"{problem}; trying again in {pause:g} s")
                time.sleep(pause)

    def _give_up(self, problem: _RetryError, failures: int) -> str:
        kept = f"; {megabytes(self.size)} are kept, the same command continues there" if self.size else ""
        if problem.unreachable:
            return f"{problem}: no network, or the address has moved (another one can be set with HF_ELMO_MODELS_URL)"
        if self.restarts:
            kept = "; this server cannot continue a download, so every attempt begins again"
        repeated = f", {failures} times in a row" if failures > 1 else ""
        return f"{self.url}: {problem}{repeated}{kept}"

    def _attempt(self) -> None:
        """Ask for what is missing and append it to the part; raises _RetryError unless the file is then complete."""
        if self.total is not None and self.size == self.total:
            return
        headers = {"User-Agent": "hf_elmo", "Accept-Encoding": "identity"}
        if self.size and self.validator:
            headers |= {"Range": f"bytes={self.size}-", "If-Range": self.validator}
        with self._open(urllib.request.Request(self.url, headers=headers)) as response:
            self.connected = True
            answer = self._read_headers(response)
            if answer.start != self.size:
                self._begin_again(answer)
            self.total, self.validator = answer.total, answer.validator
            _write_record(self.path, url=self.url, total=self.total, validator=self.validator)
            self._check_room()
            self._receive(response)

    def _open(self, request: urllib.request.Request):
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the part does not fit the file there any more
                self._discard()
                raise _RetryError(
                    "the file on the server is shorter than what was downloaded, starting over"
                ) from error
            if error.code in (408, 425, 429) or error.code >= 500:
                asked = error.headers.get("Retry-After") or ""
                pause = min(float(asked), 60.0) if asked.isdigit() else 0.0
                raise _RetryError(f"the server answered {error.code} {error.reason}", pause) from error
            hint = {
                404: "the file is not there any more; HF_ELMO_MODELS_URL names another place",
                403: "the server does not give it out; HF_ELMO_MODELS_URL names another place",
            }
            advice = hint.get(error.code, "check the address and the network's proxy")
            raise DownloadError(f"{self.url}: the server answered {error.code} {error.reason}: {advice}") from error
        except urllib.error.URLError as error:
            raise self._connection_problem(error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._connection_problem(error) from error
        except ValueError as error:
            raise DownloadError(f"{self.url} is no web address ({error}): check HF_ELMO_MODELS_URL") from error

    def _connection_problem(self, reason: object) -> Exception:
        host = urllib.request.Request(self.url).host
        if isinstance(reason, ssl.SSLCertVerificationError):
            return DownloadError(f"{host} could not prove who it is ({reason.verify_message}): check clock and proxy")
        if isinstance(reason, TimeoutError):
            return _RetryError(f"no answer from {host} within {self.timeout:g} s", unreachable=True)
        if isinstance(reason, socket.gaierror | ConnectionRefusedError) or getattr(reason, "errno", None) in (
            errno.ENETUNREACH,
            errno.EHOSTUNREACH,
        ):
            return _RetryError(f"{host} cannot be reached ({reason})", unreachable=True)
        return _RetryError(f"the connection to {host} broke ({reason})")

    def _read_headers(self, response) -> _Answer:
        headers = response.headers
        if (headers.get("Content-Encoding") or "identity") != "identity":
            raise DownloadError(
                f"{self.url}: the server sent it compressed ({headers['Content-Encoding']}) although that was declined"
            )
        etag = headers.get("ETag")
        # A weak ETag promises the same meaning, not the same bytes.
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        if response.status != 206:
            length = headers.get("Content-Length")
            return _Answer(0, int(length) if length and length.isdigit() else None, validator)
        span, _, whole = (headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        first, total = span.partition("-")[0], int(whole) if whole.isdigit() else None
        if validator is not None and validator != self.validator:  # the server did not look at If-Range
            self._discard()
            raise _RetryError("the file has changed on the server, starting over")
        if not first.isdigit() or int(first) != self.size or (self.total is not None and total != self.total):
            self._discard()
            raise _RetryError(
                f"the server continued at the wrong place ({headers.get('Content-Range')}), starting over"
            )
        return _Answer(int(first), total, validator or self.validator)

    def _begin_again(self, answer: _Answer) -> None:
        """The server sent the whole file although a piece was asked for: say why, and drop the old piece."""
        if answer.validator == self.validator and answer.total == self.total:
            self.restarts += 1
            self.say(f"this server cannot continue a download: the first {megabytes(self.size)} are fetched again")
        else:
            self.say(f"the file has changed on the server: the first {megabytes(self.size)} are fetched again")
        self._discard()

    def _check_room(self) -> None:
        missing = (self.total or 0) - self.size
        free = shutil.disk_usage(self.path.parent).free
        if missing > free:
            raise DownloadError(
                f"{self.path.parent} has {megabytes(free)} free, {self.path.name} needs {megabytes(missing)} more: make "
                "room or choose another folder with --download-dir"
            )

    def _receive(self, response) -> None:
        with (
            open(self.part, "ab") as file,
            tqdm(
                total=self.total,
                initial=self.size,
                desc=self.path.name,
                unit="B",
                unit_scale=True,
                file=sys.stderr,
                disable=None,
                leave=False,
            ) as bar,
        ):
            received = self.size
            while True:
                try:
                    block = response.read1(BLOCK)  # what is there: a break loses nothing that arrived
                except TimeoutError as error:
                    raise _RetryError(f"no byte for {self.timeout:g} s after {megabytes(received)}") from error
                except (http.client.HTTPException, OSError) as error:
                    raise _RetryError(f"the connection broke after {megabytes(received)}") from error
                if not block:
                    break
                file.write(block)
                received += len(block)
                bar.update(len(block))
        if self.total is not None and received < self.total:
            raise _RetryError(f"the connection ended after {megabytes(received)} of {megabytes(self.total)}")

    def _finish(self, minimum: int) -> None:
        size = self.size
        wrong = ""
        if self.total is not None and size != self.total:
            wrong = f"{size:,} bytes arrived, the server named {self.total:,}"
        elif size < minimum:
            wrong = f"{size:,} bytes arrived, the model's numbers alone are {minimum:,}"
        if wrong:
            self._discard()
            raise DownloadError(f"{self.url} has the wrong size: {wrong}. It was thrown away; try again later")
        with open(self.part, "rb+") as file:
            os.fsync(file.fileno())
        # An older file goes first: at no moment may the new record stand beside it.
        self.path.unlink(missing_ok=True)
        _write_record(self.path, url=self.url, total=size, validator=self.validator, complete=True)
        os.replace(self.part, self.path)

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.total = self.validator = None


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".download.json")


def _read_record(path: Path) -> dict:
    try:
        record = json.loads(_record_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(path: Path, **facts) -> None:
    temporary = path.with_name(path.name + ".download.json.new")
    temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, _record_path(path))


def _is_complete(url: str, path: Path) -> bool:
    record = _read_record(path)
    return bool(
        path.is_file()
        and record.get("complete")
        and record.get("url") == url
        and record.get("total") == path.stat().st_size
    )


@contextlib.contextmanager
def _lock(path: Path):
    """Let one process at a time fetch a file; the second waits and then finds it complete."""
    from huggingface_hub.utils import WeakFileLock

    with WeakFileLock(path.with_name(path.name + ".lock")):
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
