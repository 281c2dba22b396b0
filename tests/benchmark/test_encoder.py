# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The benchmark of the encoder: all sides in one run, wrong results refused, interruptions survived."""

import argparse
import json
import sys
import types

import pytest
import torch
from elmo_builders import read_fixture, with_boundaries

from hf_elmo import benchmark
from hf_elmo.benchmark import encoder, options, sides, workloads
from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent
from hf_elmo.modeling import ElmoModel

TINY_RUN = ["encoder", "--sizes", "tiny", "--runs", "1", "--vocabulary-size", "100", "--sentences", "4"]
OWN = [name for name in options.SIDES if name != "allennlp"]


@pytest.fixture
def run(tiny, tmp_path, capsys):
    """Run with further arguments; exit code, the result file's content, stdout and stderr."""

    def run_benchmark(*arguments: str):
        path = tmp_path / "result.json"
        code = benchmark.main([*TINY_RUN, *arguments, "--output", str(path)])
        result = json.loads(path.read_text()) if path.exists() else None
        return code, result, *capsys.readouterr()

    return run_benchmark


def test_all_sides_are_checked_measured_and_reported(run):
    threads = torch.get_num_threads()
    code, result, out, err = run("--batch-sizes", "2", "--threads", "1", "2", "--runs", "2")
    assert code == 0 and result["run"]["complete"] and torch.get_num_threads() == threads
    assert list(result["metrics"]) == [
        "tiny, batch 2, corpus order",
        "tiny, batch 2, bucketed order",
    ]
    assert result["machine"]["threads"] == [1, 2] and result["data"]["text"] == "made"
    for name, cell in result["metrics"].items():
        assert list(cell["sides"]) == OWN and name in out
        assert cell["clock"] == "processor time" and cell["threads"] == 1
        for side, measured in cell["sides"].items():
            assert len(measured["seconds"]) == 2 and measured["check"]["kind"] and measured["about"]
            assert measured["words_per_second"] == pytest.approx(cell["words"] / measured["median"], rel=0.01)
            assert ("ratio" in measured) == (side in options.WHOLE and side != "allennlp-equivalent")
        checks = {side: measured["check"] for side, measured in cell["sides"].items()}
        assert 0 < checks["ours"]["largest_difference"] <= checks["ours"]["tolerance"] == 5e-6
        assert checks["ours-int8"]["least_cosine"] <= checks["ours-int8"]["mean_cosine"] <= 1
        assert 0.2 < checks["ours-warm-cache"]["found_in_cache"] < 1
        ratios, both = set(cell["ratios"]), ("ours", "ours-native")
        assert ratios == {*encoder.COMPARISONS, *(f"{side}, 2 threads over 1, time on the wall" for side in both)}
        ours, slow = cell["sides"]["ours"], cell["sides"]["allennlp-equivalent"]
        rounds = sorted(a / b for a, b in zip(slow["seconds"], ours["seconds"], strict=True))
        assert ours["ratio"]["lowest"] == pytest.approx(rounds[0], rel=0.02)
        assert ours["ratio"]["highest"] == pytest.approx(rounds[1], rel=0.02)
    assert err.startswith("will measure allennlp-equivalent, ours, ") and "; about " in err


def test_a_batch_of_one_sentence_has_no_order():
    args = argparse.Namespace(sizes=["small", "original"], batch_sizes=[1, 8], orders=["corpus", "bucketed"])
    assert [str(cell) for cell in encoder.plan(args)] == [
        "small, batch 1, corpus order",
        "small, batch 8, corpus order",
        "small, batch 8, bucketed order",
        "original, batch 1, corpus order",
        "original, batch 8, corpus order",
        "original, batch 8, bucketed order",
    ]


def test_the_chosen_sides_and_the_baseline_are_measured(run):
    code, result, _, _ = run("--batch-sizes", "4", "--orders", "bucketed", "--sides", "ours", "lstm-torch")
    (cell,) = result["metrics"].values()
    assert code == 0 and list(cell["sides"]) == ["allennlp-equivalent", "ours", "lstm-torch"] and cell["ratios"] == {}


def test_several_threads_are_timed_on_the_wall(run):
    _, result, _, _ = run("--batch-sizes", "2", "--orders", "corpus", "--sides", "ours", "--threads", "2")
    (cell,) = result["metrics"].values()
    assert cell["clock"] == "time on the wall" and cell["threads"] == 2 and cell["ratios"] == {}


