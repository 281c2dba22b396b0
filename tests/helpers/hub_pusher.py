# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Script of a child process: push tiny models with every head by the usual calls, write what they give.

    python hub_pusher.py results.pt

One repository for each Auto class (`org/<Auto class>`); of the encoder a tag `v1`, other weights in a branch `next` and
in a pull request; and `org/trained`, pushed by a Trainer at every step.
"""

import sys

import torch
import transformers
from elmo_builders import tiny_config
from hub_observations import AUTO_MODELS, PIPELINES, observe, predict
from huggingface_hub import HfApi

import hf_elmo

torch.set_num_threads(1)
torch.manual_seed(0)
api, results, seen = HfApi(), {}, {}
tokenizer = hf_elmo.ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank"])


def shake(model):
    """Make every parameter random, biases and mix included, so that a lost one shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


for auto_class in AUTO_MODELS:
    name = f"org/{auto_class}"
    head = getattr(hf_elmo, auto_class.replace("AutoModelFor", "ElmoFor").replace("AutoModel", "ElmoModel"))
    settings = {"task_head": "recurrent", "task_hidden_size": 4, "use_crf": True, "static_embedding_size": 3}
    model = shake(head(tiny_config(**settings, vocab_size=len(tokenizer), id2label={0: "O", 1: "B-x", 2: "I-x"})))
    # Both orders are usual, and neither may lose what the other brought.
    for thing in (model, tokenizer) if auto_class != "AutoModelForMultipleChoice" else (tokenizer, model):
        thing.push_to_hub(name)
    seen[auto_class] = model
    results[auto_class, None] = observe(model, tokenizer)
for task, auto_class in PIPELINES.items():
    results["pipeline", task] = predict(transformers.pipeline(task, model=seen[auto_class], tokenizer=tokenizer))


def observe_encoder(revision: str | None) -> None:
    results["AutoModel", revision] = observe(encoder, tokenizer)
    extract = transformers.pipeline("feature-extraction", model=encoder, tokenizer=tokenizer)
    results["pipeline", "AutoModel", revision] = predict(extract)


encoder = seen["AutoModel"]
observe_encoder(None)
api.create_tag("org/AutoModel", tag="v1")
results["commit"] = api.model_info("org/AutoModel").sha
shake(encoder).push_to_hub("org/AutoModel", revision="next")
observe_encoder("next")
shake(encoder).push_to_hub("org/AutoModel", create_pr=True)
observe_encoder("refs/pr/1")
shake(encoder).push_to_hub("org/AutoModel", commit_message="Better weights", tags=["mine"])
observe_encoder("main")

words = [["Anna", "sat", "by", "the", "bank"], ["She", "paid", "the", "bank", "."]]
data = [{**tokenizer(row, is_split_into_words=True), "labels": [-100, 1, 0, 0, 0, 2, -100]} for row in words * 4]
torch.manual_seed(0)
trained = hf_elmo.ElmoForTokenClassification(tiny_config(vocab_size=len(tokenizer), num_labels=3))
trainer = transformers.Trainer(
    trained,
    transformers.TrainingArguments(
        "trained",
        push_to_hub=True,
        hub_model_id="org/trained",
        hub_always_push=True,
        max_steps=2,
        save_steps=1,
        learning_rate=0.1,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=data,
    data_collator=transformers.DataCollatorForTokenClassification(tokenizer),
    processing_class=tokenizer,
)
trainer.train()
trainer.push_to_hub()
results["trained"] = observe(trained.eval(), tokenizer)
torch.save(results, sys.argv[1])
