# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The options of each benchmark and the names they choose from; loads neither torch nor transformers."""

import argparse
from pathlib import Path

SIZES = ("small", "medium", "original")
BATCH_SIZES = (1, 8, 32, 128)
ORDERS = ("corpus", "bucketed")
BASELINE = "allennlp-equivalent"

# What a side of the encoder benchmark computes. Those of one kind are compared with the first of their kind.
WHOLE = {
    BASELINE: "AllenNLP's way: characters of every padded position, LSTM cell by cell",
    "allennlp": "AllenNLP itself, where it is installed",
    "ours": "ElmoModel on the tokenizer's batch, float32",
    "ours-warm-cache": "the same after model.cache_words(tokenizer)",
    "ours-native": 'the same with lstm_backend="native", where there is a C compiler',
    "ours-int8": "ElmoModel after model.quantize_int8()",
    "ours-native-int8": 'the same with lstm_backend="native", where there is a C compiler and VNNI',
    "bert": "transformers' BertModel of base size, sdpa, float32, random weights; without --wordpieces ONE position per "
    "word: the case best for BERT, since real text has more word pieces than words",
    "bert-int8": "the same, its linear layers by torch.ao.quantization.quantize_dynamic",
    "products": "nothing but the unavoidable float32 matrix products of LSTM stage and character encoder (distinct "
    "words, their own characters)",
}
LSTM_STAGE = {
    "lstm-allennlp-equivalent": "LSTM stage alone, AllenNLP's way",
    "lstm-ours": "LSTM stage alone: ElmoModel from word vectors, the mix of layers included",
    "lstm-native": 'the same with lstm_backend="native"',
    "lstm-torch": "LSTM stage alone as torch.nn.LSTM(proj_size), which clips nothing: not the same function",
    "lstm-products": "nothing but the matrix products of the LSTM stage",
}
SIDES = {**WHOLE, **LSTM_STAGE}
# LSTM stages of the benchmark on a GPU.
GPU_SIDES = {
    "ours": "Triton kernels, float32, no TF32",
    "ours-tf32": "the same with TF32 products",
    "ours-bf16": "Triton kernels, weights and vectors in bfloat16",
    "ours-fp16": "the same in float16",
    "ours-autocast": "float32 weights under torch.autocast(bfloat16), cast at every call",
    "packed": 'lstm_backend="packed", without Triton, float32, no TF32',
    "packed-bf16": "the same in bfloat16",
    "cudnn": "torch.nn.LSTM(proj_size), which clips nothing, float32, no TF32; words sorted and packed before",
    "cudnn-tf32": "the same with TF32 products",
    "cudnn-bf16": "the same in bfloat16, which torch may run without cuDNN",
    "cudnn-fp16": "the same in float16",
}
TRAINING_SIDES = (BASELINE, "allennlp", "ours")
INT8_TASKS = ("mr", "subj", "snips", "ud_ewt", "wikigold")  # of hf_elmo.compare.tasks


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needed is a whole number from 1, got {text!r}")
    return int(text)


def add_common_arguments(parser: argparse.ArgumentParser, runs: int = 7) -> None:
    """Options of every benchmark that measures time."""
    parser.add_argument(
        "--runs",
        type=positive,
        metavar="N",
        default=runs,
        help=f"timed runs of each side, after one to warm up ({runs})",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the result to this JSON file")


def add_tokenizer_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    parser.add_argument("--text", type=Path, help="text, a sentence a line, words split by white space; .gz, .xz too")
    parser.add_argument("--vocabulary-text", type=Path, help="text to take the vocabulary from; default: --text")
    parser.add_argument("--vocabulary-size", type=positive, default=30_000, help="commonest words that have an id")
    parser.add_argument("--words", type=positive, default=100_000, help="words of the made text, without --text")
    parser.add_argument("--batch-size", type=positive, default=64, help="sentences a call")


def add_workload_arguments(
    parser: argparse.ArgumentParser, quick: str = "small model, batches of 8, 2 runs: a try"
) -> None:
    """Options of the benchmarks that run a model over sentences."""
    parser.add_argument(
        "--sentences", type=positive, metavar="N", help="sentences of a run, at least a batch (default: a few)"
    )
    parser.add_argument("--text", type=Path, metavar="FILE", help="sentences to take instead of made-up ones")
    parser.add_argument("--seed", type=int, metavar="N", default=1, help="of weights and sentences (1)")
    parser.add_argument("--resume", action="store_true", help="go on with the unfinished run in --output")
    parser.add_argument("--quick", action="store_true", help=quick)


def add_encoder_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    _add_sizes(parser, list(SIZES))
    parser.add_argument(
        "--batch-sizes", nargs="+", type=positive, metavar="N", default=list(BATCH_SIZES), help="(1 8 32 128)"
    )
    parser.add_argument(
        "--orders",
        nargs="+",
        choices=ORDERS,
        metavar="ORDER",
        default=list(ORDERS),
        help="corpus: batches as sentences come; bucketed: sorted by length before (both)",
    )
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), metavar="SIDE", help="what to measure, below (all)")
    parser.add_argument(
        "--threads",
        nargs="+",
        type=positive,
        metavar="N",
        default=[1],
        help="1: processor time; more: time on the wall. Several, as in 1 2: all is measured with the first, and ours "
        "with each of them",
    )
    parser.add_argument(
        "--vocabulary-size", type=positive, metavar="N", default=30_000, help="words of the warm cache (30000)"
    )
    parser.add_argument(
        "--wordpieces",
        type=Path,
        metavar="FILE",
        help="give BERT the sentences' word pieces, of a vocabulary of 30,522 made from this text",
    )
    add_workload_arguments(parser)
    width = max(map(len, SIDES))
    parser.epilog = "sides:\n" + "\n".join(f"  {name:<{width}}  {about}" for name, about in SIDES.items())


