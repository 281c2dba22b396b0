# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What is published loads elsewhere, and what would not is not published."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from elmo_builders import tiny_config
from language_models import tiny_tokenizer
from safetensors.torch import load_file, save_file
from support import ROOT

from hf_elmo.modeling import ElmoForTokenClassification, ElmoModel, ElmoTokenizer
from hf_elmo.publish.errors import PublishError
from hf_elmo.publish.load_check import check_that_it_loads

pytestmark = pytest.mark.slow  # each starts a process with torch and transformers

SENTENCES = ["the cat sat on a mat", "it saw a zebra"]
ELSEWHERE = """
import sys
sys.modules["hf_elmo"] = None  # as if not installed
import json, torch
from transformers import AutoModel, AutoTokenizer
out, revisions, sentences = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
found = {}
for revision in revisions:
    tokenizer = AutoTokenizer.from_pretrained("org/elmo", revision=revision, trust_remote_code=True)
    model = AutoModel.from_pretrained("org/elmo", revision=revision, trust_remote_code=True)
    with torch.no_grad():
        output = model(**tokenizer(sentences, padding=True, return_tensors="pt"), output_hidden_states=True)
    found[revision] = {"hidden": torch.stack(output.hidden_states), "weights": model.state_dict()}
torch.save(found, out)
"""


def command(*words: str, hub, home, **more) -> subprocess.CompletedProcess:
    environment = hub.environment(home, hub.anna, **more)
    return subprocess.run(
        [sys.executable, "-m", "hf_elmo", "publish", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_published_by_the_command_then_loaded_by_name_without_hf_elmo(hub, folder, tmp_path):
    words = (str(folder), "org/elmo", "--tag", "v1.0")
    done = command(*words, hub=hub, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "loads in a fresh process without hf_elmo: ElmoForPreTraining" in done.stdout
    again = command(*words, hub=hub, home=tmp_path / "home")
    assert again.returncode == 0 and "was there already" in again.stdout
    commit, first = hub.commits("org/elmo")
    assert first.title == "initial commit"
    arguments = [str(tmp_path / "out.pt"), json.dumps(["main", "v1.0", commit.oid]), json.dumps(SENTENCES)]
    loaded = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *arguments],
        cwd=tmp_path,
        env=hub.environment(tmp_path / "other home"),  # a reader without a token
        capture_output=True,
        text=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    tokenizer, model = ElmoTokenizer.from_pretrained(folder), ElmoModel.from_pretrained(folder)
    with torch.no_grad():
        expected = model(**tokenizer(SENTENCES, padding=True, return_tensors="pt"), output_hidden_states=True)
    for found in torch.load(tmp_path / "out.pt", weights_only=True).values():
        assert torch.equal(found["hidden"], torch.stack(expected.hidden_states))
        for name, tensor in model.state_dict().items():
            assert torch.equal(found["weights"][name], tensor), name


@pytest.mark.extended
def test_the_command_ends_with_one_line(hub, folder, tmp_path):
    hub.fault("POST", r"/commit/", kind="500", times=99)
    done = command(str(folder), "org/elmo", "--no-load-check", hub=hub, home=tmp_path / "home")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("hf-elmo: nothing was committed to org/elmo: the Hub failed with status 500")
    assert "Traceback" not in done.stderr
    (folder / "vectors.pkl").write_bytes(b"x")
    done = command(str(folder), "org/elmo", hub=hub, home=tmp_path / "home")
    assert done.returncode == 1 and done.stderr.startswith("refused: vectors.pkl: pickles run code")


def spoil_architecture(folder):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "architectures": ["ElmoForTokenClassification"]}))
    return "keys"


