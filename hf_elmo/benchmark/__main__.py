# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`python -m hf_elmo.benchmark`."""

import sys

from hf_elmo.benchmark import main

sys.exit(main())
