# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The test Hub against huggingface_hub's own client: what it keeps, refuses, and how it fails on request."""

import hashlib
import json
import os
import time

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard, hf_hub_download
from huggingface_hub import snapshot_download as download_all
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

CARD = b"---\nlicense: apache-2.0\nlanguage: en\n---\n# Model\n"
WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def api(online):
    return HfApi(endpoint=online.url, token=online.anna)


@pytest.fixture
def others_api(online):
    return HfApi(endpoint=online.url, token=online.ben)


def add(path: str, content: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path_in_repo=path, path_or_fileobj=content)


def push(api: HfApi, name: str = "org/model", **changes):
    api.create_repo(name, exist_ok=True)
    files = [add("README.md", CARD), add("model.safetensors", WEIGHTS), add("sub/notes.txt", b"notes\n")]
    return api.create_commit(name, files, commit_message="Upload", **changes)


def test_who_and_creating(hub, api, others_api):
    told = api.whoami()
    assert (told["name"], [org["name"] for org in told["orgs"]]) == ("anna", ["org"])
    assert api.create_repo("org/model").repo_id == api.create_repo("org/model", exist_ok=True).repo_id == "org/model"
    assert api.create_repo("mine").repo_id == "anna/mine"
    with pytest.raises(HfHubHTTPError, match="409.*\n*.*already created"):
        api.create_repo("org/model")
    with pytest.raises(HfHubHTTPError, match="don't have the rights to create a model under the namespace"):
        others_api.create_repo("org/other")
    # As the client has it: no right to create, but the repository is there.
    assert others_api.create_repo("org/model", exist_ok=True).repo_id == "org/model"
    api.delete_repo("anna/mine")
    assert api.repo_exists("org/model") and not api.repo_exists("anna/mine")


def test_a_commit_and_what_can_be_read_of_it(hub, api, tmp_path):
    commit = push(api)
    assert hub.files("org/model")["model.safetensors"] == WEIGHTS
    assert [made.title for made in hub.commits("org/model")] == ["Upload", "initial commit"]
    info = api.model_info("org/model", files_metadata=True)
    assert (info.sha, info.card_data.license) == (commit.oid, "apache-2.0")
    sizes = {file.rfilename: (file.size, file.lfs and file.lfs.sha256) for file in info.siblings}
    assert sizes["model.safetensors"] == (len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())
    assert sizes["README.md"] == (len(CARD), None)
    assert api.list_repo_files("org/model") == [".gitattributes", "README.md", "model.safetensors", "sub/notes.txt"]
    (row,) = api.get_paths_info("org/model", ["README.md", "absent"])
    assert row.blob_id == hashlib.sha1(b"blob %d\0" % len(CARD) + CARD).hexdigest()
    assert [made.title for made in api.list_repo_commits("org/model")] == ["Upload", "initial commit"]
    for path, content in (("model.safetensors", WEIGHTS), ("sub/notes.txt", b"notes\n")):
        place = hf_hub_download("org/model", path, cache_dir=tmp_path, endpoint=hub.url)
        assert open(place, "rb").read() == content and commit.oid in place
    folder = download_all("org/model", cache_dir=tmp_path / "all", endpoint=hub.url)
    assert sorted(os.listdir(folder)) == [".gitattributes", "README.md", "model.safetensors", "sub"]
    # Large files go to and come from the storage port, without the token.
    assert {request.method for request in hub.asked() if request.storage} == {"PUT", "GET"}
    assert all(request.user is None for request in hub.asked() if request.storage)


def test_trees_by_level_and_page(hub, api):
    push(api)
    top = {entry.path: type(entry).__name__ for entry in api.list_repo_tree("org/model")}
    assert top["sub"] == "RepoFolder" and top["README.md"] == "RepoFile" and "sub/notes.txt" not in top
    assert [entry.path for entry in api.list_repo_tree("org/model", "sub")] == ["sub/notes.txt"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("org/model", "absent"))
    hub.page_size = 2
    assert len(list(api.list_repo_tree("org/model", recursive=True))) == 5
    assert len(hub.asked("GET", r"/tree/main\?.*recursive=true.*cursor")) == 2


