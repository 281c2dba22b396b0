# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Registration of the Elmo classes with transformers' Auto classes, done by `import hf_elmo`."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from hf_elmo.modeling import (
    ElmoConfig,
    ElmoForMultipleChoice,
    ElmoForPreTraining,
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoModel,
    ElmoTokenizer,
)

_MODELS = {
    AutoModel: ElmoModel,
    AutoModelForMultipleChoice: ElmoForMultipleChoice,
    AutoModelForPreTraining: ElmoForPreTraining,
    AutoModelForQuestionAnswering: ElmoForQuestionAnswering,
    AutoModelForSequenceClassification: ElmoForSequenceClassification,
    AutoModelForTokenClassification: ElmoForTokenClassification,
}


def register_auto_classes() -> None:
    """Make the Auto classes find the Elmo classes, and `save_pretrained` copy their code; safe to repeat.

    A registered configuration or model wins over the remote code of a repository, with and without
    `trust_remote_code`; a registered tokenizer without it (transformers 5.23).
    """
    AutoConfig.register("elmo", ElmoConfig, exist_ok=True)
    AutoTokenizer.register(ElmoConfig, tokenizer_class=ElmoTokenizer, exist_ok=True)
    ElmoConfig.register_for_auto_class()
    ElmoTokenizer.register_for_auto_class("AutoTokenizer")
    for auto_class, model_class in _MODELS.items():
        auto_class.register(ElmoConfig, model_class, exist_ok=True)
        model_class.register_for_auto_class(auto_class.__name__)
