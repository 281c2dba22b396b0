# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo in the transformers API.

`import hf_elmo` registers the Elmo classes with transformers' Auto classes, so that
`AutoModel.from_pretrained("org/elmo-base")` needs no `trust_remote_code`.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hf_elmo.auto import register_auto_classes
    from hf_elmo.embed import embed_sentences
    from hf_elmo.modeling import (
        ElmoConfig,
        ElmoForMultipleChoice,
        ElmoForPreTraining,
        ElmoForQuestionAnswering,
        ElmoForSequenceClassification,
        ElmoForTokenClassification,
        ElmoModel,
        ElmoModelOutput,
        ElmoPreTrainedModel,
        ElmoTokenizer,
        ScalarMix,
        lstm_projection,
    )

_MODULE_OF = {
    "ElmoConfig": "hf_elmo.modeling",
    "ElmoForMultipleChoice": "hf_elmo.modeling",
    "ElmoForPreTraining": "hf_elmo.modeling",
    "ElmoForQuestionAnswering": "hf_elmo.modeling",
    "ElmoForSequenceClassification": "hf_elmo.modeling",
    "ElmoForTokenClassification": "hf_elmo.modeling",
    "ElmoModel": "hf_elmo.modeling",
    "ElmoModelOutput": "hf_elmo.modeling",
    "ElmoPreTrainedModel": "hf_elmo.modeling",
    "ElmoTokenizer": "hf_elmo.modeling",
    "ScalarMix": "hf_elmo.modeling",
    "embed_sentences": "hf_elmo.embed",
    "lstm_projection": "hf_elmo.modeling",
    "register_auto_classes": "hf_elmo.auto",
}

__all__ = [
    "ElmoConfig",
    "ElmoForMultipleChoice",
    "ElmoForPreTraining",
    "ElmoForQuestionAnswering",
    "ElmoForSequenceClassification",
    "ElmoForTokenClassification",
    "ElmoModel",
    "ElmoModelOutput",
    "ElmoPreTrainedModel",
    "ElmoTokenizer",
    "ScalarMix",
    "__version__",
    "embed_sentences",
    "lstm_projection",
    "register_auto_classes",
]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hf_elmo' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _runs_as_command() -> bool:
    """Whether this process is `hf-elmo` or `python -m hf_elmo`, and not a program that imports the package."""
    program = Path(sys.argv[0] if sys.argv else "").name
    if program != "-m":  # what argv holds while Python looks for the module of `python -m`
        return program in ("hf-elmo", "hf-elmo.exe")
    flag = next((place for place, word in enumerate(sys.orig_argv) if word == "-m"), len(sys.orig_argv))
    module = "".join(sys.orig_argv[flag + 1 : flag + 2])
    return module == "hf_elmo" or module == "hf_elmo.cli"


# A command answers --help without loading torch; its subcommands register the classes when they need a model.
if not _runs_as_command():
    from hf_elmo.auto import register_auto_classes

    register_auto_classes()
