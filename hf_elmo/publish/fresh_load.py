# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Loads a model as a stranger does: from the cache of the Hub, by its name, with transformers and without hf_elmo.

Run as a file of its own by `load_check`, with the name of the repository, the folder and 1 if there is code; prints one
line of JSON.
"""

import json
import sys
from pathlib import Path

# Nothing beside this file may be taken for a package, and hf_elmo must not be found.
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
sys.modules["hf_elmo"] = None  # type: ignore[assignment]

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors import safe_open  # noqa: E402

HEAD = "lm_head.safetensors"  # the softmax of a converted ELMo: a row for each word, without the padding
TEXT = "The bank by the river was steep."


def main(name: str, folder: Path, with_code: bool) -> dict:
    """Load tokenizer and model by name and compare every tensor with the files.

    Raises:
        ValueError: a weight is missing, superfluous, of another shape, or has another value than in the file.
    """
    trust = {"trust_remote_code": True} if with_code else {}
    config = transformers.AutoConfig.from_pretrained(name, **trust)
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, **trust)
    architecture = (config.architectures or [""])[0]
    stored = _files_of(folder)
    whole = _load_whole(name, config, architecture, trust)
    tensors = _compare(whole, stored, architecture)
    if (folder / HEAD).is_file():
        tensors += _compare_head(name, folder / HEAD, trust)
    model, about = transformers.AutoModel.from_pretrained(name, output_loading_info=True, **trust)
    _compare_encoder(model, about, whole)
    with torch.no_grad():
        output = model.eval()(**tokenizer(TEXT, return_tensors="pt"))
    if not bool(output[0].isfinite().all()):
        raise ValueError("the vectors of a sentence are not finite")
    return {
        "architecture": architecture,
        "tensors": tensors,
        "parameters": sum(parameter.numel() for parameter in whole.parameters()),
        "vectors": list(output[0].shape),
    }


def _files_of(folder: Path) -> dict[str, Path]:
    """File of each tensor."""
    places: dict[str, Path] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            places |= {name: path for name in file.keys()}
    return places


def _load_whole(name: str, config, architecture: str, trust: dict):
    """The model with every weight that the files hold: by the Auto class whose code has the architecture's name."""
    auto_map = getattr(config, "auto_map", None) or {}
    wanted = [auto for auto, place in auto_map.items() if str(place).endswith(f".{architecture}")]
    if trust and wanted:
        loader = getattr(transformers, wanted[0])
    elif hasattr(transformers, architecture):
        loader = getattr(transformers, architecture)
    else:
        raise ValueError(f"config.json names {architecture or 'no architecture'}, which no Auto class leads to")
    model, about = loader.from_pretrained(name, output_loading_info=True, **trust)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if about.get(what):
            raise ValueError(
                f"{architecture}: {what.replace('_', ' ')}: {', '.join(map(str, sorted(about[what])[:3]))}"
            )
    return model


def _compare(model, stored: dict[str, Path], architecture: str) -> int:
    loaded = model.state_dict()
    for path in sorted(set(stored.values())):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                tensor = file.get_tensor(name)
                if name not in loaded:
                    raise ValueError(f"{architecture} has no tensor {name}, which {path.name} holds")
                if not torch.equal(loaded[name].cpu(), tensor.to(loaded[name].dtype)):
                    raise ValueError(f"{name} was loaded with other numbers than {path.name} holds")
    tied = {loaded[name].data_ptr() for name in stored}
    extra = [name for name, tensor in loaded.items() if name not in stored and tensor.data_ptr() not in tied]
    if extra:
        raise ValueError(f"{architecture} has tensors that no file holds: {', '.join(extra[:3])}")
    return len(stored)


def _compare_head(name: str, path: Path, trust: dict) -> int:
    """The softmax in a file of its own is read by the language model alone."""
    model, about = transformers.AutoModelForPreTraining.from_pretrained(name, output_loading_info=True, **trust)
    head = getattr(model, "lm_head", None)
    if head is None or any(key.startswith("lm_head.") for key in about.get("missing_keys") or ()):
        raise ValueError(f"{type(model).__name__} does not read {path.name}: its softmax is new")
    first = 1 if model.config.pad_token_id == 0 else 0
    with safe_open(path, "pt") as file:
        for key in file.keys():
            tensor, loaded = file.get_tensor(key), head.state_dict().get(key)
            if loaded is None:
                raise ValueError(f"the softmax has no tensor {key}, which {path.name} holds")
            if not torch.equal(loaded[first : first + len(tensor)], tensor.to(loaded.dtype)):
                raise ValueError(f"lm_head.{key} was loaded with other numbers than {path.name} holds")
        return len(file.keys())


def _compare_encoder(model, about: dict, whole) -> None:
    """What AutoModel loads of the same files must be the same as in the whole model."""
    prefix = whole.base_model_prefix
    expected = whole.state_dict()
    fresh = set(about.get("missing_keys") or ())  # a pooler, a mix: not in the files, and said to be new
    for name, tensor in model.state_dict().items():
        other = expected.get(f"{prefix}.{name}", expected.get(name))
        if other is None or name in fresh:
            if name not in fresh:
                raise ValueError(f"AutoModel: {name} was loaded from nowhere")
        elif not torch.equal(tensor, other):
            raise ValueError(f"AutoModel loads {name} with other numbers")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "1")))
