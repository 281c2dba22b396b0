# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a report holds: every value with its cells, whole files, errors that name the place."""

import json
import math

import pytest
from comparison_samples import FACTS, comparison, row, section, table, write_cell

from hf_elmo.compare.markdown import grid, markdown
from hf_elmo.compare.report import content_of, figures_of, write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    return folder, write_report(folder, comparison(folder), FACTS)


def test_four_files_and_nothing_else_beside_the_cells(written):
    folder, files = written
    assert {path.name for path in folder.iterdir()} == {"cells", *(path.name for path in files.values())}
    assert {name: path.name for name, path in files.items()} == {
        "json": "report.json",
        "md": "report.md",
        "md_zh": "report.zh.md",
        "html": "report.html",
    }


def test_each_value_leads_to_cell_files_that_tell_how_they_were_made(written):
    folder, files = written
    report = json.loads(files["json"].read_text(encoding="utf-8"))
    assert report["untraced"] == []
    values = [value for each in report["sections"] for _, value in figures_of(each)]
    assert len(values) > 30
    for value in values:
        assert value["cells"]
        for cell in value["cells"]:
            made = json.loads((folder / report["cells"][cell]).read_text())
            assert made["command"] and made["versions"] and made["key"]


def test_report_tells_command_seeds_versions_commit_and_machine(written):
    facts = json.loads(written[1]["json"].read_text(encoding="utf-8"))["facts"]
    assert facts["command"] == FACTS["command"] and facts["seeds"] == FACTS["seeds"]
    assert facts["versions"]["torch"] and facts["machine"]["python"] and "commit" in facts["code"]


def test_ways_that_cells_were_made_are_counted(tmp_path):
    ids = [write_cell(tmp_path, "e", name) for name in ("a", "b", "c", "unused")]
    path = tmp_path / "cells" / "e" / "b.json"
    other = {"command": "hf-elmo compare --device cuda", "device": "GPU", "versions": {"torch": "3"}}
    other |= {"code": {"commit": "f" * 40, "dirty": True}, "machine": {"cpu": "Chip", "cores": 16}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **other}))
    files = write_report(tmp_path, [section("e", table("x", ["v"], [row("elmo", {"v": 1.0}, ids[:3])]))], FACTS)
    nothing = dict.fromkeys(("device", "commit", "dirty", "processor", "cores"))
    assert json.loads(files["json"].read_text(encoding="utf-8"))["made_by"] == [
        {**nothing, "command": FACTS["command"], "torch": "2", "cells": 2},
        {"command": other["command"], "device": "GPU", "commit": "f" * 40, "dirty": True, "torch": "3"}
        | {"processor": "Chip", "cores": 16, "cells": 1},
    ]
    told = "GPU, Chip, 16 cores, torch 3, ffffffffffff with changes"
    for name in ("html", "md", "md_zh"):
        text = files[name].read_text(encoding="utf-8")
        assert told in text and other["command"] in text


def test_values_without_a_file_are_named(tmp_path):
    sections = comparison(tmp_path)
    (tmp_path / "cells" / "sample" / "bert-2.json").unlink()
    sections[2]["tables"][0]["rows"][0]["values"]["same"]["cells"] = []
    untraced = content_of(tmp_path, sections, FACTS)["untraced"]
    assert "polysemy-cosines, elmo-x, same" in untraced
    assert "quality-ner, bert-x, WikiGold" in untraced
    assert not [place for place in untraced if "vectors-x" in place]
    files = write_report(tmp_path, sections, FACTS)
    for name in ("html", "md", "md_zh"):
        assert "polysemy-cosines, elmo-x, same" in files[name].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda part: part["tables"][0].pop("columns"), "table x lacks columns"),
        (lambda part: part["tables"][0]["rows"][0]["values"].update(y={"value": 1.0}), "column y.*no such column"),
        (
            lambda part: part["tables"][0]["rows"][0]["values"]["a"].update(value="3"),
            "value must be a number, got str",
        ),
        (lambda part: part["tables"].append(part["tables"][0]), "two tables have the id 'x'"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, spoil, message):
    part = section("e", table("x", ["a"], [row("elmo", {"a": 1.0}, ["c"])]))
    spoil(part)
    with pytest.raises(ValueError, match=message):
        write_report(tmp_path, [part], FACTS)
    assert not list(tmp_path.iterdir())


def test_what_is_not_finite_is_no_value(tmp_path):
    part = section(
        "e", table("x", ["a", "b"], [row("elmo", {"a": math.nan, "b": 2.0}, [write_cell(tmp_path, "e", "c")])])
    )
    report = content_of(tmp_path, [part], FACTS)
    assert report["sections"][0]["tables"][0]["rows"][0]["values"]["a"] is None
    json.dumps(report, allow_nan=False)


def test_same_sections_same_files(tmp_path):
    texts = []
    for name in ("one", "two"):
        folder = tmp_path / name
        files = write_report(folder, comparison(folder), FACTS)
        texts.append([path.read_bytes() for path in files.values()])
    assert texts[0] == texts[1]


def test_markdown_has_each_table_in_both_languages(written):
    report = json.loads(written[1]["json"].read_text(encoding="utf-8"))
    english, chinese = markdown(report, "en"), markdown(report, "zh")
    value = report["sections"][0]["tables"][0]["rows"][0]["values"]["WikiGold"]["value"]
    assert f"{value:.1f} [{value - 3:.1f}, {value + 3:.1f}]" in english
    assert f"{value:.1f} [{value - 3:.1f}, {value + 3:.1f}]" in chinese
    assert "named entity recognition" in english and "命名实体识别" in chinese


def test_bars_inside_a_markdown_cell_end_no_cell():
    assert list(grid(["a", "b"], [["x|y", "1"]]))[2] == "| x\\|y | 1 |"
