# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The loop: updates, learning rates, stops, and runs that were stopped and go on."""

import itertools
import json
import math
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from elmo_builders import largest_difference, read_arrays
from language_models import MANIFEST, TRAINING, recorded_model, recorded_tensors
from safetensors.torch import load_file
from tolerances import TOLERANCES
from training_runs import same_bits, weights_of

from hf_elmo.training import loop
from hf_elmo.training.checkpoint import CheckpointError
from hf_elmo.training.elmo_task import evaluation_lanes
from hf_elmo.training.loop import _agree, _Sums, _Totals, update
from hf_elmo.training.optimization import make_optimizer, rate_factor
from hf_elmo.training.prefetch import Placed
from hf_elmo.training.pretrain import pretrain
from hf_elmo.training.settings import SETTINGS_NAME, PretrainSettings, read_recipe


def with_changes(settings: PretrainSettings, **changes) -> PretrainSettings:
    return PretrainSettings(**{**vars(settings), **changes})


VARIANTS = {
    "sentences": ("elmo", {}),
    "lanes": ("elmo", {"order": "lanes"}),
    "sampled": ("elmo", {"config": ["num_sampled=7"], "optimizer": "adagrad", "sparse_gradient": True}),
    "parts": ("elmo", {"gradient_accumulation_steps": 2}),
    "bert": ("bert", {}),
    "whole words": ("bert", {"whole_word_masking": True, "next_sentence": False}),
}


@pytest.mark.parametrize(("model", "changes"), VARIANTS.values(), ids=VARIANTS)
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(model, changes, settings_of, tmp_path):
    settings, run = settings_of(model, **changes), tmp_path / "run"
    first = pretrain(settings)
    assert first["run"]["steps"] == 6 and first["run"]["stopped_by"] == "max_steps"
    whole = weights_of(run)
    for name in ("checkpoint-6", "model"):
        shutil.rmtree(run / name)
    (run / "results.json").unlink()
    second = pretrain(with_changes(settings, resume=True))
    assert second["run"]["resumed_from"] == 4
    assert same_bits(weights_of(run), whole)
    losses = [[(entry["step"], entry["gradient_norm"]) for entry in one["history"]] for one in (first, second)]
    assert losses[0] == losses[1] and len(losses[0]) >= 3


def test_a_resumed_run_passes_a_damaged_checkpoint_over(settings_of, tmp_path, capsys):
    settings, run = settings_of(save_total_limit=3), tmp_path / "run"
    pretrain(settings)
    whole = weights_of(run)
    shutil.rmtree(run / "checkpoint-6")
    path = run / "checkpoint-4" / "optimizer.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert pretrain(with_changes(settings, resume=True))["run"]["resumed_from"] == 2
    assert "checkpoint-4 is passed over: optimizer.bin is damaged" in capsys.readouterr().err
    assert same_bits(weights_of(run), whole)


def test_parts_of_an_update_add_up_to_one_batch(settings_of):
    """Two batches of lanes 0, 1 and of lanes 2, 3 against one of all four; words are counted over the whole update."""
    from hf_elmo.training.elmo_task import ElmoTask

    weights = []
    for parts in ([slice(0, 4)], [slice(0, 1), slice(1, 4)]):
        settings = settings_of(config=["lstm_dropout=0"], order="lanes", optimizer="adagrad")
        accelerator = Accelerator(cpu=True)
        torch.manual_seed(3)
        task = ElmoTask(settings, 0, 1, accelerator.device, print)
        model, optimizer = accelerator.prepare(task.model, make_optimizer(task.model, settings))
        batch = next(task.batches)
        placed = [Placed(lanes_of(batch, part), {}, 0) for part in parts]
        totals, _ = _agree(task, placed, accelerator, False, False)
        task.carried = {}
        real_loss = task.loss

        def loss(model, batch, totals, real_loss=real_loss, task=task):
            task.carried = {}  # the parts are other lanes here, not the words that follow
            return real_loss(model, batch, totals)

        task.loss = loss
        sums = _Sums(accelerator)
        update(task, model.train(), optimizer, placed, totals, settings, accelerator, sums)
        weights.append({name: one.detach().clone() for name, one in task.model.named_parameters()})
        assert totals.words == 20 and sums.peek()["loss"] > 1
    differences = [largest_difference(weights[0][name], weights[1][name]) for name in weights[0]]
    assert max(differences) <= TOLERANCES["updates_in_parts", "float32"]