def _add_sizes(parser: argparse.ArgumentParser, default: list[str]) -> None:
    parser.add_argument(
        "--sizes",
        nargs="+",
        choices=SIZES,
        metavar="SIZE",
        default=default,
        help=f"models of the published sizes, of {', '.join(SIZES)} ({' '.join(default)})",
    )


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser)
    _add_sizes(parser, ["small", "original"])
    parser.add_argument("--batch-sizes", nargs="+", type=positive, metavar="N", default=[8, 32], help="(8 32)")
    parser.add_argument(
        "--sides", nargs="+", choices=TRAINING_SIDES, metavar="SIDE", help=f"of {', '.join(TRAINING_SIDES)} (all)"
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", default=1, help="1: processor time; more: time on the wall (1)"
    )
    add_workload_arguments(parser)


def add_gpu_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, runs=5)
    _add_sizes(parser, list(SIZES))
    parser.add_argument("--batch-sizes", nargs="+", type=positive, metavar="N", default=[128, 32], help="(128 32)")
    parser.add_argument(
        "--sides", nargs="+", choices=list(GPU_SIDES), metavar="SIDE", help="LSTM stages to measure, below (all)"
    )
    parser.add_argument("--no-pretraining", action="store_true", help="leave out the steps of pretraining")
    parser.add_argument(
        "--tune", action="store_true", help="instead: try tiles of the Triton kernels and print the fastest"
    )
    add_workload_arguments(parser, quick="small model, batches of 128, four sides, 3 runs: under a minute")
    width = max(map(len, GPU_SIDES))
    parser.epilog = "sides:\n" + "\n".join(f"  {name:<{width}}  {about}" for name, about in GPU_SIDES.items())


def add_memory_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the result to this JSON file")
    _add_sizes(parser, ["original"])
    parser.add_argument("--words", type=positive, metavar="N", default=100_000, help="words of the document (100000)")
    parser.add_argument(
        "--check-words",
        type=positive,
        default=5_000,
        metavar="N",
        help="words of the shorter document that is compared with the plain computation (5000)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", default=1, help="threads of torch (1)")
    parser.add_argument("--seed", type=int, metavar="N", default=1, help="of weights and words (1)")


def add_int8_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", nargs="?", default="elmo-mini-en", help="ELMo, float (elmo-mini-en)")
    parser.add_argument(
        "--data", metavar="FOLDER", help="a folder for each data set in it ($HF_ELMO_DATA, else ./data)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the result to this JSON file")
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=INT8_TASKS,
        metavar="TASK",
        help=f"of {', '.join(INT8_TASKS)} (all that are there)",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=positive,
        metavar="N",
        default=[1, 2, 3, 4, 5],
        help="of folds and networks (1 to 5)",
    )
    parser.add_argument(
        "--folds",
        type=positive,
        metavar="N",
        default=3,
        help="of sets without a large dev part; each is scored once (3)",
    )
    parser.add_argument("--updates", type=positive, metavar="N", default=500, help="of a task network, 32 each (500)")
    parser.add_argument("--examples", type=positive, metavar="N", help="at most, of the train and dev parts (all)")
    parser.add_argument("--threads", type=positive, metavar="N", default=1, help="threads of torch (1)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output, other --tasks too")
    parser.add_argument("--quick", action="store_true", help="two tasks, 500 examples, 2 seeds: a try of two minutes")


def add_plot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT.json", help="files of encoder or training")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="picture to make: .svg or .png")
