# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What is timed for each kind of contender: its inputs made from words, its encoder run, one update of its training.

Shapes: B sentences, T words or pieces.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hf_elmo.compare.contenders import PIECES_AT_ONCE, overlapping_windows
from hf_elmo.modeling.lstm_native import native_kernel

Sentences = Sequence[Sequence[str]]
Work = Callable[[], Any]
NATIVE = "compiled kernel"
LABELS = 17  # universal parts of speech
MASKED = 0.15  # of the pieces


def prepare(contender: Any, sentences: Sentences) -> list[dict[str, Tensor]]:
    """Sentences of words -> batches of the encoder's inputs, on its device: what the tokenizer and look-ups do.

    A BERT's sentence that is longer than its positions becomes windows that overlap by half, as for
    `Contender.vectors`.
    """
    if contender.kind == "static":
        rows = [[-1 if (row := contender.row_of(word)) is None else row for word in words] for words in sentences]
        return [{"rows": torch.tensor(rows)}]
    if contender.kind == "elmo":
        encoding = contender.tokenizer(
            [list(words) for words in sentences], is_split_into_words=True, padding=True, return_tensors="pt"
        )
        return [{name: tensor.to(contender.device) for name, tensor in encoding.items()}]
    windows = []
    for words in sentences:
        pieces, _ = contender.pieces(words)
        for start, end, _ in overlapping_windows(len(pieces), contender.window):
            windows.append([*contender.before, *pieces[start:end], *contender.after])
    windows.sort(key=len)
    at_once = max(1, PIECES_AT_ONCE // len(windows[-1]))
    return [_padded(contender, windows[start : start + at_once]) for start in range(0, len(windows), at_once)]


def _padded(contender: Any, rows: Sequence[list[int]]) -> dict[str, Tensor]:
    longest, padding = max(map(len, rows)), contender.tokenizer.pad_token_id or 0
    ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows], device=contender.device)
    lengths = torch.tensor([len(row) for row in rows], device=contender.device)
    mask = (torch.arange(longest, device=contender.device) < lengths[:, None]).long()
    return {"input_ids": ids, "attention_mask": mask}


def native_form(contender: Any) -> Any | None:
    """The same ELMo with the kernel that is compiled on first use; None for others, on GPUs and without a compiler."""
    if contender.kind != "elmo" or contender.device.type != "cpu" or native_kernel() is None:
        return None
    config = copy.deepcopy(contender.model.config)
    config.lstm_backend = "native"
    twin = copy.copy(contender)
    twin.name = f"{contender.name}, {NATIVE}"
    twin.model = type(contender.model)(config).eval()
    twin.model.load_state_dict(contender.model.state_dict())
    return twin


def encode(contender: Any, batches: Sequence[dict[str, Tensor]]) -> None:
    """Run the encoder over prepared batches without gradients; returns when the device has done it."""
    with torch.inference_mode():
        for batch in batches:
            if contender.kind == "static":
                vectors = contender.matrix[batch["rows"].clamp(min=0)]
                vectors[batch["rows"] < 0] = 0.0
            else:
                contender.model(**batch)
    wait_for(contender.device)


def wait_for(device: torch.device) -> None:
    """Until a GPU has done what it was told; a CPU always has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def head_update(contender: Any, sentences: Sentences) -> Work:
    """One update of a whole model with a linear layer that labels every word, by AdamW: ready to be timed.

    Weights are random ones of the model's sizes, which does not change the time. Static vectors do not learn, their layer
    does.
    """
    batches = prepare(contender, sentences)
    if contender.kind == "static":
        head = nn.Linear(contender.dimension, LABELS)
        return _update(head, lambda: _static_loss(head, contender.matrix, batches[0]["rows"]), contender.device)
    from transformers import AutoModelForTokenClassification

    fields = contender.model.config.to_dict() | {"num_labels": LABELS}
    config = type(contender.model.config).from_dict(
        {name: value for name, value in fields.items() if name not in ("id2label", "label2id")}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForTokenClassification.from_config(config).to(contender.device).train()
    labels = [batch["attention_mask"] - 1 for batch in batches]  # 0 at words, -1 at padding
    labels = [torch.where(each < 0, -100, 0) for each in labels]

    def loss() -> Tensor:
        return torch.stack(
            [model(**batch, labels=each).loss for batch, each in zip(batches, labels, strict=True)]
        ).mean()

    return _update(model, loss, contender.device)


def _static_loss(head: nn.Linear, matrix: Tensor, rows: Tensor) -> Tensor:
    logits = head(matrix[rows.clamp(min=0)])
    return F.cross_entropy(logits.flatten(0, 1), torch.zeros(rows.numel(), dtype=torch.long))


def pretraining_update(contender: Any, sentences: Sentences) -> Work | None:
    """One update of the task a model was pretrained by: ready to be timed; None for static vectors.

    ELMo predicts every word from both sides by its full softmax; BERT 15 % of the pieces, and next sentences, as
    `hf-elmo pretrain` trains both; other encoders over pieces their masked pieces.
    """
    if contender.kind == "static":
        return None
    from transformers import AutoModelForMaskedLM

    from hf_elmo.modeling import ElmoForPreTraining
    from hf_elmo.training.bert_task import BertLosses

    batches, config = prepare(contender, sentences), contender.model.config
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if config.model_type == "elmo":
            model: Any = ElmoForPreTraining(config)
        elif config.model_type == "bert":
            model = BertLosses(config)
        else:
            model = AutoModelForMaskedLM.from_config(config)
    model = model.to(contender.device).train()
    generator = torch.Generator().manual_seed(0)

    def labelled(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        if config.model_type == "elmo":
            return {**batch, "labels": torch.where(mask > 0, ids, -100)}
        chosen = (torch.rand(ids.shape, generator=generator) < MASKED).to(ids.device) & (mask > 0)
        inputs = {**batch, "labels": torch.where(chosen, ids, -100)}
        if config.model_type == "bert":
            inputs["token_type_ids"] = torch.zeros_like(ids)
            inputs["next_sentence_label"] = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
        return inputs

    made = [labelled(batch) for batch in batches]

    def loss() -> Tensor:
        outputs = [model(**inputs) for inputs in made]
        if config.model_type == "bert":
            return torch.stack([masked / 100 + pairs for masked, pairs in outputs]).sum()
        return torch.stack([output.loss for output in outputs]).sum()

    return _update(model, loss, contender.device)


def _update(model: nn.Module, loss: Callable[[], Tensor], device: torch.device) -> Work:
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        wait_for(device)

    return step
