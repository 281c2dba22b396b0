# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What goes along to the Hub: all code that config.json names, and a card without unfilled fields."""

import json
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from transformers.dynamic_module_utils import get_relative_import_files
from transformers.utils import PushToHubMixin

PIPELINE_TAGS = {
    "AutoModel": "feature-extraction",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForQuestionAnswering": "question-answering",
}
# What transformers 5 writes into a card that it makes.
STOCK_DESCRIPTION = (
    "This is the model card of a 🤗 transformers model that has been pushed on the Hub. This model card has been "
    "automatically generated."
)
USE = """```python
from transformers import {auto_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}", trust_remote_code=True, revision="main")
model = {auto_class}.from_pretrained("{name}", trust_remote_code=True, revision="main")
```

Instead of `main`, name a commit whose code you have read: it then stays as you saw it. With the package `hf_elmo`
installed and imported, both lines work without `trust_remote_code`."""
UNKNOWN = """## What this card does not say

It was written by `push_to_hub`, which knows neither the training data nor the language, the licence of the weights or
how good the model is. Edit it to tell; the next push keeps it."""


class HubUpload(PushToHubMixin):
    """Base of model and tokenizer classes; steps in between saving and uploading in `push_to_hub`."""

    def _upload_modified_files(self, working_dir, repo_id, *args, **kwargs):
        add_missing_code(working_dir)
        card = Path(working_dir, "README.md")
        if card.is_file():
            fill_card(card, repo_id, self)
        return super()._upload_modified_files(working_dir, repo_id, *args, **kwargs)


def add_missing_code(folder) -> None:
    """Copy what `auto_map` in the folder's config.json names and the folder lacks, with all it imports from beside it.

    A Trainer that pushes in the midst of training sends weights, config.json and the tokenizer, but not the code of
    the model: nobody could load that.
    """
    config = Path(folder, "config.json")
    named = json.loads(config.read_text(encoding="utf-8")).get("auto_map") if config.is_file() else None
    for module in sorted({target.split(".")[0] for target in (named or {}).values() if isinstance(target, str)}):
        source = Path(__file__).with_name(f"{module}.py")
        if source.is_file() and not Path(folder, source.name).exists():
            for file in (source, *map(Path, get_relative_import_files(source))):
                shutil.copyfile(file, Path(folder, file.name))


def fill_card(path: Path, name: str, pushed: Any) -> None:
    """Put a short card where nobody has written one: instead of transformers' template, or of a tokenizer's card.

    Args:
        path: of README.md.
        name: of the repository.
        pushed: the model or the tokenizer.
    """
    card = ModelCard.load(path)
    untouched = ModelCard.from_template(card.data, model_description=STOCK_DESCRIPTION).text
    if card.text.strip() not in (untouched.strip(), short_text(name, None)):
        return
    model = pushed if hasattr(pushed, "config") else None
    card.text = f"\n{short_text(name, model)}\n"
    card.data.tags = list(dict.fromkeys([*(card.data.tags or []), "elmo"]))
    if model is not None and card.data.pipeline_tag is None:
        card.data.pipeline_tag = PIPELINE_TAGS.get(str(model._auto_class))
    card.save(path)


def short_text(name: str, model: Any) -> str:
    """The card without its metadata; of a tokenizer where `model` is None."""
    what = "The tokenizer of an ELMo model: splits text into words and spells each as 50 character ids."
    if model is not None:
        config = model.config
        what = (
            f"ELMo: a character CNN and {config.num_hidden_layers} bidirectional LSTM layers. Text goes in; for each word "
            f"{config.num_hidden_layers + 1} vectors of {config.hidden_size} numbers come out"
        )
        head = type(model).__name__.partition("For")[2]
        what += f", and what its head `{type(model).__name__}` makes of them." if head else "."
        what += " It has no attention, gives no sentence vector and writes no text."
    auto_class = getattr(model, "_auto_class", None) or "AutoModel"
    return "\n\n".join([f"# {name.rpartition('/')[2]}", what, USE.format(name=name, auto_class=auto_class), UNKNOWN])
