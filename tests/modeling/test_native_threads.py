# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Calls at the same time: in the threads of torch where they are known, else in threads of their own."""

import multiprocessing
import os
import signal
import sys
import threading
import time

import pytest
import torch

from hf_elmo.modeling import native_threads
from hf_elmo.modeling.native_threads import run_together, torch_team


@pytest.fixture
def way(request, monkeypatch):
    if request.param == "own threads":
        monkeypatch.setattr(native_threads, "torch_team", lambda: None)
    elif torch_team() is None:
        pytest.skip("torch's OpenMP library is not known here")


@pytest.mark.parametrize("way", ["team", "own threads"], indirect=True)
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_call_runs_once(way, count):
    ran: list[int] = []
    run_together([lambda number=number: ran.append(number) for number in range(count)])
    assert sorted(ran) == list(range(count))


@pytest.mark.parametrize("way", ["team", "own threads"], indirect=True)
def test_two_calls_run_at_the_same_time(way):
    meeting = threading.Barrier(2, timeout=20)
    run_together([meeting.wait, meeting.wait])  # each waits for the other one
    assert not meeting.broken


@pytest.mark.parametrize("way", ["team", "own threads"], indirect=True)
def test_a_call_that_fails_is_waited_for_with_all_others(way):
    done = threading.Event()

    def fail():
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        run_together([fail, lambda: (time.sleep(0.2), done.set())])
    assert done.is_set()
    with pytest.raises(KeyboardInterrupt):
        run_together([lambda: None, lambda: (_ for _ in ()).throw(KeyboardInterrupt())])


class Stop(BaseException):
    """What a signal's handler raises."""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the system has no such signals")
@pytest.mark.parametrize("way", ["team", "own threads"], indirect=True)
def test_an_interruption_waits_for_all_calls(way):
    def stop(*_):
        raise Stop

    done, before = threading.Event(), signal.signal(signal.SIGUSR1, stop)

    def interrupt_and_go_on():  # the first call, and with it the main thread's part, has ended by then
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.2)
        done.set()

    try:
        with pytest.raises(Stop):
            run_together([lambda: None, interrupt_and_go_on])
        assert done.is_set()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_call_that_an_interruption_kept_from_running_is_not_passed_over(monkeypatch):
    if torch_team() is None:
        pytest.skip("torch's OpenMP library is not known here")
    printed, numbers = [], torch_team().number

    def interrupted():  # a signal on the main thread's way to its first call, which Python code cannot catch
        if threading.current_thread() is threading.main_thread():
            raise Stop
        return numbers()

    team = torch_team()._replace(number=interrupted)
    monkeypatch.setattr(native_threads, "torch_team", lambda: team)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: printed.append(unraisable.exc_type))
    ran: list[int] = []
    with pytest.raises(KeyboardInterrupt, match="kept a part of the computation from running"):
        run_together([lambda: ran.append(0), lambda: ran.append(1)])
    assert ran == [1] and printed == [Stop]


def test_torch_computes_with_the_same_threads():
    if torch_team() is None:
        pytest.skip("torch's OpenMP library is not known here")
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        for _ in range(3):
            torch.rand(1_000_000).sigmoid_()
            seen.append(set())
            meeting = threading.Barrier(2, timeout=20)
            run_together([lambda to=seen[-1], meet=meeting.wait: (to.add(threading.get_native_id()), meet())] * 2)
            threads = set(map(int, os.listdir("/proc/self/task")))
    finally:
        torch.set_num_threads(before)
    assert len(seen[0]) == 2 and seen[0] == seen[1] == seen[2] <= threads


def _in_a_fork(answer) -> None:
    ran: list[int] = []
    run_together([lambda: ran.append(1), lambda: ran.append(2)])
    answer.put(sorted(ran))


@pytest.mark.skipif(sys.platform != "linux", reason="forks with threads are safe nowhere else")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("known", [True, False], ids=["team known", "team not looked for yet"])
def test_a_fork_has_threads_of_its_own(known):
    run_together([lambda: None, lambda: None])  # the team's threads are there
    if not known:
        torch_team.cache_clear()
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=_in_a_fork, args=(answer,))
    child.start()
    try:
        assert answer.get(timeout=30) == [1, 2]
    finally:
        child.join(10)
        child.kill()


def test_without_a_list_of_libraries_there_is_no_team(monkeypatch):
    monkeypatch.setattr(native_threads.Path, "is_file", lambda path: False)
    assert torch_team.__wrapped__() is None


def test_libraries_of_other_packages_are_not_torchs(monkeypatch):
    if torch_team() is None:
        pytest.skip("torch's OpenMP library is not known here")
    maps, beside = native_threads.Path("/proc/self/maps").read_text(), native_threads.Path(torch.__file__).parents[1]
    other = f"7f00-7f01 r-xp 00000000 00:00 1    {beside}/torchvision.libs/libgomp-a1.so.1"
    monkeypatch.setattr(native_threads.Path, "read_text", lambda path: f"{maps}{other}\n")
    assert torch_team.__wrapped__() is not None