def test_revisions(hub, api, tmp_path):
    first = push(api)
    api.create_tag("org/model", tag="v1.0")
    api.create_branch("org/model", branch="next")
    api.create_commit("org/model", [add("new.txt", b"2")], commit_message="Next", revision="next")
    second = api.create_commit(
        "org/model", [add("new.txt", b"3"), CommitOperationDelete("sub/")], commit_message="Third"
    )
    for revision, expected in (("v1.0", None), (first.oid, None), ("next", b"2"), ("main", b"3"), (second.oid, b"3")):
        assert hub.files("org/model", revision).get("new.txt") == expected
        assert api.file_exists("org/model", "new.txt", revision=revision) == (expected is not None)
    assert "sub/notes.txt" not in hub.files("org/model") and "sub/notes.txt" in hub.files("org/model", "v1.0")
    refs = api.list_repo_refs("org/model")
    assert [ref.name for ref in refs.branches] == ["main", "next"]
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1.0", first.oid)]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_tag("org/model", tag="v1.0")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("org/model", revision="v2.0")
    with pytest.raises(RevisionNotFoundError):  # a tag does not move
        api.create_commit("org/model", [add("x", b"x")], commit_message="x", revision="v1.0")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("org/model", "absent", cache_dir=tmp_path, endpoint=hub.url)
    api.delete_tag("org/model", tag="v1.0")
    api.delete_branch("org/model", branch="next")
    assert not api.list_repo_refs("org/model").tags


def test_unchanged_files_make_no_commit(hub, api):
    first = push(api)
    assert push(api).oid == first.oid
    assert len(hub.asked("POST", "/commit/")) == 1 and len(hub.commits("org/model")) == 2


def test_a_parent_that_is_no_longer_the_head(hub, api):
    first = push(api)
    other = hub.commit("org/model", {"other.txt": b"other"})
    with pytest.raises(HfHubHTTPError, match="412.*\n*.*A commit has happened since"):
        api.create_commit("org/model", [add("x", b"x")], commit_message="x", parent_commit=first.oid)
    api.create_commit("org/model", [add("x", b"x")], commit_message="x", parent_commit=other.oid)
    assert {"x", "other.txt"} <= set(hub.files("org/model"))


def test_pull_requests(hub, api, others_api):
    push(api)
    with pytest.raises(HfHubHTTPError, match="create_pr=1"):
        push(others_api)
    changed = [add("config.json", b"{}"), add("more.safetensors", WEIGHTS[::-1])]
    proposed = others_api.create_commit("org/model", changed, commit_message="Propose", create_pr=True)
    assert proposed.pr_revision == "refs/pr/1" and "config.json" not in hub.files("org/model")
    assert hub.files("org/model", "refs/pr/1")["more.safetensors"] == WEIGHTS[::-1]
    assert [ref.ref for ref in api.list_repo_refs("org/model", include_pull_requests=True).pull_requests] == [
        "refs/pr/1"
    ]
    with pytest.raises(HfHubHTTPError, match="403"):
        others_api.merge_pull_request("org/model", 1)
    api.merge_pull_request("org/model", 1)
    assert hub.files("org/model")["config.json"] == b"{}"
    assert api.get_discussion_details("org/model", 1).status == "merged"
    draft = api.create_pull_request("org/model", "Draft of mine")
    assert (draft.status, draft.num) == ("draft", 2)
    api.create_commit("org/model", [add("a", b"a")], commit_message="In it", revision="refs/pr/2")
    assert api.change_discussion_status("org/model", 2, "open").new_status == "open"
    hub.commit("org/model", {"a": b"b"})
    with pytest.raises(HfHubHTTPError, match="conflicts"):
        api.merge_pull_request("org/model", 2)


def test_private_repositories_and_bad_tokens(hub, api, others_api):
    api.create_repo("org/secret", private=True)
    assert api.model_info("org/secret").private
    for stranger in (others_api, HfApi(endpoint=hub.url, token=False)):
        with pytest.raises(RepositoryNotFoundError):
            stranger.model_info("org/secret")
    expired = HfApi(endpoint=hub.url, token=hub.add_token("anna", expired=True))
    with pytest.raises(HfHubHTTPError, match="is expired"):
        expired.model_info("org/secret")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=hub.url, token="hf_nobody").whoami()
    readonly = HfApi(endpoint=hub.url, token=hub.add_token("anna", role="read"))
    with pytest.raises(HfHubHTTPError, match="write token"):
        readonly.create_commit("org/secret", [add("x", b"x")], commit_message="x")
    narrow = HfApi(endpoint=hub.url, token=hub.add_token("anna", only=["org/secret"]))
    narrow.create_commit("org/secret", [add("x", b"x")], commit_message="x")
    with pytest.raises(HfHubHTTPError, match="403"):
        narrow.create_repo("org/another")


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("license: my-own", '"license" must be one of'),
        ("language: english", "ISO 639"),
        ("language: [en, EN]", '"language" with value "EN"'),
        ("widget: {text: x}", '"widget" must be an array'),
        ("datasets: [./corpus]", '"datasets" with value "./corpus"'),
        ("base_model: /home/me/model", '"base_model" with value'),
        ("tags: elmo", '"tags" must be an array'),
        (
            "model-index: [{name: m, results: [{task: {type: t}, dataset: {type: d, name: d, config: 2003},"
            " metrics: [{type: f1, value: 1}]}]}]",
            "dataset.config",
        ),
        ("a: [", "cannot be parsed"),
    ],
)
def test_cards_the_hub_refuses(api, hub, metadata, told):
    api.create_repo("org/model")
    bad = f"---\n{metadata}\n---\n# Model\n"
    with pytest.raises(ValueError, match="Invalid metadata in README.md") as refused:
        api.create_commit("org/model", [add("README.md", bad.encode())], commit_message="card")
    assert told in str(refused.value)
    assert len(hub.commits("org/model")) == 1


