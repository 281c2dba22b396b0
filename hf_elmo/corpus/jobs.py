# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Work for several processes, with results in the order of the work and a bounded part of it in memory."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from hf_elmo.corpus.settings import PreparationError

Job = TypeVar("Job")
Result = TypeVar("Result")


def _context() -> multiprocessing.context.BaseContext:
    """Never a fork of this process, which has the threads of torch and tokenizers."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hf_elmo.corpus.raw_shards", "hf_elmo.corpus.encoding"])  # imported once for all
    return context


def _begin_worker() -> None:
    """Leave Ctrl-C to the first process, and end with it however it ends: the next run writes the same files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = multiprocessing.parent_process()
    assert first is not None

    def end_with_first() -> None:
        multiprocessing.connection.wait([first.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_first, daemon=True).start()


def run_jobs(function: Callable[[Job], Result], jobs: Iterable[Job], processes: int) -> Iterator[tuple[Job, Result]]:
    """Each job with its result, in order; one process works in this one, without starting another.

    Raises:
        PreparationError: a process was killed from outside.
    """
    if processes == 1:
        for job in jobs:
            yield job, function(job)
        return
    executor = ProcessPoolExecutor(
        processes,
        mp_context=_context(),
        initializer=_begin_worker,
    )
    waiting: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            waiting.append((job, executor.submit(function, job)))
            if len(waiting) > processes:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    except BrokenProcessPool as error:
        raise PreparationError(
            "a process was killed, perhaps for want of memory: give the same command again to go on, with fewer processes"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)
