# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Every card of the published set, rendered once; result files without the comparison, whose report comes and goes."""

import argparse
import shutil

import pytest

from hf_elmo import card_command
from hf_elmo.model_cards.facts import names
from hf_elmo.model_cards.numbers import RESULTS, Results
from hf_elmo.model_cards.rendering import render_card


@pytest.fixture(scope="session")
def marked():
    """Text of each card by (name, language), its numbers still marked."""
    results = Results()  # each file is read once
    return {
        (name, language): render_card(name, language, results=results, marks=True)
        for name in names()
        for language in ("en", "zh")
    }


@pytest.fixture(scope="session")
def plain_results(tmp_path_factory):
    """The result files without the report of `hf-elmo compare`."""
    folder = tmp_path_factory.mktemp("results") / "results"
    shutil.copytree(RESULTS, folder, ignore=shutil.ignore_patterns("comparison", "partial"))
    return Results(folder)


@pytest.fixture
def card():
    """Runs `hf-elmo card` in this process; returns the exit code."""

    def run(*words):
        parser = argparse.ArgumentParser()
        card_command.add_arguments(parser)
        return card_command.run(parser.parse_args([str(word) for word in words]))

    return run
