# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a pretrained ELMo shows: one word in several senses, and the neighbours of a word in context."""
