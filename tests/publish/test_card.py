# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Which card stands in the repository afterwards, and what is refused before anything is sent."""

import json
import shutil

import pytest
import yaml
from safetensors.torch import load_file, save_file

from hf_elmo import pretrained
from hf_elmo.publish.card import merge
from hf_elmo.publish.errors import PublishError, RefusedFiles

THEIRS = """---
license: mit
tags: [mine, elmo]
library_name: transformers
pipeline_tag: feature-extraction
---

# Their title

Their text.
"""


@pytest.fixture
def with_their_card(hub):
    hub.create("org/elmo")
    hub.commit("org/elmo", {"README.md": THEIRS.encode()})
    return hub


def test_another_card_is_never_replaced_unasked(publish, with_their_card):
    with pytest.raises(PublishError, match="org/elmo has another README.md: --card keep leaves it, --card replace"):
        publish()
    assert len(with_their_card.commits("org/elmo")) == 2


def test_the_same_card_is_no_question(publish, hub, folder):
    hub.create("org/elmo")
    hub.commit("org/elmo", {"README.md": (folder / "README.md").read_bytes()})
    assert publish() == 0


def test_keep(publish, with_their_card, folder, capsys):
    assert publish("--card", "keep") == 0
    files = with_their_card.files("org/elmo")
    assert files["README.md"] == THEIRS.encode()
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert "README.md: that of org/elmo stays" in capsys.readouterr().out
    assert publish("--card", "keep") == 0 and len(with_their_card.commits("org/elmo")) == 3


def test_translations_are_cards_as_well(publish, with_their_card, folder):
    (folder / "README_zh.md").write_text((folder / "README.md").read_text())
    with_their_card.commit("org/elmo", {"README.md": None, "README_zh.md": THEIRS.encode()})
    with pytest.raises(PublishError, match="org/elmo has another README_zh.md: --card keep"):
        publish()
    assert publish("--card", "keep") == 0
    assert with_their_card.files("org/elmo")["README_zh.md"] == THEIRS.encode()
    assert with_their_card.files("org/elmo")["README.md"] == (folder / "README.md").read_bytes()


def test_faults_of_a_card_that_is_not_sent_are_no_hindrance(publish, with_their_card, folder):
    (folder / "README.md").write_text("# Title\n\nTODO\n")
    assert publish("--card", "keep") == 0
    assert with_their_card.files("org/elmo")["README.md"] == THEIRS.encode()
    (folder / "README_zh.md").write_text("TODO\n")  # there is none to keep, so it would be sent
    with pytest.raises(RefusedFiles) as raised:
        publish("--card", "keep")
    assert all(problem.startswith("README_zh.md: ") for problem in raised.value.problems)


def test_a_card_that_is_kept_needs_no_other_one(publish, with_their_card, folder):
    (folder / "README.md").unlink()
    assert publish("--card", "keep") == 0
    assert with_their_card.files("org/elmo")["README.md"] == THEIRS.encode()
    assert "model.safetensors" in with_their_card.files("org/elmo")
    with_their_card.commit("org/elmo", {"README.md": None})
    with pytest.raises(PublishError, match="no model is published without a card"):
        publish("--card", "keep")


def test_replace(publish, with_their_card, folder):
    assert publish("--card", "replace") == 0
    assert with_their_card.files("org/elmo")["README.md"] == (folder / "README.md").read_bytes()


def test_merge_keeps_their_text_and_values_and_adds_what_is_missing(publish, with_their_card, capsys):
    assert publish("--card", "merge") == 0
    card = with_their_card.files("org/elmo")["README.md"].decode()
    _, block, body = card.split("---\n", 2)
    assert body == THEIRS.split("---\n", 2)[2]
    assert yaml.safe_load(block) == {
        "license": "mit",
        "tags": ["mine", "elmo"],
        "library_name": "transformers",
        "pipeline_tag": "feature-extraction",
        "language": "en",
    }
    assert "license stays mit, yours was apache-2.0" in capsys.readouterr().out
    assert publish("--card", "merge") == 0 and len(with_their_card.commits("org/elmo")) == 3


@pytest.mark.parametrize("case", ["ours with CRLF", "theirs with CRLF", "theirs with a byte order mark"])
def test_cards_of_other_editors_are_merged(case, publish, with_their_card, folder):
    if case == "ours with CRLF":
        (folder / "README.md").write_bytes((folder / "README.md").read_bytes().replace(b"\n", b"\r\n"))
    else:
        theirs = THEIRS.replace("\n", "\r\n") if "CRLF" in case else "\ufeff" + THEIRS
        with_their_card.commit("org/elmo", {"README.md": theirs.encode()})
    assert publish("--card", "merge") == 0
    card = with_their_card.files("org/elmo")["README.md"].decode()
    data = yaml.safe_load(card.split("---\n", 2)[1])
    assert data["license"] == "mit" and data["language"] == "en" and "Their text." in card
    assert not card.startswith("\ufeff") and "\r" not in card


@pytest.mark.parametrize("theirs", ["---\nlicense: mit\n---\n", "---\nlicense: mit\n---\n\n", ""])
def test_a_card_without_text_gets_ours(theirs):
    merged, _ = merge("---\nlicense: mit\nlanguage: de\n---\n\n# Title\n", theirs)
    assert merged == "---\nlicense: mit\nlanguage: de\n---\n\n# Title\n"


