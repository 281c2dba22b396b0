# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Trackers get the figures of a run."""

import pytest

from hf_elmo.training.pretrain import pretrain
from hf_elmo.training.settings import PretrainSettings


def test_tensorboard_gets_every_figure(settings_of, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = PretrainSettings(**{**vars(settings_of(eval_steps=4)), "report_to": ["tensorboard"]})
    result = pretrain(settings)
    events = EventAccumulator(str(tmp_path / "run" / "hf_elmo-pretrain")).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("loss")]
    expected = [(entry["step"], entry["loss"]) for entry in result["history"] if "loss" in entry]
    assert len(expected) == 4
    assert [step for step, _ in losses] == [step for step, _ in expected]
    assert [value for _, value in losses] == pytest.approx([loss for _, loss in expected])
    (evaluated,) = events.Scalars("perplexity")
    assert evaluated.step == 4
    final = {name: events.Scalars(f"held_out/{name}")[0].value for name in result["metrics"]["held_out"]}
    assert final == pytest.approx(result["metrics"]["held_out"], rel=1e-6)
