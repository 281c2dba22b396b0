# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Under Chinese no section, table or unit of a full report is called in English."""

import ast
import re
from pathlib import Path

import hf_elmo.compare
from hf_elmo.compare import agreement, cost, cost_pretraining, cost_tables, distance, examples, quality, robustness
from hf_elmo.compare.formatting import texts
from hf_elmo.compare.running import available_experiments
from hf_elmo.compare.tasks import TASKS
from hf_elmo.compare.transformations import STRENGTHS

KNOWN = texts("titles.zh")
SOURCES = sorted(Path(hf_elmo.compare.__file__).parent.glob("*.py"))
UNITS_WITHOUT_WORDS = {"%", "MB"}


def ids():
    """The ids of the tables of a full report."""
    yield from (f"quality-{group}" for group in quality.GROUPS)
    yield from (f"examples-{name}" for name in (*examples.TASK_NAMES, "needed"))
    for task in robustness.DEV_SENTENCES:
        yield from (f"robustness-{task}{end}" for end in ("", "-loss", "-strengths", *(f"-{s}" for s in STRENGTHS)))
    yield from ("robustness-vectors", "robustness-vectors-changed")
    for name, *_ in cost_tables.OF_SPEED_CELLS:
        yield from (
            f"cost-{name}-batch-{batch}" for batch in {batch for grid in cost.SPEED_GRID.values() for _, batch in grid}
        )
    yield from (f"cost-{name}" for name in ("parameters", "flops", "published-flops", "training"))
    yield from (f"cost-{name}" for name in ("score-by-updates", "seconds-by-updates", "time-to-score"))
    yield from (f"cost-{name}" for name, *_ in cost_pretraining.TABLES)
    yield from (f"agreement-distance-{name}" for name in (agreement.PLAIN, agreement.ATTRACTORS))
    yield from (f"distance-{name}" for name in (distance.TRUNCATED, distance.SHUFFLED, "loss"))
    yield from ("integration-lines", "integration-seconds", "polysemy-auc", "polysemy-cosines")
    yield from ("senses", "probes", "blimp", "chinese")


def units():
    """Units that stand as texts in the modules, and those of tables made from lists."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "unit" and isinstance(value, ast.Constant):
                        yield value.value
    yield from (unit for _, unit in quality.GROUPS.values())
    yield from (unit for _, _, unit, *_ in (*cost_tables.OF_SPEED_CELLS, *cost_pretraining.TABLES))
    yield from ("words/s", "million operations", "millions", "s", "lines of code")
    for of in ("accuracy of words, %", "accuracy of texts, %"):
        yield from (of, f"words changed, %; {of}")


def is_chinese(text):
    return re.search(r"[\u4e00-\u9fff]", text) is not None


def test_every_section_has_a_chinese_title():
    assert [name for name in available_experiments() if not is_chinese(KNOWN["sections"].get(name, ""))] == []


def test_every_table_of_a_full_report_has_a_chinese_title():
    found = list(ids())
    assert len(found) == len(set(found)) > 40 and set(robustness.DEV_SENTENCES) <= set(TASKS)
    assert [name for name in found if not is_chinese(KNOWN["tables"].get(name, ""))] == []


def test_every_unit_has_a_chinese_name_or_no_words():
    found = set(units())
    assert len(found) > 15
    missing = [unit for unit in found - UNITS_WITHOUT_WORDS if not is_chinese(KNOWN["units"].get(unit, ""))]
    assert missing == []


def test_each_id_written_in_a_module_is_among_those_looked_up():
    """So that a new table is not forgotten here."""
    written = set()
    for source in SOURCES:
        written |= set(re.findall(r'"id": "([a-z-]+)"', source.read_text(encoding="utf-8")))
    assert written and written <= set(ids())
