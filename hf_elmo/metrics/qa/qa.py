# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Scores of extractive question answering: SQuAD's in English, CMRC 2018's in Chinese."""

import re
import string
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import datasets
import evaluate

_DESCRIPTION = """
Exact match and F1 of answers, in percent, the best over the gold answers of each question. English as in SQuAD v1.1
and v2: without case, punctuation, articles and repeated blanks, F1 over the bag of words. Chinese as in CMRC 2018:
without case and punctuation, F1 over the longest run of characters (words, where the text is not Chinese) that both
answers share. A question that has no answer is right if nothing is predicted, and wrong else.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: dictionaries with id and prediction_text; "" where the model finds no answer.
    references: dictionaries with id and answers, {"text": [...], "answer_start": [...]}; empty lists if there is none.
    language: "english", "chinese", or "auto": Chinese if more than half of the gold answers contain a Chinese character.
Returns:
    exact_match, f1: 0 to 100.
    total: number of questions.
    has_answer_exact_match, has_answer_f1, has_answer_total, no_answer_exact_match, no_answer_f1, no_answer_total: the
        same for the two kinds of questions, where both occur.
Examples:
    >>> metric = evaluate.load("qa")
    >>> predictions = [{"id": "1", "prediction_text": "in the Norman duchy"}]
    >>> references = [{"id": "1", "answers": {"text": ["Norman duchy"], "answer_start": [7]}}]
    >>> metric.compute(predictions=predictions, references=references)
    {'exact_match': 0.0, 'f1': 80.0, 'total': 1}
"""

_CITATION = """
@inproceedings{rajpurkar-etal-2016-squad,
    title = {{SQ}u{AD}: 100,000+ Questions for Machine Comprehension of Text},
    author = {Rajpurkar, Pranav and Zhang, Jian and Lopyrev, Konstantin and Liang, Percy},
    booktitle = {Proceedings of the 2016 Conference on Empirical Methods in Natural Language Processing},
    year = {2016},
    pages = {2383--2392},
}
@inproceedings{rajpurkar-etal-2018-know,
    title = {Know What You Don't Know: Unanswerable Questions for {SQ}u{AD}},
    author = {Rajpurkar, Pranav and Jia, Robin and Liang, Percy},
    booktitle = {Proceedings of the 56th Annual Meeting of the Association for Computational Linguistics},
    year = {2018},
    pages = {784--789},
}
@inproceedings{cui-etal-2019-span,
    title = {A Span-Extraction Dataset for {C}hinese Machine Reading Comprehension},
    author = {Cui, Yiming and Liu, Ting and Che, Wanxiang and Xiao, Li and Chen, Zhipeng and Ma, Wentao and
        Wang, Shijin and Hu, Guoping},
    booktitle = {Proceedings of EMNLP-IJCNLP 2019},
    year = {2019},
    pages = {5883--5889},
}
"""

ARTICLE = re.compile(r"\b(a|an|the)\b")
ENGLISH_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The marks that CMRC 2018 leaves out. Brackets, commas and full stops of ASCII are not among them.
CHINESE_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CHINESE_CHARACTER = re.compile(r"[\u4e00-\u9fa5]")
# A Chinese character, a word with the marks inside it (3.5, don't), or another mark. The original takes its words from
# NLTK, which also parts clitics (do n't).
CHINESE_TOKEN = re.compile(r"[\u4e00-\u9fa5]|(?:(?![\u4e00-\u9fa5])\w)+(?:[.,'](?:(?![\u4e00-\u9fa5])\w)+)*|[^\w\s]")


class Language(NamedTuple):
    """How answers of a language are compared."""

    normalize: Callable[[str], str]  # for exact match, and to see that something is left
    tokens: Callable[[str], list[str]]
    shared: Callable[[list[str], list[str]], int]  # number of tokens in common


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class QuestionAnswering(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        answers = datasets.Sequence({"text": text, "answer_start": datasets.Value("int32")})
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {
                    "predictions": {"id": text, "prediction_text": text},
                    "references": {"id": text, "answers": answers},
                }
            ),
            reference_urls=["https://rajpurkar.github.io/SQuAD-explorer/", "https://github.com/ymcui/cmrc2018"],
        )

    def _compute(
        self, predictions: list[dict[str, Any]], references: list[dict[str, Any]], language: str = "auto"
    ) -> dict[str, float]:
        found = {prediction["id"]: prediction["prediction_text"] for prediction in predictions}
        golds = {reference["id"]: reference["answers"]["text"] for reference in references}
        if not golds:
            raise ValueError("there are no questions to score")
        if len(found) < len(predictions) or len(golds) < len(references):
            raise ValueError("an id occurs twice; predictions and references are compared by id")
        if found.keys() != golds.keys():
            odd = sorted(found.keys() ^ golds.keys())[0]
            raise ValueError(f"the id {odd!r} is only in the {'predictions' if odd in found else 'references'}")
        if language == "auto":
            texts = [text for answers in golds.values() for text in answers]
            chinese = sum(CHINESE_CHARACTER.search(text) is not None for text in texts)
            language = "chinese" if 2 * chinese > len(texts) else "english"
        if language not in LANGUAGES:
            raise ValueError(f"no language {language!r}; it is auto, {' or '.join(LANGUAGES)}")
        scores: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for key, answers in golds.items():
            scores[len(answers) > 0].append(_best_scores(found[key], answers, LANGUAGES[language]))
        results = _means("", scores[True] + scores[False])
        if scores[True] and scores[False]:
            results |= _means("has_answer_", scores[True]) | _means("no_answer_", scores[False])
        return results


def _means(prefix: str, scores: list[tuple[float, float]]) -> dict[str, float]:
    matches, f1 = (100 * sum(column) / len(scores) for column in zip(*scores, strict=True))
    return {f"{prefix}exact_match": matches, f"{prefix}f1": f1, f"{prefix}total": len(scores)}


def _best_scores(prediction: str, golds: list[str], language: Language) -> tuple[float, float]:
    """Exact match and F1 against the gold answer that fits best, each; an answer of nothing but marks is none."""
    golds = [gold for gold in golds if language.normalize(gold)] or [""]
    exact = float(any(language.normalize(prediction) == language.normalize(gold) for gold in golds))
    return exact, max(_f1(language.tokens(prediction), language.tokens(gold), language) for gold in golds)


def _f1(prediction: list[str], gold: list[str], language: Language) -> float:
    if not prediction or not gold:
        return float(prediction == gold)
    return 2 * language.shared(prediction, gold) / (len(prediction) + len(gold))


def _normalize_english(text: str) -> str:
    return " ".join(ARTICLE.sub(" ", text.lower().translate(ENGLISH_PUNCTUATION)).split())


def _normalize_chinese(text: str) -> str:
    return text.lower().strip().translate(CHINESE_PUNCTUATION)


def _shared_words(prediction: list[str], gold: list[str]) -> int:
    return sum((Counter(prediction) & Counter(gold)).values())


def _longest_shared_run(prediction: list[str], gold: list[str]) -> int:
    longest, ending_before = 0, [0] * (len(gold) + 1)  # runs that end at each token of gold
    for token in prediction:
        ending = [0]
        for length, other in zip(ending_before, gold, strict=False):
            ending.append(length + 1 if token == other else 0)
        longest, ending_before = max(longest, *ending), ending
    return longest


LANGUAGES = {
    "english": Language(_normalize_english, lambda text: _normalize_english(text).split(), _shared_words),
    "chinese": Language(
        _normalize_chinese, lambda text: CHINESE_TOKEN.findall(_normalize_chinese(text)), _longest_shared_run
    ),
}
