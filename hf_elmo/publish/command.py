# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo publish`: its arguments, and the steps from a folder to a tagged commit on the Hub."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_elmo.publish.errors import PublishError, RefusedFiles, WrongOptions

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from hf_elmo.publish.repository import Order, State
    from hf_elmo.publish.staging import FileFacts
    from hf_elmo.publish.upload import Published

SUMMARY = """\
Publish a model on the Hub, checked, in one commit that is safe to repeat.

Weights, tokenizer, code and card of FOLDER are copied, completed and checked: nothing but known files, no pickles, no
tokens, no paths of this machine; a card that the Hub takes; a model that loads, with the numbers of its files, in a
fresh process without hf_elmo. What a training left behind (checkpoint-*/, training_args.bin) is left out. Then all of it
is sent in one commit. After any failure the same command finishes the work; if everything is there already, nothing is
sent."""
EXAMPLE = """\
example, which sends nothing:
  hf-elmo publish elmo-mini-en me/elmo-mini-en --tag v1.0 --dry-run
then:
  hf-elmo publish elmo-mini-en me/elmo-mini-en --tag v1.0
`hf auth login` stores a token with the right to write; HF_TOKEN or --token give another one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="a saved model with its tokenizer, or a model of the box: elmo-mini-en"
    )
    parser.add_argument("repo_id", metavar="ORG/NAME", help="repository on the Hub; it is made if it is not there")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, show what would be sent, send nothing"
    )
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--create-pr", action="store_true", help="propose the commit as a pull request")
    parser.add_argument("--revision", default="main", metavar="BRANCH", help="branch, made if it is not there (main)")
    parser.add_argument("--tag", metavar="NAME", help="tag the commit, as in v1.0; an existing tag is never moved")
    parser.add_argument(
        "--card",
        choices=("keep", "replace", "merge"),
        help="if the repository has another README.md: keep it, replace it, or keep its text and add metadata it lacks "
        "(stop and ask)",
    )
    parser.add_argument(
        "--facts",
        metavar="NAME|FILE",
        help="make the card from these facts, those of a published model or a YAML file, with snippets that load --tag "
        "(a model of the box: its own; otherwise the README.md in FOLDER is the card)",
    )
    parser.add_argument(
        "--code",
        choices=("keep", "package"),
        default="keep",
        help="of an ELMo that brings its own code files: keep them, or take those of this hf_elmo (keep)",
    )
    parser.add_argument(
        "--exclude",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="leave out files or folders of FOLDER, as in corpus.txt 'old/*'",
    )
    parser.add_argument("--message", metavar="TEXT", help="first line of the commit")
    parser.add_argument("--token", help="instead of HF_TOKEN or the one that `hf auth login` has stored")
    parser.add_argument(
        "--no-load-check",
        action="store_true",
        help="do not load the model before it is sent: saves some seconds and the model's size in memory; that it "
        "loads, and with the numbers of its files, is then not known",
    )


def run(options: argparse.Namespace) -> int:
    """Publish from parsed arguments; returns the exit code.

    Raises:
        WrongUse: options exclude each other, or are no names.
        PublishError: something is refused, or the Hub could not be used; one line, what was refused stands above it.
        OSError: a file cannot be read or copied.
    """
    from huggingface_hub import HfApi

    try:
        return publish(options, HfApi(token=options.token))
    except WrongOptions as error:
        from hf_elmo.cli import WrongUse

        raise WrongUse(str(error)) from error
    except RefusedFiles as error:
        for problem in error.problems:
            _say(f"refused: {problem}")
        raise


def publish(options: argparse.Namespace, api: "HfApi") -> int:
    """The steps of the command with a given client."""
    from hf_elmo import __version__
    from hf_elmo.pretrained import resolve
    from hf_elmo.publish.hub_errors import limited_silence
    from hf_elmo.publish.repository import Order

    order = Order(
        repo_id=options.repo_id,
        message=options.message or f"Publish with hf_elmo {__version__}",
        revision=options.revision,
        private=options.private,
        create_pr=options.create_pr,
        tag=options.tag,
    )
    order.check()
    folder = Path(resolve(options.folder))
    if not folder.is_dir():
        raise PublishError(f"{options.folder} is neither a folder nor a model of the box")
    names, left_out = _checked_names(folder, options.exclude, _token(api))
    with tempfile.TemporaryDirectory(prefix="hf-elmo-publish-") as place, limited_silence():
        return _publish_staged(options, api, order, folder, names, left_out, Path(place))


def _publish_staged(
    options: argparse.Namespace,
    api: "HfApi",
    order: "Order",
    folder: Path,
    names: Sequence[str],
    left_out: Sequence[str],
    staged: Path,
) -> int:
    from hf_elmo.pretrained import resolve
    from hf_elmo.publish import card, places, staging
    from hf_elmo.publish.repository import check_state, look_where_it_goes, read_cards, state_of_tag
    from hf_elmo.publish.upload import check_tag, upload

    try:
        notes = staging.stage(folder, names, staged, options.code)
    except OSError as error:
        raise PublishError(
            f"the copy in {staged.parent} failed ({error}): TMPDIR=FOLDER names another place"
        ) from error
    notes += places.check_places(staged, folder)
    if facts_of_card := options.facts or (options.folder if resolve(options.folder) != options.folder else None):
        notes += card.make_cards(staged, facts_of_card, order.repo_id, order.tag or order.revision)
        if order.tag is None:
            notes.append(f"the snippets of the card load {order.revision}, which changes: --tag pins them")
    if options.card != "keep":
        card.check_cards(staged)
    user, state, unseen = _look(options, api, order)
    base = state if unseen else look_where_it_goes(api, order, state)
    if options.card == "keep":
        card.check_cards(staged, kept=base.files)
    facts, tagged = staging.measure(staged), None
    if state.exists:
        their_cards = read_cards(api, order.repo_id, base, facts)
        notes += card.settle(staged, their_cards, options.card, order.repo_id)
        facts = staging.measure(staged)
        tagged = state_of_tag(api, order)
        check_tag(order, tagged, facts)
    if not unseen:
        check_state(order, base, facts)
    config = staging.read_settings(staged / "config.json")
    with_code = any(staged.glob("*.py"))
    if options.no_load_check:
        notes.append("not loaded (--no-load-check)")
    elif not (options.dry_run or state.to_send(facts)):
        notes.append("not loaded: the repository has these files already")
    else:
        from hf_elmo.publish.load_check import check_that_it_loads

        _say("will load the model in a fresh process without hf_elmo" + (", with its code" if with_code else ""))
        found = check_that_it_loads(staged, order.repo_id, with_code)
        notes.append(
            f"loads in a fresh process without hf_elmo: {found['architecture']}, {found['parameters']:,} parameters, "
            f"{found['tensors']} tensors equal to the files"
        )
    print(_plan(order, facts, state, notes, unseen, left_out))
    if options.dry_run:
        print("nothing was sent (--dry-run)")
        return 0
    published = upload(api, facts, order, state, tagged, user or "", _say)
    print(_result(api, order, config, published, with_code, tagged))
    return 0


def _token(api: "HfApi") -> str | None:
    from huggingface_hub import get_token

    return api.token if isinstance(api.token, str) else get_token()


def _checked_names(folder: Path, exclude: Sequence[str], token: str | None) -> tuple[list[str], list[str]]:
    """Names of the files to send, and of what a training left behind.

    Raises:
        RefusedFiles: with every file that must not be sent.
    """
    from hf_elmo.publish.source import check_contents, list_files

    names, problems, left_out = list_files(folder, exclude)
    if problems:
        patterns = " ".join(shlex.quote(problem.name.rstrip("/")) for problem in problems[:6]) + (
            " ..." if len(problems) > 6 else ""
        )
        raise RefusedFiles(
            f"{len(problems)} of the files in {folder} are not for publishing; nothing was sent. To leave them out: "
            f"--exclude {patterns}",
            [str(problem) for problem in problems],
        )
    problems = check_contents(folder, names, token)
    if problems:
        raise RefusedFiles(
            f"{len(problems)} things in {folder} must be put right; nothing was sent",
            [str(problem) for problem in problems],
        )
    return names, left_out


def _look(options: argparse.Namespace, api: "HfApi", order: "Order") -> tuple[str | None, "State", str | None]:
    """User and state of the repository; a dry run goes on without them, and says why (the third value)."""
    from hf_elmo.publish.errors import HubError
    from hf_elmo.publish.repository import State, look, who_am_i

    user, unseen = None, None
    try:
        user = who_am_i(api, order.repo_id)
    except HubError as error:
        if not options.dry_run:
            raise
        unseen = str(error)  # a public repository can be looked at even so
    try:
        return user, look(api, order.repo_id, order.revision), None
    except HubError as error:
        if not options.dry_run:
            raise
        return user, State(), unseen or str(error)


def _plan(
    order: "Order",
    facts: Sequence["FileFacts"],
    state: "State",
    notes: Sequence[str],
    unseen: str | None,
    left_out: Sequence[str],
) -> str:
    """The files with sizes, hashes and what becomes of them, and where they go."""
    from hf_elmo.publish.source import readable_size

    width = max(len(local.name) for local in facts)
    lines = [f"{'file':<{width}}  {'size':>11}  {'sha256':<64}  in the repository"]
    for local in facts:
        how = "not known" if unseen else state.of(local)
        lines.append(f"{local.name:<{width}}  {readable_size(local.size):>11}  {local.sha256}  {how}")
    lines.append(f"{len(facts)} files, {readable_size(sum(local.size for local in facts))}")
    kind = "a pull request to " if order.create_pr else ""
    being = f"could not be looked at: {unseen}" if unseen else "exists" if state.exists else "is new"
    if not unseen and state.exists:
        being += ", private" if state.private else ", public"
    elif order.private:
        being += ", will be private"
    lines.append(f"target    {kind}{order.repo_id} ({being})")
    lines.append(f"revision  {order.revision}" + (f", now at {state.head[:10]}" if state.head else ""))
    lines.append(f"tag       {order.tag or 'none'}")
    lines.append(f"message   {order.message}")
    if kept := state.others(facts):
        shown = ", ".join(kept[:8]) + (f" and {len(kept) - 8} more" if len(kept) > 8 else "")
        lines.append(f"kept      in the repository only, left as they are: {shown}")
    if left_out:
        lines.append(f"left out  {', '.join(left_out)}")
    return "\n".join([*lines, *(f"note      {note}" for note in notes)])


def _result(
    api: "HfApi",
    order: "Order",
    config: dict[str, Any],
    published: "Published",
    with_code: bool,
    tagged: "State | None",
) -> str:
    """Where it is now, and the lines of Python that load exactly this."""
    from hf_elmo.publish.staging import auto_class_of

    done = "committed" if published.made_commit else "was there already"
    if published.pull_request:
        done = f"proposed in {published.pull_request}"
    tag = f", tag {order.tag}" if order.tag else ""
    if tagged is not None and tagged.head and tagged.head != published.commit:
        tag += f" at {tagged.head[:10]}, with the same files"  # others have committed more since then
    auto_class = auto_class_of(config)
    options = f', revision="{published.commit}"' + (", trust_remote_code=True" if with_code else "")
    lines = [
        f"{api.endpoint}/{order.repo_id}: {done}, commit {published.commit}{tag}. In Python:\n",
        f"from transformers import {auto_class}, AutoTokenizer",
        f'tokenizer = AutoTokenizer.from_pretrained("{order.repo_id}"{options})',
        f'model = {auto_class}.from_pretrained("{order.repo_id}"{options})',
    ]
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
