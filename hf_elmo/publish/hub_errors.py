# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the Hub's errors mean for somebody who publishes a model, each in one line with the way out."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from huggingface_hub import HfApi, get_session
from huggingface_hub.errors import (
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

AGAIN = "give the same command again"
SILENCE_SECONDS = 600.0  # the Hub's client itself would wait for ever
WAITS = (2.0, 8.0)  # seconds before the second and the third try
_STATUS_IN_XET = re.compile(r"HTTP status (?:client|server) error \((\d{3})")  # hf_xet tells it in words only
T = TypeVar("T")


def explain(error: BaseException, repo_id: str, api: HfApi) -> str:
    """One line about an error of huggingface_hub: what happened, and what to do."""
    error = _cause(error)
    status = status_of(error)
    owner = repo_id.split("/")[0]
    if isinstance(error, LocalTokenNotFoundError):
        return "there is no token: `hf auth login` asks for one, or set HF_TOKEN"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked: unset it"
    if isinstance(error, RepositoryNotFoundError):
        return f"{repo_id} does not exist, or the token may not see it"
    if isinstance(error, RevisionNotFoundError):
        return f"{repo_id} has no such revision"
    if status == 404 and "xet-write-token" in str(error):
        return f"{api.endpoint} takes no uploads through Xet: set HF_HUB_DISABLE_XET=1"
    if status == 401:
        return "the Hub does not accept the token (expired, revoked?): `hf auth login` replaces it, or set HF_TOKEN"
    if status == 402:
        return f"the Hub asks for payment ({_said(error)}): see the billing page of {owner}"
    if status == 403:
        return (
            f"the token may not write to {repo_id} ({_said(error)}): take one with the role `write`, of somebody who may "
            f"write to {owner}, or propose the change with --create-pr"
        )
    if status == 429:
        return f"the Hub's limit of requests is reached ({_said(error)}): wait some minutes, then {AGAIN}"
    if status is not None and status >= 500:
        return f"the Hub failed with status {status} ({_said(error)}): {AGAIN}"
    if status is not None:
        return f"the Hub refuses with status {status}: {_said(error)}"
    if isinstance(error, json.JSONDecodeError):
        return f"{api.endpoint} answered with a page instead of data, as a proxy or a Hub in trouble does: {AGAIN}"
    names = _class_names(error)
    if "TimeoutException" in names or isinstance(error, TimeoutError):
        return f"{api.endpoint} did not answer in time: {AGAIN}"
    if "TransportError" in names or isinstance(error, ConnectionError):
        return f"the connection to {api.endpoint} failed ({_one_line(error)}): {AGAIN} when it is back"
    return _one_line(error) or type(error).__name__


def _cause(error: BaseException) -> BaseException:
    """The HTTP error inside "Error while uploading 'model.safetensors' to the Hub"."""
    if status_of(error) is None and type(error) is RuntimeError and error.__cause__ is not None:
        return error.__cause__
    return error


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error brings, if the Hub has answered at all."""
    response = getattr(error, "response", None)
    if response is not None:
        return getattr(response, "status_code", None)
    found = _STATUS_IN_XET.search(str(error))
    return int(found.group(1)) if found else None


def _class_names(error: BaseException) -> set[str]:
    """huggingface_hub speaks through httpx or httpx2, depending on its release; their errors have the same names."""
    return {base.__name__ for base in type(error).__mro__}


def _said(error: BaseException) -> str:
    message = getattr(error, "server_message", None) or "no reason given"
    return " ".join(str(message).split())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def may_pass(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later.

    Not after hf_xet, which has tried for minutes by itself; it raises errors of plain classes.
    """
    error = _cause(error)
    if getattr(error, "response", None) is not None:
        status = status_of(error) or 0
        return status in (408, 429) or status >= 500
    return isinstance(error, json.JSONDecodeError) or "TransportError" in _class_names(error)


def pauses() -> tuple[float | None, ...]:
    """Seconds to wait after each try that failed; None after the last."""
    return (*WAITS, None)


def patiently(call: Callable[[], T]) -> T:
    """The result of a request that changes nothing, or nothing more when repeated; tried again after passing errors."""
    for seconds in WAITS:
        try:
            return call()
        except (RepositoryNotFoundError, RevisionNotFoundError):
            raise
        except Exception as error:
            if not may_pass(error):
                raise
        time.sleep(seconds)
    return call()


@contextlib.contextmanager
def limited_silence() -> Iterator[None]:
    """Let requests of this process fail when the Hub sends nothing for SILENCE_SECONDS, instead of waiting for ever."""
    session = get_session()
    before, session.timeout = session.timeout, SILENCE_SECONDS
    try:
        yield
    finally:
        session.timeout = before
