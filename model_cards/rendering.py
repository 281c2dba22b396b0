# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Facts, results and cited sources become README.md: Jinja templates, through `huggingface_hub.ModelCard`.

What templates, and the texts of facts, may call:

| name | gives |
|---|---|
| `result(file, path)`, `count(file, path)`, `entry(file, path)`, `has(file)` | a number of a result file; how many entries; any value; whether the file is there |
| `cited(key)`, `source(key)` | a number of sources.yaml; a link to where it was read |
| `shape.NAME` | a size that follows from the configuration |
| filters of `numbers.FILTERS` | a number rounded, in percent, in millions |
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import EvalResult
from huggingface_hub.utils import validate_repo_id

from hf_elmo import pretrained
from hf_elmo.conversion.known_models import KNOWN_MODELS

from .comparison import claims, comparison_rows, timed
from .facts import LANGUAGES, CardFacts, load_facts
from .numbers import FILTERS, Number, Results, Sources, shown, without_marks
from .shapes import CodeFile, code_files, shape_of

TEMPLATES = Path(__file__).resolve().parent / "templates"
FILES = {"en": "README.md", "zh": "README_zh.md"}
# Releases that the tests were run on, the oldest first; tests/model_cards compares them with pyproject.toml,
# constraints.txt and the result files.
TRANSFORMERS_TESTED = ("5.8", "5.17.0", "5.23.0")
CONVERSION = "conversion.json"
# What the snippets encode: a sentence, how many words the tokenizer finds in it, a shorter one.
EXAMPLES = {
    "en": {"sentence": "She went to the bank.", "words": 6, "short": "A short one."},
    "pt": {"sentence": "Ela foi ao banco.", "words": 5, "short": "Uma curta."},
}


def render_card(
    name_or_facts: str | Path | CardFacts,
    language: str = "en",
    *,
    folder: str | Path | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    results: Results | None = None,
    marks: bool = False,
) -> str:
    """The whole card of a model, metadata included.

    Args:
        name_or_facts: a name of the published set, a facts file, or facts.
        language: "en" or "zh".
        folder: of the model that the card will lie in: its config.json gives the sizes, its .py files (if it has none,
            those of this package) are listed with their hashes, its conversion.json tells what was verified. None: what
            is known without a folder.
        repo_id: ORG/NAME on the Hub, which the snippets then load.
        revision: tag or commit that they pin; needed with `repo_id`.
        results: the result files (those of this package).
        marks: keep the marks around numbers that have a source, for `numbers.unsourced_numbers`.
    Raises:
        ValueError: no such card, wrong facts, a number without a source or a result that is not there.
        OSError: a file cannot be read.
    """
    facts = name_or_facts if isinstance(name_or_facts, CardFacts) else load_facts(name_or_facts)
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; needed is {' or '.join(LANGUAGES)}")
    if (repo_id is None) != (revision is None):
        raise ValueError("a card pins what its snippets load: give repo_id and revision, or neither")
    if repo_id is not None:
        validate_repo_id(repo_id)
    folder = None if folder is None else Path(folder)
    results = results or Results()
    context = _Context(facts, language, folder, repo_id, revision, results)
    body = context.render_file(f"card_{language}.md.jinja")
    card = ModelCard.from_template(
        metadata(facts, results), template_str="---\n{{ card_data }}\n---\n\n{{ body }}", body=body
    )
    text = card.content.rstrip("\n") + "\n"
    return text if marks else without_marks(text)


def metadata(facts: CardFacts, results: Results) -> ModelCardData:
    """What stands above the card for the Hub; results that are not there are left out of model-index."""
    found = [
        EvalResult(
            task_type=item.task,
            task_name=item.task_name,
            dataset_type=item.dataset,
            dataset_name=item.dataset_name,
            dataset_config=item.config,
            dataset_split=item.split,
            metric_type=item.metric,
            metric_name=item.metric_name,
            metric_value=round(results.number(item.file, item.path).value * item.scale, 2),
        )
        for item in facts.evaluations
        if results.has(item.file)
    ]
    return ModelCardData(
        language=facts.language,
        license=facts.license,
        library_name="transformers",
        pipeline_tag=facts.pipeline_tag,
        tags=facts.tags,
        datasets=facts.datasets or None,
        model_name=facts.name if found else None,
        eval_results=found or None,
    )


