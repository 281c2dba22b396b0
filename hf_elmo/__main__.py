# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`python -m hf_elmo` is the command `hf-elmo`."""

import sys

from hf_elmo.cli import main

sys.exit(main())