def test_results_of_two_models_are_not_mixed():
    ours = "---\nmodel-index: [{name: a, results: []}]\n---\n\n# A\n"
    theirs = "---\nmodel-index: [{name: b, results: []}]\n---\n\n# B\n"
    merged, notes = merge(ours, theirs)
    assert "name: b" in merged and "name: a" not in merged
    assert notes[0].startswith("model-index stays")


def test_cards_that_cannot_be_read_are_not_merged():
    with pytest.raises(PublishError, match="cannot be merged: .*; --card keep or --card replace"):
        merge("---\na: 1\n---\n# A\n", "---\na: [\n---\n# B\n")


def test_a_merged_card_is_checked_again(publish, hub):
    hub.create("org/elmo")
    hub.commit("org/elmo", {"README.md": b"---\nlicense: mit\n---\n\n# One\n\n[More Information Needed]\n"})
    with pytest.raises(RefusedFiles, match="the card has 1 faults"):
        publish("--card", "merge")


def test_faults_of_a_card_are_named_and_nothing_is_sent(publish, hub, folder):
    (folder / "README_zh.md").write_text("# Title\n\n[x](missing.png)\n")
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("license: apache-2.0", "license: my-own") + "\nTODO\n")
    with pytest.raises(RefusedFiles) as raised:
        publish()
    problems = "\n".join(raised.value.problems)
    for part in (
        "README.md: license 'my-own'",
        "'TODO' was never filled in",
        "README_zh.md: no metadata",
        "missing.png",
    ):
        assert part in problems
    assert not hub.asked("POST")


def test_no_model_without_a_card(publish, hub, folder):
    (folder / "README.md").unlink()
    with pytest.raises(PublishError, match="no model is published without a card: write one, or give --facts"):
        publish()
    assert not hub.repos


def test_a_card_made_from_facts_loads_what_the_tag_names(publish, hub, folder):
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(pretrained.path_of("elmo-mini-en") / name, folder / name)
    for path in [folder / "README.md", *folder.glob("*.py")]:
        path.unlink()
    assert publish("--facts", "elmo-mini-en", "--tag", "v2.0") == 0
    files = hub.files("org/elmo", "v2.0")
    assert 'from_pretrained("org/elmo", revision="v2.0", trust_remote_code=True)' in files["README.md"].decode()
    assert "README_zh.md" in files
    assert publish("--facts", "elmo-mini-en", "--tag", "v2.0") == 0
    assert len(hub.commits("org/elmo")) == 2
    with pytest.raises(PublishError, match="README.md cannot be made from no-such-model"):
        publish("--facts", "no-such-model")


@pytest.mark.parametrize("facts", pretrained.names())
def test_no_card_of_a_model_of_the_box_for_other_weights(facts, publish, hub, folder):
    with pytest.raises(PublishError, match=f"the facts of {facts} .* model.safetensors") as raised:
        publish("--facts", facts)
    assert "\n" not in str(raised.value) and not hub.repos


def test_weights_of_the_box_in_another_precision_are_the_same_model(publish, hub, folder):
    box = pretrained.path_of("elmo-mini-en")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(box / name, folder / name)
    tensors = {name: tensor.float() for name, tensor in load_file(box / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for path in folder.glob("*.py"):
        path.unlink()
    assert publish("--facts", "elmo-mini-en", "--dry-run") == 0
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PublishError, match="model.safetensors holds other weights"):
        publish("--facts", "elmo-mini-en", "--dry-run")


SMALL = {  # https://allennlp.org/elmo: 1024/128 units, one highway layer
    "num_hidden_layers": 2,
    "cell_size": 1024,
    "projection_size": 128,
    "char_embedding_size": 16,
    "char_filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
    "num_highway_layers": 1,
    "max_characters_per_token": 50,
}
WEIGHTS = "elmo_2x1024_128_2048cnn_1xhighway_weights.hdf5"


def as_converted(folder, weights=WEIGHTS, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **SMALL, **changes}))
    report = {"kind": "hdf5", "files": [{"role": "weights", "name": weights}], "verification": None}
    (folder / "conversion.json").write_text(json.dumps(report))


def test_a_card_of_converted_weights_is_made_for_these_alone(publish, hub, folder):
    with pytest.raises(PublishError, match="the facts of elmo-small .* conversion.json"):
        publish("--facts", "small")
    as_converted(folder, cell_size=2048, num_highway_layers=2)
    with pytest.raises(PublishError, match="cell_size is 2048 instead of 1024, num_highway_layers is 2 instead of 1"):
        publish("--facts", "elmo-small")
    as_converted(folder, weights="elmo_2x2048_256_2048cnn_1xhighway_weights.hdf5")
    with pytest.raises(PublishError, match="the facts of elmo-small .* conversion.json names .* those of medium"):
        publish("--facts", "elmo-small")
    (folder / "conversion.json").write_text("[]")
    with pytest.raises(PublishError, match="conversion.json holds no settings"):
        publish("--facts", "elmo-small")
    assert not hub.repos
    as_converted(folder)
    assert publish("--facts", "elmo-small") == 0
    as_converted(folder, weights="mine.hdf5")  # a copy may have any name
    assert publish("--facts", "elmo-small", "--card", "replace") == 0
