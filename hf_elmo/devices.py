# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The device a command computes on."""


def usable_device(asked: str | None, error_class: type[ValueError] = ValueError) -> str:
    """The device that `--device` names, once a tensor was made on it; a GPU if there is one, where it names none.

    Raises:
        ValueError, as `error_class`: torch knows no such device, or it is not there.
    """
    import torch

    chosen = asked or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise error_class(f"--device {chosen} cannot be used: {str(error).splitlines()[0]}") from error
    return chosen
