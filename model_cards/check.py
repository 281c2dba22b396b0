# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Rules of a model card: what makes the Hub refuse it, and what makes it useless to a reader.

The metadata rules are those that stop an upload (https://huggingface.co/docs/hub/model-cards, and the refusals that
users posted); the list of licences is that of https://huggingface.co/docs/hub/repositories-licenses.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from huggingface_hub import ModelCard
from huggingface_hub.utils import HFValidationError, validate_repo_id

LICENSES = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0
    cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0
    cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 gemma gfdl
    gpl gpl-2.0 gpl-3.0 intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3
    lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail openrail++ osl-3.0 other pddl postgresql unknown
    unlicense wtfpl zlib
    """.split()
)
# ISO 639-1. Codes of three letters (ISO 639-2 and -3, some 7,900) are taken as they come.
LANGUAGES = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
    ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
    no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
    te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split()
)
SPECIAL_LANGUAGES = ("code", "multilingual")
NEEDED = ("library_name", "pipeline_tag", "tags")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1[`~]*[ \t]*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(<?([^)\s>]*)|^\[[^\]\n]+\]:\s+(\S+)|\b(?:href|src|srcset)=[\"']([^\"']+)", re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_UNFILLED = re.compile(
    r"\[\s*(?i:more information needed)\s*\]|\[\s*optional\s*\](?!\()|\{\{[^{}\n]*\}\}|\{%[^\n]*?%\}|@[A-Z_]{2,}@"
    r"|\bTODO\b|\bFIXME\b|\bORG/NAME\b|\bMODEL_ID\b|<!--\s*Provide[^>]*-->"
)


def check_card(text: str, folder: str | Path | None = None) -> list[str]:
    """What is wrong with a model card, one line for each fault; empty: the Hub takes it and it is complete.

    Args:
        text: of the whole card, metadata included.
        folder: of the repository that the card stands in, in which its links must lead to files; None: links are not
            followed.
    """
    faults = ["a byte order mark stands before the metadata: save the card without it"] if text[:1] == "\ufeff" else []
    text = plain_text(text)
    match = _FRONT_MATTER.match(text)
    faults += (
        _check_metadata(match.group(1), folder) if match else ["no metadata: the card must begin with a --- block"]
    )
    body = text[match.end() :] if match else text
    if not body.strip():
        return [*faults, "the card has no text"]
    prose = re.sub(r"`[^`\n]+`", "", _FENCE.sub("", body))
    return [*faults, *_check_unfilled(text), *_check_headings(_FENCE.sub("code", body)), *_check_links(prose, folder)]


def plain_text(text: str) -> str:
    """A card as most editors write it: no byte order mark, LF at the ends of lines."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def card_metadata(text: str) -> dict[str, Any]:
    """The metadata block of a card as plain objects.

    Raises:
        ValueError: there is none, or it is no YAML mapping with unique keys.
    """
    match = _FRONT_MATTER.match(plain_text(text))
    if match is None:
        raise ValueError("no metadata: the card must begin with a --- block")
    return _load_yaml(match.group(1))


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, as it is on the Hub; PyYAML would take the last one."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {key!r} stands there twice")
        return super().construct_mapping(node, deep)


def _load_yaml(block: str) -> dict[str, Any]:
    try:
        data = yaml.load(block, Loader=_UniqueKeys)  # noqa: S506, a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"the metadata is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ValueError(f"the metadata is {type(data).__name__}, not names with values")
    return data


def _check_metadata(block: str, folder: str | Path | None) -> list[str]:
    try:
        data = _load_yaml(block)
    except ValueError as error:
        return [str(error)]
    faults = [f"{key} is missing in the metadata" for key in NEEDED if data.get(key) in (None, "", [])]
    faults += _check_license(data)
    faults += _check_languages(data.get("language"))
    for key in ("tags", "datasets", "metrics"):
        value = data.get(key)
        if value is not None and not _are_strings(value):
            faults.append(f"{key} must be a list of names, not {value!r}")
    for key in ("library_name", "pipeline_tag", "new_version"):
        if key in data and not isinstance(data[key], str):
            faults.append(f"{key} must be a name, not {data[key]!r}")
    for key in ("datasets", "base_model", "new_version"):
        faults += _check_ids(key, data.get(key), folder)
    faults += _check_widget(data.get("widget"))
    faults += _check_model_index(data.get("model-index"))
    if not faults:
        try:
            ModelCard(f"---\n{block}\n---\n")  # what the client itself refuses before it sends anything
        except ValueError as error:
            faults.append(f"huggingface_hub refuses the metadata: {' '.join(str(error).split())}")
    return faults


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _check_license(data: Mapping[str, Any]) -> list[str]:
    value = data.get("license")
    if value in (None, "", []):
        return ["license is missing in the metadata: name yours, or `unknown` if nobody stated one"]
    values = value if isinstance(value, list) else [value]
    faults = [
        f"license {item!r} is not in the Hub's list: take one of "
        "https://huggingface.co/docs/hub/repositories-licenses, or `other` with license_name"
        for item in values
        if item not in LICENSES
    ]
    if "other" in values and not data.get("license_name"):
        faults.append("license is `other`: license_name must say which")
    return faults


