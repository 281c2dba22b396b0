# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a language model knows, measured: n-gram baselines and minimal pairs.

`ngram` and `framed_sentences` count and predict with NumPy alone; `blimp` reads minimal pairs and judges scores, which
`sentence_scores` computes; `command` is `hf-elmo evaluate`. Importing this module loads nothing.
"""
