# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Who may do what on the test Hub, and its discussions and pull requests."""

import json

from hub_http import Answer, Connection, Routes
from hub_repos import Discussion, HubRepo, Refusal

hub_routes = Routes()
DISCUSSIONS = r"/api/(models|datasets|spaces)/([^/]+/[^/]+)/discussions"


class DiscussionRoutes(Connection):
    def may_write(self, name: str) -> bool:
        token = self.token
        if token is None or token.role != "write" or (token.only is not None and name not in token.only):
            return False
        return name.partition("/")[0] in (token.user.name, *token.user.orgs)

    def needed(self) -> str:
        """The right a commit needs: anybody who sees the repository may propose a pull request."""
        return "propose" if self.query.get("create_pr", ["0"])[0] in ("1", "true", "True") else "write"

    def repo_of(self, kind: str, name: str, right: str = "read") -> HubRepo:
        """The repository, if this request has the right: read, propose or write."""
        repo = self.hub.repos.get((kind, name))
        user = self.token.user if self.token else None
        member = user is not None and name.partition("/")[0] in (user.name, *user.orgs)
        if repo is None or (repo.private and not member):
            # As the Hub: nobody learns whether a private repository exists.
            raise Refusal(404 if user else 401, "Repository not found", "RepoNotFound")
        if right == "read":
            return repo
        if user is None:
            raise Refusal(401, "Invalid username or password.")
        if self.token.role != "write":
            raise Refusal(403, "Forbidden: you must use a write token to upload to a repository.")
        if right == "write" and not self.may_write(name):
            raise Refusal(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        return repo

    def discussion_of(self, repo: HubRepo, number: str) -> Discussion:
        if not 0 < int(number) <= len(repo.discussions):
            raise Refusal(404, "Discussion not found")
        return repo.discussions[int(number) - 1]

    @hub_routes.add("POST", DISCUSSIONS)
    def open_discussion(self, kind, name) -> Answer:
        repo, wanted = self.repo_of(kind, name, "propose"), json.loads(self.body)
        if len(wanted["title"]) < 3:
            raise Refusal(400, "The title must have at least 3 characters")
        base = repo.resolve("main").oid if wanted.get("pullRequest") else None
        opened = repo.open(wanted["title"], self.token.user.name, wanted.get("description", ""), base)
        if base is not None:
            opened.status = "draft"
        return Answer.json({"num": opened.number, "pullRequest": base is not None}, 201)

    @hub_routes.add("GET", DISCUSSIONS)
    def list_discussions(self, kind, name) -> Answer:
        repo = self.repo_of(kind, name)
        rows = [self._told(repo, kind, discussion) for discussion in repo.discussions]
        return Answer.json({"discussions": rows, "count": len(rows), "start": 0})

    @hub_routes.add("GET", DISCUSSIONS + r"/(\d+)")
    def discussion(self, kind, name, number) -> Answer:
        repo = self.repo_of(kind, name)
        return Answer.json(self._told(repo, kind, self.discussion_of(repo, number)))

    @hub_routes.add("POST", DISCUSSIONS + r"/(\d+)/comment")
    def comment(self, kind, name, number) -> Answer:
        discussion = self.discussion_of(self.repo_of(kind, name, "propose"), number)
        return Answer.json({"newMessage": discussion.comment(self.token.user.name, json.loads(self.body)["comment"])})

    @hub_routes.add("POST", DISCUSSIONS + r"/(\d+)/status")
    def set_status(self, kind, name, number) -> Answer:
        discussion = self.discussion_of(self.repo_of(kind, name, "propose"), number)
        discussion.status = json.loads(self.body)["status"]
        told = discussion.add_event("status-change", self.token.user.name, {"status": discussion.status})
        return Answer.json({"newStatus": told})

    @hub_routes.add("POST", DISCUSSIONS + r"/(\d+)/title")
    def set_title(self, kind, name, number) -> Answer:
        discussion = self.discussion_of(self.repo_of(kind, name, "propose"), number)
        change = {"from": discussion.title, "to": json.loads(self.body)["title"]}
        discussion.title = change["to"]
        return Answer.json({"newTitle": discussion.add_event("title-change", self.token.user.name, change)})

    @hub_routes.add("POST", DISCUSSIONS + r"/(\d+)/merge")
    def merge(self, kind, name, number) -> Answer:
        repo = self.repo_of(kind, name, "write")
        discussion = self.discussion_of(repo, number)
        if discussion.base is None or discussion.status != "open":
            raise Refusal(400, f"Discussion {number} is no open pull request (status: {discussion.status})")
        return Answer.json({"mergedCommit": repo.merge(discussion, self.token.user.name).oid})

    def _told(self, repo: HubRepo, kind: str, discussion: Discussion) -> dict:
        told = {
            "num": discussion.number,
            "title": discussion.title,
            "status": discussion.status,
            "author": {"name": discussion.author},
            "createdAt": discussion.created,
            "repo": {"name": repo.name, "type": kind[:-1]},
            "repoOwner": {"name": repo.name.partition("/")[0], "type": "org"},
            "isPullRequest": discussion.base is not None,
            "pinned": False,
            "numComments": len(discussion.events),
            "events": discussion.events,
        }
        if discussion.base is not None:
            changes = {"base": "refs/heads/main"}
            if discussion.merge_commit:
                changes["mergeCommitId"] = discussion.merge_commit
            told |= {"changes": changes, "filesWithConflicts": [], "diff": ""}
        return told
