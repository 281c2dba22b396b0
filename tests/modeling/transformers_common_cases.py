# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The Elmo classes under transformers' common tests; test_transformers_common.py runs this file inside of their folder."""

import importlib.util
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import torch
from elmo_builders import tiny_config
from tests.test_configuration_common import ConfigTester
from tests.test_tokenization_common import TokenizerTesterMixin
from tests.test_tokenizers_backend_mixin import TokenizersBackendTesterMixin
from transformers.models.auto import modeling_auto

from hf_elmo import (
    ElmoConfig,
    ElmoForMultipleChoice,
    ElmoForQuestionAnswering,
    ElmoForSequenceClassification,
    ElmoForTokenClassification,
    ElmoModel,
    ElmoTokenizer,
)
from tests import test_modeling_common, test_pipeline_mixin

WORDS = ["this", "is", "a", "test", "the", "cat", "sat", "on", "mat", "low", "er", "newest", "hello", "world"]
HEADS = {
    "MULTIPLE_CHOICE": ElmoForMultipleChoice,
    "QUESTION_ANSWERING": ElmoForQuestionAnswering,
    "SEQUENCE_CLASSIFICATION": ElmoForSequenceClassification,
    "TOKEN_CLASSIFICATION": ElmoForTokenClassification,
}
# The tests tell by these tables of names which kind of labels a class takes.
modeling_auto.MODEL_MAPPING_NAMES["elmo"] = ElmoModel.__name__
for kind, head in HEADS.items():
    getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING_NAMES")["elmo"] = head.__name__


class ElmoModelTester:
    """A tiny config and a batch of pairs of texts, which every class takes."""

    batch_size, num_choices, is_training = 5, 3, True
    questions = ["who sat on it?", "is this a test?", "what?", "hello world!", "the newest cat?"]
    contexts = ["the cat sat on a mat.", "it is a test.", "zebras sat low.", "hello, newest world.", "is it this?"]

    def __init__(self, **settings):
        self.settings = settings
        self.batch = ElmoTokenizer(WORDS)(self.questions, self.contexts, padding=True, return_tensors="pt")
        self.seq_length = self.batch["input_ids"].shape[1]
        self.hidden_size, self.num_hidden_layers = 24, 2

    def get_config(self) -> ElmoConfig:
        return tiny_config(vocab_size=len(ElmoTokenizer(WORDS)), task_hidden_size=4, **self.settings)

    def prepare_config_and_inputs_for_common(self):
        return self.get_config(), dict(self.batch)


class CommonTests(test_modeling_common.ModelTesterMixin):
    all_model_classes = (ElmoModel, *HEADS.values())
    has_attentions = False
    test_resize_embeddings = False  # the alphabet is fixed; a grown vocabulary is tested in test_static_vectors.py
    test_can_init_all_missing_weights_before_2023 = True
    settings: dict = {}

    def setUp(self):
        self.model_tester = ElmoModelTester(**self.settings)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        if model_class is ElmoForMultipleChoice:  # the stock code knows two axes, as the stock collator does
            inputs_dict = dict(inputs_dict, char_ids=inputs_dict["char_ids"].flatten(1))
        return super()._prepare_for_class(inputs_dict, model_class, return_labels)

    @unittest.skip("inputs_embeds are word vectors; the embeddings are of characters, so there are none to look up")
    def test_inputs_embeds(self):
        pass

    @unittest.skip("inputs_embeds are word vectors; the embeddings are of characters, so there are none to look up")
    def test_inputs_embeds_matches_input_ids(self):
        pass

    @unittest.skip("shrinks vocab_size, which shapes no weight here; test_can_load_ignoring_mismatched_shapes runs")
    def test_load_with_mismatched_shapes(self):
        pass


class ElmoLinearTest(CommonTests, unittest.TestCase):
    def test_config(self):
        ConfigTester(
            self, config_class=ElmoConfig, common_properties=["hidden_size", "num_hidden_layers"]
        ).run_common_tests()


class ElmoRecurrentTest(CommonTests, unittest.TestCase):
    settings = {
        "task_head": "recurrent",
        "use_crf": True,
        "static_embedding_size": 3,
        "freeze_static_embeddings": False,
    }


class ElmoTokenizerTest(TokenizerTesterMixin, TokenizersBackendTesterMixin, unittest.TestCase):
    tokenizer_class = rust_tokenizer_class = ElmoTokenizer
    test_seq2seq = False
    from_pretrained_kwargs: dict = {}

    @classmethod
    def setUpClass(cls):
        cls.source = tempfile.mkdtemp()
        ElmoTokenizer(WORDS).save_pretrained(cls.source)
        cls.from_pretrained_id = [cls.source]
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.source)
        super().tearDownClass()

    @unittest.skip("asks every output of the tokenizer for two axes; char_ids have three")
    def test_batch_encode_dynamic_overflowing(self):
        pass


class ElmoPipelineTest(test_pipeline_mixin.PipelineTesterMixin, unittest.TestCase):
    """With tiny models from here in the place of those on the Hub."""

    pipeline_model_mapping = {
        "feature-extraction": ElmoModel,
        "text-classification": ElmoForSequenceClassification,
        "token-classification": ElmoForTokenClassification,
        "zero-shot": ElmoForSequenceClassification,
    }

    @classmethod
    def setUpClass(cls):
        if importlib.util.find_spec("tests.pipelines") is None:
            raise unittest.SkipTest("TRANSFORMERS_SOURCE has no tests/pipelines; the archive on PyPI leaves it out")
        folder = Path(os.environ["TRANSFORMERS_TINY_MODEL_PATH"])
        test_pipeline_mixin.transformers_module.ElmoTokenizer = ElmoTokenizer
        tokenizer = ElmoTokenizer(WORDS, model_max_length=64)
        for model_class in (ElmoModel, *HEADS.values()):
            torch.manual_seed(0)
            model_class(tiny_config(vocab_size=len(tokenizer))).save_pretrained(folder / "elmo" / model_class.__name__)
            tokenizer.save_pretrained(folder / "elmo" / model_class.__name__)
            test_pipeline_mixin.tiny_model_summary[model_class.__name__] = {
                "tokenizer_classes": ["ElmoTokenizer"],
                "processor_classes": [],
            }


__all__ = ["ElmoLinearTest", "ElmoPipelineTest", "ElmoRecurrentTest", "ElmoTokenizerTest"]
