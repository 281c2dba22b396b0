# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The sides of the encoder benchmark: how each is made, what it is called with, and how its results are checked."""

import copy
import importlib
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.utils import logging

from hf_elmo.benchmark.allennlp_equivalent import AllenNlpEquivalent
from hf_elmo.benchmark.lstm_stage import BareProducts, TorchLstmStage
from hf_elmo.benchmark.workloads import Text, Workload
from hf_elmo.conversion.to_allennlp import convert_to_allennlp
from hf_elmo.modeling import ElmoConfig, ElmoModel
from hf_elmo.modeling.lstm_native import native_kernel

TOLERANCE = 5e-6  # largest difference from the baseline in any number of any layer; they reach 6 in magnitude
LEAST_MEAN_COSINE = 0.99  # below this int8 would not be the same model any more
BERT: dict[str, Any] = {}  # changes to BERT-base, whose sizes are BertConfig's defaults


class Expected(NamedTuple):
    """What the baseline computed for one batch."""

    words: Tensor  # (B, T, D) word vectors, padding too
    mask: Tensor  # (B, T) bool
    mix: Tensor  # (B, T, 2D)
    layers: list[Tensor]  # L + 1 times (B, T, 2D)


class Shared(NamedTuple):
    """What the sides are made from."""

    model: ElmoModel
    equivalent: AllenNlpEquivalent
    text: Text


class Side(ABC):
    """One way of computing; a subclass says how. Nothing here is timed but `call`."""

    def __init__(self, shared: Shared):
        self.shared = shared

    @abstractmethod
    def prepare(self, workload: Workload, expected: list[Expected]) -> list[Any]:
        """The arguments of `call` for each batch, made before the clock starts."""

    @abstractmethod
    def call(self, batch: Any) -> Any:
        """Compute one batch."""

    @abstractmethod
    def check(self, batches: list[Any], expected: list[Expected]) -> dict[str, Any]:
        """What the result says about correctness.

        Raises:
            ValueError: the results are wrong.
        """

    def work(self, batches: list[Any]) -> Callable[[], None]:
        """All batches, one after the other."""

        def run() -> None:
            for batch in batches:
                self.call(batch)

        return run


class Equivalent(Side):
    """The baseline."""

    def prepare(self, workload, expected):
        return [batch["char_ids"] for batch in workload.batches]

    def call(self, batch):
        return self.shared.equivalent(batch)

    def check(self, batches, expected):
        return {"kind": "the baseline itself"}


class AllenNlp(Side):
    """AllenNLP's own `Elmo`, its state cleared before every batch; it adds the boundaries itself."""

    def __init__(self, shared):
        super().__init__(shared)
        elmo = importlib.import_module("allennlp.modules.elmo").Elmo
        logging.disable_progress_bar()  # of save_pretrained
        with tempfile.TemporaryDirectory() as folder:
            shared.model.save_pretrained(Path(folder, "ours"))
            convert_to_allennlp(Path(folder, "ours"), Path(folder, "theirs"))
            files = [str(Path(folder, "theirs", name)) for name in ("options.json", "weights.hdf5")]
            self.elmo = elmo(*files, 1, dropout=0.0, keep_sentence_boundaries=True, requires_grad=True).eval()

    def prepare(self, workload, expected):
        return [
            self.shared.text.tokenizer(
                words, is_split_into_words=True, padding=True, return_tensors="pt", add_special_tokens=False
            )["char_ids"]
            for words in workload.sentences
        ]

    def call(self, batch):
        self.elmo._elmo_lstm._elmo_lstm.reset_states()
        return self.elmo(batch)["elmo_representations"][0]

    def check(self, batches, expected):
        pairs = [(self.call(batch), one.mix) for batch, one in zip(batches, expected, strict=True)]
        return _check_equal("allennlp", pairs)


class Ours(Side):
    """`ElmoModel` called with all that its tokenizer gives."""

    name = "ours"

    def __init__(self, shared):
        super().__init__(shared)
        self.model = self.make_model(shared)

    def make_model(self, shared: Shared) -> ElmoModel:
        return shared.model

    def prepare(self, workload, expected):
        return [dict(batch) for batch in workload.batches]

    def call(self, batch):
        return self.model(**batch)

    def check(self, batches, expected):
        pairs = []
        for batch, one in zip(batches, expected, strict=True):
            output = self.model(**batch, output_hidden_states=True)
            pairs += list(zip((output.mixed_state, *output.hidden_states), (one.mix, *one.layers), strict=True))
        return _check_equal(self.name, pairs)


