# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The command line as a whole: help, exit codes, one-line errors, downloads, what is printed."""

import importlib
import json
import os
import subprocess
import sys
import types

import h5py
import numpy as np
import pytest
import torch
from local_server import LocalServer, ServedFile
from safetensors.numpy import load_file
from support import ROOT, files_a_model_imports

import hf_elmo
from hf_elmo import ElmoConfig, ElmoModel, ElmoTokenizer, cli
from hf_elmo.cli import main
from hf_elmo.conversion.known_models import KNOWN_MODELS


def in_process(*arguments, **settings):
    """Run `python -m hf_elmo` for real; used only for what a call of `main` cannot show."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, **settings)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """options.json and weights.hdf5 of a tiny model."""
    torch.manual_seed(3)
    base = tmp_path_factory.mktemp("source")
    config = ElmoConfig(char_filters=[[1, 4], [2, 4]], projection_size=4, cell_size=6, num_highway_layers=1)
    ElmoModel(config).save_pretrained(base / "hf")
    ElmoTokenizer().save_pretrained(base / "hf")
    assert main(["convert", "--to-allennlp", str(base / "hf"), str(base / "allennlp")]) == 0
    return base / "allennlp"


@pytest.mark.parametrize("arguments", [["--help"], ["convert", "--help"], ["embed", "--help"]])
def test_help_has_an_example_and_exits_with_0(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "hf-elmo" in text
    assert arguments == ["--help"] or "example" in text


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["convert", "--help"], ["embed", "--help"]])
def test_help_does_not_load_torch(arguments):
    code = (
        "import sys; sys.argv = ['hf-elmo', *sys.argv[1:]]; from hf_elmo.cli import main; assert main() == 0; "
        "print(sorted({'torch', 'transformers', 'numpy', 'h5py'} & set(sys.modules)), file=sys.stderr)"
    )
    finished = in_process("-c", code, *arguments)
    assert (finished.returncode, finished.stderr) == (0, "[]\n")


def test_it_runs_as_a_module():
    finished = in_process("-m", "hf_elmo", "--version")
    assert (finished.returncode, finished.stdout) == (0, f"hf-elmo {hf_elmo.__version__}\n")
    finished = in_process("-m", "hf_elmo")
    assert finished.returncode == 2 and "convert" in finished.stderr


def test_formats_of_the_help_are_those_of_the_writers():
    from hf_elmo import embed_command, vector_files

    assert embed_command.FORMATS == vector_files.FORMATS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["convert"], "needed is SOURCE and OUT; got nothing"),
        (["convert", "source"], "needed is SOURCE and OUT; got source"),
        (["convert", "--options", "o.json", "out"], "--options and --weights belong together"),
        (["convert", "--options", "o", "--weights", "w", "a", "b"], "needed is OUT alone"),
        (["convert", "--to-allennlp", "--options", "o", "--weights", "w", "a"], "--to-allennlp needs FOLDER OUT"),
        (["convert", "a", "b", "--dtype", "int8"], "invalid choice: 'int8'"),
        (["convert", "a", "b", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["convert", ".", "b", "--with-softmax"], "--with-softmax is for a name from --list"),
        (["embed", "model", "in"], "the following arguments are required: OUTPUT"),
        (["embed", "m", "in", "v.h5", "--layers", "first"], "needed is all, top, mean, mix or a layer number"),
        (["embed", "m", "in", "v.h5", "--max-batch-words", "0"], "needed is a whole number from 1, got '0'"),
    ],
)
def test_wrong_use_exits_with_2(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and "usage" in err and out == ""


def test_a_failure_is_one_line_without_a_traceback(tmp_path, capsys):
    assert main(["convert", str(tmp_path / "nothing"), str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert err == f"hf-elmo: {tmp_path / 'nothing'} is neither a folder nor a known name: hf-elmo convert --list " + (
        "shows the names\n"
    )
    assert out == ""


@pytest.mark.parametrize("where", [0, 3])
def test_debug_shows_where_it_failed(tmp_path, where):
    arguments = ["convert", str(tmp_path / "nothing"), str(tmp_path / "out")]
    arguments.insert(where, "--debug")
    with pytest.raises(FileNotFoundError):
        main(arguments)


@pytest.fixture
def command(monkeypatch):
    """Replace `embed` by a function of the test."""

    def install(function):
        monkeypatch.setitem(cli.COMMANDS, "embed", cli.Command("s", "e", lambda parser: None, function))
        return main(["embed"])

    return install


def test_an_interruption_is_one_line_and_130(command, capsys):
    def run(_):
        raise KeyboardInterrupt

    assert command(run) == 130
    assert capsys.readouterr().err == "hf-elmo: interrupted; give the same command again to go on\n"


def test_unforeseen_errors_name_their_type(command, capsys):
    def run(_):
        raise KeyError("several\nlines")

    assert command(run) == 1
    assert capsys.readouterr().err == r"hf-elmo: KeyError: 'several\nlines' (--debug shows the traceback)" + "\n"


def test_missing_files_of_the_system_are_named(command, capsys):
    assert command(lambda _: open("/nonexistent/file")) == 1
    assert capsys.readouterr().err == "hf-elmo: /nonexistent/file: no such file or folder\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes close differently")
def test_a_closed_pipe_is_no_error():
    code = (
        "import sys; sys.argv = ['hf-elmo']; from hf_elmo import cli\n"
        "cli.COMMANDS['embed'] = cli.Command('s', 'e', lambda p: None, lambda o: print('x' * 10**6) or 0)\n"
        "sys.exit(cli.main(['embed']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=-1, stderr=-1)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_benchmark_is_handed_on(monkeypatch, capsys):
    fake = types.ModuleType("hf_elmo.benchmark")
    fake.add_arguments = lambda parser: parser.add_argument("--rounds", type=int)
    fake.run = lambda options: print(f"{options.rounds} rounds")
    monkeypatch.setitem(sys.modules, "hf_elmo.benchmark", fake)
    assert main(["benchmark", "--rounds", "3"]) == 0
    assert capsys.readouterr().out == "3 rounds\n"


def test_the_list_of_models(capsys):
    assert main(["convert", "--list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in KNOWN_MODELS)


def test_convert_ends_with_lines_that_load_the_result(source, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(source), "--dtype", "float16", "it's", "--split-cjk", "--verify"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"will convert source {source} to it's (float16)")
    report = json.loads((tmp_path / "it's" / "conversion.json").read_text(encoding="utf-8"))["verification"]
    largest = {name: max(report[name]["largest_difference"].values()) for name in ("float64", "float32")}
    assert out.splitlines()[0] == (
        f"verified: {report['sentences']} sentences, {report['words']} words computed again with NumPy from the original "
        f"files; largest difference {largest['float64']:.1e} in float64, {largest['float32']:.1e} in float32"
    )
    assert out.splitlines()[1] == (
        f"rounding the weights to float16 changes the vectors by up to {max(report['effect_of_float16'].values()):.1e}; "
        "this is not in the numbers above"
    )
    code = out.split("In Python:")[1].strip()
    assert len(code.splitlines()) == 3
    names = {}
    exec(code, names)
    assert names["model"].config.projection_size == 4
    assert names["tokenizer"].split_cjk


@pytest.fixture(scope="module")
def converted(source, tmp_path_factory):
    """What the command leaves when it runs alone, in a process where nothing was imported before."""
    folder = tmp_path_factory.mktemp("converted")
    finished = in_process("-m", "hf_elmo", "convert", str(source), "elmo", cwd=folder)
    assert finished.returncode == 0, finished.stderr
    return folder, finished.stdout


def test_the_folder_holds_the_code_it_needs(converted):
    folder, _ = converted
    assert {path.name for path in (folder / "elmo").glob("*.py")} == files_a_model_imports()


@pytest.mark.slow
def test_the_printed_lines_work_without_the_package(converted, tmp_path):
    """About 10 s: another process that imports torch."""
    folder, printed = converted
    code = printed.split("In Python:")[1].strip() + (
        "\nimport sys; assert 'hf_elmo' not in sys.modules"
        "\nprint(tuple(model(**tokenizer('Hi there', return_tensors='pt')).mixed_state.shape))"
    )
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "PYTHONSAFEPATH": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert finished.stdout.strip() == "(1, 4, 8)", finished.stderr


def test_convert_with_options_and_weights(source, tmp_path, capsys):
    files = ["--options", str(source / "options.json"), "--weights", str(source / "weights.hdf5")]
    assert main(["convert", *files, str(tmp_path / "a")]) == 0
    assert main(["convert", str(tmp_path / "b"), *files]) == 0
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert "verified" not in capsys.readouterr().out


def test_convert_keeps_what_is_there(source, tmp_path, capsys):
    assert main(["convert", str(source), str(tmp_path / "a")]) == 0
    capsys.readouterr()
    assert main(["convert", str(source), str(tmp_path / "a")]) == 1
    assert "exists already: give --overwrite, or another name" in capsys.readouterr().err
    assert main(["convert", str(source), str(tmp_path / "a"), "--overwrite"]) == 0


def test_there_and_back_again(source, tmp_path, capsys):
    assert main(["convert", str(source), str(tmp_path / "hf")]) == 0
    assert main(["convert", "--to-allennlp", str(tmp_path / "hf"), str(tmp_path / "back")]) == 0
    again = ["convert", "--to-allennlp", str(tmp_path / "hf"), str(tmp_path / "back")]
    assert main(again) == 1  # it exists
    assert main([*again, "--overwrite"]) == 0
    assert (tmp_path / "back" / "options.json").exists() and (tmp_path / "back" / "weights.hdf5").exists()
    assert main(["convert", str(tmp_path / "back"), str(tmp_path / "again")]) == 0
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("hf", "again"))
    assert first == second


def test_tiny_random_says_that_it_means_nothing(tmp_path, capsys):
    assert main(["convert", "tiny-random", str(tmp_path / "tiny")]) == 0
    assert "random weights, so its vectors mean nothing" in capsys.readouterr().err
    sentences = str(cli.EXAMPLES / "sentences.txt")
    assert main(["embed", str(tmp_path / "tiny"), sentences, str(tmp_path / "v.safetensors")]) == 0


@pytest.fixture
def mirror(source, monkeypatch):
    """A web server with tiny files at the addresses of the small model."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    small = KNOWN_MODELS["small"]
    files = {
        f"/elmo/{small.options}": (source / "options.json").read_bytes(),
        f"/elmo/{small.weights}": (source / "weights.hdf5").read_bytes(),
    }
    with LocalServer(files) as server:
        monkeypatch.setenv("HF_ELMO_MODELS_URL", f"{server.url}elmo")
        yield server