def lanes_of(batch: dict, part: slice) -> dict:
    found = {}
    for direction, values in batch.items():
        rows, width = torch.arange(len(values["labels"]))[part], values["labels"].shape[1]
        chosen = [i for i, place in enumerate(values["unknown_positions"].tolist()) if place // width in rows]
        found[direction] = {name: values[name][part] for name in ("input_ids", "labels", "attention_mask")}
        found[direction]["unknown_positions"] = values["unknown_positions"][chosen] - int(rows[0]) * width
        found[direction]["unknown_char_ids"] = values["unknown_char_ids"][chosen]
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loop_s_update_repeats_those_of_bilm_tf(dtype):
    """The recorded batches through `update`, with the clipping, the factor and Adagrad of the recipe."""
    options, steps = MANIFEST["options"], read_arrays(TRAINING, "steps")
    names = {"char_ids": "tokens_characters", "backward_char_ids": "tokens_characters_reverse"}
    names |= {"forward_targets": "next_token_id", "backward_targets": "next_token_id_reverse"}

    class Recorded:
        carried: dict = {}

        def loss(self, model, batch, totals):
            output = model(**batch, state=self.carried.get("state"), output_state=True, num_items_in_batch=totals[0])
            self.carried = {"state": output.state}
            return output.loss, {"loss": output.loss.detach()}

    settings = PretrainSettings(
        optimizer="adagrad",
        learning_rate=options["learning_rate"],
        max_grad_norm=options["all_clip_norm_val"],
        loss_factor=options["unroll_steps"],
    )
    accelerator = Accelerator(cpu=True)
    model = recorded_model(dtype, lstm_dropout=0.0).train()
    model, optimizer = accelerator.prepare(model, make_optimizer(model, settings))
    sums = {name: tensor.abs() for name, tensor in recorded_tensors("adagrad_start").items()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            optimizer.state[parameter]["sum"].copy_(torch.where(sums[name] == 0, 1.0, sums[name]))
    task = Recorded()
    for step in range(MANIFEST["n_steps"]):
        batch = {ours: torch.from_numpy(steps[f"step{step}.{theirs}"]).long() + 1 for ours, theirs in names.items()}
        totals = _Totals(torch.tensor([batch["forward_targets"].numel()]), 0)
        update(task, model, optimizer, [Placed(batch, {}, 0)], totals, settings, accelerator, _Sums(accelerator))
    for name, wanted in recorded_tensors("weights_end", "softmax_end").items():
        found = dict(model.named_parameters())[name].detach()
        assert largest_difference(found, wanted) <= TOLERANCES["recorded_training", str(dtype)[6:]], name


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, 0.85355339, 0.5, 0.14644661]),
    ],
)
def test_learning_rates_by_hand(kind, expected):
    settings = PretrainSettings(warmup_steps=2, lr_scheduler_type=kind)
    assert [rate_factor(step, 6, settings) for step in range(6)] == pytest.approx(expected)


def test_the_loss_falls_and_the_saved_model_has_the_perplexity_that_was_told(settings_of, tmp_path):
    from hf_elmo import ElmoForPreTraining, ElmoTokenizer
    from hf_elmo.corpus import TokenShards
    from hf_elmo.perplexity import perplexity

    settings = settings_of(config=["lstm_dropout=0"], max_steps=40, learning_rate=0.03, logging_steps=10)
    result = pretrain(settings)
    losses = [entry["loss"] for entry in result["history"]]
    assert losses[-1] < losses[0] - 0.15
    folder = tmp_path / "run" / "model"
    model, tokenizer = ElmoForPreTraining.from_pretrained(folder), ElmoTokenizer.from_pretrained(folder)
    sentences = list(TokenShards.open(settings.corpus, "held_out").iter_sentences())
    assert perplexity(model, tokenizer, sentences).joint == pytest.approx(
        result["metrics"]["held_out"]["perplexity"], rel=1e-6
    )
    kept = json.loads((tmp_path / "run" / "results.json").read_text())
    assert kept["metrics"]["held_out"] == result["metrics"]["held_out"]
    assert kept["run"]["words_read"] == result["run"]["words_read"] > 40 * 50


def test_evaluations_do_not_change_the_run(settings_of, tmp_path):
    with_them = settings_of(eval_steps=1, eval_sentences=3)
    pretrain(with_them)
    other = tmp_path / "other"
    result = pretrain(with_changes(with_them, output_dir=str(other), eval_steps=None, final_evaluation=False))
    assert same_bits(weights_of(tmp_path / "run"), weights_of(other))
    assert result["metrics"]["held_out"] == {}


def test_the_time_budget_stops_a_run_and_more_of_it_goes_on(settings_of, tmp_path):
    settings = settings_of(max_hours=1e-9)
    result = pretrain(settings)
    assert (result["run"]["stopped_by"], result["run"]["steps"]) == ("max_hours", 1)
    assert (tmp_path / "run" / "model").is_dir()
    again = pretrain(with_changes(settings, max_hours=1.0, resume=True))
    assert (again["run"]["steps"], again["run"]["resumed_from"]) == (6, 1)
    whole = pretrain(with_changes(settings, max_hours=None, output_dir=str(tmp_path / "whole")))
    assert whole["run"]["steps"] == 6
    assert same_bits(weights_of(tmp_path / "run"), weights_of(tmp_path / "whole"))


