# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What the Hub's card check refuses and warns of, as far as users have reported it; for the test Hub."""

import re

import yaml

LICENSES = set(
    """apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
    eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl
    apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
    pddl lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3
    llama4 grok2-community gemma unknown other""".split()
)
TWO_LETTERS = set(
    """aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el
    en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja
    jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd
    ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr
    ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu""".split()
)
TEXT_TASKS = {
    *("feature-extraction", "fill-mask", "text-classification", "token-classification", "question-answering"),
    *("text-generation", "sentence-similarity", "zero-shot-classification", "translation", "summarization"),
    *("table-question-answering", "text-ranking", "multiple-choice"),
}
_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class _Yaml12(yaml.SafeLoader):
    """The Hub reads YAML 1.2: `no` is the Norwegian language, not False."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)\Z", re.IGNORECASE), list("tTfF"))


def metadata_of(content: str) -> dict | None:
    """The metadata of a card, None without any; yaml.YAMLError where it cannot be read."""
    found = _FRONT_MATTER.match(content)
    loaded = yaml.load(found[1], _Yaml12) if found else None  # noqa: S506 (a SafeLoader)
    return loaded if isinstance(loaded, dict) else None


def check_card(content: str) -> tuple[list[str], list[str]]:
    """Errors, which stop an upload, and warnings of the README.md `content`."""
    try:
        data = metadata_of(content)
    except yaml.YAMLError as error:
        return [f"YAML metadata cannot be parsed: {str(error).splitlines()[0]}"], []
    if not data:
        return [], ["empty or missing yaml metadata in repo card"]
    return [*_scalars(data), *_lists(data), *_results(data.get("model-index"))], _warnings(data)


def _scalars(data: dict):
    for key in ("library_name", "pipeline_tag", "license_name", "license_link", "thumbnail", "new_version"):
        if key in data and not isinstance(data[key], str):
            yield f'"{key}" must be a string'
    for value in _many(data.get("license")):
        if value not in LICENSES:
            yield f'"license" must be one of [{", ".join(sorted(LICENSES)[:3])}, ...], got "{value}"'
    if isinstance(data.get("license_name"), str) and not re.fullmatch(r"[a-z0-9.-]+", data["license_name"]):
        yield '"license_name" must match /^[a-z0-9-.]+$/'
    if data.get("base_model_relation", "finetune") not in ("adapter", "finetune", "merge", "quantized"):
        yield '"base_model_relation" must be one of [adapter, merge, quantized, finetune]'


def _lists(data: dict):
    for value in _many(data.get("language")):
        known = isinstance(value, str) and (
            value in TWO_LETTERS or value in ("code", "multilingual") or re.fullmatch("[a-z]{3}", value)
        )
        if not known:
            yield (
                f'"language" with value "{value}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 code (two/three'
                ' letters), or a special value like "code", "multilingual".'
            )
    for key, place in (("base_model", "a model id from https://hf.co/models"), ("datasets", "a dataset id")):
        for value in _many(data.get(key)):
            if not isinstance(value, str) or not _ID.fullmatch(value):
                yield f'"{key}" with value "{value}" is not valid. Use {place}.'
    for key in ("tags", "metrics"):
        if key in data and not (isinstance(data[key], list) and all(isinstance(item, str) for item in data[key])):
            yield f'"{key}" must be an array of strings'
    if not isinstance(data.get("widget", []), list):
        yield '"widget" must be an array'


def _results(index):
    if index is None:
        return
    if not isinstance(index, list):
        yield '"model-index" must be an array'
        return
    for number, model in enumerate(index):
        place = f"model-index[{number}]"
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            yield f'"{place}.name" is required and must be a string'
            continue
        if not isinstance(model.get("results"), list):
            yield f'"{place}.results" is required and must be an array'
            continue
        for row, result in enumerate(model["results"]):
            where = f"{place}.results[{row}]"
            task, dataset = result.get("task") or {}, result.get("dataset") or {}
            if not isinstance(task.get("type"), str):
                yield f'"{where}.task.type" is required and must be a string'
            for key in ("type", "name"):
                if not isinstance(dataset.get(key), str):
                    yield f'"{where}.dataset.{key}" is required and must be a string'
            for key in ("config", "split", "revision"):
                if key in dataset and not isinstance(dataset[key], str):
                    yield f'"{where}.dataset.{key}" must be a string'
            if not isinstance(result.get("metrics"), list) or not result["metrics"]:
                yield f'"{where}.metrics" is required and must be an array'
                continue
            for metric in result["metrics"]:
                if not isinstance(metric.get("type"), str) or metric.get("value") is None:
                    yield f'"{where}.metrics" need "type" (string) and "value"'


def _warnings(data: dict) -> list[str]:
    tag = data.get("pipeline_tag")
    unknown = isinstance(tag, str) and tag not in TEXT_TASKS
    return [f'The pipeline tag "{tag}" is not in the official list'] if unknown else []


def _many(value) -> list:
    return [] if value is None else value if isinstance(value, list) else [value]
