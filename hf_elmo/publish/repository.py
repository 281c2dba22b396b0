# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a repository on the Hub holds, compared with what is to be sent; nothing is changed here."""

import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import HFValidationError, validate_repo_id

from hf_elmo.publish.errors import HubError, PublishError, WrongOptions
from hf_elmo.publish.hub_errors import explain, patiently
from hf_elmo.publish.staging import FileFacts

CARD, CARDS = "README.md", r"README(_[a-z]{2})?\.md"
NEW, CHANGED, SAME = "new", "replaces another", "there already"
# Files that transformers reads, or prefers to others, when a model is loaded; those of another model would be mixed in.
READ_WHEN_LOADING = (
    r"model.*\.safetensors|model\.safetensors\.index\.json|pytorch_model.*\.bin.*|lm_head\.safetensors"
    r"|adapter_config\.json|generation_config\.json"
)
_BRANCH = r"[A-Za-z0-9_](?:[\w./-]*[\w-])?"


class RemoteFile(NamedTuple):
    """A file of a repository: the hash of its content is `sha256` if it is a large one, else `git_sha1`."""

    size: int | None
    git_sha1: str | None
    sha256: str | None


@dataclass(frozen=True)
class State:
    """A repository at one moment; `head` is None where the revision does not exist yet."""

    exists: bool = False
    private: bool | None = None
    head: str | None = None
    files: dict[str, RemoteFile] = field(default_factory=dict)
    of_main: bool = False  # not of the revision asked for, which will be made from main

    def of(self, local: FileFacts) -> str:
        """NEW, CHANGED or SAME: how a local file stands to the repository."""
        remote = self.files.get(local.name)
        if remote is None:
            return NEW
        if remote.sha256 is not None:
            return SAME if remote.sha256 == local.sha256 else CHANGED
        return SAME if remote.git_sha1 == local.git_sha1 else CHANGED

    def to_send(self, facts: Sequence[FileFacts]) -> list[FileFacts]:
        """The local files that the repository lacks or has otherwise."""
        return [local for local in facts if self.of(local) != SAME]

    def others(self, facts: Sequence[FileFacts]) -> list[str]:
        """Files that only the repository has; publishing leaves them there."""
        return sorted(set(self.files) - {local.name for local in facts} - {".gitattributes"})


@dataclass(frozen=True)
class Order:
    """What is asked for: where to, under which conditions, with which words."""

    repo_id: str
    message: str
    revision: str = "main"
    private: bool = False
    create_pr: bool = False
    tag: str | None = None

    def check(self) -> None:
        """Refuse, before anything is done, what cannot be meant.

        Raises:
            WrongOptions: a name that the Hub does not allow, or options that exclude each other.
        """
        if "/" not in self.repo_id:
            raise WrongOptions(f"{self.repo_id!r} is no ORG/NAME: say whose repository it is, as in me/{self.repo_id}")
        try:
            validate_repo_id(self.repo_id)
        except HFValidationError as error:
            raise WrongOptions(f"{self.repo_id!r} is no ORG/NAME: {' '.join(str(error).split())}") from error
        for option, value in (("--revision", self.revision), ("--tag", self.tag)):
            if value is not None and (not re.fullmatch(_BRANCH, value) or ".." in value or "//" in value):
                raise WrongOptions(f"{option} {value!r} is no name of a branch or tag")
        if re.fullmatch("[0-9a-f]{40}", self.revision):
            raise WrongOptions("--revision is a commit, on which nothing can be put: give a branch")
        if self.tag in ("main", self.revision):
            raise WrongOptions(f"--tag {self.tag} is the name of a branch: choose another, as in v1.0")
        if self.create_pr and self.tag is not None:
            raise WrongOptions(
                "--tag is for what has been merged: leave it out with --create-pr, and tag after the merge"
            )
        if self.create_pr and self.revision != "main":
            raise WrongOptions("--create-pr proposes a change of main: leave --revision out")
        if not self.message.strip():
            raise WrongOptions("--message is empty")


def look(api: HfApi, repo_id: str, revision: str) -> State:
    """The state of a repository at a branch, tag or commit.

    Raises:
        HubError: the Hub cannot be asked.
    """
    try:
        try:
            info = patiently(lambda: api.model_info(repo_id, revision=revision, files_metadata=True))
        except RevisionNotFoundError:
            return State(exists=True, private=patiently(lambda: api.model_info(repo_id)).private)
        except RepositoryNotFoundError:
            return State()
    except Exception as error:
        raise HubError(explain(error, repo_id, api)) from error
    files = {
        sibling.rfilename: RemoteFile(sibling.size, sibling.blob_id, sibling.lfs.sha256 if sibling.lfs else None)
        for sibling in info.siblings or []
    }
    return State(exists=True, private=info.private, head=info.sha, files=files)


