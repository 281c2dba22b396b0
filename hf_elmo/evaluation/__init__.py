# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What a language model knows, measured: n-gram baselines and minimal pairs."""
