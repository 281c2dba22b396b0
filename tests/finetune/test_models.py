# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Configuration, tokenizer and model out of the arguments; what does not fit is told in one line."""

import gzip
import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, RobertaConfig, RobertaModel, RobertaTokenizer

from hf_elmo import ElmoModel, ElmoTokenizer
from hf_elmo.finetune.arguments import ArgumentsError
from hf_elmo.finetune.models import (
    BUILT_IN,
    ModelError,
    give_vocabulary,
    load_config_and_tokenizer,
    load_model,
    static_width,
)
from hf_elmo.finetune.options import ModelArguments
from hf_elmo.modeling import ElmoConfig

TAGGER = "AutoModelForTokenClassification"


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_models_are_small(name):
    arguments = ModelArguments(from_scratch=name)
    prepared = load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER)
    assert 3e4 < sum(p.numel() for p in prepared.model.parameters()) < 2e6
    assert isinstance(prepared.tokenizer, ElmoTokenizer)


def test_chinese_characters_are_words_on_request(models):
    for wanted, words in ((False, ["<S>", "我来", "</S>"]), (True, ["<S>", "我", "来", "</S>"])):
        _, tokenizer = load_config_and_tokenizer(ModelArguments(from_scratch="elmo-tiny", split_cjk=wanted), False)
        assert len(tokenizer("我来")["input_ids"]) == len(words)
    with pytest.raises(ArgumentsError, match="--split_cjk is for elmo-tiny and elmo-mini; other models have a"):
        load_config_and_tokenizer(ModelArguments(model=str(models / "elmo"), split_cjk=True), False)


@pytest.mark.parametrize("kind", ["elmo", "bert"])
def test_from_scratch_takes_the_configuration_but_not_the_weights(kind, models):
    loaded = {}
    for name in ("model", "from_scratch"):
        arguments = ModelArguments(**{name: str(models / kind)})
        loaded[name] = load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER)
    names = {name for name, _ in loaded["model"].model.named_parameters()}
    assert set(loaded["model"].new_parameters) == {"classifier.weight", "classifier.bias"}
    assert set(loaded["from_scratch"].new_parameters) == names
    saved = load_file(models / kind / "model.safetensors")
    inner = next(name for name in saved if saved[name].ndim == 2)
    weights = {key: dict(prepared.model.base_model.named_parameters())[inner] for key, prepared in loaded.items()}
    assert torch.equal(weights["model"], saved[inner]) and not torch.equal(weights["from_scratch"], saved[inner])


def test_an_encoder_frozen_in_an_earlier_stage_learns_unless_it_is_frozen_again(models, tmp_path):
    arguments = ModelArguments(model=str(models / "elmo"), freeze_encoder=True)
    first = load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER)
    first.model.save_pretrained(tmp_path)
    first.tokenizer.save_pretrained(tmp_path)
    for frozen in (False, True):
        arguments = ModelArguments(model=str(tmp_path), freeze_encoder=frozen)
        model = load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER).model
        learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert any(name.startswith("elmo.layers") for name in learning) is not frozen
        assert model.config.freeze_encoder is frozen


def test_from_scratch_an_8_bit_model_gets_float_weights(models, tmp_path):
    ElmoModel.from_pretrained(models / "elmo").quantize_int8().save_pretrained(tmp_path)
    ElmoTokenizer().save_pretrained(tmp_path)
    arguments = ModelArguments(from_scratch=str(tmp_path))
    model = load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER).model
    assert model.config.weight_format == "float"
    assert all(parameter.is_floating_point() and parameter.requires_grad for parameter in model.parameters())
    assert model.elmo.layers[0].forward_direction.weight_ih.any()


def test_overrides_and_options_reach_the_configuration(models):
    overrides = ["classifier_dropout=0.3", "task_hidden_size=7"]
    arguments = ModelArguments(
        model=str(models / "elmo"),
        config_overrides=overrides,
        task_head="recurrent",
        use_crf=True,
        freeze_encoder=True,
    )
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    assert (config.classifier_dropout, config.task_hidden_size) == (0.3, 7)
    assert (config.task_head, config.use_crf, config.freeze_encoder) == ("recurrent", True, True)
    model = load_model(arguments, config, tokenizer, TAGGER).model
    assert not any(p.requires_grad for p in model.elmo.layers.parameters())
    assert all(p.requires_grad for p in model.scalar_mix.parameters())


