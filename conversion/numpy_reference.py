# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo in plain NumPy, straight from the arrays and options of bilm-tf's files: the oracle conversions are held against.

Everything is in TensorFlow's terms (Peters et al. 2018; bilm-tf `bilm/model.py`): x @ W, gates i, j, f, o, forget bias
1, no padding row. It shares no code with the model or the readers, so a mistake there cannot hide here.

Letters: B sentences, T words with boundaries, C characters of a word, D `lstm.projection_dim`, M `lstm.dim`, L layers.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np


def char_ids_of_word(word: str, width: int = 50) -> list[int]:
    """Character ids of one word as AllenNLP's `ELMoCharacterMapper` defines them: begin, UTF-8 bytes, end, padding."""
    if word == "<S>":
        ids = [259, 257, 260]
    elif word == "</S>":
        ids = [259, 258, 260]
    else:
        ids = [259]
        for byte in word.encode("utf-8", "ignore")[: width - 2]:
            ids.append(byte + 1)
        ids.append(260)
    while len(ids) < width:
        ids.append(261)
    return ids


def char_ids_of_sentences(sentences: Sequence[Sequence[str]], width: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Character ids (B, T, C) int64 with `<S>` and `</S>` around each sentence, zero right of it; lengths (B,) int64."""
    lengths = np.array([len(sentence) + 2 for sentence in sentences])
    ids = np.zeros((len(sentences), lengths.max(), width), np.int64)
    for b, sentence in enumerate(sentences):
        for t, word in enumerate(["<S>", *sentence, "</S>"]):
            ids[b, t] = char_ids_of_word(word, width)
    return ids, lengths


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class NumpyElmo:
    """The bidirectional language model of one options.json and one set of arrays under the names of weights.hdf5.

    Args:
        options: content of options.json.
        weights: arrays by dataset name, as stored.
        dtype: of all arithmetic; float64 makes its own rounding negligible.
    """

    def __init__(self, options: dict, weights: Mapping[str, np.ndarray], dtype=np.float64):
        self.options, self.lstm, self.cnn = options, options["lstm"], options["char_cnn"]
        self.weights, self.dtype = dict(weights), dtype
        self.layers = self.lstm.get("n_layers", 1)

    @classmethod
    def from_files(cls, options_path, weights_path, dtype=np.float64) -> "NumpyElmo":
        """From options.json and weights.hdf5 as they are on disk."""
        import h5py

        weights: dict[str, np.ndarray] = {}
        with h5py.File(weights_path, "r") as file:
            file.visititems(lambda name, item: weights.update({name: item[()]}) if hasattr(item, "shape") else None)
        with open(options_path, encoding="utf-8-sig") as text:
            return cls(json.load(text), weights, dtype)

    def weight(self, name: str) -> np.ndarray:
        return np.asarray(self.weights[name], self.dtype)

    def words(self, char_ids: np.ndarray) -> np.ndarray:
        """Context-free vectors (n, D) of words given as ids (n, C); every row is a real word."""
        embeddings = self.weight("char_embed")
        if len(embeddings) == 261:
            embeddings = np.concatenate([np.zeros_like(embeddings[:1]), embeddings])
        x = embeddings[char_ids]  # (n, C, E)
        features = []
        for i, (width, count) in enumerate(self.cnn["filters"]):
            kernel = self.weight(f"CNN/W_cnn_{i}")[0].reshape(-1, count)  # (width * E, count)
            windows = [x[:, start : start + width].reshape(len(x), -1) for start in range(x.shape[1] - width + 1)]
            convolved = np.stack([window @ kernel for window in windows], axis=1) + self.weight(f"CNN/b_cnn_{i}")
            feature = convolved.max(axis=1)
            features.append(np.tanh(feature) if self.cnn["activation"] == "tanh" else np.maximum(feature, 0))
        x = np.concatenate(features, axis=1)  # (n, F)
        for k in range(self.cnn.get("n_highway") or 0):
            name = f"CNN_high_{k}/"
            carry = sigmoid(x @ self.weight(name + "W_carry") + self.weight(name + "b_carry"))
            transform = np.maximum(x @ self.weight(name + "W_transform") + self.weight(name + "b_transform"), 0)
            x = carry * transform + (1 - carry) * x
        if "CNN_proj/W_proj" in self.weights:
            x = x @ self.weight("CNN_proj/W_proj") + self.weight("CNN_proj/b_proj")
        return x

    def _cell(self, direction: int, layer: int) -> dict[str, np.ndarray]:
        for prefix in (f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/", f"RNN_{direction}/RNN/LSTMCell/"):
            if prefix + "W_0" in self.weights:
                return {
                    part: self.weight(prefix + part) for part in ("W_0", "B", "W_P_0") if prefix + part in self.weights
                }
        raise KeyError(f"RNN_{direction} has no layer {layer}")

    def _run(self, cell: Mapping, sentence: np.ndarray, h: np.ndarray, c: np.ndarray):
        """One LSTM over one sentence (T, D) from h (D,), c (M,): outputs (T, D), h, c."""
        outputs = []
        for x in sentence:
            i, j, f, o = np.split(np.concatenate([x, h]) @ cell["W_0"] + cell["B"], 4)
            c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
            if self.lstm.get("cell_clip"):
                c = np.clip(c, -self.lstm["cell_clip"], self.lstm["cell_clip"])
            h = sigmoid(o) * np.tanh(c)
            if "W_P_0" in cell:
                h = h @ cell["W_P_0"]
                if self.lstm.get("proj_clip"):
                    h = np.clip(h, -self.lstm["proj_clip"], self.lstm["proj_clip"])
            outputs.append(h)
        return np.array(outputs).reshape(sentence.shape), h, c

    def run(self, char_ids: np.ndarray, lengths: Sequence[int], state=None) -> tuple[np.ndarray, tuple]:
        """All layers of a batch.

        Args:
            char_ids: (B, T, C) with the boundary words; rows right of each length are ignored.
            state: h (L, B, 2D) and c (L, B, 2M) to start from, zeros by default; forward half first.
        Returns:
            activations (L + 1, B, T, 2D), zero right of each length; state h and c after the last word.
        """
        size, cell_size = self.lstm["projection_dim"], self.lstm["dim"]
        batch, longest = char_ids.shape[:2]
        if state is None:
            state = np.zeros((self.layers, batch, 2 * size)), np.zeros((self.layers, batch, 2 * cell_size))
        h, c = (np.array(part, self.dtype) for part in state)
        activations = np.zeros((self.layers + 1, batch, longest, 2 * size), self.dtype)
        for b, length in enumerate(lengths):
            vectors = self.words(char_ids[b, :length])
            activations[0, b, :length] = np.concatenate([vectors, vectors], axis=1)
        for layer in range(self.layers):
            for direction in range(2):
                cell = self._cell(direction, layer)
                half = slice(direction * size, (direction + 1) * size)
                cell_half = slice(direction * cell_size, (direction + 1) * cell_size)
                step = -1 if direction else 1  # the backward LSTM reads from its own last word to the first
                for b, length in enumerate(lengths):
                    inputs = activations[layer, b, :length, half]
                    outputs, h[layer, b, half], c[layer, b, cell_half] = self._run(
                        cell, inputs[::step], h[layer, b, half], c[layer, b, cell_half]
                    )
                    if self.lstm.get("use_skip_connections") and layer > 0:
                        outputs = outputs + inputs[::step]
                    activations[layer + 1, b, :length, half] = outputs[::step]
        return activations, (h, c)


def mix_layers(activations: np.ndarray, scalar_parameters: np.ndarray, gamma: float) -> np.ndarray:
    """gamma * sum_j softmax(w)_j layer_j over the first axis (Peters et al. 2018, equation 1)."""
    weights = np.exp(scalar_parameters - np.max(scalar_parameters))
    return gamma * np.tensordot(weights / weights.sum(), activations, axes=1)


def weights_of_state_dict(state_dict: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, np.ndarray]:
    """Arrays under the names of weights.hdf5, float64, from a state dict of AllenNLP.

    Undoes what AllenNLP's `load_weights` methods do, name by name.

    Args:
        prefix: of the `_ElmoBiLm`, for example `"_elmo_lstm."` in a state dict of `Elmo`.
    """
    weights = {}
    for full_name, value in state_dict.items():
        if not full_name.startswith(prefix):
            continue
        name = full_name[len(prefix) :]
        array = np.asarray(value, np.float64)
        parts = name.split(".")
        if name == "_token_embedder._char_embedding_weights":
            weights["char_embed"] = array[1:]
        elif parts[1].startswith("char_conv_"):
            number = parts[1].removeprefix("char_conv_")
            if parts[2] == "weight":
                weights[f"CNN/W_cnn_{number}"] = np.transpose(array, (2, 1, 0))[None]
            else:
                weights[f"CNN/b_cnn_{number}"] = array
        elif parts[1] == "_highways":
            transform, carry = np.split(array, 2)
            part = parts[4][0].replace("w", "W")
            weights[f"CNN_high_{parts[3]}/{part}_transform"] = transform.T
            weights[f"CNN_high_{parts[3]}/{part}_carry"] = -carry.T
        elif parts[1] == "_projection":
            weights["CNN_proj/" + ("W_proj" if parts[2] == "weight" else "b_proj")] = array.T
        elif "_layer_" in parts[1] and parts[2] == "state_projection":
            weights[_cell_name(parts[1]) + "W_P_0"] = array.T
        elif "_layer_" in parts[1] and parts[3] == "bias":
            i, f, j, o = np.split(array, 4)
            weights[_cell_name(parts[1]) + "B"] = np.concatenate([i, j, f - 1, o])
        elif "_layer_" in parts[1] and parts[2] == "input_linearity":
            other = full_name.replace("input_linearity", "state_linearity")
            both = np.concatenate([array.T, np.asarray(state_dict[other], np.float64).T])
            i, f, j, o = np.split(both, 4, axis=1)
            weights[_cell_name(parts[1]) + "W_0"] = np.concatenate([i, j, f, o], axis=1)
    return weights


def _cell_name(layer_name: str) -> str:
    direction, _, layer = layer_name.partition("_layer_")
    return f"RNN_{int(direction == 'backward')}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/"
