# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Fine-tuning of ELMo and of BERT-like models over `transformers.Trainer`: the command `hf-elmo finetune`.

In running order: `command`, `options` and `arguments` (what was asked for), `run` (calls all that follows), `output`
(the folder), `tasks` and `qa` (text to features, logits to answers, scores), `models` (configuration, tokenizer,
model), `feature_cache`, `optimization`, `trainer` and `callbacks`, `plan` (what is said before), `report` and `card`
(what is left behind). Nothing is loaded before it is used: `options` answers `--help` without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_elmo.finetune.callbacks import GradualUnfreezing, ScalarMixLogger
    from hf_elmo.finetune.feature_cache import FeatureCache
    from hf_elmo.finetune.optimization import optimizer_grouped_parameters
    from hf_elmo.finetune.run import finetune

_MODULE_OF = {
    "FeatureCache": "feature_cache",
    "GradualUnfreezing": "callbacks",
    "ScalarMixLogger": "callbacks",
    "finetune": "run",
    "optimizer_grouped_parameters": "optimization",
}

__all__ = ["FeatureCache", "GradualUnfreezing", "ScalarMixLogger", "finetune", "optimizer_grouped_parameters"]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
