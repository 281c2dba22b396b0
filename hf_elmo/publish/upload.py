# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""One commit with everything, and its tag, in steps that may each be repeated.

The client tries a commit once, and an answer that is lost looks like a commit that failed. So a failure is taken for
"unknown": the repository is looked at, and what it holds decides whether to finish, to try again or to give up. The
commit names its parent, so that the work of somebody else in between is never overwritten unseen.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi

from hf_elmo.publish.errors import HubError, PublishError
from hf_elmo.publish.hub_errors import AGAIN, explain, may_pass, patiently, pauses
from hf_elmo.publish.repository import Order, State, check_state, look, look_where_it_goes
from hf_elmo.publish.staging import FileFacts

Say = Callable[[str], None]
_UNKNOWN = f"whether the commit was made is not known. {AGAIN.capitalize()}: it looks first, and commits nothing twice"


@dataclass(frozen=True)
class Published:
    """Where the files are now; `made_commit` is False where they were there already."""

    commit: str
    made_commit: bool
    pull_request: str | None = None


def check_tag(order: Order, tagged: State | None, facts: Sequence[FileFacts]) -> None:
    """A tag is a promise: it is never moved to other files.

    Raises:
        PublishError: the tag exists and stands for other files.
    """
    if tagged is not None and tagged.to_send(facts):
        raise PublishError(
            f"the tag {order.tag} of {order.repo_id} exists and stands for other files (commit {(tagged.head or '')[:10]}): "
            "choose another --tag"
        )


def upload(
    api: HfApi,
    facts: Sequence[FileFacts],
    order: Order,
    state: State,
    tagged: State | None,
    user: str,
    say: Say,
) -> Published:
    """Bring the files into the repository in one commit, unless they are there; then tag it.

    Args:
        facts: the files to send.
        state: of the repository when it was compared with them; a commit made by others since then is not overwritten.
        tagged: what stands under the tag, None if nothing does.
        user: whose token is used.
        say: told what is done, before it is done.
    Raises:
        HubError: it could not be finished; the message tells what is known, and what to do.
        PublishError: the repository or the tag does not fit.
    """
    check_state(order, state, facts)
    check_tag(order, tagged, facts)
    state = _make_place(api, order, state, facts, say)
    if not state.to_send(facts):
        assert state.head is not None
        say(f"nothing to send: {order.repo_id} has these files on {order.revision}")
        published = Published(state.head, made_commit=False)
    elif order.create_pr:
        published = _propose(api, facts, order, state, user, say)
    else:
        published = _commit(api, facts, order, state, say)
    if order.tag is not None and tagged is None:
        _tag(api, order, published.commit, say)
    return published


def _make_place(api: HfApi, order: Order, state: State, facts: Sequence[FileFacts], say: Say) -> State:
    """The repository and the branch, made if they are not there."""
    repo_id = order.repo_id
    if not state.exists:
        say(f"will create {repo_id}" + (", private" if order.private else ""))
        try:
            api.create_repo(repo_id, private=True if order.private else None, exist_ok=True)
        except Exception as error:
            state = look(api, repo_id, "main")
            if not state.exists:
                raise HubError(f"{repo_id} was not created: {explain(error, repo_id, api)}") from error
        state = look(api, repo_id, "main")
        if not state.exists:
            raise HubError(f"{repo_id} exists, but the token may not see it: choose another name or another token")
        check_state(order, state, facts)
        if set(state.files) - {".gitattributes"} and state.to_send(facts):
            raise HubError(
                f"somebody else has just filled {repo_id}; nothing was sent. {AGAIN.capitalize()} to see how"
            )
        if order.revision == "main":
            return state
        state = State(exists=True, private=state.private)
    if state.head is None and order.revision != "main":
        check_state(order, look_where_it_goes(api, order, state), facts)
        say(f"will create the branch {order.revision} from main")
        try:
            api.create_branch(repo_id, branch=order.revision, exist_ok=True)
        except Exception as error:
            if look(api, repo_id, order.revision).head is None:
                raise HubError(
                    f"the branch {order.revision} was not created: {explain(error, repo_id, api)}"
                ) from error
        state = look(api, repo_id, order.revision)
        check_state(order, state, facts)  # main may have changed in between
    return state


def _send(api: HfApi, facts: Sequence[FileFacts], order: Order, state: State, say: Say) -> CommitInfo:
    operations = [CommitOperationAdd(local.name, str(local.path)) for local in state.to_send(facts)]
    with warnings.catch_warnings(record=True) as remarks:  # of the Hub, on the card
        warnings.simplefilter("always", UserWarning)
        made = api.create_commit(
            order.repo_id,
            operations,
            commit_message=order.message,
            revision=None if order.create_pr else order.revision,
            create_pr=order.create_pr,
            parent_commit=state.head,
        )
    for remark in remarks:
        if issubclass(remark.category, UserWarning):
            say(" ".join(str(remark.message).split()))
    return made


