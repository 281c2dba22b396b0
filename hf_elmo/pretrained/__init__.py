# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The pretrained models that come with the package, and how they are found by name."""
