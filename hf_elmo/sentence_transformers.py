# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo as the first module of a `SentenceTransformer`; needs `pip install "hf-elmo[sentence]"`.

```python
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from hf_elmo.sentence_transformers import ElmoEncoder

encoder = ElmoEncoder("org/elmo-base")
model = SentenceTransformer(modules=[encoder, Pooling(encoder.get_embedding_dimension(), "mean")])
vectors = model.encode(["The bank by the river."])
model.save("folder")
model = SentenceTransformer("folder", trust_remote_code=True)  # asked for wherever a module is not the library's own
```
"""

from typing import Any

import torch

try:
    from sentence_transformers.base.modules import Transformer
except ImportError as error:
    raise ImportError(
        f'ElmoEncoder needs sentence-transformers 6.2 or later ({error}): pip install "hf-elmo[sentence]"'
    ) from error

import hf_elmo.auto
from hf_elmo.modeling.segments import find_segments
from hf_elmo.modeling.word_layout import WordLayout
from hf_elmo.pretrained import resolve

hf_elmo.auto.register_auto_classes()  # `hf-elmo` and `python -m hf_elmo` have not done so


class ElmoEncoder(Transformer):
    """Gives `token_embeddings`, the scalar mix of every word of a text, and an `attention_mask` for a pooling module.

    The encoder reads the sentence marks `<S>` and `</S>`, but they are no words: they have no row, as in AllenNLP's
    `Elmo`, and [`ElmoForSequenceClassification`] counts alike. A text without words has one row of zeros.

    Args:
        model_name_or_path: a saved ELMo: a folder, a model of the box (`elmo-mini-en`) or an id on the Hub.
        include_marks: rows for the sentence marks as well.
        kwargs: of `sentence_transformers`' `Transformer`, such as `max_seq_length` (words and marks; no limit by
            default) and `model_kwargs`.
    Raises:
        ValueError: the model is not an ELMo.
    """

    config_keys = [*Transformer.config_keys, "include_marks"]

    def __init__(self, model_name_or_path: str, *, include_marks: bool = False, **kwargs: Any):
        kwargs["modality_config"] = {"text": {"method": "forward", "method_output_name": "mixed_state"}}
        kwargs["module_output_name"] = "token_embeddings"
        super().__init__(resolve(model_name_or_path), **kwargs)
        if self.config.model_type != "elmo":
            raise ValueError(
                f"{model_name_or_path} is a model of type {self.config.model_type!r}; ElmoEncoder reads ELMo models, "
                "others are loaded by sentence_transformers' own Transformer"
            )
        self.include_marks = include_marks

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """A new dict with `token_embeddings` (B, T, 2D), zero behind a text, and the `attention_mask` (B, T) of rows."""
        features = super().forward(dict(features), **kwargs)  # a copy: some losses pass the same features twice
        if not self.include_marks:
            mask = features["attention_mask"].bool()
            words = find_segments(self.config, mask, features["input_ids"], features["char_ids"]).words
            layout = WordLayout(words)
            vectors = features["token_embeddings"].masked_fill(~words.unsqueeze(-1), 0)
            features["token_embeddings"] = layout.to_left(vectors)
            rows = layout.lengths.clamp(min=1)  # the maximum of nothing would be infinite
            columns = torch.arange(words.shape[1], device=words.device)
            features["attention_mask"] = (columns < rows.unsqueeze(1)).to(torch.long)
            tokenizer: Any = self.tokenizer
            if "prompt_length" in features and tokenizer.add_bos_token:
                features["prompt_length"] = features["prompt_length"] - 1  # a mark stood before the prompt
        return features


__all__ = ["ElmoEncoder"]
