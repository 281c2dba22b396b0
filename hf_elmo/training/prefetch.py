# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Batches made ahead in a thread, each with the position of the data after it."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch


class Placed(NamedTuple):
    """A batch, and where the data stand after it: what a checkpoint after this batch has to keep."""

    batch: dict[str, Any]
    position: dict[str, Any]
    epoch: int


class Prefetched(Iterator[Placed]):
    """Take batches from an iterator with `state_dict()` in a thread, so that a GPU does not wait for them.

    The order is the iterator's own. An error in the thread is raised where the batch would have come.

    Args:
        batches: has `__next__`, `state_dict` and `epoch`; nobody else may use it meanwhile.
        ahead: batches that wait at most.
        prepare: applied to each batch in the thread, such as pinning its memory.
    """

    def __init__(self, batches: Any, ahead: int, prepare: Callable[[Any], Any] = lambda batch: batch):
        self._batches, self._prepare = batches, prepare
        self._queue: queue.Queue = queue.Queue(ahead)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            while not self._closed.is_set():
                batch = next(self._batches)
                self._put(Placed(self._prepare(batch), self._batches.state_dict(), self._batches.epoch))
        except BaseException as error:  # StopIteration too: it ends the reader's loop
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._closed.is_set():
            try:
                return self._queue.put(item, timeout=0.1)
            except queue.Full:
                pass

    def __next__(self) -> Placed:
        item = self._queue.get()
        if isinstance(item, BaseException):
            self._queue.put(item)  # the next call gets it again
            raise item
        return item

    def close(self) -> None:
        """End the thread; what it made ahead is thrown away."""
        self._closed.set()
        self._thread.join()


def on_device(batch: Any, device: torch.device) -> Any:
    """The tensors of nested dicts on a device."""
    if isinstance(batch, dict):
        return {name: on_device(value, device) for name, value in batch.items()}
    return batch.to(device, non_blocking=True) if isinstance(batch, torch.Tensor) else batch


def pinned(batch: Any) -> Any:
    """The tensors of nested dicts in page-locked memory, from which a GPU copies while the program goes on."""
    if isinstance(batch, dict):
        return {name: pinned(value) for name, value in batch.items()}
    return batch.pin_memory() if isinstance(batch, torch.Tensor) else batch