def test_a_short_try(run, monkeypatch):
    monkeypatch.setitem(encoder.QUICK, "sizes", ["tiny"])
    code, result, _, _ = run("--quick", "--sides", "ours")
    assert code == 0 and result["run"]["settings"]["batch_sizes"] == [8] and len(result["metrics"]) == 2


# --- wrong results --------------------------------------------------------------------------------------------------


def spoil(monkeypatch, cls, name, change):
    right = getattr(cls, name)
    monkeypatch.setattr(cls, name, lambda self, *args, **kwargs: change(right(self, *args, **kwargs)))


def test_a_wrong_model_is_not_measured(run, monkeypatch):
    spoil(
        monkeypatch, AllenNlpEquivalent, "forward", lambda both: (both[0], [both[1][0], both[1][1] + 1e-4, both[1][2]])
    )
    code, result, out, err = run("--sides", "ours", "--batch-sizes", "2")
    assert code == 1 and result is None and out == ""
    assert "error: ours differs from the baseline by 1.0e-04, allowed are 5e-06; nothing was measured" in err


def test_numbers_that_are_none_are_wrong(tiny):
    with pytest.raises(ValueError, match="ours differs from the baseline by nan"):
        sides._check_equal("ours", [(torch.tensor([float("nan")]), torch.zeros(1))])
    with pytest.raises(ValueError, match="ours gives other shapes than the baseline"):
        sides._check_equal("ours", [(torch.zeros(1, 2), torch.zeros(2))])


def scale(model: ElmoModel, factor: float) -> None:
    model.scalar_mix.gamma.data *= factor


def turn_one_weight(side: sides.LstmTorch) -> None:
    lstm = side.stage.lstms[0][1]
    lstm.weight_hh_l0 = torch.nn.Parameter(-lstm.weight_hh_l0)  # not in place: the baseline has the same tensor


@pytest.mark.parametrize(
    "side, change, message",
    [
        ("ours-warm-cache", lambda side: scale(side.model, 1 + 1e-6), "the warm word cache changes results by"),
        ("ours-int8", lambda side: scale(side.model, -1), "ours-int8 has a mean cosine of -"),
        ("lstm-ours", lambda side: scale(side.model, 2), "lstm-ours differs from the baseline by"),
        ("lstm-torch", turn_one_weight, "lstm-torch differs from the baseline by"),
        (
            "bert",
            lambda side: side.model.embeddings.LayerNorm.bias.data.fill_(float("nan")),
            "bert gives numbers that are not finite",
        ),
        (
            "bert-int8",
            lambda side: side.plain.encoder.layer[0].output.LayerNorm.weight.data.neg_(),
            "bert-int8 has a mean cosine of",
        ),
    ],
)
def test_each_side_is_checked(side, change, message, run, monkeypatch):
    right = sides.CLASSES[side].__init__

    def wrong(self, shared):
        right(self, shared)
        change(self)

    monkeypatch.setattr(sides.CLASSES[side], "__init__", wrong)
    code, result, _, err = run("--sides", side, "--batch-sizes", "2", "--orders", "corpus")
    assert code == 1 and result is None and message in err and "nothing was measured" in err


def test_bert_reads_the_word_pieces_of_a_vocabulary(run, tmp_path, monkeypatch):
    """With an alphabet of a and b and no room for more, every letter is a piece."""
    monkeypatch.setattr(workloads, "WORD_PIECES", 9)  # 5 special ones, a, b, ##a, ##b
    (tmp_path / "pieces.txt").write_text("ab ba aab\n" * 9)
    (tmp_path / "own.txt").write_text("ab Abba a\nb b b\n")
    read = []
    call = sides.Bert.call
    monkeypatch.setattr(sides.Bert, "call", lambda self, batch: (read.append(batch), call(self, batch))[1])
    arguments = ("--sides", "bert", "--batch-sizes", "2", "--orders", "corpus", "--text", str(tmp_path / "own.txt"))
    code, result, _, _ = run(*arguments, "--wordpieces", str(tmp_path / "pieces.txt"))
    assert code == 0 and result["data"]["word_pieces"] == {
        "text": "pieces.txt",
        "vocabulary": 9,
        "per_word": round((2 + 4 + 1 + 3) / 6, 3),
    }
    assert read[0]["attention_mask"].tolist() == [[1] * 9, [1] * 5 + [0] * 4]
    code, result, _, err = run(*arguments, "--wordpieces", str(tmp_path / "none.txt"))
    assert code == 1 and "none.txt" in err


# --- interruptions ---------------------------------------------------------------------------------------------------