def test_a_name_is_downloaded_and_converted(mirror, source, tmp_path, capsys, monkeypatch):
    weights = mirror.files[f"/elmo/{KNOWN_MODELS['small'].weights}"]
    weights.drop_after.extend([10_000, 10_000])
    weights.statuses = [503]
    monkeypatch.setattr("hf_elmo.conversion.download.time.sleep", lambda _: None)
    options = ["--download-dir", str(tmp_path / "cache"), "--verify"]
    assert main(["convert", "small", str(tmp_path / "out"), *options]) == 0
    err = capsys.readouterr().err
    assert f"will download small to {tmp_path / 'cache' / 'small'}" in err
    assert (tmp_path / "cache" / "small" / "weights.hdf5").read_bytes() == (source / "weights.hdf5").read_bytes()
    assert main(["convert", str(source), str(tmp_path / "direct")]) == 0
    results = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "direct")]
    assert results[0] == results[1]

    asked = len(mirror.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # everything is there: no network is needed any more
    assert main(["convert", "Small", str(tmp_path / "twice"), *options]) == 0
    assert len(mirror.requests) == asked


def test_the_softmax_and_its_vocabulary_come_along_on_request(mirror, source, tmp_path):
    words = ["</S>", "<S>", "<UNK>", "cat", "dog"]
    with h5py.File(tmp_path / "softmax.hdf5", "w") as file:
        file["softmax/W"] = np.arange(20, dtype=np.float32).reshape(5, 4)
        file["softmax/b"] = np.arange(5, dtype=np.float32)
    original = KNOWN_MODELS["original"]
    for path, body in {
        original.options: (source / "options.json").read_bytes(),
        original.weights: (source / "weights.hdf5").read_bytes(),
        original.vocab: "\n".join(words).encode(),
        original.softmax: (tmp_path / "softmax.hdf5").read_bytes(),
    }.items():
        mirror.files[f"/elmo/{path}"] = ServedFile(body)
    cache = ["--download-dir", str(tmp_path / "cache")]
    assert main(["convert", "original", str(tmp_path / "plain"), *cache]) == 0
    assert not (tmp_path / "plain" / "lm_head.safetensors").exists()
    assert main(["convert", "original", str(tmp_path / "full"), "--with-softmax", *cache]) == 0
    assert load_file(tmp_path / "full" / "lm_head.safetensors")["weight"].shape == (5, 4)
    assert ElmoTokenizer.from_pretrained(tmp_path / "full").convert_tokens_to_ids(words) == [1, 2, 3, 4, 5]
    # the downloaded folder is a source like any other
    assert main(["convert", str(tmp_path / "cache" / "original"), str(tmp_path / "again")]) == 0


def test_downloads_that_fail_are_one_line(mirror, tmp_path, capsys, monkeypatch):
    cache = ["--download-dir", str(tmp_path / "cache")]
    assert main(["convert", "medium", str(tmp_path / "out"), *cache]) == 1
    assert "the server answered 404" in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["convert", "small", str(tmp_path / "out"), *cache]) == 1
    assert "offline mode (HF_HUB_OFFLINE=1)" in capsys.readouterr().err.splitlines()[-1]
    assert main(["convert", "small", str(tmp_path / "out"), "--with-softmax", *cache]) == 1
    assert "no softmax was published for small" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_nothing_is_downloaded_for_an_output_that_exists(mirror, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(["convert", "small", str(tmp_path / "out"), "--download-dir", str(tmp_path / "cache")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert mirror.requests == []


def test_embed_sentences_is_exported():
    assert hf_elmo.embed_sentences is importlib.import_module("hf_elmo.embed").embed_sentences


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [("pretrain", "accelerate", "train"), ("finetune", "accelerate", "train"), ("compare", "scipy", "compare")],
)
def test_a_missing_package_of_an_extra_is_named_with_the_extra(command, package, extra, monkeypatch, capsys):
    """The imports fail as they do where only the package's own needs are installed."""
    from hf_elmo import cli

    def fail(options):
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)

    monkeypatch.setitem(cli.COMMANDS, command, cli.COMMANDS[command]._replace(run=fail))
    assert cli.main([command]) == 1
    assert capsys.readouterr().err == (
        f"hf-elmo: {package} is not installed, or too old: pip install 'hf-elmo[{extra}]' brings what this command needs\n"
    )
