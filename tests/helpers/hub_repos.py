# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Repositories of the test Hub: commits as whole snapshots, branches, tags, pull requests; all in memory."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

GIT_ATTRIBUTES = "".join(
    f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n"
    for ending in ("7z bin ckpt gz h5 msgpack npy npz onnx pkl pickle pt pth safetensors tar zip").split()
)
LARGE = 10 * 2**20  # a file of this many bytes goes to LFS whatever its name


class Refusal(Exception):
    """An answer that is not 2xx: status, message, the Hub's error code, the commit, and more fields of the body."""

    def __init__(self, status: int, message: str, code: str | None = None, commit: str | None = None, **body):
        super().__init__(message)
        self.status, self.message, self.code, self.commit, self.body = status, message, code, commit, body


@dataclass(frozen=True)
class File:
    """Content of a path in one commit; `lfs` says how it was committed."""

    content: bytes
    lfs: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """What git itself keeps of an LFS file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def blob_id(self) -> str:
        stored = self.pointer if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()

    @property
    def remote_oid(self) -> str:
        """The id a client compares with its own to leave an unchanged file out."""
        return self.sha256 if self.lfs else self.blob_id


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    description: str
    author: str
    files: dict[str, File]
    date: str

    @property
    def contents(self) -> dict[str, bytes]:
        return {path: file.content for path, file in self.files.items()}


@dataclass
class Discussion:
    """A discussion, or a pull request with its branch `refs/pr/N`."""

    number: int
    title: str
    author: str
    description: str
    base: str | None  # commit that a pull request starts from; None: no pull request
    status: str = "open"
    merge_commit: str | None = None
    events: list[dict] = field(default_factory=list)
    created: str = ""

    def add_event(self, kind: str, author: str, data: dict) -> dict:
        event = {"id": f"{self.number}-{len(self.events)}", "type": kind, "createdAt": now(), "data": data}
        self.events.append({**event, "author": {"name": author}})
        return self.events[-1]

    def comment(self, author: str, text: str) -> dict:
        return self.add_event("comment", author, {"edited": False, "hidden": False, "latest": {"raw": text}})


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def goes_to_lfs(path: str, size: int, sample: bytes) -> bool:
    endings = {line.split()[0].removeprefix("*") for line in GIT_ATTRIBUTES.splitlines()}
    return size >= LARGE or b"\0" in sample or "." + path.rpartition(".")[2] in endings


class HubRepo:
    """One repository with `main`; the caller holds a lock around every call."""

    def __init__(self, name: str, author: str, private: bool = False):
        self.name, self.private = name, private
        self.commits: dict[str, Commit] = {}
        self.heads: dict[str, str] = {}  # full reference -> commit
        self.tags: dict[str, str] = {}
        self.discussions: list[Discussion] = []
        attributes = {".gitattributes": File(GIT_ATTRIBUTES.encode())}
        self.write("refs/heads/main", None, attributes, "initial commit", "", author)

    def reference_of(self, revision: str) -> str | None:
        """The branch or pull request that `revision` names and that commits can go to."""
        names = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}"]
        return next((name for name in names if name in self.heads), None)

    def resolve(self, revision: str) -> Commit:
        """The commit of a branch, tag, `refs/...` name or commit id (whole, or seven digits and more)."""
        oid = self.heads.get(self.reference_of(revision) or "") or self.tags.get(revision.removeprefix("refs/tags/"))
        if oid is None and len(revision) >= 7:
            found = [known for known in self.commits if known.startswith(revision)]
            oid = found[0] if len(found) == 1 else None
        if oid is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def file(self, revision: str, path: str) -> tuple[Commit, File]:
        commit = self.resolve(revision)
        if path not in commit.files:
            # Named with the commit, so that clients remember that it has no such file.
            raise Refusal(404, "Entry not found", "EntryNotFound", commit.oid)
        return commit, commit.files[path]

    def history(self, revision: str = "main") -> list[Commit]:
        """Newest first, as `git log`."""
        commit: Commit | None = self.resolve(revision)
        found = []
        while commit is not None:
            found.append(commit)
            commit = self.commits[commit.parent] if commit.parent else None
        return found

    def write(
        self, reference: str, parent: str | None, files: dict[str, File], title: str, description: str, author: str
    ) -> Commit:
        """Make a commit and let `reference` point to it."""
        names = {path: file.blob_id for path, file in sorted(files.items())}
        told = json.dumps([len(self.commits), parent, title, description, author, names])
        oid = hashlib.sha1(f"{self.name}{told}".encode()).hexdigest()
        commit = Commit(oid, parent, title, description, author, dict(sorted(files.items())), now())
        self.commits[oid] = commit
        self.heads[reference] = oid
        return commit

    def open(self, title: str, author: str, description: str, base: str | None) -> Discussion:
        discussion = Discussion(len(self.discussions) + 1, title, author, description, base, created=now())
        discussion.comment(author, description)
        self.discussions.append(discussion)
        if base is not None:
            self.heads[f"refs/pr/{discussion.number}"] = base
        return discussion

    def merge(self, discussion: Discussion, author: str) -> Commit:
        """Put the changes of a pull request on top of main; files changed on both sides are refused."""
        main = self.resolve("main")
        base = self.commits[discussion.base].files
        theirs = self.resolve(f"refs/pr/{discussion.number}").files
        changed = {path for path in {*base, *theirs} if base.get(path) != theirs.get(path)}
        if any(base.get(path) != main.files.get(path) for path in changed):
            raise Refusal(409, "This pull request has conflicts with main.")
        merged = {path: file for path, file in main.files.items() if path not in changed}
        merged |= {path: theirs[path] for path in changed if path in theirs}
        title = f"{discussion.title} (#{discussion.number})"
        commit = self.write("refs/heads/main", main.oid, merged, title, "", author)
        discussion.status, discussion.merge_commit = "merged", commit.oid
        return commit


def apply(files: dict[str, File], lines: list[dict], lfs_store: dict[str, bytes]) -> dict[str, File]:
    """The snapshot after the operations of a commit request; a refusal names the path."""
    result = dict(files)
    for line in lines:
        kind, value = line["key"], line["value"]
        path = value["path"]
        if path.startswith("/") or {"", ".", "..", ".git"} & set(path.rstrip("/").split("/")):
            raise Refusal(400, f'Invalid path in repo: "{path}"')
        if kind == "file":
            content = base64.b64decode(value["content"], validate=True)
            if len(content) >= LARGE:
                raise Refusal(400, f"Your push was rejected because {path} is larger than 10 MiB: use git-lfs")
            result[path] = File(content)
        elif kind == "lfsFile":
            if value["oid"] not in lfs_store:
                raise Refusal(400, f"LFS pointer pointed to a file that does not exist: {path}")
            result[path] = File(lfs_store[value["oid"]], lfs=True)
        elif kind == "deletedFile":
            if path not in result:
                raise Refusal(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            del result[path]
        elif kind == "deletedFolder":
            result = {name: file for name, file in result.items() if not name.startswith(path.rstrip("/") + "/")}
        else:
            raise Refusal(400, f"Unknown operation: {kind}")
    return result
