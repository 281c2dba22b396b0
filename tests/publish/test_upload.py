# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Files reach the Hub in one commit, and the same command finishes whatever went wrong."""

import argparse
import hashlib
import json
import re

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled
from safetensors.torch import load_file, save_file
from xet_storage import XetStorage

from hf_elmo.cli import WrongUse
from hf_elmo.publish import command, hub_errors
from hf_elmo.publish.errors import HubError, PublishError, WrongOptions

# huggingface_hub sends files to httpx2 in a way that is going out of use
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

COMMIT, REVISION, CREATE, TAG = r"/commit/", r"/api/models/org/elmo/revision/", r"/repos/create", r"/tag/"
LOST = 99  # more often than anybody tries


def own_commits(hub) -> list:
    """Without the Hub's own first one."""
    return [commit for commit in hub.commits("org/elmo") if commit.title != "initial commit"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check_published(hub, folder, tag: str = "v1.0") -> None:
    """One commit, with weights, settings, code and card as they are in the folder, and the tag on it."""
    (commit,) = own_commits(hub)
    files = hub.files("org/elmo")
    for path in folder.iterdir():
        assert sha256(files[path.name]) == sha256(path.read_bytes()), path.name
    assert set(files) == {path.name for path in folder.iterdir()} | {".gitattributes"}
    assert hub.files("org/elmo", tag) == files and commit.files.keys() == files.keys()


def nothing_is_broken(hub) -> bool:
    """Either nothing of ours is on main, or all of it."""
    if ("models", "org/elmo") not in hub.repos:
        return True
    names = set(hub.files("org/elmo")) - {".gitattributes"}
    return not names or {"config.json", "model.safetensors", "README.md", "modeling_elmo.py"} <= names


def test_one_commit_holds_everything_and_repeating_makes_no_second(publish, hub, folder, capsys):
    assert publish("--tag", "v1.0") == 0
    check_published(hub, folder)
    out = capsys.readouterr().out
    (commit,) = own_commits(hub)
    assert commit.title.startswith("Publish with hf_elmo")
    assert f'AutoModel.from_pretrained("org/elmo", revision="{commit.oid}", trust_remote_code=True)' in out
    assert publish("--tag", "v1.0") == 0
    check_published(hub, folder)
    printed = capsys.readouterr()
    assert f"was there already, commit {commit.oid}" in printed.out and "nothing to send" in printed.err
    assert len(hub.asked("POST", COMMIT)) == 1


def test_changed_weights_are_sent_and_nothing_else(publish, hub, folder):
    publish()
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, folder / "model.safetensors")
    assert publish("--message", "Add one") == 0
    commit, before = own_commits(hub)
    assert commit.title == "Add one"
    assert hub.files("org/elmo")["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert {name for name, file in commit.files.items() if file != before.files[name]} == {"model.safetensors"}


# What goes wrong, how often, and whether the first run overcomes it.
FAULTS = {
    "commit, 500 before": ("POST", COMMIT, "500", 1, True),
    "commit, 503 always": ("POST", COMMIT, "503", 3, False),
    "commit, 500 after": ("POST", COMMIT, "500-after", 1, True),
    "commit, answer lost": ("POST", COMMIT, "lost", 1, True),
    "commit, cut in the body": ("POST", COMMIT, "cut", 1, True),
    "commit, reset always": ("POST", COMMIT, "reset", 3, False),
    "weights, cut once": ("PUT", r"signature=", "cut", 1, True),
    "weights, cut always": ("PUT", r"signature=", "cut", LOST, False),
    "weights, 500 after": ("PUT", r"signature=", "500-after", 1, True),
    "batch, 500 once": ("POST", r"objects/batch", "500", 1, True),
    "verify, 500 always": ("POST", r"objects/verify", "500", LOST, True),  # the file is there at the second try
    "preupload, 503 once": ("POST", r"/preupload/", "503", 1, True),
    "preupload, 503 always": ("POST", r"/preupload/", "503", LOST, False),
    "card check, 500 always": ("POST", r"validate-yaml", "500", LOST, False),
    "create, 500 before": ("POST", CREATE, "500", 1, False),
    "create, 500 after": ("POST", CREATE, "500-after", 1, True),
    "create, answer lost": ("POST", CREATE, "lost", 1, True),
    "tag, 500 before": ("POST", TAG, "500", 1, True),
    "tag, 500 always": ("POST", TAG, "500", 3, False),
    "tag, 500 after": ("POST", TAG, "500-after", 1, True),
    "tag, answer lost": ("POST", TAG, "lost", 1, True),
    "looking, 500 once": ("GET", REVISION, "500", 1, True),
    "looking, 503 always": ("GET", REVISION, "503", LOST, False),
    "whoami, 500 always": ("GET", r"whoami", "500", LOST, False),
    "whoami, limit of requests": ("GET", r"whoami", "429", LOST, False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_overcome_or_told_and_a_rerun_finishes(name, publish, hub, folder):
    method, pattern, kind, times, overcome = FAULTS[name]
    hub.fault(method, pattern, kind=kind, times=times)
    if overcome:
        assert publish("--tag", "v1.0") == 0
        check_published(hub, folder)
    else:
        with pytest.raises(HubError) as raised:
            publish("--tag", "v1.0")
        line = str(raised.value)
        assert "\n" not in line and "same command again" in line
        assert nothing_is_broken(hub)
        hub.faults.clear()
    assert publish("--tag", "v1.0") == 0
    check_published(hub, folder)


def test_a_commit_whose_fate_cannot_be_seen_is_called_unknown(publish, hub, folder):
    hub.fault("POST", COMMIT, kind="lost")
    # The repository is seen before and after it is made; then no more.
    looks = []
    hub.fault("GET", REVISION, kind="action", action=lambda: looks.append(1), times=2)
    hub.fault("GET", REVISION, kind="500", times=3)
    with pytest.raises(HubError, match="whether the commit was made is not known"):
        publish("--tag", "v1.0")
    assert len(looks) == 2 and len(own_commits(hub)) == 1
    assert publish("--tag", "v1.0") == 0
    check_published(hub, folder)


def test_a_slow_hub_is_waited_for_and_a_silent_one_is_given_up(publish, hub, folder, monkeypatch):
    hub.fault("POST", COMMIT, kind="slow", seconds=0.3)
    assert publish() == 0
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nMore.\n")
    monkeypatch.setattr(hub_errors, "SILENCE_SECONDS", 0.2)
    hub.fault("POST", COMMIT, kind="slow", seconds=1.0, times=3)
    with pytest.raises(HubError, match="did not answer in time: give the same command again"):
        publish("--card", "replace")


def test_a_hub_that_is_down_is_told(publish, hub):
    hub.stop()
    with pytest.raises(HubError, match=r"the connection to http://127.0.0.1:\d+ failed"):
        publish()


def test_tokens_that_do_not_serve(publish, hub):
    expired, reading = hub.add_token("anna", expired=True), hub.add_token("anna", role="read")
    with pytest.raises(HubError, match="does not accept the token .* `hf auth login` replaces it"):
        publish(token=expired)
    with pytest.raises(HubError, match="the token of anna can only read"):
        publish(token=reading)
    with pytest.raises(HubError, match="may not write to org/elmo .* --create-pr"):
        publish(token=hub.add_user("ben"))
    assert not hub.repos


def test_a_token_that_is_withdrawn_on_the_way(publish, hub, folder):
    for status, message in (("401", "does not accept the token"), ("403", "may not write to org/elmo")):
        hub.fault("POST", COMMIT, kind=status)
        with pytest.raises(HubError, match=f"nothing was committed to org/elmo: .*{message}"):
            publish()
    assert publish() == 0
    check_published(hub, folder, tag="main")


@pytest.mark.parametrize(
    ("error", "message", "passing"),
    [
        (json.JSONDecodeError("Expecting value", "<html>", 0), "answered with a page instead of data", True),
        (OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE is set, so the Hub is not asked: unset it", False),
        (LocalTokenNotFoundError("none"), "there is no token: `hf auth login` asks for one, or set HF_TOKEN", False),
        (ConnectionError("HTTP status server error (503 Service Unavailable)"), "failed with status 503", False),
        (TimeoutError(), "did not answer in time: give the same command again", False),
        (FileNotFoundError("gone"), "gone", False),
    ],
)
def test_errors_in_one_line(error, message, passing):
    line = hub_errors.explain(error, "org/elmo", HfApi(endpoint="http://hub"))
    assert message in line and "\n" not in line
    assert hub_errors.may_pass(error) == passing


def test_a_repository_of_others_is_not_written(publish, hub, folder):
    hub.create("org/elmo")
    for token in (hub.add_user("ben"), hub.add_token("anna", only=["org/other"])):
        with pytest.raises(HubError, match="may not write to org/elmo"):
            publish(token=token)
    assert not own_commits(hub)


def test_somebody_elses_commit_in_between_is_noticed_and_kept(publish, hub, folder, capsys):
    publish()
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nMore.\n")
    theirs = {"config.json": b"{}", "notes.txt": b"mine"}
    hub.fault("POST", COMMIT, kind="action", action=lambda: hub.commit("org/elmo", theirs))
    with pytest.raises(HubError, match="somebody else has committed to main of org/elmo in the meantime"):
        publish("--card", "replace")
    assert hub.files("org/elmo")["config.json"] == b"{}"
    capsys.readouterr()
    assert publish("--card", "replace") == 0
    out = capsys.readouterr().out
    assert "left as they are: notes.txt" in out
    (line,) = [line for line in out.splitlines() if line.startswith("config.json")]
    assert line.endswith("replaces another")
    assert hub.files("org/elmo")["notes.txt"] == b"mine"
    assert hub.files("org/elmo")["config.json"] == (folder / "config.json").read_bytes()


def test_somebody_else_fills_the_new_repository_first(publish, hub):
    def fill():
        hub.create("org/elmo")
        hub.commit("org/elmo", {"README.md": b"theirs"})

    hub.fault("POST", CREATE, kind="action", action=fill)
    with pytest.raises(HubError, match="somebody else has just filled org/elmo; nothing was sent"):
        publish()
    assert hub.files("org/elmo")["README.md"] == b"theirs"


def test_a_tag_is_never_moved(publish, hub, folder):
    publish("--tag", "v1.0")
    before = hub.files("org/elmo", "v1.0")
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nMore.\n")
    with pytest.raises(PublishError, match=r"the tag v1.0 of org/elmo exists and stands for other files"):
        publish("--tag", "v1.0", "--card", "replace")
    assert len(own_commits(hub)) == 1
    assert publish("--tag", "v1.1", "--card", "replace") == 0
    assert hub.files("org/elmo", "v1.0") == before != hub.files("org/elmo", "v1.1") == hub.files("org/elmo")


def test_a_tag_of_another_commit_with_these_files_is_named_with_its_own_commit(publish, hub, capsys):
    publish("--tag", "v1.0")
    tagged = hub.commits("org/elmo")[0].oid
    hub.commit("org/elmo", {"notes.txt": b"theirs"})
    capsys.readouterr()
    assert publish("--tag", "v1.0") == 0
    head = hub.commits("org/elmo")[0].oid
    assert f"commit {head}, tag v1.0 at {tagged[:10]}" in capsys.readouterr().out


def test_a_tag_taken_by_somebody_else_meanwhile(publish, hub):
    def take():
        commit = hub.commits("org/elmo")[-1].oid
        HfApi(endpoint=hub.url, token=hub.anna).create_tag("org/elmo", tag="v1.0", revision=commit)

    hub.fault("POST", TAG, kind="action", action=take)
    with pytest.raises(HubError, match="the files are there .* somebody else has just used it"):
        publish("--tag", "v1.0")


def test_private_and_public(publish, hub):
    assert publish("--private") == 0 and hub.repo("org/elmo").private
    hub.repo("org/elmo").private = False
    with pytest.raises(PublishError, match="org/elmo exists and is public, so --private cannot be kept"):
        publish("--private")


def test_a_branch_is_made_from_main(publish, hub, folder):
    assert publish("--revision", "dev") == 0
    assert set(hub.files("org/elmo")) == {".gitattributes"}
    assert hub.files("org/elmo", "dev")["README.md"] == (folder / "README.md").read_bytes()
    assert publish("--revision", "dev") == 0
    assert len(hub.asked("POST", COMMIT)) == 1


@pytest.mark.parametrize("kind", ["500", "500-after", "lost"])
def test_a_pull_request_is_opened_once(kind, publish, hub, folder, capsys):
    hub.create("org/elmo")
    ben = hub.add_user("ben")
    hub.fault("POST", COMMIT, kind=kind)
    assert publish("--create-pr", token=ben) == 0
    first = capsys.readouterr().out
    assert f"proposed in {hub.url}/org/elmo/discussions/1" in first
    assert publish("--create-pr", token=ben) == 0
    assert "discussions/1" in capsys.readouterr().out
    assert set(hub.files("org/elmo")) == {".gitattributes"}
    assert hub.files("org/elmo", "refs/pr/1")["README.md"] == (folder / "README.md").read_bytes()
    assert {request.status for request in hub.asked("GET", r"discussions")} == {200}
    made = [request for request in hub.asked("POST", COMMIT) if request.status == 200]
    assert len(made) == (1 if kind == "500" else 0)


def test_a_pull_request_needs_a_repository(publish, hub):
    with pytest.raises(PublishError, match="does not exist yet, so nothing can be proposed"):
        publish("--create-pr")
    assert not hub.repos


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--create-pr", "--tag", "v1"], "--tag is for what has been merged"),
        (["--create-pr", "--revision", "dev"], "--create-pr proposes a change of main"),
        (["--revision", "../x"], "--revision '../x' is no name of a branch or tag"),
        (["--tag", "a b"], "--tag 'a b' is no name of a branch or tag"),
        (["--tag", "main"], "--tag main is"),
        (["--revision", "a" * 40], "--revision is a commit"),
        (["--message", " "], "--message is empty"),
    ],
)
def test_options_that_cannot_be_meant(words, message, publish, hub):
    with pytest.raises(WrongOptions, match=message):
        publish(*words)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(WrongUse, match=message):
        command.run(parser.parse_args(["folder", "org/elmo", *words]))
    assert not hub.requests


def test_a_slash_behind_the_folder_is_no_other_name(publish, hub, folder):
    assert publish(source=f"{folder}/") == 0


@pytest.mark.parametrize("revision", ["main", "dev"])
def test_a_gitignore_would_leave_files_out(revision, publish, hub):
    hub.create("org/elmo")
    hub.commit("org/elmo", {".gitignore": b"*.safetensors\n"})
    with pytest.raises(PublishError, match="has a .gitignore, by which the Hub would leave files out"):
        publish("--revision", revision)
    assert not hub.asked("POST|PUT|DELETE")


@pytest.mark.parametrize(
    ("stale", "revision"),
    [
        ("model.safetensors", "main"),
        ("model.safetensors", "dev"),
        ("model.safetensors.index.json", "main"),
        ("model-00001-of-00002.safetensors", "main"),
        ("pytorch_model.bin", "main"),
        ("pytorch_model.bin", "dev"),
        ("pytorch_model.bin.index.json", "main"),
        ("lm_head.safetensors", "main"),
        ("adapter_config.json", "main"),
        ("generation_config.json", "main"),
    ],
)
def test_weights_that_would_be_read_beside_the_new_ones_are_refused(stale, revision, publish, hub, folder):
    hub.create("org/elmo")
    hub.commit("org/elmo", {stale: b"of another model", "notes.txt": b"mine"})
    if stale == "model.safetensors":
        (folder / stale).rename(folder / "model-00001-of-00001.safetensors")
        names = load_file(folder / "model-00001-of-00001.safetensors")
        index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "generation_config.json").unlink(missing_ok=True)
    with pytest.raises(PublishError, match=rf"hf repos delete-files org/elmo {re.escape(stale)}") as raised:
        publish("--revision", revision)
    assert "notes.txt" not in str(raised.value) and not hub.asked("POST|PUT|DELETE")
    hub.commit("org/elmo", {stale: None})
    assert publish("--revision", revision) == 0
    assert stale not in hub.files("org/elmo", revision)


def test_what_appears_on_main_before_a_branch_is_made_from_it_is_noticed(publish, hub):
    hub.create("org/elmo")
    theirs = {".gitignore": b"*.safetensors\n"}
    hub.fault("POST", r"/branch/", kind="action", action=lambda: hub.commit("org/elmo", theirs))
    with pytest.raises(PublishError, match="has a .gitignore, by which the Hub would leave files out"):
        publish("--revision", "dev")
    assert "model.safetensors" not in hub.files("org/elmo", "dev")
    assert not hub.asked("POST", COMMIT)


def test_the_test_hub_leaves_out_what_gitignore_names(hub, tmp_path):
    hub.create("org/elmo")
    hub.commit("org/elmo", {".gitignore": b"*.safetensors\n"})
    (tmp_path / "a.safetensors").write_bytes(b"x")
    (tmp_path / "b.txt").write_bytes(b"x")
    HfApi(endpoint=hub.url, token=hub.anna).upload_folder(repo_id="org/elmo", folder_path=tmp_path)
    assert "b.txt" in hub.files("org/elmo") and "a.safetensors" not in hub.files("org/elmo")


def test_a_dry_run_changes_nothing_and_works_without_a_hub(publish, hub, folder, capsys):
    assert publish("--dry-run", "--tag", "v1.0") == 0
    out = capsys.readouterr().out
    for path in folder.iterdir():
        (line,) = [line for line in out.splitlines() if line.split() and line.split()[0] == path.name]
        assert sha256(path.read_bytes()) in line and line.endswith("new")
    assert not hub.repos and not hub.asked("POST|PUT|DELETE")
    assert "org/elmo (is new)" in out and "tag       v1.0" in out and "nothing was sent" in out
    publish()
    capsys.readouterr()
    assert publish("--dry-run", token=False) == 0  # a public repository is seen without a token
    assert "org/elmo (exists, public)" in capsys.readouterr().out
    sent = len(hub.asked("POST|PUT|DELETE"))
    hub.stop()
    assert publish("--dry-run", "--create-pr") == 0
    assert "could not be looked at: the connection" in capsys.readouterr().out
    assert len(hub.asked("POST|PUT|DELETE")) == sent


@pytest.fixture
def with_xet(hub, monkeypatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)


def test_xet_makes_one_commit_as_well(with_xet, publish, hub, folder):
    with XetStorage(hub, [(folder / "model.safetensors").read_bytes()]) as storage:
        hub.fault("POST", COMMIT, kind="500-after")
        assert publish("--tag", "v1.0") == 0
        assert publish("--tag", "v1.0") == 0
    check_published(hub, folder)
    assert any("/xorbs/" in line for line in storage.received)
    assert not hub.asked("POST|PUT", r"/info/lfs/|signature=")


def test_a_hub_without_xet_is_told_where_xet_is_on(with_xet, publish, hub, folder):
    with pytest.raises(HubError, match="nothing was committed to org/elmo: .*HF_HUB_DISABLE_XET=1") as raised:
        publish()
    assert "\n" not in str(raised.value)
    assert nothing_is_broken(hub)