def look_where_it_goes(api: HfApi, order: Order, state: State) -> State:
    """What the commit will be put on: the branch, or main where the branch will be made from it.

    Raises:
        HubError: the Hub cannot be asked.
    """
    if not state.exists or state.head is not None:
        return state
    return replace(look(api, order.repo_id, "main"), of_main=True)


def who_am_i(api: HfApi, repo_id: str) -> str:
    """Name of the user whose token is used.

    Raises:
        HubError: there is no token, or it is not accepted; or it can only read.
    """
    try:
        found = patiently(api.whoami)
    except Exception as error:
        raise HubError(explain(error, repo_id, api)) from error
    role = ((found.get("auth") or {}).get("accessToken") or {}).get("role")
    if role == "read":
        raise HubError(
            f"the token of {found['name']} can only read: take one with the role `write` (`hf auth login`, or HF_TOKEN)"
        )
    return found["name"]


def check_state(order: Order, state: State, facts: Sequence[FileFacts]) -> None:
    """Refuse a repository whose state would spoil what is asked for.

    Raises:
        PublishError: a private model would become public, files would be left out or old weights be read beside the new
            ones, a pull request has no target.
    """
    if order.private and state.private is False:
        raise PublishError(
            f"{order.repo_id} exists and is public, so --private cannot be kept: make it private first "
            f"(hf repos settings {order.repo_id} --private), or leave --private out"
        )
    if ".gitignore" in state.files:
        raise PublishError(
            f"{order.repo_id} has a .gitignore, by which the Hub would leave files out of the commit: delete it first "
            f"(hf repos delete-files {order.repo_id} .gitignore)"
        )
    if order.create_pr and state.head is None:
        raise PublishError(f"{order.repo_id} does not exist yet, so nothing can be proposed: leave --create-pr out")
    if stale := [name for name in state.others(facts) if re.fullmatch(READ_WHEN_LOADING, name)]:
        branch = "" if order.revision == "main" or state.of_main else f" --revision {shlex.quote(order.revision)}"
        raise PublishError(
            f"{order.repo_id} has {', '.join(stale)}, which would be read when the model is loaded and are not in the "
            f"folder: delete them first (hf repos delete-files {order.repo_id} {shlex.join(stale)}{branch})"
        )
    folders = {name.rsplit("/", 1)[0] for name in state.files if "/" in name}
    if clash := sorted(folders & {local.name for local in facts}):
        raise PublishError(f"{order.repo_id} has a folder {clash[0]}, where a file of that name is to be sent")


def state_of_tag(api: HfApi, order: Order) -> State | None:
    """What stands under the tag, None if there is no such tag yet.

    Raises:
        PublishError: it is the name of a branch.
        HubError: the Hub cannot be asked.
    """
    if order.tag is None:
        return None
    try:
        refs = patiently(lambda: api.list_repo_refs(order.repo_id))
    except RepositoryNotFoundError:
        return None
    except Exception as error:
        raise HubError(explain(error, order.repo_id, api)) from error
    if order.tag in {branch.name for branch in refs.branches}:
        raise PublishError(f"--tag {order.tag} is a branch of {order.repo_id}: choose another name")
    return look(api, order.repo_id, order.tag) if order.tag in {tag.name for tag in refs.tags} else None


def read_cards(api: HfApi, repo_id: str, state: State, facts: Sequence[FileFacts]) -> dict[str, str]:
    """Texts, by name, of the repository's cards that differ from those in the folder.

    Raises:
        HubError: one cannot be fetched.
    """
    found = {}
    for local in facts:
        if not re.fullmatch(CARDS, local.name) or state.of(local) != CHANGED:
            continue
        with tempfile.TemporaryDirectory(prefix="hf-elmo-card-") as cache:
            download = partial(api.hf_hub_download, repo_id, local.name, revision=state.head, cache_dir=cache)
            try:
                found[local.name] = Path(patiently(download)).read_bytes().decode("utf-8")
            except Exception as error:
                raise HubError(f"{local.name} of {repo_id} cannot be read: {explain(error, repo_id, api)}") from error
    return found
