# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Model cards: what a card may say about a model, and where each of its numbers comes from."""