def _commit(api: HfApi, facts: Sequence[FileFacts], order: Order, state: State, say: Say) -> Published:
    for number, seconds in enumerate(pauses(), start=1):
        sent = state.to_send(facts)
        say(f"will send {len(sent)} files to {order.repo_id}, {order.revision}, in one commit" + _nth_try(number))
        try:
            commit = _send(api, facts, order, state, say).oid
            break
        except Exception as error:
            found = _look_after(api, order, error)
            if not found.to_send(facts):
                assert found.head is not None
                say("the answer was lost, but the commit is there")
                return Published(found.head, made_commit=found.head != state.head)
            if found.head != state.head:
                raise HubError(
                    f"somebody else has committed to {order.revision} of {order.repo_id} in the meantime "
                    f"({(found.head or '')[:10]}); nothing was sent. {AGAIN.capitalize()}: it compares with the new state"
                ) from error
            if seconds is None or not may_pass(error):
                raise HubError(
                    f"nothing was committed to {order.repo_id}: {explain(error, order.repo_id, api)}"
                ) from error
            say(f"{explain(error, order.repo_id, api)} [trying again in {seconds:g} s]")
            time.sleep(seconds)
    if missing := _look_after(api, order, None, commit).to_send(facts):
        raise HubError(
            f"commit {commit[:10]} of {order.repo_id} lacks {', '.join(local.name for local in missing[:3])}: "
            f"{AGAIN}, and tell the Hub's support if it happens twice"
        )
    return Published(commit, made_commit=True)


def _nth_try(number: int) -> str:
    return "" if number == 1 else f" (try {number})"


def _look_after(api: HfApi, order: Order, error: Exception | None, commit: str | None = None) -> State:
    """The state after a commit that failed, or seemed to; or of the commit that was made."""
    try:
        return look(api, order.repo_id, commit or order.revision)
    except HubError as second:
        if error is None:
            known = f"commit {(commit or '')[:10]} was made, but could not be read back"
            raise HubError(f"{known}: {second}") from second
        raise HubError(f"{explain(error, order.repo_id, api).split(': ')[0]}; {_UNKNOWN}") from error


def _propose(
    api: HfApi,
    facts: Sequence[FileFacts],
    order: Order,
    state: State,
    user: str,
    say: Say,
) -> Published:
    """A pull request with the commit, or the open one of the same user that holds the same files."""
    if found := _find_proposal(api, facts, order, user):
        say(f"nothing to send: {found.pull_request} proposes these files already")
        return found
    for number, seconds in enumerate(pauses(), start=1):
        say(f"will propose {len(state.to_send(facts))} files to {order.repo_id}" + _nth_try(number))
        try:
            made = _send(api, facts, order, state, say)
            return Published(made.oid, made_commit=True, pull_request=made.pr_url)
        except Exception as error:
            try:
                found = _find_proposal(api, facts, order, user)
            except HubError:
                reason = explain(error, order.repo_id, api).split(": ")[0]
                raise HubError(f"{reason}; {_UNKNOWN.replace('the commit', 'the pull request')}") from error
            if found:
                say("the answer was lost, but the pull request is there")
                return found
            if seconds is None or not may_pass(error):
                raise HubError(f"nothing was proposed: {explain(error, order.repo_id, api)}") from error
            say(f"{explain(error, order.repo_id, api)} [trying again in {seconds:g} s]")
            time.sleep(seconds)
    raise AssertionError("the last try returns or raises")


def _find_proposal(api: HfApi, facts: Sequence[FileFacts], order: Order, user: str) -> Published | None:
    try:
        proposals = patiently(
            lambda: list(
                api.get_repo_discussions(
                    order.repo_id, author=user, discussion_type="pull_request", discussion_status="open"
                )
            )
        )
    except Exception as error:
        raise HubError(explain(error, order.repo_id, api)) from error
    for proposal in proposals:
        state = look(api, order.repo_id, f"refs/pr/{proposal.num}")
        if state.head is not None and not state.to_send(facts):
            return Published(state.head, made_commit=False, pull_request=proposal.url)
    return None


def _tag(api: HfApi, order: Order, commit: str, say: Say) -> None:
    assert order.tag is not None
    for seconds in pauses():
        say(f"will tag {commit[:10]} as {order.tag}")
        try:
            api.create_tag(order.repo_id, tag=order.tag, revision=commit)
            return
        except Exception as error:
            failed = f"the files are there (commit {commit[:10]}), but the tag {order.tag} is not"
            try:
                found = look(api, order.repo_id, order.tag)
            except HubError as second:
                raise HubError(f"{failed}, as far as is known: {second}") from error
            if found.head == commit:
                return
            if found.head is not None:
                raise HubError(
                    f"{failed}: somebody else has just used it for {found.head[:10]}: choose another --tag"
                ) from error
            if seconds is None or not may_pass(error):
                raise HubError(f"{failed}: {explain(error, order.repo_id, api)}") from error
            time.sleep(seconds)
