# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Downloads against a real web server that drops, resets, stalls, lies and changes its mind."""

import errno
import json
import os
import shutil

import pytest
from local_server import LocalServer

from hf_elmo.conversion import download as module
from hf_elmo.conversion.download import DownloadError, cache_folder, download, download_model
from hf_elmo.conversion.known_models import KNOWN_MODELS, KnownModel

BODY = os.urandom(700_001)


@pytest.fixture(autouse=True)
def online(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with LocalServer({"/a.bin": BODY}) as running:
        yield running


@pytest.fixture
def lines():
    return []


def fetch(server, path, lines, **settings):
    settings = {"wait": 0.0, "timeout": 5.0, **settings}
    return download(server.url + "a.bin", path, say=lines.append, **settings)


def part(path):
    return path.with_name(path.name + ".part")


def test_a_file_arrives_whole_and_is_not_fetched_twice(server, tmp_path, lines):
    target = fetch(server, tmp_path / "sub" / "a.bin", lines)
    assert target.read_bytes() == BODY
    assert not part(target).exists()
    assert "700.0 kB" not in lines[0] and server.url in lines[0]
    assert fetch(server, target, lines).read_bytes() == BODY
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["drop_after", "reset_after", "stall_after"])
def test_a_broken_connection_is_continued_not_repeated(server, tmp_path, lines, fault):
    getattr(server.files["/a.bin"], fault).extend([300_000, 100_000])
    target = fetch(server, tmp_path / "a.bin", lines, timeout=0.3)
    assert target.read_bytes() == BODY
    starts = [int(span.removeprefix("bytes=").rstrip("-")) for _, span in server.requests[1:]]
    assert len(starts) == 2 and 0 < starts[0] < starts[1]
    if fault == "drop_after":  # a reset may swallow what was still under way
        assert starts == [300_000, 400_000]


def test_another_process_continues_what_is_there(server, tmp_path, lines):
    server.files["/a.bin"].drop_after.extend([400_000])
    with pytest.raises(DownloadError, match="the connection ended after 400.0 kB of 700.0 kB; 400.0 kB are kept"):
        fetch(server, tmp_path / "a.bin", lines, retries=-1)
    assert part(tmp_path / "a.bin").stat().st_size == 400_000
    assert not (tmp_path / "a.bin").exists()
    target = fetch(server, tmp_path / "a.bin", lines)
    assert target.read_bytes() == BODY
    assert server.requests[-1] == ("/a.bin", "bytes=400000-")
    assert "continuing at 400.0 kB" in lines[-1]


