# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Static vectors of the very text a language model was trained on, the baseline for its contextual ones.

    python -m hf_elmo.evaluation.static_vectors CORPUS vectors.txt
    python -m hf_elmo.evaluation.static_vectors --algorithm fasttext --vocabulary_only CORPUS vectors.txt.gz
    hf-elmo finetune --task tagging --from_scratch elmo-tiny --static_vectors vectors.txt \\
        --config_overrides use_elmo_vectors=false ...

Trained by gensim, which comes with `pip install "hf-elmo[word2vec]"`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

if TYPE_CHECKING:
    from hf_elmo.corpus.token_shards import TokenShards


ALGORITHMS = {"word2vec": "Word2Vec", "fasttext": "FastText"}  # name of the option -> class of gensim


class StaticTrainingReport(NamedTuple):
    """What was trained."""

    vectors: int  # words in the file
    words: int  # of the text, without sentence marks
    sentences: int


def train_static_vectors(
    corpus: "TokenShards",
    output: str | os.PathLike,
    *,
    algorithm: str = "word2vec",
    vocabulary_only: bool = False,
    vector_size: int = 256,
    window: int = 5,
    min_count: int = 5,
    epochs: int = 5,
    workers: int = 1,
    seed: int = 1,
) -> StaticTrainingReport:
    """Train skip-gram vectors with negative sampling on a prepared corpus: word2vec or fastText.

    word2vec (Mikolov et al. 2013, arXiv:1310.4546) has a vector per word, fastText (Bojanowski et al. 2017, TACL) the
    mean of a word's and its character n-grams' vectors. The words are those of the corpus with their true spelling, also
    the ones its vocabulary lacks. Everything not named here is gensim's default: 5 negative samples, subsampling from a
    share of 1e-3, learning rate 0.025 falling to 1e-4, n-grams of 3 to 6 characters in 2,000,000 buckets. One worker
    gives the same vectors every time, several do not.

    Args:
        corpus: of `hf-elmo prepare-corpus`.
        output: text file of word2vec, the commonest word first, compressed if its name ends in .gz; the sentences lie
            beside it while this runs.
        algorithm: "word2vec" or "fasttext".
        vocabulary_only: write the words of the corpus's vocabulary only; all are trained.
        vector_size: numbers in a vector.
        window: farthest word that counts as context.
        min_count: rarer words have no vector.
        epochs: passes over the text.
        workers: threads.
        seed: of the first vectors and of what is drawn.
    Raises:
        ImportError: gensim is not installed; names the extra that brings it.
        ValueError: another algorithm, a number is below 1, no word comes `min_count` times, or none of those is in
            the vocabulary.
        OSError: the file cannot be written; nothing is left of it.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm is {algorithm!r}; there are {', '.join(ALGORITHMS)}")
    for name, value in (
        ("vector_size", vector_size),
        ("window", window),
        ("min_count", min_count),
        ("epochs", epochs),
        ("workers", workers),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    try:
        from gensim import models
    except ImportError as error:
        raise ImportError(f'{algorithm} needs gensim: pip install "hf-elmo[word2vec]"') from error
    output = Path(output)
    sentences_file = output.with_name(f"{output.name}.{os.getpid()}.sentences")
    temporary = output.with_name(f".{os.getpid()}.part.{output.name}")  # gensim compresses by the end of the name
    try:
        words, sentences = _write_sentences(corpus, sentences_file)
        try:
            model = getattr(models, ALGORITHMS[algorithm])(
                corpus_file=str(sentences_file),
                vector_size=vector_size,
                window=window,
                min_count=min_count,
                epochs=epochs,
                workers=workers,
                seed=seed,
                sg=1,
                callbacks=[_progress(algorithm, epochs)],
            )
        except RuntimeError as error:  # gensim: "you must first build vocabulary before training the model"
            raise ValueError(f"no word of the corpus comes at least min_count={min_count} times") from error
        vectors = _of_vocabulary(model.wv, corpus) if vocabulary_only else model.wv
        vectors.save_word2vec_format(str(temporary))
        os.replace(temporary, output)
    finally:
        sentences_file.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)
    return StaticTrainingReport(len(vectors), words, sentences)


def _write_sentences(corpus: "TokenShards", path: Path) -> tuple[int, int]:
    """A sentence a line, words between spaces, without sentence marks: what gensim reads without Python's lock."""
    tokenizer = corpus.tokenizer()
    marks = {tokenizer.bos_token, tokenizer.eos_token}
    words = sentences = 0
    with open(path, "w", encoding="utf-8", newline="\n") as lines:
        for sentence in tqdm(corpus.iter_sentences(), desc="sentences", unit=" sentences", disable=None):
            kept = [word for word in sentence if word not in marks]
            lines.write(" ".join(kept) + "\n")
            words, sentences = words + len(kept), sentences + 1
    return words, sentences