def before_update(number, act):
    """An `update` that calls `act` with the model before one of the updates."""
    calls = itertools.count(1)

    def counted(task, model, *rest):
        if next(calls) == number:
            act(model)
        return update(task, model, *rest)

    return counted


def test_a_signal_leaves_a_checkpoint_of_the_next_update(settings_of, tmp_path, capsys, monkeypatch):
    settings = settings_of(max_steps=100, save_steps=100)
    before = signal.getsignal(signal.SIGTERM)

    def send(model) -> None:
        assert signal.getsignal(signal.SIGTERM) is not before  # else it would end the process of the tests
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop, "update", before_update(3, send))
    result = pretrain(settings)
    assert result["run"]["stopped_by"] == "signal" and signal.getsignal(signal.SIGTERM) is before
    assert result["run"]["steps"] == 4
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-4"]
    assert not (tmp_path / "run" / "model").exists()
    assert "stopped by a signal; --resume goes on" in capsys.readouterr().err


def test_a_final_evaluation_that_fails_costs_only_its_figures(settings_of, tmp_path, monkeypatch):
    settings = settings_of("bert", max_steps=2)

    def fail(*arguments, **options):
        raise RuntimeError("no memory for the evaluation")

    with pytest.raises(RuntimeError, match="no memory for the evaluation"), monkeypatch.context() as patch:
        patch.setattr("hf_elmo.training.bert_task.evaluate_bert", fail)
        pretrain(settings)
    assert not (tmp_path / "run" / "results.json").exists()
    saved = weights_of(tmp_path / "run")
    result = pretrain(with_changes(settings, resume=True))
    assert result["metrics"]["held_out"]["pairs"] > 0
    assert same_bits(weights_of(tmp_path / "run"), saved)


@pytest.mark.parametrize("due", ["logging_steps", "save_steps"])
def test_an_infinite_gradient_of_a_finite_loss_is_neither_logged_nor_saved(due, settings_of, tmp_path, monkeypatch):
    settings = settings_of(**{"logging_steps": 100, "save_steps": 100, due: 3})

    def overflow(model) -> None:
        next(model.parameters()).register_hook(lambda gradient: torch.full_like(gradient, math.inf))

    monkeypatch.setattr(loop, "update", before_update(3, overflow))
    with pytest.raises(ValueError, match="the training diverged before step 3: gradient_norm is (inf|nan); lower"):
        pretrain(settings)
    assert not list((tmp_path / "run").glob("checkpoint-*"))
    assert [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()] == [1]


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_an_infinite_norm_is_remembered_until_the_next_line_unless_fp16_leaves_its_update_out(wrong):
    for precision, expected in (("no", str(wrong)), ("bf16", str(wrong)), ("fp16", "2.0")):
        sums = _Sums(SimpleNamespace(num_processes=1, mixed_precision=precision))
        for norm in (1.0, wrong, 2.0):
            sums.add({"loss": torch.tensor(3.0)})
            sums.update_done(torch.tensor(norm))
        assert str(sums.take()["gradient_norm"]) == expected
        sums.add({"loss": torch.tensor(3.0)})
        sums.update_done(torch.tensor(4.0))
        assert sums.take() == {"loss": 3.0, "gradient_norm": 4.0}


def test_a_diverged_run_is_stopped_and_leaves_no_broken_checkpoint(settings_of, tmp_path):
    settings = settings_of(learning_rate=1e30, max_grad_norm=1e30, save_steps=2)
    with pytest.raises(ValueError, match="the training diverged before step .*; lower --learning_rate"):
        pretrain(settings)
    for path in (tmp_path / "run").glob("checkpoint-*/model.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())


def test_an_earlier_run_is_not_overwritten_unasked(settings_of):
    settings = settings_of()
    pretrain(settings)
    with pytest.raises(CheckpointError, match="holds checkpoints of an earlier run: go on with --resume, or give"):
        pretrain(settings)


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.5), ("max_tokens", 64), ("seed", 7)])
def test_a_checkpoint_of_other_settings_is_refused(name, value, settings_of):
    settings = settings_of(max_steps=2)
    pretrain(settings)
    with pytest.raises(CheckpointError, match=f"is of another run: {name} .* there, {value} here"):
        pretrain(with_changes(settings, resume=True, **{name: value}))


