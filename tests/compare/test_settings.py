# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a comparison is asked to do, and where the data are looked for."""

import pytest

from hf_elmo.compare.settings import DATA_VARIABLE, Settings, find_data


@pytest.fixture
def data(tmp_path):
    (tmp_path / "sets" / "mr").mkdir(parents=True)
    return tmp_path / "sets"


def test_data_are_taken_from_the_argument_the_environment_or_the_working_folder(data, tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert find_data(None) is None
    data.rename(tmp_path / "data")
    assert find_data(None) is not None
    assert find_data(tmp_path / "data") == tmp_path / "data"
    (tmp_path / "other" / "blimp").mkdir(parents=True)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "other"))
    assert find_data(None) == tmp_path / "other"


def test_a_folder_without_data_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="--data .* is no folder with data sets such as ud_ewt"):
        find_data(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ValueError, match=r"\$" + DATA_VARIABLE):
        find_data(None)


def test_what_is_missing_is_noted_once(data, tmp_path):
    settings = Settings(tmp_path, data=data)
    assert settings.data_folder("mr", "quality") == data / "mr"
    assert settings.data_folder("subj", "quality") is None and settings.data_folder("subj", "quality") is None
    assert settings.left_out == [("quality", "subj is not in sets")]
    settings = Settings(tmp_path)
    assert settings.data_folder("mr", "senses") is None
    assert "--data" in settings.left_out[0][1]


def test_the_fingerprint_follows_what_a_result_depends_on(tmp_path):
    plain = Settings(tmp_path)
    same = Settings(tmp_path / "elsewhere", seeds=(7,), device="cuda", models=("a",))
    assert plain.fingerprint("x") == same.fingerprint("x")
    others = [
        Settings(tmp_path, quick=True).fingerprint("x"),
        Settings(tmp_path, batch_size=8).fingerprint("x"),
        plain.fingerprint("y"),
        plain.fingerprint("x", version=2),
        plain.fingerprint("x", contender="another"),
    ]
    assert len({plain.fingerprint("x"), *others}) == 6


def test_quick_and_full_sizes(tmp_path):
    assert Settings(tmp_path).choose(1, 2) == 2
    assert Settings(tmp_path, quick=True).choose(1, 2) == 1
