# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What goes along with a push: code that config.json names, and a card that leaves no field unfilled."""

import json
import re
import shutil

import pytest
from elmo_builders import tiny_config, tiny_model
from hub_cards import check_card
from huggingface_hub import ModelCard, ModelCardData
from support import files_a_model_imports

from hf_elmo import ElmoForTokenClassification, ElmoTokenizer
from hf_elmo.model_cards.check import check_card as check_for_publishing


@pytest.fixture
def tokenizer():
    return ElmoTokenizer(["<S>", "</S>", "<UNK>", "the", "bank"])


def card_of(hub, name: str = "org/elmo", revision: str = "main") -> str:
    return hub.files(name, revision)["README.md"].decode()


class TestCards:
    def test_of_an_encoder(self, online):
        tiny_model().push_to_hub("org/elmo")
        card = card_of(online)
        assert "Text goes in; for each word 3 vectors of 24 numbers come out." in card
        assert 'AutoModel.from_pretrained("org/elmo", trust_remote_code=True, revision="main")' in card
        data = ModelCard(card).data
        assert (data.library_name, data.pipeline_tag, data.tags) == ("transformers", "feature-extraction", ["elmo"])
        assert check_card(card) == ([], [])
        # Nothing is unfilled; only the licence is not known to push_to_hub.
        (fault,) = check_for_publishing(card)
        assert fault.startswith("license is missing")

    def test_of_a_head_pushed_after_its_tokenizer(self, online, tokenizer):
        """The tokenizer's card gives way to the model's; the tags of the call stay."""
        tokenizer.push_to_hub("org/elmo")
        assert "# elmo\n\nThe tokenizer of an ELMo model" in card_of(online)
        ElmoForTokenClassification(tiny_config()).push_to_hub("org/elmo", tags=["mine"])
        card = card_of(online)
        assert "what its head `ElmoForTokenClassification` makes of them" in card and "The tokenizer of" not in card
        assert "import AutoModelForTokenClassification, AutoTokenizer" in card
        data = ModelCard(card).data
        assert (data.pipeline_tag, data.tags) == ("token-classification", ["elmo", "mine"])
        tokenizer.push_to_hub("org/elmo")
        assert card_of(online) == card

    def test_that_somebody_wrote(self, online, tokenizer):
        written = "---\nlicense: mit\n---\n# Mine\n\n[More Information Needed]\n"
        online.create("org/elmo")
        online.commit("org/elmo", {"README.md": written.encode()})
        tiny_model().push_to_hub("org/elmo")
        tokenizer.push_to_hub("org/elmo")
        assert card_of(online) == written

    def test_template_that_nobody_filled(self, online):
        """Of a push without this package; the metadata is kept."""
        stock = ModelCard.from_template(
            ModelCardData(library_name="transformers", license="mit", tags=["old"]),
            model_description="This is the model card of a 🤗 transformers model that has been pushed on the Hub. "
            "This model card has been automatically generated.",
        )
        online.create("org/elmo")
        online.commit("org/elmo", {"README.md": str(stock).encode()})
        tiny_model().push_to_hub("org/elmo")
        card = card_of(online)
        assert "More Information Needed" not in card
        assert (ModelCard(card).data.license, ModelCard(card).data.tags) == ("mit", ["old", "elmo"])
        assert check_for_publishing(card) == []

    def test_in_a_branch_and_a_pull_request(self, online):
        tiny_model(seed=1).push_to_hub("org/elmo", revision="next")
        tiny_model(seed=2).push_to_hub("org/elmo", create_pr=True)
        for revision in ("next", "refs/pr/1"):
            assert "3 vectors of 24 numbers" in card_of(online, revision=revision)
            assert "config.json" in online.files("org/elmo", revision)
        assert set(online.files("org/elmo")) == {".gitattributes"}

    def test_snippet_runs(self, online):
        ElmoForTokenClassification(tiny_config()).push_to_hub("org/elmo")
        ElmoTokenizer(["<S>", "</S>", "<UNK>"]).push_to_hub("org/elmo")
        (snippet,) = re.findall(r"```python\n(.*?)```", card_of(online), re.DOTALL)
        names: dict = {}
        exec(snippet, names)
        logits = names["model"](**names["tokenizer"]("Anna saw it", return_tensors="pt")).logits
        assert logits.shape == (1, 5, 2)


class TestCode:
    def test_that_a_folder_with_settings_alone_lacks(self, tmp_path, tokenizer):
        """As a Trainer that pushes in the midst of training leaves it: weights, config.json, then the tokenizer."""
        model = ElmoForTokenClassification(tiny_config())
        model.save_pretrained(tmp_path / "checkpoint")
        (tmp_path / "pushed").mkdir()
        shutil.copy(tmp_path / "checkpoint" / "config.json", tmp_path / "pushed")
        tokenizer.save_pretrained(tmp_path / "pushed")
        code = {path.name for path in (tmp_path / "pushed").glob("*.py")}
        assert code == files_a_model_imports() | {path.name for path in (tmp_path / "checkpoint").glob("*.py")}

    def test_of_other_folders_is_left_alone(self, tmp_path, tokenizer):
        tokenizer.save_pretrained(tmp_path / "alone")
        alone = {path.name for path in (tmp_path / "alone").glob("*.py")}
        assert "modeling_elmo.py" not in alone
        for name, settings in (
            ("bert", {"model_type": "bert"}),
            ("other", {"auto_map": {"AutoModel": "other.Model"}}),
        ):
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.json").write_text(json.dumps(settings))
            tokenizer.save_pretrained(tmp_path / name)
            assert {path.name for path in (tmp_path / name).glob("*.py")} == alone