class _Context:
    """What a template sees."""

    def __init__(
        self,
        facts: CardFacts,
        language: str,
        folder: Path | None,
        repo_id: str | None,
        revision: str | None,
        results: Results,
    ):
        self.language = language
        self.environment = _environment(TEMPLATES)
        sources = _sources()
        in_box = facts.name in pretrained.names()
        self.values: dict[str, Any] = {
            "facts": facts,
            "known": KNOWN_MODELS.get(facts.known_model or ""),
            "shape": shape_of(facts, folder)
            or jinja2.Undefined(f"the sizes of {facts.name} need its folder, with config.json"),
            "result": results.number,
            "count": results.count,
            "entry": results.entry,
            "has": results.has,
            "cited": sources.number,
            "source": sources.link,
            "shown": shown,
            "t": self.translate,
            "repo_id": repo_id,
            "revision": revision,
            "load": _load_arguments(facts, repo_id, revision, in_box),
            "example": EXAMPLES.get(facts.language, EXAMPLES["en"]),
            "in_box": in_box and repo_id is None,
            "code": _code(folder, in_box and repo_id is None),
            "conversion": _conversion(folder),
            "rows": comparison_rows(results),
            "claims": claims(results),
            "timed": timed(results),
            "project_url": sources.entries["project"]["url"],
            "transformers_tested": [shown(version) for version in TRANSFORMERS_TESTED],
            "has_picture": in_box if folder is None else (folder / "loss.svg").is_file(),
        }

    def render_file(self, name: str) -> str:
        return self._render(self.environment.get_template, name)

    def translate(self, texts: Mapping[str, str]) -> str:
        """A text of the facts in the language of the card, its calls computed."""
        return self._render(partial(_template_of, self.environment), texts[self.language]).strip()

    def _render(self, find: Callable[[str], jinja2.Template], text: str) -> str:
        try:
            return find(text).render(self.values)
        except jinja2.TemplateError as error:
            raise ValueError(f"the card of {self.values['facts'].name}, {text.strip()[:60]!r}: {error}") from error


@cache
def _environment(templates: Path) -> jinja2.Environment:
    """Compiled templates are kept, since the same ones serve every card."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown  # noqa: S701
    )
    environment.filters |= FILTERS
    return environment


@cache
def _template_of(environment: jinja2.Environment, text: str) -> jinja2.Template:
    return environment.from_string(text)


@cache
def _sources() -> Sources:
    return Sources()


def _load_arguments(facts: CardFacts, repo_id: str | None, revision: str | None, in_box: bool) -> str:
    """What stands in the brackets of from_pretrained."""
    if repo_id is not None:
        return f'"{repo_id}", revision="{revision}"'
    return f'path_of("{facts.name}")' if in_box else f'"{facts.name}"'


def _code(folder: Path | None, in_box: bool) -> list[CodeFile]:
    """The code files that the card lists: a folder of the box needs none, and one that is sent to the Hub gets the package's."""
    has_code = folder is not None and any(folder.glob("*.py"))
    return [] if in_box and not has_code else code_files(folder if has_code else None)


def _conversion(folder: Path | None) -> dict[str, Any] | None:
    """What `hf-elmo convert` wrote down beside a converted model, its numbers with their source."""
    if folder is None or not (folder / CONVERSION).is_file():
        return None
    return _with_sources(json.loads((folder / CONVERSION).read_text(encoding="utf-8")), "")


def _with_sources(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_sources(item, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_with_sources(item, f"{path}.{index}") for index, item in enumerate(value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Number(value, frozenset({f"{CONVERSION}: {path}"}))
    return value
