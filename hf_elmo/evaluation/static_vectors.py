# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""word2vec vectors of the very text a language model was trained on, the baseline for its contextual ones.

    python -m hf_elmo.evaluation.static_vectors CORPUS vectors.txt
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


class Word2VecReport(NamedTuple):
    """What was trained."""

    vectors: int  # words that have one
    words: int  # of the text, without sentence marks
    sentences: int


def train_word2vec(
    corpus: "TokenShards",
    output: str | os.PathLike,
    *,
    vector_size: int = 256,
    window: int = 5,
    min_count: int = 5,
    epochs: int = 5,
    workers: int = 1,
    seed: int = 1,
) -> Word2VecReport:
    """Train skip-gram vectors with negative sampling (Mikolov et al. 2013, arXiv:1310.4546) on a prepared corpus.

    The words are those of the corpus with their true spelling, also the ones its vocabulary lacks. Everything not named
    here is gensim's default: 5 negative samples, subsampling from a share of 1e-3, learning rate 0.025 falling to 1e-4.
    One worker gives the same vectors every time, several do not.

    Args:
        corpus: of `hf-elmo prepare-corpus`.
        output: text file of word2vec, the commonest word first; the sentences lie beside it while this runs.
        vector_size: numbers in a vector.
        window: farthest word that counts as context.
        min_count: rarer words have no vector.
        epochs: passes over the text.
        workers: threads.
        seed: of the first vectors and of what is drawn.
    Raises:
        ImportError: gensim is not installed; names the extra that brings it.
        ValueError: a number is below 1, or no word comes `min_count` times.
        OSError: the file cannot be written; nothing is left of it.
    """
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
        from gensim.models import Word2Vec
    except ImportError as error:
        raise ImportError('word2vec needs gensim: pip install "hf-elmo[word2vec]"') from error
    output = Path(output)
    sentences_file = output.with_name(f"{output.name}.{os.getpid()}.sentences")
    temporary = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        words, sentences = _write_sentences(corpus, sentences_file)
        try:
            model = Word2Vec(
                corpus_file=str(sentences_file),
                vector_size=vector_size,
                window=window,
                min_count=min_count,
                epochs=epochs,
                workers=workers,
                seed=seed,
                sg=1,
                callbacks=[_progress(epochs)],
            )
        except RuntimeError as error:  # gensim: "you must first build vocabulary before training the model"
            raise ValueError(f"no word of the corpus comes at least min_count={min_count} times") from error
        model.wv.save_word2vec_format(str(temporary))
        os.replace(temporary, output)
    finally:
        sentences_file.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)
    return Word2VecReport(len(model.wv), words, sentences)


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


def _progress(epochs: int) -> Any:
    """A bar on stderr that counts epochs."""
    from gensim.models.callbacks import CallbackAny2Vec

    class Progress(CallbackAny2Vec):
        def on_train_begin(self, model: Any) -> None:
            self.bar = tqdm(total=epochs, desc="word2vec", unit=" epochs", disable=None)

        def on_epoch_end(self, model: Any) -> None:
            self.bar.update()

        def on_train_end(self, model: Any) -> None:
            self.bar.close()

    return Progress()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and say what was trained; 1 with one line if it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m hf_elmo.evaluation.static_vectors",
        description="Train word2vec vectors on a corpus of hf-elmo prepare-corpus.",
    )
    parser.add_argument("corpus", help="folder that hf-elmo prepare-corpus wrote")
    parser.add_argument("output", type=Path, help="text file of word2vec to write")
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
        settings = ", ".join(f"{name} {value}" for name, value in options.items())
        print(f"word2vec, skip-gram, of {folder} ({split}) to {output}: {settings}", file=sys.stderr)
        report = train_word2vec(corpus, output, **options)
    except (OSError, ValueError, ImportError) as error:
        print(f"hf_elmo.evaluation.static_vectors: {error}", file=sys.stderr)
        return 1
    print(f"{report.vectors:,} vectors from {report.words:,} words of {report.sentences:,} sentences, in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
