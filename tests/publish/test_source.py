# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""What is refused in a folder, each file by its name; the Hub is not asked before."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_elmo.publish.errors import PublishError, RefusedFiles
from hf_elmo.publish.source import check_contents, list_files, readable_size

# Made up here, in the form that the issuers document; joined so that no scanner takes this file for a leak.
SECRETS = {
    "a Hugging Face token": "hf_" + "aB3dE6gH9j" * 4,
    "a GitHub token": "ghp_" + "aB3dE6gH9j" * 4,
    "an AWS access key id": "AKIA" + "ABCDEFGH23456789",
    "an AWS secret key": "aws_secret_access_key = " + "aB3/E6+H9j" * 4,
    "a private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "an OpenAI or Anthropic key": "sk-" + "proj-" + "aB3dE6gH9j" * 4,
    "a Google API key": "AIza" + "aB3dE-gH9j" * 3 + "12345",
    "a Slack token": "xoxb-" + "123456789012-" * 2,
    "a GitLab token": "glpat-" + "aB3dE6gH9j" * 2,
    "a password in an address": "https://anna:" + "geheim@example.org/x",
}


def refused(folder, exclude=(), token=None) -> dict[str, str]:
    """Reason by name of the file."""
    names, problems, _ = list_files(folder, exclude)
    problems = problems or check_contents(folder, names, token)
    return {problem.name: problem.reason for problem in problems}


def test_a_saved_model_has_nothing_to_refuse(folder):
    names, problems, left_out = list_files(folder)
    assert not problems and not left_out and not check_contents(folder, names)
    assert names == sorted(path.name for path in folder.iterdir())


def test_pickles_are_refused_by_name_and_by_content(folder):
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")
    (folder / "vectors.pkl").write_bytes(pickle.dumps([1]))
    found = refused(folder)
    assert set(found) == {"pytorch_model.bin", "vectors.pkl"}
    assert all("pickles run code" in reason for reason in found.values())
    for protocol in (2, 3, 4, 5):
        (folder / "lm_head.safetensors").write_bytes(pickle.dumps({"a": 1}, protocol))
        exclude = ["pytorch_model.bin", "vectors.pkl"]
        assert "pickles run code" in refused(folder, exclude)["lm_head.safetensors"]
    torch.save({"a": torch.zeros(1)}, folder / "lm_head.safetensors")
    (folder / "README.md").write_bytes(pickle.dumps({"a": 1}))
    assert set(refused(folder, exclude)) == {"lm_head.safetensors", "README.md"}


# What Trainer of transformers 4 and 5 leaves behind.
DEBRIS = (
    "checkpoint-3/optimizer.pt checkpoint-3/model.safetensors checkpoint-4/rng_state_0.pth training_args.bin optimizer.pt "
    "optimizer.bin scheduler.pt scaler.pt rng_state.pth rng_state_1.pth predictions_test.jsonl "
    "runs/Nov26_host/events.out.tfevents.1.host.1.0 runs/x/1.2/events.out.tfevents.2.host.1.1"
).split()


def test_what_a_training_leaves_behind_is_left_out(publish, hub, folder, capsys):
    clean = list_files(folder).names
    for name in DEBRIS:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"x")
    names, problems, left_out = list_files(folder)
    assert names == clean and not problems
    tops = {name.split("/")[0] + "/" * ("/" in name) for name in DEBRIS}
    assert set(left_out) == tops
    assert publish() == 0
    assert set(hub.files("org/elmo")) == {*clean, ".gitattributes"}
    assert f"left out  {', '.join(sorted(tops))}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["checkpoint-best/model.safetensors", "optimizer.safetensors", "sub/training_args.bin"]
)
def test_what_only_looks_like_left_behind_is_refused(name, folder):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    _, problems, left_out = list_files(folder)
    assert len(problems) == 1 and not left_out


def test_a_stray_file_of_gigabytes_is_refused_without_being_read(folder):
    for name in ("corpus.txt", "loss.svg", "lm_head.safetensors"):
        with open(folder / name, "wb") as file:
            file.truncate(2_000_000_000)  # sparse: takes no room
    found = refused(folder)
    assert found == {
        "corpus.txt": "nothing that belongs to a published model (2.0 GB)",
        "loss.svg": "2.0 GB, where at most 10.0 MB are expected",
    }
    assert "no complete safetensors file" in refused(folder, ["corpus.txt", "loss.svg"])["lm_head.safetensors"]


