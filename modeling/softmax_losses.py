# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Losses over a large vocabulary: exact softmax in blocks, and softmax over sampled words.

Shapes: N tokens, D size of their vectors, V words of the vocabulary, S sampled words. No tensor of N x V, nor of
N x S, is ever made: logits exist for one block of tokens and words at a time and are computed again for the gradient.
"""

from math import log
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# What the block at work may take. 4 to 256 MiB differ by 15 % on a CPU, where smaller ones stay in the caches; elsewhere
# a block must take longer than the launch of its kernels.
BLOCK_BYTES_CPU = 16 * 2**20
BLOCK_BYTES = 512 * 2**20
TOKENS_PER_BLOCK = 1024


class LogUniformSample(NamedTuple):
    """Distinct words drawn by `log_uniform_sample`, and how many draws it took to find them."""

    ids: Tensor  # (S,) int64, distinct, in the order drawn
    num_tries: int  # draws with replacement, repeated ones included


@torch.compiler.disable(reason="the blocks of chunked_cross_entropy follow the number of tokens; call it uncompiled")
def chunked_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    chunk_size: int | None = None,
) -> Tensor:
    """Exact cross entropy of the full softmax, `F.cross_entropy(F.linear(hidden, weight, bias), targets)`.

    The log-sum-exp runs over blocks of words and joins them (online softmax, Milakov and Gimelshein 2018,
    arXiv:1805.02867); the backward pass computes the logits of each block again. Memory beyond arguments and their
    gradients: one block, `BLOCK_BYTES_CPU` (16 MiB) or on other devices `BLOCK_BYTES` (512 MiB), plus five (N, D)
    tensors of the dtype summed in, which is float64 for float64 and float32 for all others; numbers per token or per
    word aside. A block holds at least one word.

    Half precision: bfloat16 products run in bfloat16 on CUDA, everything else is multiplied in the dtype summed in;
    log-sum-exp and gradients are summed in it everywhere. Under autocast, weights are cast block by block. On CUDA one
    synchronisation checks the targets.

    Args:
        hidden: (N, D) float.
        weight: (V, D) float; its gradient is dense, (V, D).
        bias: (V,) float, or None.
        targets: (N,) int64, each from 0 to V - 1, or `ignore_index`.
        ignore_index: targets of this value take no part: loss 0, gradient 0, not counted by the mean.
        reduction: "mean" over the tokens that count (nan if there are none), "sum" or "none".
        chunk_size: tokens per block; None takes `TOKENS_PER_BLOCK` (1024), on other devices than processors more, if
            they have room beside all words.

    Returns:
        The loss, a scalar or (N,), in float64 for float64 and float32 for all others.

    Raises:
        ValueError: a shape, device, `reduction` or `chunk_size` does not fit.
        TypeError: a dtype does not fit.
        IndexError: a target is outside of the vocabulary.
        RuntimeError: a second derivative is asked for.
    """
    _check_arguments(hidden, weight, bias, targets, reduction, chunk_size)
    kept = _kept_tokens(targets, weight.shape[0], ignore_index)
    count = targets.shape[0]
    if kept is not None:
        hidden, targets = hidden[kept], targets[kept]
    product_dtype = _product_dtype(hidden, weight)
    losses = _BlockwiseLogSumExp.apply(hidden, weight, bias, targets, True, chunk_size, product_dtype)
    return _reduce(losses, kept, count, reduction)


@torch.compiler.disable(reason="the words that sampled_softmax_loss draws differ in number; call it uncompiled")
def sampled_softmax_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    num_sampled: int | None = None,
    sampled: LogUniformSample | None = None,
    generator: torch.Generator | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    sparse: bool = False,
    chunk_size: int | None = None,
) -> Tensor:
    """Cross entropy between each target and one set of sampled words shared by all tokens, for training only.

    Importance sampling of Jean et al. 2015 (arXiv:1412.2007) with the conventions of TensorFlow's
    `sampled_softmax_loss` and its log-uniform candidate sampler, as bilm-tf trains with (`bilm/training.py`): words
    sorted by falling frequency; distinct samples; the log of its expected count is subtracted from every logit,
    the target's too; a sampled word that is the token's own target is left out for that token. The value depends on
    the sample: it is no perplexity, for which `chunked_cross_entropy` is meant.

    Only the rows of `weight` that are used are read. Memory beyond arguments and their gradients: that of
    `chunked_cross_entropy`, with N + S in the place of N.

    Args:
        hidden: (N, D) float.
        weight: (V, D) float, word 0 the most frequent.
        bias: (V,) float, or None.
        targets: (N,) int64, each from 0 to V - 1, or `ignore_index`.
        num_sampled: S, words to draw, 1 to V; bilm-tf's `n_negative_samples_batch`, 8192 of 793,471.
        sampled: words drawn before, instead of `num_sampled` and `generator`.
        generator: source of the draw; None takes torch's default for the CPU.
        ignore_index, reduction, chunk_size: as in `chunked_cross_entropy`.
        sparse: gradients of `weight` and `bias` as sparse tensors of the rows used, for `torch.optim.SparseAdam` and
            `Adagrad`; a dense one fills (V, D). `torch.nn.utils.clip_grad_norm_` refuses sparse gradients, and a
            weight may not receive a dense gradient in the same step.

    Returns:
        The loss, a scalar or (N,), in float64 for float64 and float32 for all others.

    Raises:
        ValueError, TypeError, IndexError, RuntimeError: as in `chunked_cross_entropy`; or not one of `num_sampled` and `sampled` was
            given; or `sampled` does not fit the vocabulary.
    """
    _check_arguments(hidden, weight, bias, targets, reduction, chunk_size)
    vocab_size = weight.shape[0]
    if sampled is not None and num_sampled is None:
        _check_sampled(sampled, vocab_size)
    elif sampled is None and num_sampled is not None:
        sampled = log_uniform_sample(num_sampled, vocab_size, generator)
    else:
        raise ValueError("give one of num_sampled (draw that many words) and sampled (words drawn before)")
    kept = _kept_tokens(targets, vocab_size, ignore_index)
    count = targets.shape[0]
    if kept is not None:
        hidden, targets = hidden[kept], targets[kept]
    sampled_ids = sampled.ids.to(targets.device)

    # Each used row once, so that the gradients of a frequent word are summed before they are rounded to its dtype.
    sum_dtype = _sum_dtype(hidden.dtype)
    used, place = torch.cat([targets, sampled_ids]).unique(return_inverse=True)
    rows = F.embedding(used, weight, sparse=sparse).to(sum_dtype)
    offsets = -log_uniform_expected_count(used, sampled.num_tries, vocab_size).log().to(sum_dtype)
    if bias is not None:
        offsets = offsets + torch.gather(bias, 0, used, sparse_grad=sparse).to(sum_dtype)
    of_target, of_sample = place.split([targets.shape[0], sampled_ids.shape[0]])

    target_logits = (hidden.to(sum_dtype) * rows[of_target]).sum(dim=-1) + offsets[of_target]
    others = _BlockwiseLogSumExp.apply(
        hidden,
        rows[of_sample],
        offsets[of_sample],
        _position_in(sampled_ids, targets),
        False,
        chunk_size,
        _product_dtype(hidden, weight),
    )
    # log(e^target + e^others) - target, exact also for a loss near 0; beyond 40 it is the difference itself
    losses = F.softplus(others - target_logits, threshold=40)
    return _reduce(losses, kept, count, reduction)


def log_uniform_sample(
    num_sampled: int, vocab_size: int, generator: torch.Generator | None = None
) -> LogUniformSample:
    """Draw distinct words k with P(k) = log((k + 2) / (k + 1)) / log(V + 1), Zipf's law over sorted words.

    TensorFlow's `log_uniform_candidate_sampler(unique=True)`: words are drawn with replacement until `num_sampled`
    different ones were seen. All draws are made at once, on the generator's device; the same generator state gives
    the same words. As `num_sampled` comes near V, the draws needed grow as V log(V)^2.

    Args:
        num_sampled: S, 1 to V.
        vocab_size: V.
        generator: source of the draw; None takes torch's default for the CPU.

    Returns:
        `LogUniformSample`: ids (S,) int64 on the generator's device, and the number of draws.

    Raises:
        ValueError: `num_sampled` is not from 1 to `vocab_size`.
    """
    if not 1 <= num_sampled <= vocab_size:
        raise ValueError(
            f"num_sampled is {num_sampled}; needed is 1 to vocab_size={vocab_size}. "
            "For a small vocabulary chunked_cross_entropy gives the exact loss"
        )
    device = torch.device("cpu") if generator is None else generator.device
    draws = torch.empty(0, dtype=torch.int64, device=device)
    while True:
        more = max(draws.shape[0], 2 * num_sampled)  # doubles from the second time on
        uniform = torch.rand(more, dtype=torch.float64, generator=generator, device=device)
        # Rounding may reach V itself, which stands for word 0 as in TensorFlow.
        words = ((uniform * log(vocab_size + 1)).exp().long() - 1) % vocab_size
        draws = torch.cat([draws, words])
        ordered, position = draws.sort(stable=True)
        is_first = torch.ones_like(ordered, dtype=torch.bool)
        is_first[1:] = ordered[1:] != ordered[:-1]
        firsts = position[is_first].sort().values  # where each word was drawn for the first time
        if firsts.shape[0] >= num_sampled:
            firsts = firsts[:num_sampled]
            return LogUniformSample(draws[firsts], int(firsts[-1]) + 1)


def log_uniform_expected_count(ids: Tensor, num_tries: int, vocab_size: int) -> Tensor:
    """Probability that a word is among the distinct ones of `num_tries` draws, 1 - (1 - P)^num_tries.

    P as in `log_uniform_sample`; TensorFlow's expected count for `unique=True`, here without cancellation. Taking the
    number of tries as given makes it an approximation, as it is there.

    Args:
        ids: int64 of any shape, each from 0 to V - 1.
        num_tries: draws made, repeated ones included.
        vocab_size: V.

    Returns:
        float64 of the shape of `ids`, above 0 and at most 1.
    """
    probability = torch.log1p(1 / (ids.double() + 1)) / log(vocab_size + 1)
    return -torch.expm1(num_tries * torch.log1p(-probability))


def _check_arguments(hidden, weight, bias, targets, reduction: str, chunk_size: int | None) -> None:
    if hidden.dim() != 2:
        raise ValueError(f"hidden has shape {tuple(hidden.shape)}; needed is (N, D). Call hidden.flatten(0, -2)")
    if weight.dim() != 2 or weight.shape[1] != hidden.shape[1] or weight.shape[0] == 0:
        raise ValueError(f"weight has shape {tuple(weight.shape)}; needed is (V, {hidden.shape[1]}), one row per word")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias has shape {tuple(bias.shape)}; needed is ({weight.shape[0]},), one per word, or None")
    if targets.shape != hidden.shape[:1]:
        raise ValueError(f"targets has shape {tuple(targets.shape)}; needed is ({hidden.shape[0]},). Call flatten()")
    if targets.dtype != torch.int64:
        raise TypeError(f"targets is {targets.dtype}; needed is torch.int64. Call targets.long()")
    floats = (
        {"hidden": hidden, "weight": weight} if bias is None else {"hidden": hidden, "weight": weight, "bias": bias}
    )
    dtypes = {name: tensor.dtype for name, tensor in floats.items()}
    if not all(dtype.is_floating_point for dtype in dtypes.values()):
        raise TypeError(f"hidden, weight and bias must be floating point; got {dtypes}")
    if len(set(dtypes.values())) > 1 and not torch.is_autocast_enabled(hidden.device.type):
        raise TypeError(f"hidden, weight and bias must have one dtype; got {dtypes}. Cast them or use torch.autocast")
    devices = {str(tensor.device) for tensor in (*floats.values(), targets)}
    if len(devices) > 1:
        raise ValueError(f"hidden, weight, bias and targets lie on {sorted(devices)}; move them to one device")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none; got {reduction!r}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}; needed is at least 1 token per block, or None")


def _check_sampled(sampled: LogUniformSample, vocab_size: int) -> None:
    ids, num_tries = sampled
    if ids.dim() != 1 or ids.dtype != torch.int64 or ids.shape[0] == 0:
        raise ValueError(f"sampled.ids has shape {tuple(ids.shape)}, {ids.dtype}; needed is (S,) int64 of 1 or more")
    lowest, highest = (int(bound) for bound in ids.aminmax())
    if lowest < 0 or highest >= vocab_size:
        raise IndexError(f"sampled.ids run from {lowest} to {highest}; weight has words 0 to {vocab_size - 1}")
    if ids.unique().shape[0] != ids.shape[0]:
        raise ValueError("sampled.ids holds a word twice; needed are distinct ones, as log_uniform_sample gives them")
    if num_tries < ids.shape[0]:
        raise ValueError(f"sampled.num_tries is {num_tries}; {ids.shape[0]} distinct words take at least as many")


def _kept_tokens(targets: Tensor, vocab_size: int, ignore_index: int) -> Tensor | None:
    """Positions of the tokens that count, or None if all do; the one place that waits for the device."""
    keep = targets != ignore_index
    wrong = keep & ((targets < 0) | (targets >= vocab_size))
    num_kept, num_wrong = torch.stack([keep.sum(), wrong.sum()]).tolist()
    if num_wrong:
        raise IndexError(
            f"target {int(targets[wrong][0])} is out of bounds: weight has words 0 to {vocab_size - 1}. "
            f"Map words outside of the vocabulary to the unknown word, or padding to ignore_index={ignore_index}"
        )
    return None if num_kept == targets.shape[0] else keep.nonzero().squeeze(1)


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _product_dtype(hidden: Tensor, weight: Tensor) -> torch.dtype:
    """bfloat16 where the device multiplies it into float32 sums; else the dtype summed in.

    float16 is no choice: the small probabilities of a large vocabulary fall below its range.
    """
    device = hidden.device.type
    wanted = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    if device == "cuda" and wanted == torch.bfloat16:
        return torch.bfloat16
    return _sum_dtype(hidden.dtype)


def _position_in(ids: Tensor, targets: Tensor) -> Tensor:
    """(n,) where each target stands in the distinct ids (S,), or -1."""
    ordered, order = ids.sort()
    place = torch.searchsorted(ordered, targets).clamp_(max=ids.shape[0] - 1)
    return torch.where(ordered[place] == targets, order[place], -1)


def _reduce(losses: Tensor, kept: Tensor | None, count: int, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.sum() / losses.shape[0]  # 0 / 0 is nan, as in torch
    if reduction == "sum":
        return losses.sum()
    return losses if kept is None else losses.new_zeros(count).index_copy(0, kept, losses)


class _BlockwiseLogSumExp(torch.autograd.Function):
    """log sum_v exp(hidden . weight_v + bias_v) of each token, by blocks of words and tokens.

    Gradients made in the forward pass would save a quarter of the products, but no time where the blocks stay in the
    caches, and would need the whole vocabulary's logits at once.

    `columns` (N,) is one word per token: with `subtract_column` its logit is subtracted from the result (cross
    entropy), without it the word is left out of the sum, and -1 leaves out none.
    """

    @staticmethod
    def forward(ctx: Any, hidden, weight, bias, columns, subtract_column: bool, chunk_size, product_dtype):
        sum_dtype = _sum_dtype(hidden.dtype)
        log_sum_exp = hidden.new_full(columns.shape, -torch.inf, dtype=sum_dtype)
        column_logits = torch.zeros_like(log_sum_exp)
        rows = hidden.to(product_dtype)
        with torch.autocast(hidden.device.type, enabled=False):
            word_blocks, token_blocks = _blocks(hidden, weight, chunk_size)
            for words in word_blocks:
                block_weight = weight[words].to(product_dtype)
                for tokens in token_blocks:
                    logits = _logits(rows[tokens], block_weight, bias, words, sum_dtype)
                    column, inside = _column_in_block(columns[tokens], words)
                    logit = logits.gather(1, column)
                    if subtract_column:
                        column_logits[tokens] += torch.where(inside, logit, 0).squeeze(1)
                    else:
                        logits.scatter_(1, column, torch.where(inside, -torch.inf, logit))
                    # The bound keeps a block of nothing but -inf from becoming nan.
                    highest = logits.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(sum_dtype).min)
                    of_block = logits.sub_(highest).exp_().sum(dim=1).log_().add_(highest.squeeze(1))
                    log_sum_exp[tokens] = torch.logaddexp(log_sum_exp[tokens], of_block)
                    del logits  # before the next block asks for as much
                del block_weight
        ctx.save_for_backward(hidden, weight, bias, columns, log_sum_exp)
        ctx.settings = subtract_column, chunk_size, product_dtype
        return log_sum_exp - column_logits

    @staticmethod
    def backward(ctx: Any, grad):
        if torch.is_grad_enabled():  # create_graph=True, whose result would silently be a constant
            raise RuntimeError("this softmax loss has no second derivative; take F.cross_entropy of dense logits")
        hidden, weight, bias, columns, log_sum_exp = ctx.saved_tensors
        subtract_column, chunk_size, product_dtype = ctx.settings
        sum_dtype = log_sum_exp.dtype
        need_hidden, need_weight, need_bias = ctx.needs_input_grad[:3]
        rows = hidden.to(product_dtype)
        # A token's factor goes into its short vector, not into its long row of probabilities.
        scaled_rows = (hidden * grad.unsqueeze(1)).to(product_dtype)
        grad_hidden = torch.zeros_like(hidden, dtype=sum_dtype) if need_hidden else None
        grad_weight = torch.zeros_like(weight) if need_weight else None
        grad_bias = torch.zeros_like(bias, dtype=sum_dtype) if need_bias else None
        with torch.autocast(hidden.device.type, enabled=False):
            word_blocks, token_blocks = _blocks(hidden, weight, chunk_size)
            for words in word_blocks:
                block_weight = weight[words].to(product_dtype)
                # A view if the dtype is that of the sums, else a block of zeros that is rounded when it is complete.
                block_grad = None if grad_weight is None else grad_weight[words].to(sum_dtype)
                for tokens in token_blocks:
                    probabilities = _logits(rows[tokens], block_weight, bias, words, sum_dtype)
                    probabilities.sub_(log_sum_exp[tokens].unsqueeze(1)).exp_()
                    column, inside = _column_in_block(columns[tokens], words)
                    probability = probabilities.gather(1, column)
                    changed = probability - 1 if subtract_column else torch.zeros_like(probability)
                    probabilities.scatter_(1, column, torch.where(inside, changed, probability))
                    if grad_bias is not None:
                        grad_bias[words].addmv_(probabilities.t(), grad[tokens])
                    probabilities = probabilities.to(product_dtype)
                    if grad_hidden is not None:
                        _add_product_(grad_hidden[tokens], probabilities, block_weight)
                    if block_grad is not None:
                        _add_product_(block_grad, probabilities.t(), scaled_rows[tokens])
                    del probabilities
                if grad_weight is not None and block_grad is not None and grad_weight.dtype != sum_dtype:
                    grad_weight[words] = block_grad
                del block_weight, block_grad
        if grad_hidden is not None:
            grad_hidden = (grad_hidden * grad.unsqueeze(1)).to(hidden.dtype)
        if grad_bias is not None:
            grad_bias = grad_bias.to(bias.dtype)
        return grad_hidden, grad_weight, grad_bias, None, None, None, None


def _blocks(hidden: Tensor, weight: Tensor, chunk_size: int | None) -> tuple[list[slice], list[slice]]:
    """Words and tokens of the blocks: a block's logits, weights and gradients fit its bytes.

    Few tokens at a time on a processor; elsewhere as many as there is room for beside all words, since every block
    costs some twenty launches.
    """
    (count, size), vocab_size = hidden.shape, weight.shape[0]
    itemsize, on_cpu = _sum_dtype(hidden.dtype).itemsize, hidden.device.type == "cpu"
    block_bytes = BLOCK_BYTES_CPU if on_cpu else BLOCK_BYTES
    tokens = chunk_size or TOKENS_PER_BLOCK
    if chunk_size is None and not on_cpu:
        tokens = max(tokens, (block_bytes // max(1, vocab_size * itemsize) - 3 * size) // 2)
    # For each word its logits and their rounded copy, its weights, their gradient and the product added to it.
    bytes_per_word = (2 * min(tokens, count) + 3 * size) * itemsize
    words = max(1, block_bytes // max(1, bytes_per_word))
    return [slice(start, min(start + words, vocab_size)) for start in range(0, vocab_size, words)], [
        slice(start, start + tokens) for start in range(0, count, tokens)
    ]


def _logits(rows: Tensor, block_weight: Tensor, bias: Tensor | None, words: slice, sum_dtype: torch.dtype) -> Tensor:
    """(n, D) tokens and (v, D) words -> (n, v) in the dtype summed in."""
    if rows.dtype != sum_dtype:
        logits = torch.mm(rows, block_weight.t(), out_dtype=sum_dtype)
        return logits if bias is None else logits.add_(bias[words])
    if bias is None:
        return rows @ block_weight.t()
    return torch.addmm(bias[words].to(sum_dtype), rows, block_weight.t())


def _add_product_(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b, summed in the dtype of `total`."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total.add_(torch.mm(a, b, out_dtype=total.dtype))


def _column_in_block(columns: Tensor, words: slice) -> tuple[Tensor, Tensor]:
    """Each token's word within the block (n, 1), some other one if it lies outside, and whether it lies inside."""
    column = (columns - words.start).unsqueeze(1)
    last = words.stop - words.start - 1
    return column.clamp(0, last), (column >= 0) & (column <= last)
