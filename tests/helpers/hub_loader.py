# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Script of a child process: load what a job lists from the Hub of HF_ENDPOINT, write what it gave.

    python hub_loader.py job.json results.pt

job.json: {"hidden": true where hf_elmo must not be importable, "trust": trust_remote_code or null, "loads": [[auto
class, repository, revision], ...], "pipelines": [[task, repository, revision], ...], "push": [[auto class, from
repository, to repository], ...], done first, "hurry": true to repeat failed requests at once}. Keys of the results are
those lists as tuples.
"""

import json
import sys
from types import SimpleNamespace

job = json.load(open(sys.argv[1]))
if job["hidden"]:
    sys.modules["hf_elmo"] = None  # as if not installed

import huggingface_hub.utils._http  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from hub_observations import observe, predict  # noqa: E402

if not job["hidden"]:
    import hf_elmo  # noqa: F401
torch.set_num_threads(1)
results = {}
if job["hurry"]:
    huggingface_hub.utils._http.time = SimpleNamespace(sleep=lambda seconds: None)


def settings_of(revision: str | None) -> dict:
    """`revision` and `trust_remote_code`, each only where the job has one."""
    named = {"revision": revision, "trust_remote_code": job["trust"]}
    return {name: value for name, value in named.items() if value is not None}


for auto_class, repository, target in job.get("push", []):
    for loader in (getattr(transformers, auto_class), transformers.AutoTokenizer):
        loader.from_pretrained(repository, **settings_of(None)).push_to_hub(target)
for auto_class, repository, revision in job["loads"]:
    settings = settings_of(revision)
    config = transformers.AutoConfig.from_pretrained(repository, **settings)
    tokenizer = transformers.AutoTokenizer.from_pretrained(repository, **settings)
    head = getattr(transformers, auto_class)
    model, told = head.from_pretrained(repository, output_loading_info=True, **settings)
    assert not model.training and config.model_type == "elmo"
    results[auto_class, repository, revision] = {
        **observe(model, tokenizer),
        "told": {key: sorted(map(str, value)) for key, value in told.items()},
        "modules": [type(thing).__module__.split(".")[0] for thing in (config, tokenizer, model)],
    }
for task, repository, revision in job["pipelines"]:
    made = transformers.pipeline(task, repository, **settings_of(revision))
    results[task, repository, revision] = predict(made)
torch.save(results, sys.argv[2])