class OursWarmCache(Ours):
    """The same with the vectors of the vocabulary computed before."""

    name = "ours-warm-cache"

    def make_model(self, shared):
        model = copy.deepcopy(shared.model)
        self.cached_words = model.cache_words(shared.text.tokenizer)
        return model

    def check(self, batches, expected):
        for batch in batches:
            got, wanted = self.model(**batch), self.shared.model(**batch)
            if not torch.equal(got.mixed_state, wanted.mixed_state):
                largest = (got.mixed_state - wanted.mixed_state).abs().max().item()
                raise ValueError(f"the warm word cache changes results by {largest:.1e}; nothing was measured")
        unknown = self.shared.text.tokenizer.unk_token_id
        ids = torch.cat([batch["input_ids"][batch["attention_mask"].bool()] for batch in batches])
        return {
            "kind": "equal to ours to the bit",
            "cached_words": self.cached_words,
            "found_in_cache": round((ids != unknown).float().mean().item(), 4),
        }


class OursNative(Ours):
    """The same with the compiled LSTM kernel."""

    name = "ours-native"

    def make_model(self, shared):
        return make_native(shared.model)


class OursInt8(Ours):
    """The same with its large matrices in int8."""

    name = "ours-int8"

    def make_model(self, shared):
        return copy.deepcopy(shared.model).quantize_int8()

    def check(self, batches, expected):
        pairs = [
            (self.model(**batch).mixed_state[one.mask], one.mix[one.mask])
            for batch, one in zip(batches, expected, strict=True)
        ]
        return _check_direction(self.name, pairs)


class OursNativeInt8(OursInt8):
    """The same with the compiled LSTM kernel."""

    name = "ours-native-int8"

    def make_model(self, shared):
        return make_native(shared.model).quantize_int8()