def test_a_checkpoint_of_another_corpus_is_refused(settings_of, tmp_path):
    settings = settings_of(max_steps=2)
    pretrain(settings)
    path = tmp_path / "run" / "checkpoint-2" / "checkpoint.json"
    record = json.loads(path.read_text())
    record["run"]["corpus"] = "another"
    path.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="is of another run: corpus 'another' there"):
        pretrain(with_changes(settings, resume=True))


def test_resuming_where_nothing_is_starts_from_the_beginning(settings_of, capsys):
    result = pretrain(with_changes(settings_of(max_steps=2), resume=True))
    assert result["run"]["resumed_from"] is None and result["run"]["steps"] == 2
    assert "no whole checkpoint in" in capsys.readouterr().err


def test_a_checkpoint_reads_as_a_state_dict_of_the_model(settings_of, tmp_path):
    pretrain(settings_of())
    checkpoint = load_file(tmp_path / "run" / "checkpoint-6" / "model.safetensors")
    assert same_bits(checkpoint, weights_of(tmp_path / "run"))


def test_nothing_but_lines_of_progress_is_on_stderr(settings_of, capfd):
    """No warnings of tied weights or sparse tensors, no bars of one file."""
    pretrain(settings_of("bert"))
    pretrain(
        with_changes(
            settings_of(config=["num_sampled=7"], optimizer="adagrad", sparse_gradient=True),
            output_dir=str(Path(settings_of().output_dir).parent / "other"),
        )
    )
    for line in capfd.readouterr().err.splitlines():
        assert re.match("(step|elmo:|bert:|text:|will |held-out text:|counting|splitting|.*encoding|$)", line), line


def test_the_log_is_there_while_the_run_goes_on_and_right_after_it_was_resumed(settings_of, tmp_path):
    settings, run = settings_of(max_steps=8, save_steps=4), tmp_path / "run"

    class Killed(Exception):
        pass

    def steps() -> list[int]:
        return [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()]

    with pytest.raises(Killed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "update", killed_at(7, Killed))
        pretrain(settings)
    assert steps() == [1, 2, 4, 6]
    result = pretrain(with_changes(settings, resume=True))
    assert steps() == [1, 2, 4, 6, 8] == [entry["step"] for entry in result["history"]]
    assert "words_per_second" not in result["history"][0] and result["history"][1]["words_per_second"] > 0
    assert "<polyline" in (run / "loss.svg").read_text()


def killed_at(number, error):
    calls = iter(range(1, 1000))

    def counted(*arguments):
        if next(calls) == number:
            raise error
        return update(*arguments)

    return counted


def test_settings_are_kept_as_they_were_last_and_from_the_beginning(settings_of, tmp_path):
    settings = settings_of(max_steps=2, resume=True)  # where nothing is
    pretrain(settings)
    path = tmp_path / "run" / SETTINGS_NAME
    assert read_recipe(str(path))["save_total_limit"] == 2
    pretrain(with_changes(settings, save_total_limit=5))
    assert read_recipe(str(path))["save_total_limit"] == 5
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="is of another run: seed 42 there, 3 here"):
        pretrain(with_changes(settings, seed=3))
    assert path.read_bytes() == before


def test_updates_count_whichever_way_they_were_asked_for(settings_of):
    result = pretrain(settings_of(max_steps=6))
    passes = settings_of(max_tokens=256)
    assert result["run"]["steps"] == 6
    task_steps = with_changes(passes, max_steps=None, num_train_epochs=1.0, output_dir=passes.output_dir + "2")
    made = pretrain(task_steps)["run"]["steps"]
    again = with_changes(task_steps, max_steps=made, resume=True)
    assert pretrain(again)["run"]["resumed_from"] == made
    with pytest.raises(CheckpointError, match=f"is of another run: max_steps {made} there, {made + 1} here"):
        pretrain(with_changes(again, max_steps=made + 1))


def test_at_a_constant_rate_a_run_may_go_further(settings_of, tmp_path):
    settings = settings_of(lr_scheduler_type="constant", max_steps=3)
    pretrain(settings)
    assert pretrain(with_changes(settings, max_steps=5, resume=True))["run"]["resumed_from"] == 3
    pretrain(with_changes(settings, max_steps=5, output_dir=str(tmp_path / "whole")))
    assert same_bits(weights_of(tmp_path / "run"), weights_of(tmp_path / "whole"))
    with pytest.raises(CheckpointError, match="checkpoint-5 is beyond the 4 updates asked for: give more --max_steps"):
        pretrain(with_changes(settings, max_steps=4, resume=True))


def test_lanes_of_a_short_held_out_text_are_few_enough_to_carry_a_state():
    assert [evaluation_lanes(count) for count in (1, 7, 16, 100, 512, 10**6)] == [1, 1, 2, 12, 64, 64]