def test_cards_the_hub_takes(api):
    api.create_repo("org/model")
    good = (
        b"---\nlicense: other\nlicense_name: my-own\nlanguage: [no, zh, multilingual]\ndatasets: [squad, a/b]\n---\n"
    )
    api.create_commit("org/model", [add("README.md", good)], commit_message="card")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.create_commit("org/model", [add("README.md", b"# Model\n")], commit_message="card")


def test_model_cards_ask_the_same_check(online):
    ModelCard(CARD.decode()).validate()
    with pytest.raises(ValueError, match="ISO 639"):
        ModelCard("---\nlanguage: english\n---\n").validate()


def test_large_files_in_parts(hub, api, tmp_path):
    hub.part_size = 3000
    push(api)
    assert hub.files("org/model")["model.safetensors"] == WEIGHTS
    assert len([request for request in hub.asked("PUT") if request.storage]) == 4


def test_operations_that_are_refused(hub, api):
    push(api)
    for path in ("/x", "a/../../x", ".git/config"):
        lines = [
            {"key": "header", "value": {"summary": "x"}},
            {"key": "file", "value": {"path": path, "content": "", "encoding": "base64"}},
        ]
        answer = httpx2.post(
            f"{hub.url}/api/models/org/model/commit/main",
            content="\n".join(map(json.dumps, lines)),
            headers={"Authorization": f"Bearer {hub.anna}"},
        )
        assert answer.status_code == 400 and "Invalid path" in answer.text, path
    with pytest.raises(EntryNotFoundError):
        api.create_commit("org/model", [CommitOperationDelete("absent")], commit_message="x")
    assert len(hub.commits("org/model")) == 2


class TestFaults:
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch):
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)

    @pytest.mark.parametrize(
        ("kind", "commits"), [("503", 1), ("500-after", 2), ("lost", 2), ("cut", 1), ("reset", 1)]
    )
    def test_at_the_commit(self, hub, api, kind, commits):
        """The client does not repeat a commit; doing it all again ends in exactly one."""
        hub.fault("POST", "/commit/main", kind=kind)
        with pytest.raises((HfHubHTTPError, httpx2.TransportError)):
            push(api)
        assert len(hub.commits("org/model")) == commits
        push(api)
        assert len(hub.commits("org/model")) == 2 and hub.files("org/model")["model.safetensors"] == WEIGHTS

    @pytest.mark.parametrize("kind", ["500", "500-after", "lost", "cut", "reset"])
    def test_in_the_upload_of_a_large_file(self, hub, api, kind):
        hub.fault("PUT", r"^/[0-9a-f]{64}", kind=kind, times=2)
        push(api)  # the client repeats this one
        assert hub.files("org/model")["model.safetensors"] == WEIGHTS
        assert len(hub.asked("PUT")) == 3

    def test_in_a_download(self, hub, api, tmp_path):
        push(api)
        hub.fault("GET", r"^/[0-9a-f]{64}", kind="cut")
        place = hf_hub_download("org/model", "model.safetensors", cache_dir=tmp_path, endpoint=hub.url)
        assert open(place, "rb").read() == WEIGHTS
        assert len([request for request in hub.asked("GET") if request.storage]) == 2

    def test_slowness_and_somebody_in_between(self, hub, api):
        hub.fault("POST", "/repos/create", kind="slow", seconds=0.2)
        start = time.monotonic()
        api.create_repo("org/model")
        assert time.monotonic() - start >= 0.2
        hub.fault("POST", "/commit/", kind="action", action=lambda: hub.commit("org/model", {"other": b"1"}))
        push(api)
        assert {"other", "README.md"} <= set(hub.files("org/model"))

    def test_a_hub_that_is_down_and_comes_back(self, hub, api):
        push(api)
        port = hub.port
        hub.stop()
        with pytest.raises(httpx2.ConnectError):
            api.model_info("org/model")
        hub.start(port)
        assert api.model_info("org/model").sha == hub.commits("org/model")[0].oid

    def test_an_unknown_kind(self, hub):
        with pytest.raises(ValueError, match="unknown kind of fault: 50"):
            hub.fault(kind="50")