def test_links_out_of_the_folder_are_refused_and_links_inside_are_not(folder, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (folder / "LICENSE").symlink_to(tmp_path / "secret.txt")
    (folder / "NOTICE").symlink_to("../secret.txt")
    (folder / "CITATION.cff").symlink_to("nowhere")
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    (folder / "README_zh.md").symlink_to("README.md")
    found = refused(folder)
    assert set(found) == {"LICENSE", "NOTICE", "CITATION.cff", "images"}
    assert found["NOTICE"] == f"a link out of the folder, to {tmp_path / 'secret.txt'}"
    assert found["CITATION.cff"] == "a link that leads nowhere (nowhere)"
    assert "README_zh.md" in list_files(folder)[0]


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert list_files(tmp_path / "link") == list_files(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused(folder):
    os.mkfifo(folder / "vocab.txt")
    assert refused(folder) == {"vocab.txt": "no regular file"}


@pytest.mark.parametrize("value", ["../secret", "a/../../b", "..\\secret", "/x/.."])
def test_paths_that_climb_are_refused(value, folder):
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**settings, "extra": {"deep": [value]}}))
    found = refused(folder)
    assert found == dict.fromkeys(
        ("config.json", "tokenizer_config.json"), f"the path {value!r} leads out of the folder"
    )


def test_words_of_a_vocabulary_may_look_like_paths(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    content["added_tokens"] = ["..", "../", "/.."]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert not refused(folder)


def test_an_index_that_leads_out_of_the_folder_is_refused(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    names, _, _ = list_files(folder)
    reasons = [str(problem) for problem in check_contents(folder, names)]
    assert reasons == [
        "model.safetensors.index.json: the path '../b.safetensors' leads out of the folder",
        "model.safetensors.index.json: names '../b.safetensors', which is not in the folder",
    ]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("org/other--modeling.Model", "takes AutoModel from another repository"),
        ("../modeling.Model", "leads out of the folder"),
        ("os.system.x", "is no module and class of this folder"),
    ],
)
def test_code_must_come_from_the_folder(reference, message, folder):
    settings = json.loads((folder / "config.json").read_text())
    settings["auto_map"]["AutoModel"] = reference
    (folder / "config.json").write_text(json.dumps(settings))
    assert any(message in reason for reason in refused(folder).values()) or message in str(
        check_contents(folder, list_files(folder)[0])
    )


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_named_by_line_and_kind_and_not_repeated(kind, folder):
    (folder / "README.md").write_text(f"# One\n\n`{SECRETS[kind]}`\n")
    (folder / "config.json").write_text(json.dumps({"note": f"see {SECRETS[kind]} there", "model_type": "elmo"}))
    found = refused(folder)
    assert found["README.md"].startswith(f"line 3 holds {kind}: take it out")
    assert found["config.json"].startswith(f"line 1 holds {kind}")
    assert SECRETS[kind] not in str(found)


def test_the_token_in_use_is_found_in_any_form(folder):
    (folder / "LICENSE").write_text("a-token-of-another-form")
    assert refused(folder, token="a-token-of-another-form")["LICENSE"].startswith("line 1 holds the token in use")
    assert not refused(folder, token="another-token-of-the-same-kind") and not refused(folder, token="a")


def test_a_secret_in_the_header_of_the_weights_is_found(folder):
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt", "by": SECRETS["a GitHub token"]})
    assert refused(folder) == {"model.safetensors": "its header holds a GitHub token"}