def _check_languages(value: Any) -> list[str]:
    faults = []
    for item in [] if value is None else value if isinstance(value, list) else [value]:
        # `language: no` is false in YAML.
        known = isinstance(item, str) and (
            item in LANGUAGES or item in SPECIAL_LANGUAGES or re.fullmatch("[a-z]{3}", item) is not None
        )
        if not known:
            hint = " (Norwegian must be written 'no', with quotes)" if item is False else ""
            faults.append(
                f"language {item!r} is no ISO 639 code in small letters, nor {' or '.join(SPECIAL_LANGUAGES)}{hint}"
            )
    return faults


def _check_ids(key: str, value: Any, folder: str | Path | None) -> list[str]:
    faults = []
    for item in [] if value is None else value if isinstance(value, list) else [value]:
        try:
            validate_repo_id(item)
        except HFValidationError:
            faults.append(f"{key} {item!r} is no id of the Hub (a local path?): leave it out or give org/name")
            continue
        if folder is not None and (Path(folder) / item).exists():
            faults.append(f"{key} {item!r} is a path in this folder, not an id of the Hub")
    return faults


def _check_widget(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return [f"widget must be a list of examples such as {{text: ...}}, not {value!r}"]
    return []


def _check_model_index(value: Any) -> list[str]:
    """The shape that the Hub parses: names and types are strings, each result has a task, a data set and metrics."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return ["model-index must be a list of models, each with name and results"]
    faults = []
    for m, model in enumerate(value):
        place = f"model-index[{m}]"
        if not isinstance(model.get("name"), str) or not model["name"]:
            faults.append(f"{place}.name must be a name")
        results = model.get("results")
        if not isinstance(results, list):
            faults.append(f"{place}.results must be a list")
            continue
        for r, result in enumerate(results):
            faults += _check_result(result, f"{place}.results[{r}]")
    return faults


def _check_result(result: Any, place: str) -> list[str]:
    if not isinstance(result, dict):
        return [f"{place} must have task, dataset and metrics"]
    faults = []
    for part, needed in (("task", ("type",)), ("dataset", ("type", "name"))):
        about = result.get(part)
        if not isinstance(about, dict):
            faults.append(f"{place}.{part} is missing")
            continue
        faults += [f"{place}.{part}.{key} must be a name" for key in needed if not _is_name(about.get(key))]
        texts = [key for key in ("config", "split", "revision") if key in about and not isinstance(about[key], str)]
        faults += [f"{place}.{part}.{key} must be a text, not {about[key]!r}" for key in texts]
    metrics = result.get("metrics")
    if not isinstance(metrics, list) or not metrics:
        return [*faults, f"{place}.metrics must be a list with an entry"]
    for n, metric in enumerate(metrics):
        if not isinstance(metric, dict) or not _is_name(metric.get("type")):
            faults.append(f"{place}.metrics[{n}].type must be a name")
        elif metric.get("value") is None:
            faults.append(f"{place}.metrics[{n}].value is missing")
    return faults


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_unfilled(text: str) -> list[str]:
    # {{BERT}} is how BibTeX keeps capitals; the lines stay, so that their numbers do
    text = re.sub(
        r"^```bibtex\n.*?^```", lambda found: "\n" * found.group().count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {found.group()!r} was never filled in"
        for found in _UNFILLED.finditer(text)
    ]


def _check_headings(body: str) -> list[str]:
    headings = [(len(marks), title) for marks, title in _HEADING.findall(body)]
    top = [title for level, title in headings if level == 1]
    faults = [] if len(top) == 1 else [f"the card must have one heading of the first level, it has {len(top)}"]
    if headings and headings[0][0] != 1:
        faults.append(f"the first heading is {headings[0][1]!r}; it must be the title, of the first level")
    for (level, _), (next_level, title) in zip(headings, headings[1:], strict=False):
        if next_level > level + 1:
            faults.append(f"the heading {title!r} skips a level")
    titles = [title for _, title in headings]
    faults += [
        f"the heading {title!r} stands there twice" for title in dict.fromkeys(titles) if titles.count(title) > 1
    ]
    places = [*_HEADING.finditer(body)]
    for place, following in zip(places, [*places[1:], None], strict=False):
        ends = following.start() if following else len(body)
        deeper = following is not None and len(following.group(1)) > len(place.group(1))
        if not place.group(2):
            faults.append("a heading has no text")
        elif not deeper and not body[place.end() : ends].strip():
            faults.append(f"nothing stands below the heading {place.group(2)!r}")
    return faults


def _check_links(prose: str, folder: str | Path | None) -> list[str]:
    faults = []
    anchors = {_anchor(title) for _, title in _HEADING.findall(prose)}
    for found in _LINK.finditer(prose):
        target = unquote(found.group(1) or found.group(2) or found.group(3) or "")
        if not target:
            faults.append("a link leads nowhere")
        elif target.startswith("#"):
            if target[1:] not in anchors:
                faults.append(f"the link {target} leads to no heading")
        elif re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE):
            if not re.match(r"(https?|mailto):", target, re.IGNORECASE):
                faults.append(f"the link {target} is of no kind that a reader can follow")
        else:
            faults += _check_file_link(target.split("#")[0].split("?")[0], folder)
    return faults


def _check_file_link(target: str, folder: str | Path | None) -> list[str]:
    if target.startswith(("/", "\\", "~")) or ".." in Path(target).parts:
        return [f"the link {target} leads out of the repository"]
    if folder is not None and not (Path(folder) / target).exists():
        return [f"the link {target} leads to no file in the repository"]
    return []


def _anchor(title: str) -> str:
    """GitHub's and the Hub's name of a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
