"""BLEU, METEOR, CIDEr and ROUGE-L: how near an answer's words are to the references'.

Source: the COCO caption evaluation (arXiv 1504.00325) through pycocoevalcap, which papers on LingoQA and
the DriveLM challenge use. Its tokenizer and METEOR are Java programs. Without Java, text is split by a
simpler rule, which the report names (`WORDS`), and METEOR says that it is missing; nothing stands in for
it.
"""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pycocoevalcap.meteor.meteor
import pycocoevalcap.tokenizer.ptbtokenizer as ptb
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from leo_drive.errors import LeoDriveError, one_line
from leo_drive.evaluation.bootstrap import Metric, share

PTB, WORDS = "PTB", "words"
"""The Penn Treebank's tokenizer as COCO's evaluation runs it; words and numbers, without Java."""

NO_JAVA = "needs Java (java on the PATH), which is not here"
_PATIENCE = 60  # seconds
NO_CIDER = "needs two questions, and a reference with a word"

_WORD = re.compile(r"\w+(?:['’.,:-]\w+)*")
_ORDERS = 4

# METEOR's counts, of answer and reference each: words, function words, and for each of four matchers the
# content words and the function words that it matched; then chunks, and the words matched at all.
_COUNTS, _LENGTHS, _CHUNKS, _MATCHED = 23, [0, 1], 20, [21, 22]
_MATCHES = np.array([[4 + 4 * matcher, 5 + 4 * matcher] for matcher in range(4)])
_FUNCTION_MATCHES = _MATCHES + 2
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_SMALL, _TINY = 1e-9, 1e-15  # BleuScorer's own, against division by zero


@dataclass(frozen=True)
class Tokens:
    """Answers and their references in tokens, joined by spaces.

    Attributes:
        answers: (questions,) texts.
        references: of each question, at least one.
        tokenizer: PTB or WORDS.
    """

    answers: list[str]
    references: list[list[str]]
    tokenizer: str


def find_java() -> tuple[str | None, str]:
    """Java's path; or None, and what is missing. It has to run: macOS has a `java` that only says so."""
    path = shutil.which("java")
    if path is None:
        return None, NO_JAVA
    trouble = _trouble(path)
    return (None, f"needs Java, and {path} does not run ({trouble})") if trouble else (path, "")