class Bert(Side):
    """BERT of base size over the word pieces if they are known, else over the words, and its two marks."""

    def __init__(self, shared):
        super().__init__(shared)
        self.count = shared.text.word_pieces or len
        longest = max(map(self.count, shared.text.sentences)) + 2
        settings = {"max_position_embeddings": max(512, longest), "attn_implementation": "sdpa", **BERT}
        config = BertConfig(**settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = BertModel(config, add_pooling_layer=False).eval()

    def prepare(self, workload, expected):
        generator = torch.Generator().manual_seed(0)
        vocabulary, batches = self.model.config.vocab_size, []
        for sentences in workload.sentences:
            lengths = torch.tensor([self.count(sentence) + 2 for sentence in sentences])
            mask = (torch.arange(int(lengths.max())) < lengths.unsqueeze(1)).long()
            ids = torch.randint(vocabulary, mask.shape, generator=generator)  # any: their number counts
            batches.append({"input_ids": ids, "attention_mask": mask})
        return batches

    def call(self, batch):
        return self.model(**batch).last_hidden_state

    def check(self, batches, expected):
        if not all(self.call(batch).isfinite().all() for batch in batches):
            raise ValueError("bert gives numbers that are not finite; nothing was measured")
        return {"kind": "finite numbers; random weights, another function"}


class BertInt8(Bert):
    """The same with its linear layers quantised by torch."""

    def __init__(self, shared):
        super().__init__(shared)
        self.plain = self.model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces a successor that has no such function for BERT on CPUs
            self.model = torch.ao.quantization.quantize_dynamic(self.plain, {nn.Linear}, dtype=torch.qint8)

    def check(self, batches, expected):
        pairs = []
        for batch in batches:
            mask = batch["attention_mask"].bool()
            pairs.append((self.call(batch)[mask], self.plain(**batch).last_hidden_state[mask]))
        return _check_direction("bert-int8", pairs)


class LstmEquivalent(Side):
    """The layers of the baseline from its word vectors."""

    def prepare(self, workload, expected):
        return [(one.words, one.mask) for one in expected]

    def call(self, batch):
        return self.shared.equivalent.run_layers(*batch)

    def check(self, batches, expected):
        return {"kind": "the baseline itself"}


class LstmOurs(Ours):
    """`ElmoModel` from the baseline's word vectors."""

    name = "lstm-ours"

    def prepare(self, workload, expected):
        return [{"inputs_embeds": one.words, "attention_mask": one.mask} for one in expected]


class LstmNative(LstmOurs):
    """The same with the compiled LSTM kernel."""

    name = "lstm-native"

    def make_model(self, shared):
        return make_native(shared.model)


class LstmTorch(Side):
    """`torch.nn.LSTM`; compared with the baseline without its clips, as it has none."""

    def __init__(self, shared):
        super().__init__(shared)
        self.stage = TorchLstmStage(shared.equivalent)

    def prepare(self, workload, expected):
        return [(one.words, one.mask) for one in expected]

    def call(self, batch):
        return self.stage(*batch)

    def check(self, batches, expected):
        equivalent = self.shared.equivalent
        pairs = []
        equivalent.clip = False
        try:
            for batch in batches:
                pairs += list(zip(self.call(batch), equivalent.run_layers(*batch), strict=True))
        finally:
            equivalent.clip = True
        return {**_check_equal("lstm-torch", pairs, factor=10), "against": "the baseline without its clips"}


class Products(Side):
    """The bare products of all stages."""

    def __init__(self, shared):
        super().__init__(shared)
        self.products = BareProducts(shared.equivalent)

    def prepare(self, workload, expected):
        return [
            (self.products.char_cnn(batch["char_ids"]), self.products.lstm_stage(one.mask))
            for batch, one in zip(workload.batches, expected, strict=True)
        ]

    def call(self, batch):
        for stage in batch:
            stage()

    def check(self, batches, expected):
        return {"kind": "none: products without the sums and activations between them, the results mean nothing"}


class LstmProducts(Products):
    """The bare products of the LSTM stage."""

    def prepare(self, workload, expected):
        return [(self.products.lstm_stage(one.mask),) for one in expected]


CLASSES: dict[str, type[Side]] = {
    "allennlp-equivalent": Equivalent,
    "allennlp": AllenNlp,
    "ours": Ours,
    "ours-warm-cache": OursWarmCache,
    "ours-native": OursNative,
    "ours-int8": OursInt8,
    "ours-native-int8": OursNativeInt8,
    "bert": Bert,
    "bert-int8": BertInt8,
    "products": Products,
    "lstm-allennlp-equivalent": LstmEquivalent,
    "lstm-ours": LstmOurs,
    "lstm-native": LstmNative,
    "lstm-torch": LstmTorch,
    "lstm-products": LstmProducts,
}


def make_native(model: ElmoModel) -> ElmoModel:
    """The same model with the compiled LSTM kernel."""
    native = ElmoModel(ElmoConfig.from_dict({**model.config.to_dict(), "lstm_backend": "native"})).eval()
    native.load_state_dict(model.state_dict())
    return native


def can_run_native() -> bool:
    """Whether the compiled LSTM kernel is there, or a compiler to make it."""
    return native_kernel() is not None


def can_run_native_int8() -> bool:
    """Whether that kernel has its int8 half, which needs a processor with VNNI."""
    kernel = native_kernel()
    return kernel is not None and kernel.lstm_int8 is not None


def can_import_allennlp() -> bool:
    """Whether AllenNLP's ELMo is there and loads."""
    try:
        importlib.import_module("allennlp.modules.elmo")
    except Exception:  # an old AllenNLP under new libraries fails in many ways, and is then not there
        return False
    return True


def expect(equivalent: AllenNlpEquivalent, workload: Workload) -> list[Expected]:
    """What the baseline computes for every batch, in its parts."""
    results = []
    for batch in workload.batches:
        words, mask = equivalent.encode_words(batch["char_ids"])
        mix, layers = equivalent(batch["char_ids"])
        results.append(Expected(words, mask, mix, layers))
    return results


def _check_equal(name: str, pairs: list[tuple[Tensor, Tensor]], factor: float = 1) -> dict[str, Any]:
    shapes = {(tuple(got.shape), tuple(wanted.shape)) for got, wanted in pairs if got.shape != wanted.shape}
    if shapes:
        raise ValueError(f"{name} gives other shapes than the baseline, {sorted(shapes)}; nothing was measured")
    largest = max((got - wanted).abs().max().item() for got, wanted in pairs)
    if not largest <= TOLERANCE * factor:  # NaN is wrong, too
        raise ValueError(
            f"{name} differs from the baseline by {largest:.1e}, allowed are {TOLERANCE * factor:.0e}; nothing was "
            "measured"
        )
    return {"kind": "largest difference", "largest_difference": largest, "tolerance": TOLERANCE * factor}


def _check_direction(name: str, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, Any]:
    """Cosine between the vectors (n, W) of each word; a difference says little about int8."""
    cosines = torch.cat([nn.functional.cosine_similarity(got, wanted, dim=-1) for got, wanted in pairs])
    mean, least = cosines.mean().item(), cosines.min().item()
    if not mean >= LEAST_MEAN_COSINE:
        raise ValueError(
            f"{name} has a mean cosine of {mean:.4f} to float32, needed are {LEAST_MEAN_COSINE}; nothing was measured"
        )
    return {"kind": "cosine to float32 by word", "mean_cosine": round(mean, 6), "least_cosine": round(least, 6)}
