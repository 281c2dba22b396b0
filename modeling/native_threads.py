# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Calls of compiled code at the same time, in the very threads that torch computes with.

After a parallel operation torch's OpenMP threads keep their cores busy for some milliseconds, waiting for the next one.
Threads of our own would share the cores with them; as members of the same team they take over at once.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

MEMBER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
PROCESS = os.getpid()  # forks of it miss the team's threads, and would wait for them forever


class Team(NamedTuple):
    """The functions of the OpenMP library that torch has loaded."""

    parallel: Callable[..., None]
    number: Callable[[], int]
    size: Callable[[], int]


def run_together(calls: Sequence[Callable[[], Any]]) -> None:
    """Run all at the same time, and return when the last one has ended; they must not call torch there.

    Raises:
        BaseException: the first that one of them raised.
        KeyboardInterrupt: a signal's exception kept one of them from running.
    """
    if len(calls) == 1:
        calls[0]()
        return
    failures: list[BaseException] = []
    ended: list[Callable[[], Any]] = []

    def run(number: int, step: int) -> None:
        for call in calls[number::step]:
            try:
                call()
            except BaseException as error:  # kept for the caller, also an interruption
                failures.append(error)
            ended.append(call)

    team = torch_team() if os.getpid() == PROCESS else None
    if team is None:
        _in_own_threads(run, len(calls))
    else:
        team.parallel(
            MEMBER(lambda _: run(team.number(), team.size())), None, max(len(calls), torch.get_num_threads()), 0
        )
    if failures:
        raise failures[0]
    if len(ended) < len(calls):  # ctypes prints what a signal's handler raises outside of `try`, and goes on
        raise KeyboardInterrupt("an exception that is printed above kept a part of the computation from running")


def _in_own_threads(run: Callable[[int, int], None], count: int) -> None:
    def member(number: int, done: threading.Event) -> None:
        try:
            run(number, count)
        finally:
            done.set()

    started: list[threading.Event] = []
    interruption: BaseException | None = None
    try:
        for number in range(1, count):
            done = threading.Event()
            threading.Thread(target=member, args=(number, done)).start()
            started.append(done)
        run(0, count)
    finally:
        for done in started:  # whatever happens: they write to tensors of the caller
            while not done.is_set():
                try:
                    done.wait()  # not join, which takes a thread for ended once it was interrupted (Python up to 3.12)
                except BaseException as error:
                    interruption = error
    if interruption is not None:
        raise interruption


@cache
def torch_team() -> Team | None:
    """GNU OpenMP as torch uses it; None on other systems and with other libraries."""
    maps, torch_folder = Path("/proc/self/maps"), Path(torch.__file__).resolve().parent
    if not maps.is_file():
        return None
    names = {Path(line.split(maxsplit=5)[-1]) for line in maps.read_text().splitlines() if "libgomp" in line}
    # Packages bring copies of their own, each with its own threads; torch's lies in its folder or beside it.
    folders = {torch_folder, torch_folder.with_name("torch.libs")}
    found = [name for name in names if folders & set(name.parents)] or (list(names) if len(names) == 1 else [])
    if len(found) != 1:
        return None
    try:
        library, quick = ctypes.CDLL(str(found[0])), ctypes.PyDLL(str(found[0]))  # PyDLL: without letting others run
        parallel, number, size = library.GOMP_parallel, quick.omp_get_thread_num, quick.omp_get_num_threads
    except (OSError, AttributeError):
        return None
    parallel.restype, parallel.argtypes = None, (MEMBER, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    return Team(parallel, number, size)
