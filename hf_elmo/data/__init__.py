# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Data for fine-tuning: files in the usual formats of tagging, classification, question answering and multiple choice.

Everything comes back as a `datasets.Dataset` with the same columns for a task, whatever the format was.
"""

from hf_elmo.data.classification import load_classification
from hf_elmo.data.files import DataError
from hf_elmo.data.multiple_choice import load_multiple_choice
from hf_elmo.data.qa import load_qa
from hf_elmo.data.tagging import load_tagging
from hf_elmo.data.tags import is_bio, to_bio2
from hf_elmo.data.task_data import load_task_data

__all__ = [
    "DataError",
    "is_bio",
    "load_classification",
    "load_multiple_choice",
    "load_qa",
    "load_tagging",
    "load_task_data",
    "to_bio2",
]