def _of_vocabulary(vectors: Any, corpus: "TokenShards") -> Any:
    """gensim's vectors of the words that the corpus's vocabulary knows, in the same order."""
    from gensim.models import KeyedVectors

    known = corpus.tokenizer().get_vocab()
    words = [word for word in vectors.index_to_key if word in known]
    if not words:
        raise ValueError("no trained word is in the vocabulary of the corpus; train without vocabulary_only")
    kept = KeyedVectors(vectors.vector_size)
    kept.add_vectors(words, vectors[words])
    return kept


def _progress(algorithm: str, epochs: int) -> Any:
    """A bar on stderr that counts epochs."""
    from gensim.models.callbacks import CallbackAny2Vec

    class Progress(CallbackAny2Vec):
        def on_train_begin(self, model: Any) -> None:
            self.bar = tqdm(total=epochs, desc=algorithm, unit=" epochs", disable=None)

        def on_epoch_end(self, model: Any) -> None:
            self.bar.update()

        def on_train_end(self, model: Any) -> None:
            self.bar.close()

    return Progress()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and say what was trained; 1 with one line if it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m hf_elmo.evaluation.static_vectors",
        description="Train word2vec or fastText vectors on a corpus of hf-elmo prepare-corpus.",
    )
    parser.add_argument("corpus", help="folder that hf-elmo prepare-corpus wrote")
    parser.add_argument("output", type=Path, help="text file of word2vec to write, plain or .gz")
    parser.add_argument(
        "--algorithm", choices=tuple(ALGORITHMS), default="word2vec", help="what is trained (word2vec)"
    )
    parser.add_argument(
        "--vocabulary_only", action="store_true", help="write only the words that the vocabulary of the corpus knows"
    )
    parser.add_argument("--split", default="train", help="part of the corpus (train)")
    for name, default, meaning in (
        ("vector_size", 256, "numbers in a vector"),
        ("window", 5, "farthest word that counts as context"),
        ("min_count", 5, "rarer words have no vector"),
        ("epochs", 5, "passes over the text"),
        ("workers", 1, "threads; only one gives the same vectors every time"),
        ("seed", 1, "of all that is drawn"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{meaning} ({default})")
    options = vars(parser.parse_args(arguments))
    from hf_elmo.corpus import TokenShards

    folder, output, split = (options.pop(name) for name in ("corpus", "output", "split"))
    try:
        corpus = TokenShards.open(folder, split)
        settings = ", ".join(f"{name} {value}" for name, value in options.items() if name != "algorithm")
        print(f"{options['algorithm']}, skip-gram, of {folder} ({split}) to {output}: {settings}", file=sys.stderr)
        report = train_static_vectors(corpus, output, **options)
    except (OSError, ValueError, ImportError) as error:
        print(f"hf_elmo.evaluation.static_vectors: {error}", file=sys.stderr)
        return 1
    print(f"{report.vectors:,} vectors from {report.words:,} words of {report.sentences:,} sentences, in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