def spoil_weights(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.bias"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return "missing keys: lm_head.bias"


def spoil_code(folder):
    path = folder / "modeling_elmo.py"
    path.write_text("import a_package_nobody_has\n" + path.read_text())
    return "a_package_nobody_has"


def lean_on_the_package(folder):
    path = folder / "scalar_mix.py"
    path.write_text(path.read_text() + "\ndef unused():\n    import hf_elmo\n    return hf_elmo\n")
    return "hf_elmo"


def lose_numbers_while_loading(folder):
    """As transformers 5 does to parameters beside a buffer that is not saved, if `_init_weights` writes in place."""
    path = folder / "modeling_elmo_pretraining.py"
    text = path.read_text()
    path.write_text(
        text + "\n\n_from = ElmoForPreTraining.from_pretrained.__func__\n\n\n"
        "def _load(cls, *args, **kwargs):\n"
        "    loaded = _from(cls, *args, **kwargs)\n"
        "    model = loaded[0] if isinstance(loaded, tuple) else loaded\n"
        "    model.lm_head.bias.data.zero_()\n"
        "    return loaded\n\n\n"
        "ElmoForPreTraining.from_pretrained = classmethod(_load)\n"
    )
    return "lm_head.bias was loaded with other numbers"


@pytest.mark.extended
@pytest.mark.parametrize(
    "spoil", [spoil_architecture, spoil_weights, spoil_code, lean_on_the_package, lose_numbers_while_loading]
)
def test_what_would_not_load_is_not_sent(spoil, publish, hub, folder):
    expected = spoil(folder)
    with pytest.raises(PublishError, match="it does not load in a fresh process without hf_elmo") as raised:
        publish(load_check=True)
    assert expected in str(raised.value) and "\n" not in str(raised.value)
    assert not hub.repos


@pytest.mark.extended
def test_weights_in_parts_and_a_task_head(publish, hub, folder, tmp_path):
    torch.manual_seed(0)
    parts = tmp_path / "parts"
    ElmoForTokenClassification(tiny_config(num_labels=3, use_crf=True)).save_pretrained(parts, max_shard_size="5KB")
    tiny_tokenizer().save_pretrained(parts)
    shutil.copy(folder / "README.md", parts)
    assert publish(source=parts, load_check=True) == 0
    assert len([name for name in hub.files("org/elmo") if name.endswith(".safetensors")]) > 5


@pytest.mark.extended
def test_nothing_is_left_in_the_folder_by_the_check(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = check_that_it_loads(folder, "org/elmo", with_code=True)
    assert found["architecture"] == "ElmoForPreTraining" and found["tensors"] == len(
        load_file(folder / "model.safetensors")
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def as_converted_with_softmax(folder):
    """As `hf-elmo convert --vocab` leaves it: an encoder, and its softmax in a file of its own."""
    tensors = load_file(folder / "model.safetensors")
    head = {name.removeprefix("lm_head."): tensors.pop(name) for name in list(tensors) if name.startswith("lm_head.")}
    encoder = {name.removeprefix("elmo."): tensor for name, tensor in tensors.items()}
    save_file(encoder, folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    assert settings["pad_token_id"] == 0
    (folder / "config.json").write_text(json.dumps({**settings, "architectures": ["ElmoModel"]}))
    return {name: tensor[1:].clone() for name, tensor in head.items()}  # padding is no word


def test_the_softmax_of_a_converted_model_is_loaded_as_well(publish, hub, folder, capsys):
    head = as_converted_with_softmax(folder)
    save_file({**head, "weight": head["weight"][:-9]}, folder / "lm_head.safetensors", metadata={"format": "pt"})
    with pytest.raises(PublishError, match="it does not load .* lm_head.safetensors of .* rows"):
        publish(load_check=True)
    save_file(head, folder / "lm_head.safetensors", metadata={"format": "pt"})
    code = folder / "modeling_elmo_pretraining.py"
    text = code.read_text()
    code.write_text(text.replace("if not load_converted_head(", "if False and not load_converted_head("))
    assert code.read_text() != text
    with pytest.raises(
        PublishError, match="lm_head.(weight|bias) was loaded with other numbers than lm_head.safetensors holds"
    ):
        publish(load_check=True)
    assert not hub.repos
    code.write_text(text)
    assert publish(load_check=True) == 0
    assert "lm_head.safetensors" in hub.files("org/elmo")