def test_an_interrupted_run_keeps_what_was_measured_and_goes_on(run, monkeypatch):
    arguments = ("--batch-sizes", "2", "--sides", "ours")
    measured = []
    right = encoder.measure

    def stop_at_second(cell, *args):
        if len(measured) == 1:
            raise KeyboardInterrupt
        measured.append(str(cell))
        right(cell, *args)

    monkeypatch.setattr(encoder, "measure", stop_at_second)
    code, first, _, err = run(*arguments)
    assert code == 130 and not first["run"]["complete"] and list(first["metrics"]) == measured
    assert "interrupted: 1 of 2 measurements are in" in err and "--resume goes on" in err

    monkeypatch.setattr(encoder, "measure", lambda cell, *args: (measured.append(str(cell)), right(cell, *args)))
    code, _, _, err = run(*arguments)
    assert code == 1 and "holds an unfinished run" in err and len(measured) == 1
    code, _, _, err = run(*arguments, "--seed", "2", "--resume")
    assert code == 1 and "cannot be resumed: its settings differ" in err and len(measured) == 1
    code, result, _, err = run(*arguments, "--resume")
    assert code == 0 and result["run"]["complete"] and "2 measurements (1 done)" in err
    assert len(measured) == len(set(measured)) == 2 and set(result["metrics"]) == set(measured)
    assert result["metrics"][measured[0]] == first["metrics"][measured[0]]


def test_without_a_file_an_interruption_keeps_nothing(tiny, capsys, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(encoder, "measure", stop)
    assert benchmark.main([*TINY_RUN, "--batch-sizes", "2", "--sides", "ours"]) == 130
    assert "interrupted: nothing was kept" in capsys.readouterr().err


# --- AllenNLP itself -------------------------------------------------------------------------------------------------


class FakeElmo(torch.nn.Module):
    """Stands for `allennlp.modules.elmo.Elmo`: reads the same files, takes words without boundaries."""

    resets = 0

    def __init__(self, options_file, weight_file, num_output_representations, **settings):
        super().__init__()
        assert num_output_representations == 1 and settings["keep_sentence_boundaries"] and settings["dropout"] == 0
        folder, name = options_file.rsplit("/", 1)
        assert name == "options.json"
        self.model: ElmoModel = read_fixture(sides.Path(folder), sides.Path(weight_file).name)
        self._elmo_lstm = types.SimpleNamespace(_elmo_lstm=self)

    def reset_states(self):
        FakeElmo.resets += 1

    def forward(self, char_ids):
        char_ids, mask = with_boundaries(char_ids.numpy())
        return {"elmo_representations": [self.model(char_ids=char_ids, attention_mask=mask).mixed_state]}


@pytest.mark.parametrize("name", ["encoder", "training"])
def test_allennlp_itself_takes_part_where_it_is_installed(name, tiny, monkeypatch, capsys, tmp_path):
    module = types.ModuleType("allennlp.modules.elmo")
    module.Elmo = FakeElmo
    monkeypatch.setitem(sys.modules, "allennlp.modules.elmo", module)
    monkeypatch.setattr(sides, "can_import_allennlp", lambda: True)
    monkeypatch.setattr(FakeElmo, "resets", 0)
    arguments = [name, "--sizes", "tiny", "--runs", "1", "--sentences", "4", "--batch-sizes", "2"]
    if name == "encoder":
        arguments += ["--orders", "corpus", "--sides", "allennlp"]
    assert benchmark.main([*arguments, "--output", str(tmp_path / "result.json")]) == 0
    (cell,) = json.loads((tmp_path / "result.json").read_text())["metrics"].values()
    assert 0 < cell["sides"]["allennlp"]["check"]["largest_difference"] <= 1e-4
    assert FakeElmo.resets == 6  # two batches in the check, the warm-up and the run


def test_allennlp_must_be_there_when_it_is_asked_for(tiny, capsys):
    assert benchmark.main([*TINY_RUN, "--sides", "allennlp"]) == 1
    assert "--sides allennlp needs AllenNLP installed" in capsys.readouterr().err


def test_the_native_kernel_must_be_there_when_it_is_asked_for(tiny, capsys, monkeypatch):
    monkeypatch.setattr(sides, "can_run_native", lambda: False)
    assert benchmark.main([*TINY_RUN, "--sides", "ours", "lstm-native"]) == 1
    assert "--sides lstm-native needs a C compiler" in capsys.readouterr().err
    assert encoder.NATIVE.isdisjoint(encoder.choose_sides(None, options.SIDES))


def test_an_allennlp_that_does_not_load_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "allennlp.modules.elmo", None)
    assert not sides.can_import_allennlp()
