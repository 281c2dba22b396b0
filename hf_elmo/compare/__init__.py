# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo, BERT-like models and static vectors side by side: `hf-elmo compare`.

An experiment is a module of this package with NAME, TITLE, `cells`, `run` and `summarize` (see `hf_elmo.compare.cells`).
Importing this package loads neither torch nor transformers.
"""