@pytest.mark.parametrize("place", [0, 1 << 20, (1 << 20) - 10, 3_000_000], ids=str)
@pytest.mark.parametrize("name", ["loss.png", "onnx/model.onnx"])
def test_a_secret_in_an_image_or_a_graph_is_found(name, place, folder):
    start = b"\x89PNG\r\n\x1a\n" if name.endswith("png") else b"\x08\x07"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    secret = SECRETS["a GitHub token"].encode()
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "large": torch.zeros(400_000)}, folder / "model.safetensors")  # so large a graph is no stray
    (folder / name).write_bytes(start + b"\0" * place + secret + b"\0" * (3_100_000 - place))
    assert refused(folder)[name].startswith("holds a GitHub token: take it out")
    (folder / name).write_bytes(start + b"\0" * place + b"a-token-of-another-form\0")
    assert refused(folder, token="a-token-of-another-form")[name].startswith("holds the token in use")
    (folder / name).write_bytes(start + b"\0" * 3_100_000)
    assert not refused(folder)


def test_a_graph_is_not_much_larger_than_the_weights(folder):
    weights = (folder / "model.safetensors").stat().st_size
    (folder / "onnx").mkdir()
    for extra, fits in ((0, True), (5_000_000, False)):
        (folder / "onnx" / "model.onnx").write_bytes(b"\x08" * (2 * weights + extra))
        found = refused(folder)
        assert (not found) if fits else "5.1 MB, where at most" in found["onnx/model.onnx"]


def test_text_that_only_looks_a_little_like_secrets_passes(folder):
    words = ["hf_elmo", "hf_hub_download", "AKIAH", "ghp_x", "sk-learn", "https://a.b/c:d", "mail@x.org", "a" * 64]
    commit = "0123456789abcdef0123456789abcdef01234567"
    (folder / "LICENSE").write_text(" ".join([*words, commit, "http://host:8080/path@2"]))
    assert not refused(folder)


def test_contents_must_be_what_the_names_say(folder):
    (folder / "loss.png").write_bytes(b"<html>")
    (folder / "vocab.txt").write_bytes(b"\xff\xfe")
    (folder / "generation_config.json").write_text("{")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-8])
    found = refused(folder)
    assert found["loss.png"] == "no PNG or JPEG image"
    assert found["vocab.txt"] == "no UTF-8 text"
    assert found["generation_config.json"] == "no JSON"
    assert found["model.safetensors"].startswith("no complete safetensors file")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer_config.json"])
def test_what_a_model_needs_must_be_there(name, folder):
    (folder / name).unlink()
    (reason,) = [reason for found, reason in refused(folder).items() if name in found]
    assert reason.startswith("missing")


def test_files_are_left_out_on_request_only(folder):
    (folder / "checkpoint-1").mkdir()
    (folder / "checkpoint-1" / "optimizer.pt").write_bytes(b"x")
    (folder / "training_args.bin").write_bytes(b"x")
    assert not refused(folder, ["checkpoint-*", "training_args.bin"])
    with pytest.raises(ValueError, match=r"--exclude '\*.pkl' fits no file"):
        list_files(folder, ["*.pkl"])


def test_the_command_names_all_that_it_refuses_and_asks_no_hub(publish, hub, folder):
    (folder / "vectors.pkl").write_bytes(b"x")
    (folder / "notes.docx").write_bytes(b"x")
    with pytest.raises(
        RefusedFiles, match=r"2 of the files .* nothing was sent.* --exclude notes.docx vectors.pkl"
    ) as raised:
        publish()
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["notes.docx", "vectors.pkl"]
    assert not hub.requests
    assert publish("--exclude", "notes.docx", "vectors.pkl") == 0
    assert not {"notes.docx", "vectors.pkl"} & set(hub.files("org/elmo"))
    (folder / "LICENSE").write_text(SECRETS["a Hugging Face token"])
    asked = len(hub.requests)
    with pytest.raises(RefusedFiles, match="1 things in .* must be put right") as raised:
        publish("--exclude", "notes.docx", "vectors.pkl")
    assert raised.value.problems[0].startswith("LICENSE: line 1 holds a Hugging Face token")
    assert len(hub.requests) == asked


def test_a_folder_that_is_not_there(publish, hub, tmp_path):
    with pytest.raises(PublishError, match="is neither a folder nor a model of the box"):
        publish(source=tmp_path / "none")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (14_708_002, "14.7 MB"), (2 * 10**12, "2,000.0 GB")],
)
def test_sizes_as_people_write_them(size, text):
    assert readable_size(size) == text