@lru_cache
def _trouble(java: str) -> str:
    try:
        done = subprocess.run([java, "-version"], capture_output=True, check=False, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return one_line(error)
    return " ".join(done.stderr.decode(errors="replace").split())[-160:] if done.returncode else ""


def tokenize(answers: Sequence[str], references: Sequence[Sequence[str]]) -> Tokens:
    """Lower-cased tokens without punctuation, by PTB where there is Java.

    Raises:
        LeoDriveError: the tokenizer broke off.
    """
    texts = [*answers, *(reference for of_question in references for reference in of_question)]
    java, _ = find_java()
    tokens = iter(_ptb(java, texts) if java else [" ".join(_WORD.findall(text.lower())) for text in texts])
    return Tokens(
        [next(tokens) for _ in answers],
        [[next(tokens) for _ in of_question] for of_question in references],
        PTB if java else WORDS,
    )


def bleu(tokens: Tokens, order: int = _ORDERS) -> Metric:
    """Corpus BLEU up to `order`, 0 to 1, against the reference of the nearest length."""
    scorer = BleuScorer(n=_ORDERS)
    for answer, references in zip(tokens.answers, tokens.references, strict=True):
        scorer += (answer, references)
    rows = []
    for counts in scorer.ctest:
        length = counts["testlen"]
        nearest = min(counts["reflen"], key=lambda known: (abs(known - length), known))
        rows.append([*counts["correct"][:order], *counts["guess"][:order], length, nearest])
    statistics = np.array(rows, dtype=float).reshape(-1, 2 * order + 2)

    def score(sums: np.ndarray) -> np.ndarray:
        correct, guess = sums[..., :order], sums[..., order : 2 * order]
        precision = np.prod((correct + _TINY) / (guess + _SMALL), axis=-1) ** (1 / order)
        relative = (sums[..., -2] + _TINY) / (sums[..., -1] + _SMALL)
        return precision * np.where(relative < 1, np.exp(1 - 1 / relative), 1.0)

    return Metric(statistics, score)


def cider(tokens: Tokens) -> Metric | None:
    """Mean CIDEr, about 0 to 10. Rarity is that of all references.

    None where no reference has a word, and of a single question, all of whose words are in every reference.
    """
    if len(tokens.answers) < 2 or not any(words for of_one in tokens.references for words in of_one):
        return None
    return share(list(Cider().compute_score(*_by_number(tokens))[1]))


def rouge_l(tokens: Tokens) -> Metric:
    """Mean ROUGE-L, 0 to 1."""
    return share(list(Rouge().compute_score(*_by_number(tokens))[1]) if tokens.answers else [])


def meteor(tokens: Tokens) -> Metric | None:
    """METEOR 1.5, 0 to 1; None without Java.

    The Java program aligns the words of each answer; its scoring of the counts is repeated here, since it
    would take the program a long time on every resample.

    Raises:
        LeoDriveError: the program broke off.
    """
    if tokens.tokenizer != PTB:
        return None
    program = _meteor_program()
    try:
        lines = [
            program._stat(answer, references)
            for answer, references in zip(tokens.answers, tokens.references, strict=True)
        ]
        counts = [[float(count) for count in line.split()] for line in lines]
        statistics = np.array(counts).reshape(len(lines), _COUNTS)
    except (OSError, ValueError):
        _meteor_program.cache_clear()
        with suppress(OSError):
            program.meteor_p.stdin.close()  # of what nobody reads any more
        raise LeoDriveError("METEOR's Java program broke off; run again, with 2 GB of memory free") from None
    # In a corpus METEOR does not count the one chunk of an answer that is its reference word for word.
    whole = (statistics[:, _MATCHED] == statistics[:, _LENGTHS]).all(axis=1) & (statistics[:, _CHUNKS] == 1)
    statistics[whole, _CHUNKS] = 0
    return Metric(statistics, _meteor)


@lru_cache
def _meteor_program() -> pycocoevalcap.meteor.meteor.Meteor:
    """METEOR's Java program, which takes seconds to start: once, for answers and for those of grey frames."""
    program = pycocoevalcap.meteor.meteor.Meteor()
    atexit.register(program.meteor_p.kill)
    return program


def _meteor(sums: np.ndarray) -> np.ndarray:
    """METEOR of summed counts: the weighted mean of precision and recall, less for scattered matches.

    Source: Denkowski and Lavie 2014, Meteor Universal, with the parameters for English.
    """
    words, function_words = sums[..., _LENGTHS], sums[..., [2, 3]]
    content, function = (
        sums[..., _MATCHES],
        sums[..., _FUNCTION_MATCHES],
    )  # (..., matcher, answer or reference)
    weights = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
    matched = np.einsum("m,...mx->...x", weights, _DELTA * content + (1 - _DELTA) * function)
    total = _DELTA * (words - function_words) + (1 - _DELTA) * function_words
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = np.moveaxis(matched / total, -1, 0)
        mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
        scattered = 2 * sums[..., _CHUNKS] / sums[..., _MATCHED].sum(-1)
        score = mean * (1 - _GAMMA * scattered**_BETA)
    return np.nan_to_num(score)


def _ptb(java: str, texts: Sequence[str]) -> list[str]:
    """COCO's tokenizer on each text, from and to a pipe: its own wrapper writes into the package's folder."""
    jar = Path(ptb.__file__).with_name(ptb.STANFORD_CORENLP_3_4_1_JAR)
    command = [java, "-Dfile.encoding=UTF-8", "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer"]
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=False)
    tokenized = done.stdout.decode().split("\n")[:-1]
    if done.returncode or len(tokenized) != len(texts):
        reason = " ".join(done.stderr.decode(errors="replace").split())[-160:]
        raise LeoDriveError(f"the Java tokenizer broke off ({reason}); mend Java, or take it off the PATH")
    return [" ".join(w for w in line.split(" ") if w and w not in ptb.PUNCTUATIONS) for line in tokenized]


def _by_number(tokens: Tokens) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """References and answers as pycocoevalcap takes them."""
    return dict(enumerate(tokens.references)), {i: [a] for i, a in enumerate(tokens.answers)}
