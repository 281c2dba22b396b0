# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`ElmoEncoder` in a `SentenceTransformer`: the mean of the words, in any company, saved, loaded and trained."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from elmo_builders import tiny_config
from plain_characters import char_ids_of, split_plainly
from support import ROOT
from tolerances import TOLERANCES

from hf_elmo.modeling import ElmoModel, ElmoTokenizer

# sentence-transformers is imported by the tests that use it: it takes seconds.
SAME = TOLERANCES["batch_invariance", "float32"]
TEXTS = [
    "Anna saw the bank.",
    "",
    "the",
    "Zoë's (un)believable friend sat by the river, 北京 😀 \ud800!",
    "<S> the </S>",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    torch.manual_seed(0)
    model = ElmoModel(tiny_config(cell_clip=3.0, proj_clip=3.0, vocab_size=5))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    folder = str(tmp_path_factory.mktemp("sentence") / "elmo")
    model.save_pretrained(folder)
    ElmoTokenizer(["the"]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def library():
    return pytest.importorskip("sentence_transformers", minversion="6.2")


@pytest.fixture(scope="module")
def build(library, folder):
    """`build(pooling, *more modules, **settings of ElmoEncoder)` -> SentenceTransformer."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    from hf_elmo.sentence_transformers import ElmoEncoder

    def build(pooling="mean", *more, include_prompt=True, **settings):
        encoder = ElmoEncoder(folder, **settings)
        pool = Pooling(encoder.get_embedding_dimension(), pooling, include_prompt)
        return library.SentenceTransformer(modules=[encoder, pool, *more], device="cpu")

    return build


@pytest.fixture
def normalize(library):
    return library.sentence_transformer.modules.Normalize()


def word_vectors(folder, text: str) -> torch.Tensor:
    """(words and two marks, 2D) scalar mixes, from character ids made by hand."""
    words = ["<S>", *(word for word, _ in split_plainly(text)), "</S>"]
    char_ids = torch.tensor([[char_ids_of(word) for word in words]])
    with torch.no_grad():
        return ElmoModel.from_pretrained(folder)(char_ids=char_ids).mixed_state[0]


@pytest.mark.parametrize(("batch_size", "side"), [(1, "right"), (2, "left"), (5, "right")])
def test_a_text_is_the_mean_of_its_words_in_any_batch(folder, build, batch_size, side):
    model = build()
    model.tokenizer.padding_side = side
    vectors = torch.from_numpy(model.encode(TEXTS, batch_size=batch_size))
    for text, vector in zip(TEXTS, vectors, strict=True):
        words = word_vectors(folder, text)[1:-1]
        expected = words.mean(dim=0) if len(words) else torch.zeros(24)
        assert (vector - expected).abs().max() <= SAME
    assert model.encode("the").shape == (24,)


@pytest.mark.parametrize(
    "pooling", ["max", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mean", "lasttoken", "weightedmean"))]
)
def test_every_pooling_sees_words_only_unless_asked(folder, build, pooling):
    alone, marked = build(pooling), build(pooling, include_marks=True)
    for text in TEXTS:
        rows = word_vectors(folder, text)
        for model, words in ((alone, rows[1:-1]), (marked, rows)):
            weights = torch.arange(1.0, len(words) + 1)[:, None]
            expected = {
                "mean": lambda words=words: words.mean(dim=0),
                "max": lambda words=words: words.amax(dim=0),
                "lasttoken": lambda words=words: words[-1],
                "weightedmean": lambda words=words, weights=weights: (weights * words).sum(dim=0) / weights.sum(),
            }[pooling]
            expected = expected() if len(words) else torch.zeros(24)
            assert (torch.from_numpy(model.encode(text)) - expected).abs().max() <= SAME


@pytest.mark.slow
def test_words_without_pooling_normalisation_and_similarity(folder, build, normalize):
    model, unit = build(), build("mean", normalize)
    for text, rows in zip(TEXTS, model.encode(TEXTS, output_value="token_embeddings"), strict=True):
        words = word_vectors(folder, text)[1:-1] if text else torch.zeros(1, 24)
        assert rows.shape == words.shape and (rows - words).abs().max() <= SAME
    plain = torch.from_numpy(model.encode(TEXTS))
    lengths = plain.norm(dim=1, keepdim=True).clamp(min=1e-12)
    for vectors in (unit.encode(TEXTS), model.encode(TEXTS, normalize_embeddings=True)):
        assert (torch.from_numpy(vectors) - plain / lengths).abs().max() <= SAME
    expected = (plain / lengths) @ (plain / lengths).T
    assert (model.similarity(plain, plain) - expected).abs().max() <= SAME


@pytest.mark.slow
def test_prompts_are_words_that_pooling_can_leave_out(folder, build):
    rows = word_vectors(folder, "query: the bank")[1:-1]
    for include_prompt, expected in ((True, rows.mean(dim=0)), (False, rows[2:].mean(dim=0))):
        vector = build(include_prompt=include_prompt).encode("the bank", prompt="query: ")
        assert (torch.from_numpy(vector) - expected).abs().max() <= SAME
    rows = word_vectors(folder, "query: the bank")[3:]
    vector = build(include_prompt=False, include_marks=True).encode("the bank", prompt="query: ")
    assert (torch.from_numpy(vector) - rows.mean(dim=0)).abs().max() <= SAME


@pytest.mark.slow
def test_texts_are_read_whole_unless_cut(folder, build):
    long, cut = "the river " * 300, build(max_seq_length=4)
    assert cut.max_seq_length == 4
    for model, text, read in ((build(), long, long), (cut, TEXTS[0], "Anna saw")):
        expected = word_vectors(folder, read)[1:-1].mean(dim=0)
        assert (torch.from_numpy(model.encode(text)) - expected).abs().max() <= SAME


@pytest.mark.parametrize("settings", [{}, {"include_marks": True, "max_seq_length": 6}])
def test_saving_keeps_vectors_and_settings(library, build, normalize, settings, tmp_path):
    model = build("max", normalize, **settings)
    model.save(str(tmp_path / "saved"))
    again = library.SentenceTransformer(str(tmp_path / "saved"), trust_remote_code=True, device="cpu")
    assert type(again[0]) is type(model[0]) and again[0].include_marks == model[0].include_marks
    assert again.max_seq_length == model.max_seq_length and again[0].modalities == ["text"]
    assert (again.encode(TEXTS) == model.encode(TEXTS)).all()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        library.SentenceTransformer(str(tmp_path / "saved"))


def test_the_same_features_twice_give_the_same(build):
    """Losses with cached gradients run a batch through the model again."""
    model = build()
    features = model.preprocess(TEXTS)
    before = {name: tensor.clone() for name, tensor in features.items() if torch.is_tensor(tensor)}
    first, second = (model(features)["sentence_embedding"] for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(features[name], tensor) for name, tensor in before.items())


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers.base.modules", None)
    monkeypatch.delitem(sys.modules, "hf_elmo.sentence_transformers", raising=False)
    with pytest.raises(ImportError, match=r'sentence-transformers 6.2 or later .* pip install "hf-elmo\[sentence\]"'):
        importlib.import_module("hf_elmo.sentence_transformers")


@pytest.mark.slow
def test_other_models_are_refused(library, tmp_path):
    from transformers import BertConfig, BertModel, BertTokenizer

    from hf_elmo.sentence_transformers import ElmoEncoder

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=5, **sizes)).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="of type 'bert'; ElmoEncoder reads ELMo"):
        ElmoEncoder(str(tmp_path))


LOADER = """
import sys
import numpy
from sentence_transformers import SentenceTransformer
assert "hf_elmo" not in sys.modules
vectors = SentenceTransformer(sys.argv[1], trust_remote_code=True, device="cpu").encode(["Anna saw the bank.", ""])
assert sys.modules["hf_elmo"].__file__.startswith(sys.argv[2])
numpy.save(sys.argv[3], vectors)
"""


@pytest.mark.slow
def test_a_process_with_the_installed_package_only(build, tmp_path):
    """The package installed from this repository, nothing of it imported beforehand, another working directory."""
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
        str(ROOT),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    model = build()
    model.save(str(tmp_path / "saved"))
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_MODULES_CACHE": str(tmp_path / "modules")}
    command = [sys.executable, "-c", LOADER, str(tmp_path / "saved"), str(site), str(tmp_path / "vectors.npy")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.load(tmp_path / "vectors.npy") - model.encode(["Anna saw the bank.", ""])).max() <= SAME


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_training_brings_pairs_together(build, cached, tmp_path):
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("accelerate")
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses

    words = ["river", "bank", "tree", "house", "street", "cloud", "stone", "bird"]
    data = datasets.Dataset.from_dict(
        {"anchor": [f"a {word} here" for word in words], "positive": [f"{word}!" for word in words]}
    )
    model = build()

    def hits() -> int:
        similarity = model.similarity(model.encode(data["anchor"][:]), model.encode(data["positive"][:]))
        return int((similarity.argmax(dim=1) == torch.arange(len(words))).sum())

    before, weights = hits(), {name: tensor.clone() for name, tensor in model.named_parameters()}
    kind = losses.CachedMultipleNegativesRankingLoss if cached else losses.MultipleNegativesRankingLoss
    settings = {"per_device_train_batch_size": 8, "max_steps": 40, "learning_rate": 1e-2, "report_to": "none"}
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "run"), save_strategy="no", use_cpu=True, **settings
    )
    loss = kind(model, mini_batch_size=3) if cached else kind(model)
    trainer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=data, loss=loss)
    trainer.train()
    assert hits() == len(words) > before
    assert sum(not torch.equal(weights[name], tensor) for name, tensor in model.named_parameters()) > 10