@pytest.mark.parametrize(
    ("kind", "changes", "error", "message"),
    [
        ("elmo", {"config_overrides": ["nonsense=1"]}, ArgumentsError, "ElmoConfig has no setting 'nonsense'"),
        ("elmo", {"config_overrides": ["cell_size=0"]}, ArgumentsError, "cell_size must be at least 1, got 0"),
        ("elmo", {"config_overrides": ["cell_size=x"]}, ArgumentsError, "'cell_size' expected int, got str"),
        ("elmo", {"config_overrides": ["hidden_size=4"]}, ArgumentsError, "property 'hidden_size' .* has no setter"),
        ("bert", {"task_head": "recurrent"}, ArgumentsError, "--task_head is for ELMo; .*bert is a bert model"),
        ("bert", {"use_crf": True}, ArgumentsError, "--use_crf is for ELMo"),
        ("bert", {"cache_features": True}, ArgumentsError, "--cache_features is for ELMo"),
        ("bert", {"static_vectors": "v"}, ArgumentsError, "--static_vectors is for ELMo"),
        ("bert", {"vocabulary_size": 9}, ArgumentsError, "--vocabulary_size is for ELMo"),
        ("elmo", {"tokenizer": "{models}/bert"}, ModelError, "BertTokenizer gives no characters: an ELMo model needs"),
        ("", {}, ModelError, "has no config.json: give a saved model"),
        ("nothing", {}, ModelError, "no such folder; give a saved model, an id on the Hub, elmo-mini-en or bert-"),
        ("bert", {"tokenizer": "./nothing"}, ModelError, "./nothing has no tokenizer: .*; name one with --tokenizer"),
    ],
)
def test_what_does_not_fit_is_one_line(kind, changes, error, message, models):
    changes = {name: v.format(models=models) if isinstance(v, str) else v for name, v in changes.items()}
    with pytest.raises(error, match=message) as caught:
        load_config_and_tokenizer(ModelArguments(model=str(models / kind), **changes), False)
    assert "\n" not in str(caught.value)


def test_a_name_of_a_new_model_given_as_a_pretrained_one():
    with pytest.raises(ArgumentsError, match="give --from_scratch elmo-tiny instead of --model"):
        load_config_and_tokenizer(ModelArguments(model="elmo-tiny"), False)


def test_a_model_that_is_not_on_this_machine():
    with pytest.raises(ModelError, match="^org/no-such-model: "):  # the tests are offline
        load_config_and_tokenizer(ModelArguments(model="org/no-such-model"), False)


def test_a_tokenizer_without_word_positions(models, monkeypatch):
    monkeypatch.setattr("hf_elmo.finetune.models.AutoTokenizer.from_pretrained", lambda *_, **__: SimpleNamespace())
    with pytest.raises(ModelError, match=r"SimpleNamespace tells no word positions \(is_fast is False\)"):
        load_config_and_tokenizer(ModelArguments(model=str(models / "bert")), False)


def test_a_kind_of_model_without_such_a_head(tmp_path):
    GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9).save_pretrained(tmp_path)
    arguments = ModelArguments(from_scratch=str(tmp_path))
    with pytest.raises(ModelError, match=": transformers has no AutoModelForMultipleChoice for a gpt2 model$"):
        load_model(arguments, GPT2Config(), None, "AutoModelForMultipleChoice")


def test_a_folder_that_must_be_converted_first(tmp_path):
    (tmp_path / "options.json").write_text("{}")
    with pytest.raises(ModelError, match="has no config.json: hf-elmo convert makes one of it"):
        load_config_and_tokenizer(ModelArguments(model=str(tmp_path)), False)


def test_a_checkpoint_without_part_of_its_encoder(models, tmp_path):
    weights = load_file(models / "elmo" / "model.safetensors")
    weights.pop("layers.1.forward_direction.weight_hh")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((models / "elmo" / name).read_bytes())
    arguments = ModelArguments(model=str(tmp_path))
    with pytest.raises(
        ModelError, match=r"lacks 1 weights of the encoder \(elmo.layers.1.forward_direction.weight_hh"
    ):
        load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER)


def test_a_head_for_other_labels_is_made_anew_on_request(models, tmp_path):
    arguments = ModelArguments(model=str(models / "bert"))
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    load_model(arguments, config, tokenizer, TAGGER).model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    arguments = ModelArguments(model=str(tmp_path))
    config.id2label = dict(enumerate("abcde"))
    with pytest.raises(ModelError, match="ignore_mismatched_sizes"):
        load_model(arguments, config, tokenizer, TAGGER)
    arguments = ModelArguments(model=str(tmp_path), ignore_mismatched_sizes=True)
    prepared = load_model(arguments, config, tokenizer, TAGGER)
    assert prepared.model.classifier.out_features == 5
    assert prepared.new_parameters == ["classifier.bias", "classifier.weight"]


def test_byte_pairs_read_single_words_with_the_space_before_them(tmp_path):
    vocab = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", "a", "b", "Ġa"])}
    RobertaTokenizer(vocab=vocab, merges=[("Ġ", "a")]).save_pretrained(tmp_path)
    sizes = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    RobertaModel(RobertaConfig(vocab_size=9, **sizes)).save_pretrained(tmp_path)
    arguments = ModelArguments(model=str(tmp_path))
    _, tokenizer = load_config_and_tokenizer(arguments, pretokenized=True)
    assert tokenizer.convert_ids_to_tokens(tokenizer(["a", "a"], is_split_into_words=True)["input_ids"]) == [
        "<s>", "Ġa", "Ġa", "</s>",
    ]  # fmt: skip