def test_a_part_that_was_complete_only_gets_its_name(server, tmp_path, lines, monkeypatch):
    real = os.replace

    def stop(source, target):
        if str(source).endswith(".part"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(module.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path / "a.bin", lines)
    monkeypatch.setattr(module.os, "replace", real)
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY
    assert len(server.requests) == 1


def test_errors_of_the_server_are_waited_out(server, tmp_path, lines):
    server.files["/a.bin"].statuses = [500, 503]
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY
    assert any("the server answered 500" in line for line in lines)


def test_retry_after_is_honoured_and_waits_grow(server, tmp_path, lines, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    file = server.files["/a.bin"]
    file.statuses, file.headers = [503, 429, 500, 500], {"Retry-After": "7"}
    fetch(server, tmp_path / "a.bin", lines, wait=1.0)
    assert waits == [7, 7, 7, 8]


def test_a_server_that_stays_broken_ends_in_one_line(server, tmp_path, lines):
    server.files["/a.bin"].statuses = [500] * 20
    with pytest.raises(DownloadError, match="the server answered 500 .*, 3 times in a row"):
        fetch(server, tmp_path / "a.bin", lines, retries=2)
    assert len(server.requests) == 3


def test_a_missing_file_is_not_asked_for_again(server, tmp_path, lines):
    with pytest.raises(DownloadError, match="answered 404 .*HF_ELMO_MODELS_URL") as caught:
        download(server.url + "b.bin", tmp_path / "b.bin", say=lines.append)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_server_without_range_starts_over_and_says_so(server, tmp_path, lines):
    file = server.files["/a.bin"]
    file.ranges, file.drop_after = False, [300_000]
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY
    assert any(
        "this server cannot continue a download: the first 300.0 kB are fetched again" in line for line in lines
    )


def test_a_server_without_range_that_always_drops_is_given_up(server, tmp_path, lines):
    file = server.files["/a.bin"]
    file.ranges, file.drop_after = False, [300_000] * 20
    with pytest.raises(DownloadError, match="this server cannot continue a download, so every attempt begins again"):
        fetch(server, tmp_path / "a.bin", lines, retries=3)
    assert len(server.requests) == 5  # the first brought something new, then three retries after the failure


@pytest.mark.parametrize("heed_if_range", [True, False])
def test_pieces_of_two_versions_are_never_joined(server, tmp_path, lines, heed_if_range):
    file = server.files["/a.bin"]
    file.drop_after, file.heed_if_range = [300_000], heed_if_range
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "a.bin", lines, retries=-1)
    file.body, file.etag = BODY[::-1], '"v2"'
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY[::-1]
    assert any("the file has changed on the server" in line for line in lines)


def test_without_a_version_a_part_is_not_continued(server, tmp_path, lines):
    server.files["/a.bin"].etag = None
    server.files["/a.bin"].drop_after = [300_000]
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY
    assert [span for _, span in server.requests] == [None, None]


def test_a_weak_etag_is_no_version(server, tmp_path, lines):
    server.files["/a.bin"].etag = 'W/"v1"'
    server.files["/a.bin"].drop_after = [300_000]
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY
    assert [span for _, span in server.requests] == [None, None]


def test_a_length_that_never_arrives_is_an_error(server, tmp_path, lines):
    server.files["/a.bin"].claimed_length = len(BODY) + 10
    with pytest.raises(DownloadError, match="times in a row"):
        fetch(server, tmp_path / "a.bin", lines, retries=2)
    assert not (tmp_path / "a.bin").exists()


def test_a_file_smaller_than_its_numbers_is_refused(server, tmp_path, lines):
    with pytest.raises(
        DownloadError, match="wrong size: 700,001 bytes arrived, the model's numbers alone are 800,000"
    ):
        fetch(server, tmp_path / "a.bin", lines, minimum=800_000)
    assert not (tmp_path / "a.bin").exists() and not part(tmp_path / "a.bin").exists()


def test_a_shortened_file_on_disk_is_fetched_again(server, tmp_path, lines):
    target = fetch(server, tmp_path / "a.bin", lines)
    target.write_bytes(BODY[:10])
    assert fetch(server, target, lines).read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_file_of_another_address_is_replaced(server, tmp_path, lines):
    target = fetch(server, tmp_path / "a.bin", lines)
    with LocalServer({"/a.bin": BODY[::-1]}) as other:
        assert fetch(other, target, lines).read_bytes() == BODY[::-1]


def test_a_damaged_record_is_not_trusted(server, tmp_path, lines):
    target = fetch(server, tmp_path / "a.bin", lines)
    module._record_path(target).write_text("{", encoding="utf-8")
    assert fetch(server, target, lines).read_bytes() == BODY
    assert len(server.requests) == 2


def test_compressed_answers_are_refused(server, tmp_path, lines):
    server.files["/a.bin"].encoding = "gzip"
    with pytest.raises(DownloadError, match="sent it compressed"):
        fetch(server, tmp_path / "a.bin", lines)


def test_no_network_fails_soon_and_says_so(tmp_path, lines):
    with LocalServer({}) as gone:
        url = gone.url
    with pytest.raises(DownloadError, match="127.0.0.1.* cannot be reached .*no network"):
        download(url + "a.bin", tmp_path / "a.bin", wait=0.0, say=lines.append)
    assert len(lines) == 2  # one retry


def test_unknown_host_names_the_host(tmp_path, lines, monkeypatch):
    def fail(*_, **__):
        raise module.urllib.error.URLError(module.socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(module.urllib.request, "urlopen", fail)
    with pytest.raises(
        DownloadError, match="models.example cannot be reached .*Name or service not known.*no network"
    ):
        download("https://models.example/a.bin", tmp_path / "a.bin", wait=0.0, say=lines.append)


def test_an_untrusted_certificate_is_not_retried(tmp_path, lines, monkeypatch):
    def fail(*_, **__):
        problem = module.ssl.SSLCertVerificationError(1, "no")
        problem.verify_message = "certificate has expired"
        raise module.urllib.error.URLError(problem)

    monkeypatch.setattr(module.urllib.request, "urlopen", fail)
    with pytest.raises(DownloadError, match="could not prove who it is .certificate has expired"):
        download("https://models.example/a.bin", tmp_path / "a.bin", say=lines.append)
    assert len(lines) == 1


def test_only_web_addresses_are_opened(tmp_path):
    with pytest.raises(DownloadError, match="file:///etc/hosts is no web address"):
        download("file:///etc/hosts", tmp_path / "a.bin")


def test_too_little_room_is_seen_before_the_download(server, tmp_path, lines, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(DownloadError, match=r"has 1.0 kB free, a.bin needs 700.0 kB more: .*--download-dir"):
        fetch(server, tmp_path / "a.bin", lines)


def test_a_full_disk_keeps_the_part(server, tmp_path, lines, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module._Download, "_receive", full)
        with pytest.raises(DownloadError, match="the disk of .* is full: make room .* continues where it stopped"):
            fetch(server, tmp_path / "a.bin", lines)
    assert fetch(server, tmp_path / "a.bin", lines).read_bytes() == BODY


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path, lines):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DownloadError, match="cannot write .*a.bin: .*--download-dir"):
        fetch(server, tmp_path / "file" / "a.bin", lines)


def test_offline_mode_uses_what_is_complete_and_nothing_else(server, tmp_path, lines, monkeypatch):
    target = fetch(server, tmp_path / "a.bin", lines)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(server, target, lines) == target
    with pytest.raises(DownloadError, match=r"offline mode \(HF_HUB_OFFLINE=1\) and .*other.bin is not in the cache"):
        fetch(server, tmp_path / "other.bin", lines)
    assert len(server.requests) == 1


def test_cache_folder_follows_hf_home_and_the_option(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / "hf_elmo"
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"


OPTIONS = {
    "lstm": {"dim": 4, "projection_dim": 4, "n_layers": 1},
    "char_cnn": {"embedding": {"dim": 2}, "filters": [[1, 4]]},
}
TOY = KnownModel(
    name="toy",
    language="none",
    options="o.json",
    weights="w.hdf5",
    trained_on="nothing",
    evidence="made for this test",
    softmax="s.hdf5",
    vocab="v.txt",
)


@pytest.fixture
def model_server(monkeypatch):
    files = {"/o.json": json.dumps(OPTIONS).encode(), "/w.hdf5": bytes(3288), "/s.hdf5": b"s", "/v.txt": b"v"}
    with LocalServer(files) as running:
        monkeypatch.setenv("HF_ELMO_MODELS_URL", running.url)
        yield running


def test_a_model_becomes_a_folder_that_convert_can_read(model_server, tmp_path, lines):
    paths = download_model(TOY, tmp_path, say=lines.append)
    assert paths == {"options": tmp_path / "toy/options.json", "weights": tmp_path / "toy/weights.hdf5"}
    assert [path.name for path in (tmp_path / "toy").glob("*.hdf5")] == ["weights.hdf5"]
    assert [path for path, _ in model_server.requests] == ["/o.json", "/w.hdf5"]


def test_the_softmax_is_fetched_on_request_into_its_own_folder(model_server, tmp_path, lines):
    paths = download_model(TOY, tmp_path, with_softmax=True, say=lines.append)
    assert paths["softmax"].read_bytes() == b"s" and paths["vocab"].read_bytes() == b"v"
    assert paths["softmax"].parent == tmp_path / "toy" / "softmax"
    with pytest.raises(DownloadError, match="no softmax was published for small"):
        download_model(KNOWN_MODELS["small"], tmp_path, with_softmax=True)


def test_weights_smaller_than_the_options_say_are_refused(model_server, tmp_path, lines):
    model_server.files["/w.hdf5"].body = bytes(3287)  # the numbers are (522 + 12 + 288) * 4 = 3288 bytes
    with pytest.raises(DownloadError, match="3,287 bytes arrived, the model's numbers alone are 3,288"):
        download_model(TOY, tmp_path, say=lines.append)


def test_a_login_page_instead_of_the_options_is_recognised(model_server, tmp_path, lines):
    model_server.files["/o.json"].body = b"<html>please sign in</html>"
    with pytest.raises(DownloadError, match="is no options.json of a model"):
        download_model(TOY, tmp_path, say=lines.append)
    model_server.files["/o.json"].body = json.dumps(OPTIONS).encode()
    assert download_model(TOY, tmp_path, say=lines.append)["weights"].exists()
