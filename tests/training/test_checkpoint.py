# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A checkpoint is whole, or it is passed over; what goes wrong while one is written leaves the earlier ones alone."""

import errno
import json
import subprocess
import sys
import textwrap

import pytest

from hf_elmo.training.checkpoint import RECORD, CheckpointError, Checkpoints


def fill(folder):
    (folder / "model.bin").write_bytes(b"weights" * 100)
    (folder / "more").mkdir()
    (folder / "more" / "state.bin").write_bytes(b"state")


@pytest.fixture
def two(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run", keep=3)
    for step in (5, 10):
        checkpoints.write(step, fill, {"words": step * 7})
    return checkpoints


def test_the_last_one_is_found_with_what_was_recorded(two):
    found = two.last_whole()
    assert found.folder.name == "checkpoint-10" and found.record["words"] == 70 and found.record["step"] == 10
    assert (found.folder / "more" / "state.bin").read_bytes() == b"state"


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert Checkpoints(tmp_path / "absent").last_whole() is None


def truncate(folder):
    (folder / "model.bin").write_bytes(b"weights" * 99)


def flip(folder):
    data = bytearray((folder / "model.bin").read_bytes())
    data[300] ^= 1
    (folder / "model.bin").write_bytes(data)


def cut_record(folder):
    (folder / RECORD).write_text((folder / RECORD).read_text()[:-20])


DAMAGES = {
    "model.bin is damaged": [truncate, flip],
    "more/state.bin is missing": [lambda folder: (folder / "more" / "state.bin").unlink()],
    f"it has no {RECORD}": [lambda folder: (folder / RECORD).unlink()],
    f"{RECORD} cannot be read (JSONDecodeError)": [cut_record],
    f"{RECORD} cannot be read (TypeError)": [lambda folder: (folder / RECORD).write_text("[]")],
}


@pytest.mark.parametrize(("problem", "damage"), [(text, one) for text, several in DAMAGES.items() for one in several])
def test_a_damaged_one_is_passed_over_and_named(two, problem, damage):
    damage(two.path(10))
    lines = []
    assert two.last_whole(lines.append).folder.name == "checkpoint-5"
    assert lines == [f"{two.path(10)} is passed over: {problem}"]


def test_a_damaged_one_is_replaced_when_its_step_comes_again(two):
    truncate(two.path(10))
    two.write(10, fill, {})
    assert two.last_whole().folder.name == "checkpoint-10"


def test_what_a_killed_process_left_is_no_checkpoint_and_goes(two):
    part = two.folder / "checkpoint-15.part"
    part.mkdir()
    fill(part)
    (two.folder / "checkpoint-5").rename(two.folder / "checkpoint-5.old")
    (two.folder / "checkpoints.txt").write_text("mine")
    assert two.last_whole().folder.name == "checkpoint-10"
    two.remove_unfinished()
    assert sorted(path.name for path in two.folder.iterdir()) == ["checkpoint-10", "checkpoints.txt"]


def test_a_full_disk_leaves_the_earlier_ones_and_nothing_half(two):
    def fail(folder):
        fill(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CheckpointError, match="checkpoint-15 cannot be written into .*Earlier checkpoints are kept"):
        two.write(15, fail, {})
    assert sorted(path.name for path in two.folder.iterdir()) == ["checkpoint-10", "checkpoint-5"]
    assert two.last_whole().folder.name == "checkpoint-10"


def test_other_errors_are_not_hidden(two):
    def fail(folder):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        two.write(15, fail, {})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_torch_and_safetensors_meet_a_real_limit(tmp_path):
    """The file size limit makes the system refuse in the middle of a file, as a full disk does."""
    code = f"""
    import resource, signal, torch
    from safetensors.torch import save_file
    from hf_elmo.training.checkpoint import CheckpointError, Checkpoints
    checkpoints = Checkpoints({str(tmp_path / "run")!r})
    checkpoints.write(1, lambda folder: (folder / "a").write_text("a"), {{}})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    tensor = torch.zeros(100_000)
    for save in (lambda f: torch.save({{"x": tensor}}, f / "b"), lambda f: save_file({{"x": tensor}}, f / "b")):
        try:
            checkpoints.write(2, save, {{}})
        except CheckpointError as error:
            print("refused")
        print(sorted(path.name for path in checkpoints.folder.iterdir()))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["refused", "['checkpoint-1']"] * 2, done.stderr


def test_only_the_last_ones_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 30, 4):
        checkpoints.write(step, fill, {})
    # 30 was written by a run that went further; it is not this one's to remove.
    assert checkpoints.steps() == [2, 4, 30]


def test_one_of_a_newer_program_is_refused(two):
    record = json.loads((two.path(10) / RECORD).read_text())
    (two.path(10) / RECORD).write_text(json.dumps({**record, "version": 99}))
    with pytest.raises(CheckpointError, match="checkpoint-10 is from a newer version of hf_elmo"):
        two.last_whole()
