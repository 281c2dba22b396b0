# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the test Hub answers to each request of huggingface_hub, and its storage of large files."""

import base64
import hashlib
import json
import re
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, quote

import yaml
from hub_cards import check_card, metadata_of
from hub_discussions import DiscussionRoutes, hub_routes
from hub_http import Answer, Connection, Routes
from hub_repos import Commit, File, HubRepo, Refusal, apply, goes_to_lfs

storage_routes = Routes()
API = r"/api/(models|datasets|spaces)/([^/]+/[^/]+)"
GIT = r"/(?:(datasets|spaces)/)?([^/]+/[^/]+?)(?:\.git)?"


class HubHandler(DiscussionRoutes, Connection):
    routes = hub_routes

    def check_token(self, bearer):
        if bearer and self.token is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if self.token and self.token.expired:
            raise Refusal(401, 'User Access Token "token" is expired')

    # Users and repositories

    @hub_routes.add("GET", r"/api/agent-harnesses")
    def agent_harnesses(self) -> Answer:
        return Answer.json({})

    @hub_routes.add("GET", r"/api/whoami-v2")
    def whoami(self) -> Answer:
        if self.token is None:
            raise Refusal(401, "Invalid username or password.")
        user = self.token.user
        orgs = [{"type": "org", "name": name, "fullname": name, "roleInOrg": "write"} for name in user.orgs]
        role = "fineGrained" if self.token.only else self.token.role
        access = {"displayName": "token", "role": role, "createdAt": "2026-01-01T00:00:00.000Z"}
        names = {"type": "user", "name": user.name, "fullname": user.name}
        return Answer.json({**names, "orgs": orgs, "auth": {"type": "access_token", "accessToken": access}})

    @hub_routes.add("POST", r"/api/repos/create")
    def create(self) -> Answer:
        wanted = json.loads(self.body)
        owner = wanted.get("organization") or (self.token.user.name if self.token else "")
        name, kind = f"{owner}/{wanted['name']}", f"{wanted.get('type') or 'model'}s"
        if not re.fullmatch(r"[\w.-]{1,96}", wanted["name"]):
            raise Refusal(400, f"Invalid name: {wanted['name']}")
        if self.token is None:
            raise Refusal(401, "Invalid username or password.")
        if not self.may_write(name):
            raise Refusal(403, f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{owner}"')
        address = {"url": f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{name}", "name": name}
        if (kind, name) in self.hub.repos:
            raise Refusal(409, f"You already created this {kind[:-1]} repo", **address)
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.hub.repos[kind, name] = HubRepo(name, self.token.user.name, private)
        return Answer.json({**address, "id": name})

    @hub_routes.add("DELETE", r"/api/repos/delete")
    def delete(self) -> Answer:
        wanted = json.loads(self.body)
        kind = f"{wanted.get('type') or 'model'}s"
        name = f"{wanted.get('organization') or (self.token.user.name if self.token else '')}/{wanted['name']}"
        self.repo_of(kind, name, "write")
        del self.hub.repos[kind, name]
        return Answer.json({})

    @hub_routes.add("GET", API + r"/auth-check(/write)?")
    def auth_check(self, kind, name, write) -> Answer:
        self.repo_of(kind, name, "write" if write else "read")
        return Answer.json({})

    @hub_routes.add("POST", r"/api/validate-yaml")
    def validate_yaml(self) -> Answer:
        errors, warnings = check_card(json.loads(self.body)["content"])
        told = {"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}
        return Answer.json(told, 400 if errors else 200)

    # What a repository holds

    @hub_routes.add("GET", API + r"(?:/revision/([^/]+))?")
    def info(self, kind, name, revision) -> Answer:
        repo = self.repo_of(kind, name)
        commit = repo.resolve(revision or "main")
        card = commit.files.get("README.md", File(b"")).content.decode(errors="replace")
        try:
            data = metadata_of(card) or {}
        except yaml.YAMLError:
            data = {}
        config = json.loads(commit.files.get("config.json", File(b"{}")).content)
        tags = [*data.get("tags", []), *(["custom_code"] if "auto_map" in config else [])]
        siblings = [
            {"rfilename": path, **(_blob(file) if "blobs" in self.query else {})}
            for path, file in commit.files.items()
        ]
        told = {
            "sha": commit.oid,
            "author": name.partition("/")[0],
            "private": repo.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": tags,
            "lastModified": commit.date,
            "createdAt": repo.history()[-1].date,
            "siblings": siblings,
            "cardData": data,
            "config": config,
            **{key: data[key] for key in ("library_name", "pipeline_tag") if key in data},
        }
        chosen = self.query.get("expand", []) + self.query.get("expand[]", [])
        if chosen:
            told = {key: value for key, value in told.items() if key in chosen}
        return Answer.json({"_id": name, "id": name, "modelId": name, **told}, **{"X-Repo-Commit": commit.oid})

    @hub_routes.add("GET", API + r"/tree/([^/]+)(?:/(.+))?")
    def tree(self, kind, name, revision, folder) -> Answer:
        commit = self.repo_of(kind, name).resolve(revision)
        under = f"{folder.rstrip('/')}/" if folder else ""
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1", "")
        rows = {}
        for path, file in commit.files.items():
            if not path.startswith(under):
                continue
            parts = path.removeprefix(under).split("/")
            for depth in range(1, len(parts) if deep else min(len(parts), 2)):
                above = under + "/".join(parts[:depth])
                rows[above] = {
                    "type": "directory",
                    "oid": hashlib.sha1(above.encode()).hexdigest(),
                    "size": 0,
                    "path": above,
                }
            if deep or len(parts) == 1:
                rows[path] = _row(path, file)
        if under and not rows:
            raise Refusal(404, f"{folder} does not exist on revision {revision}", "EntryNotFound")
        listed = list(rows.values())
        start = int(self.query.get("cursor", ["0"])[0])
        page = listed[start : start + self.hub.page_size]
        more = {}
        if start + self.hub.page_size < len(listed):
            bare = re.sub(r"[?&]cursor=\d+", "", self.path)
            joint = "&" if "?" in bare else "?"
            more["Link"] = f'<{self.hub.url}{bare}{joint}cursor={start + self.hub.page_size}>; rel="next"'
        return Answer.json(page, **more)

    @hub_routes.add("POST", API + r"/paths-info/([^/]+)")
    def paths_info(self, kind, name, revision) -> Answer:
        commit = self.repo_of(kind, name).resolve(revision)
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode()).get("paths", [])
        return Answer.json([_row(path, commit.files[path]) for path in paths if path in commit.files])

    @hub_routes.add("GET", API + r"/commits/([^/]+)")
    def commits(self, kind, name, revision) -> Answer:
        rows = self.repo_of(kind, name).history(revision)
        return Answer.json(
            [
                {
                    "id": c.oid,
                    "title": c.title,
                    "message": c.description,
                    "date": c.date,
                    "authors": [{"user": c.author}],
                }
                for c in rows
            ]
        )

    @hub_routes.add("GET HEAD", GIT + r"/resolve/([^/]+)/(.+)")
    def resolve(self, prefix, name, revision, path) -> Answer:
        commit, file = self.repo_of(prefix or "models", name).file(revision, path)
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.blob_id}"', "Accept-Ranges": "bytes"}
        if not file.lfs:
            return Answer(file.content, headers={**headers, "Content-Type": "text/plain; charset=utf-8"})
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        headers["Location"] = self.signed(f"/{file.sha256}")
        return Answer(b"", 302, headers)

    # Commits

    @hub_routes.add("POST", API + r"/preupload/([^/]+)")
    def preupload(self, kind, name, revision) -> Answer:
        commit = self.repo_of(kind, name, self.needed()).resolve(revision)
        rows = []
        for wanted in json.loads(self.body)["files"]:
            sample = base64.b64decode(wanted["sample"])
            lfs = goes_to_lfs(wanted["path"], wanted["size"], sample)
            row = {
                "path": wanted["path"],
                "uploadMode": "lfs" if lfs else "regular",
                "shouldIgnore": _is_ignored(commit, wanted["path"]),
            }
            known = commit.files.get(wanted["path"])
            rows.append(row | ({"oid": known.remote_oid} if known else {}))
        return Answer.json({"files": rows, "commitOid": commit.oid})

    @hub_routes.add("POST", GIT + r"/info/lfs/objects/batch")
    def lfs_batch(self, prefix, name) -> Answer:
        # A pull request brings no `ref`, and may come from somebody who cannot write.
        asked = json.loads(self.body)
        self.repo_of(prefix or "models", name, "write" if "ref" in asked else "propose")
        objects = []
        for wanted in asked["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            row = {"oid": oid, "size": size, "authenticated": True}
            if oid not in self.hub.lfs_store:
                verify = {"href": f"{self.hub.url}/{name}.git/info/lfs/objects/verify"}
                upload = {"href": self.signed(f"/{oid}")}
                part = self.hub.part_size
                if part and size > part and "multipart" in asked["transfers"]:
                    numbers = range(1, -(-size // part) + 1)
                    parts = {f"{number:05d}": self.signed(f"/{oid}/{number}") for number in numbers}
                    upload["header"] = {"chunk_size": str(part), **parts}
                row["actions"] = {"upload": upload, "verify": verify}
            objects.append(row)
        return Answer.json({"transfer": "basic", "objects": objects})

    @hub_routes.add("POST", GIT + r"/info/lfs/objects/verify")
    def lfs_verify(self, prefix, name) -> Answer:
        self.repo_of(prefix or "models", name, "propose")
        wanted = json.loads(self.body)
        if len(self.hub.lfs_store.get(wanted["oid"], b"")) != wanted["size"]:
            raise Refusal(404, f"Object {wanted['oid']} was not uploaded")
        return Answer.json({})

    @hub_routes.add("POST", API + r"/commit/([^/]+)")
    def commit(self, kind, name, revision) -> Answer:
        repo = self.repo_of(kind, name, self.needed())
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        if not lines or lines[0]["key"] != "header" or not lines[0]["value"].get("summary"):
            raise Refusal(400, "The first line of a commit must be a header with a summary")
        header, operations = lines[0]["value"], lines[1:]
        proposal = self.needed() == "propose"
        reference, head = repo.reference_of(revision), repo.resolve(revision)
        if reference is None and not proposal:
            raise Refusal(404, f"Invalid rev id: {revision} is not a branch", "RevisionNotFound")
        parent = header.get("parentCommit")
        if parent is not None and parent not in repo.commits:
            raise Refusal(400, f"Invalid parentCommit: {parent}")
        if proposal and parent:
            head = repo.commits[parent]
        elif parent not in (None, head.oid):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = apply(head.files, operations, self.hub.lfs_store)
        card = files.get("README.md")
        if card and card != head.files.get("README.md"):
            errors, _ = check_card(card.content.decode(errors="replace"))
            if errors:
                raise Refusal(400, "Invalid metadata in README.md: " + "; ".join(errors))
        author, description = self.token.user.name, header.get("description", "")
        told = {}
        if proposal:
            opened = repo.open(header["summary"], author, description, head.oid)
            reference = f"refs/pr/{opened.number}"
            told["pullRequestUrl"] = f"{self.hub.url}/{name}/discussions/{opened.number}"
        made = repo.write(reference, head.oid, files, header["summary"], description, author)
        address = f"{self.hub.url}/{name}/commit/{made.oid}"
        return Answer.json({"success": True, "commitOid": made.oid, "commitUrl": address, "hookOutput": "", **told})

    # Branches and tags

    @hub_routes.add("GET", API + r"/refs")
    def refs(self, kind, name) -> Answer:
        repo = self.repo_of(kind, name)
        rows = [{"name": ref.split("/", 2)[2], "ref": ref, "targetCommit": oid} for ref, oid in repo.heads.items()]
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid} for tag, oid in repo.tags.items()]
        told = {
            "branches": [row for row in rows if row["ref"].startswith("refs/heads/")],
            "converts": [],
            "tags": tags,
        }
        if "include_prs" in self.query:
            told["pullRequests"] = [row for row in rows if row["ref"].startswith("refs/pr/")]
        return Answer.json(told)

    @hub_routes.add("POST DELETE", API + r"/tag/([^/]+)")
    def tag(self, kind, name, revision) -> Answer:
        repo = self.repo_of(kind, name, "write")
        if self.command == "DELETE":
            if repo.tags.pop(revision, None) is None:
                raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return Answer.json({})
        tag, commit = json.loads(self.body)["tag"], repo.resolve(revision)
        if tag in repo.tags:
            raise Refusal(409, f"Tag reference exists already: refs/tags/{tag}")
        repo.tags[tag] = commit.oid
        return Answer.json({})

    @hub_routes.add("POST DELETE", API + r"/branch/([^/]+)")
    def branch(self, kind, name, branch) -> Answer:
        repo, reference = self.repo_of(kind, name, "write"), f"refs/heads/{branch}"
        if self.command == "DELETE":
            if branch == "main" or repo.heads.pop(reference, None) is None:
                raise Refusal(404, f"Cannot delete branch {branch}", "RevisionNotFound")
            return Answer.json({})
        start = json.loads(self.body or b"{}").get("startingPoint", "main")
        if reference in repo.heads:
            raise Refusal(409, f"Reference already exists: {reference}")
        repo.heads[reference] = repo.resolve(start).oid
        return Answer.json({})

    def signed(self, path: str) -> str:
        return f"{self.hub.storage_url}{path}?signature={self.hub.signature}"


class StorageHandler(Connection):
    """Large files by their sha256; addresses are signed, and a token that comes along is refused as S3 does."""

    routes = storage_routes
    storage = True

    def check_token(self, bearer):
        if bearer:
            raise Refusal(400, "Only one auth mechanism allowed")
        if self.query.get("signature") != [self.hub.signature]:
            raise Refusal(403, "SignatureDoesNotMatch")

    @storage_routes.add("GET HEAD", r"/([0-9a-f]{64})")
    def get(self, oid) -> Answer:
        if oid not in self.hub.lfs_store:
            raise Refusal(404, "NoSuchKey")
        return Answer(self.hub.lfs_store[oid], headers={"ETag": f'"{quote(oid)}"', "Accept-Ranges": "bytes"})

    @storage_routes.add("PUT", r"/([0-9a-f]{64})")
    def put(self, oid) -> Answer:
        self._keep(oid, self.body)
        return Answer(headers={"ETag": f'"{oid}"'})

    @storage_routes.add("PUT", r"/([0-9a-f]{64})/(\d+)")
    def put_part(self, oid, number) -> Answer:
        self.hub.lfs_parts[oid, int(number)] = self.body
        return Answer(headers={"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})

    @storage_routes.add("POST", r"/([0-9a-f]{64})")
    def complete(self, oid) -> Answer:
        parts = sorted(json.loads(self.body)["parts"], key=lambda part: part["partNumber"])
        content = b"".join(self.hub.lfs_parts[oid, part["partNumber"]] for part in parts)
        self._keep(oid, content)
        return Answer.json({})

    def _keep(self, oid: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refusal(400, "BadDigest: the content is not what its sha256 promised")
        self.hub.lfs_store[oid] = content


def _is_ignored(commit: Commit, path: str) -> bool:
    """By the patterns of .gitignore, of which the plain ones are understood: names, `*` and `?`, in any folder."""
    patterns = commit.files.get(".gitignore", File(b"")).content.decode().splitlines()
    return any(fnmatchcase(part, pattern) for part in path.split("/") for pattern in patterns)


def _lfs(file: File) -> dict:
    return {"size": file.size, "pointerSize": len(file.pointer)}


def _blob(file: File) -> dict:
    told = {"blobId": file.blob_id, "size": file.size}
    return told | ({"lfs": {"sha256": file.sha256, **_lfs(file)}} if file.lfs else {})


def _row(path: str, file: File) -> dict:
    told = {"type": "file", "oid": file.blob_id, "size": file.size, "path": path}
    return told | ({"lfs": {"oid": file.sha256, **_lfs(file)}} if file.lfs else {})