def vocabulary(texts, tokenizer=None, others=(), **changes):
    config = ElmoConfig(**BUILT_IN["elmo-tiny"])
    tokenizer = tokenizer or ElmoTokenizer(splitting="whitespace")
    tokenizer = give_vocabulary(tokenizer, config, ModelArguments(from_scratch="elmo-tiny", **changes), texts, others)
    ids = {word: number for word, number in tokenizer.get_vocab().items() if word not in tokenizer.all_special_tokens}
    special = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    assert special == (config.pad_token_id, config.bos_token_id, config.eos_token_id, config.unk_token_id)
    assert config.vocab_size == len(tokenizer) and tokenizer.splitting == "whitespace"
    return sorted(ids, key=ids.get)


def test_a_vocabulary_has_the_commonest_words_of_the_training_data():
    words = [["b", "don't", "b"], ["a", "b", "<S>", "don't", ""]]
    assert vocabulary(words, vocabulary_size=2) == ["b", "don't"]
    assert vocabulary([" ".join(row) for row in words], vocabulary_size=2) == ["b", "don't"]
    assert vocabulary(words, static_vectors="v.txt") == ["b", "don't", "a"]


def test_static_vectors_have_rows_for_words_of_the_other_data_too():
    assert vocabulary([["b", "b"]], others=[["a", "b"]], static_vectors="v.txt") == ["b", "a"]
    assert vocabulary([["b", "b"]], others=[["a"]], static_vectors="v.txt", vocabulary_size=5) == ["b"]


def test_static_vectors_may_take_the_place_of_elmo_vectors(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2 3\n")
    alone = {"static_vectors": str(tmp_path / "v.txt"), "config_overrides": ["use_elmo_vectors=false"]}
    arguments = ModelArguments(from_scratch="elmo-tiny", **alone)
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    tokenizer = give_vocabulary(tokenizer, config, arguments, [["a", "b"]])
    assert load_model(arguments, config, tokenizer, TAGGER).model.classifier.in_features == 3
    arguments = ModelArguments(from_scratch="elmo-tiny", freeze_encoder=True, cache_features=True, **alone)
    with pytest.raises(
        ArgumentsError, match="--cache_features keeps ELMo vectors, which use_elmo_vectors=false leaves"
    ):
        load_config_and_tokenizer(arguments, True)
    arguments = ModelArguments(from_scratch="elmo-tiny", config_overrides=["use_elmo_vectors=false"])
    with pytest.raises(ArgumentsError, match="static_embedding_size must be the width of the static vectors, got 0"):
        load_config_and_tokenizer(arguments, True)


def test_a_vocabulary_is_made_only_when_it_is_needed():
    assert vocabulary([["a"]]) == []
    tokenizer = ElmoTokenizer(["x", "<S>", "</S>", "<UNK>"], splitting="whitespace")
    assert vocabulary([["a"]], tokenizer, static_vectors="v.txt") == ["x"]


def test_the_width_of_static_vectors_is_that_of_the_first_line(tmp_path):
    path = tmp_path / "v.txt"
    for text, width in (("the 1 2 3\n", 3), ("2 5\nthe 1 2 3 4 5\n", 5)):
        path.write_text(text)
        (tmp_path / "v.gz").write_bytes(gzip.compress(text.encode()))
        assert static_width(str(path)) == static_width(str(tmp_path / "v.gz")) == width
    path.write_text("word\n")
    with pytest.raises(ModelError, match="v.txt begins with no word and its numbers"):
        static_width(str(path))


def test_static_vectors_that_share_no_word_are_refused(tmp_path):
    (tmp_path / "v.txt").write_text("zzz 1 2\n")
    arguments = ModelArguments(from_scratch="elmo-tiny", static_vectors=str(tmp_path / "v.txt"))
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    tokenizer = give_vocabulary(tokenizer, config, arguments, [["a"]])
    with pytest.raises(ModelError, match="v.txt holds no word of the tokenizer's vocabulary"):
        load_model(arguments, config, tokenizer, TAGGER)


def test_half_precision_checkpoints_are_trained_in_single(models, tmp_path):
    arguments = ModelArguments(model=str(models / "bert"))
    config, tokenizer = load_config_and_tokenizer(arguments, True)
    load_model(arguments, config, tokenizer, TAGGER).model.half().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    arguments = ModelArguments(model=str(tmp_path))
    model = load_model(arguments, *load_config_and_tokenizer(arguments, True), TAGGER).model
    assert {p.dtype for p in model.parameters()} == {torch.float32}
