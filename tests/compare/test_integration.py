# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The programs do what they are for, and their lines are counted as they stand."""

from types import SimpleNamespace

import pytest

from hf_elmo.compare import integration
from hf_elmo.compare.cells import Cell
from hf_elmo.pretrained import path_of

KINDS = {"elmo": "elmo-mini-en", "bert": "bert-mini-en"}


def test_lines_are_those_with_code():
    assert integration.lines_of("import sys\n\n# a remark\n  # another\nx = 1\n") == 2


def test_a_program_that_fails_is_told_of():
    with pytest.raises(ValueError, match="a program ended with 1: .*ZeroDivisionError"):
        integration.seconds_of("1 / 0")


def test_every_program_of_a_kind_has_both_tasks_and_a_proof():
    for programs in integration.PROGRAMS.values():
        assert list(programs) == [integration.VECTORS, integration.TAGGER] == list(integration._PROOF)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_programs_of_transformers_models_run(kind):
    contender = SimpleNamespace(kind=kind, spec=str(path_of(KINDS[kind])))
    settings = SimpleNamespace(choose=lambda quick, full: quick)
    where = SimpleNamespace(settings=settings, contender=lambda name: contender)
    cell = Cell("integration", (("contender", KINDS[kind]),))
    result = integration.run(cell, where)
    tables = integration.summarize([(cell, result)], settings)["tables"]
    assert [table["id"] for table in tables] == ["integration-lines", "integration-seconds"]
    assert (
        tables[0]["rows"][0]["values"][integration.VECTORS]["value"]
        == result["programs"][integration.VECTORS]["lines"]
    )
