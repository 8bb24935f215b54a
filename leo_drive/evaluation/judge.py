"""Lingo-Judge: a text classifier that says whether an answer is right, given the question and a reference.

Source: the LingoQA benchmark (GitHub wayveai/LingoQA, arXiv 2312.14115): `wayveai/Lingo-Judge`, the text
that it reads, 128 tokens, the best of a question's references, right above a logit of 0.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from leo_drive.building.sources import fetch
from leo_drive.errors import InputError, LeoDriveError, one_line
from leo_drive.evaluation.partial import weights_hash
from leo_drive.inference.load import pick_device, quiet

LINGO_JUDGE = "wayveai/Lingo-Judge"
MAX_TOKENS = 128
_FILES = ("*.json", "*.model", "*.txt", "*.safetensors", "*.bin")
_BATCH = 32

Progress = Callable[[int, int], None]


class LingoJudge:
    """A judge, loaded and checked.

    Args:
        name: a hub id, or a folder with a sequence classifier of one output and its tokenizer.
        device: "cpu", "cuda" ...; the first GPU when there is one. The judge goes there when it is needed.
        batch: texts at once.

    Raises:
        InputError: no such folder or repository, not a classifier of one output, weights that do not belong
            to it or are damaged, no tokenizer or that of another model, fewer than 128 tokens at once, or a
            device that is not there.
        LeoDriveError: the hub cannot be reached.

    Example:
        >>> judge = LingoJudge("judges/Lingo-Judge")                                    # doctest: +SKIP
        >>> judge.scores(["Is it raining?"], [["No.", "It is dry."]], ["No"]) > 0       # doctest: +SKIP
        array([ True])
    """

    def __init__(self, name: str = LINGO_JUDGE, device: str | None = None, batch: int = _BATCH) -> None:
        self.name, self.batch = name, batch
        self.device = torch.device(pick_device(device))
        folder = fetch(name, "--judge", _FILES).path
        _check(name, folder)
        try:
            with quiet():
                loaded: Any = AutoModelForSequenceClassification.from_pretrained(
                    folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
                )
                self.model, report = loaded
                self.tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True)
        except Exception as error:  # every library that reads a part of it has errors of its own
            reason = one_line(error)[:160]
            raise InputError(f"judge {name}: cannot be loaded ({reason})") from None
        if lost := sorted(map(str, report["missing_keys"] | report["mismatched_keys"])):
            raise InputError(
                f"judge {name}: its weights have no {lost[0]}; they are not those of a trained classifier"
            )
        if self.tokenizer.cls_token is None:
            raise InputError(f"judge {name}: its tokenizer has no token for the beginning ([CLS])")
        self.model.eval()
        self._try()

    @property
    def hash(self) -> str:
        """Its configuration and weights as a short fingerprint."""
        return weights_hash(self.model)

    def scores(
        self,
        questions: Sequence[str],
        references: Sequence[Sequence[str]],
        answers: Sequence[str],
        progress: Progress | None = None,
    ) -> np.ndarray:
        """A logit a question, of the best of its references; above `JUDGE_THRESHOLD` the answer is right.

        Args:
            references: of each question, at least one.
            answers: as `as_the_scorer_reads` gives them.
            progress: called with texts done and all.

        Returns:
            (questions,) float array.

        Raises:
            InputError: a question without references.
            LeoDriveError: a batch does not fit the device's memory.
        """
        if bare := [q for q, refs in zip(questions, references, strict=True) if not refs]:
            raise InputError(f"no reference answer to {bare[0]!r}")
        triples = [
            (q, _plain(reference), _plain(answer))
            for q, refs, answer in zip(questions, references, answers, strict=True)
            for reference in refs
        ]
        cls = self.tokenizer.cls_token
        said = [f"{cls}\nQuestion: {q}\nAnswer: {r}\nStudent: {a}" for q, r, a in triples]
        # Clips that were changed have many answers in common with those as they are.
        texts = list(dict.fromkeys(said))
        logits = np.empty(len(texts))
        # Of like length together: less padding, which changes nothing but the time.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        cast(torch.nn.Module, self.model).to(self.device)
        for start in range(0, len(order), self.batch):
            members = order[start : start + self.batch]
            logits[members] = self._logits([texts[i] for i in members])
            if progress:
                progress(start + len(members), len(texts))
        cast(torch.nn.Module, self.model).to("cpu")
        of_text = dict(zip(texts, logits, strict=True))
        each = np.array([of_text[text] for text in said])
        ends = np.cumsum([len(refs) for refs in references])
        return np.array([part.max() for part in np.split(each, ends[:-1])]) if len(ends) else np.empty(0)

    def _try(self) -> None:
        """Judge a short text and one of every token that fits, so that a judge that cannot is found now."""
        name, known = self.name, self.model.config.vocab_size
        if (tokens := max(self.tokenizer.get_vocab().values()) + 1) > known:
            raise InputError(f"judge {name}: its tokenizer has {tokens} tokens, its weights are for {known}")
        try:
            tried = self._logits(["no", "no " * MAX_TOKENS])
        except (ValueError, IndexError, RuntimeError) as error:
            reason = one_line(error)[:160]
            raise InputError(f"judge {name}: cannot judge {MAX_TOKENS} tokens ({reason})") from None
        if not np.isfinite(tried).all():
            raise InputError(f"judge {name}: its weights are damaged: they give {tried[0]} and {tried[1]}")

    @torch.inference_mode()
    def _logits(self, texts: Sequence[str]) -> np.ndarray:
        encoded = self.tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=MAX_TOKENS
        ).to(self.model.device)
        try:
            return self.model(**encoded).logits.squeeze(-1).float().cpu().numpy()
        except torch.OutOfMemoryError:
            raise LeoDriveError(
                f"judge {self.name}: does not fit the device's memory; use --judge-device cpu"
            ) from None


def as_the_scorer_reads(answers: Sequence[str]) -> list[str]:
    """Answers as LingoQA's scorer has them once it has read predictions.csv with pandas' defaults.

    Those that pandas takes for a missing value, such as an empty one or "NA", reach its judge as "none";
    where all answers are numbers, they reach it as pandas writes numbers.

    Example:
        >>> as_the_scorer_reads(["No.", "", "None", "n/a"])
        ['No.', 'none', 'none', 'none']
    """
    # With these line ends a carriage return in an answer is quoted too, and does not begin a row.
    written = pd.DataFrame({"answer": list(answers)}, dtype=object).to_csv(lineterminator="\r\n")
    read = pd.read_csv(io.StringIO(written, newline=""), index_col=0)["answer"]
    return ["none" if pd.isna(text) else str(text) for text in read]


def _plain(text: str) -> str:
    return text.lower().strip()


def _check(name: str, folder: Path) -> None:
    """transformers would put an untrained head on whatever it is given; that is no judge."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kinds, labels = config.get("architectures") or [], config.get("id2label") or {}
    except FileNotFoundError:
        raise InputError(f"judge {name}: no config.json; give a folder that holds Lingo-Judge") from None
    except (OSError, ValueError, AttributeError):
        raise InputError(f"{path}: not readable as a model's configuration") from None
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        what = ", ".join(kinds) or str(config.get("model_type"))
        raise InputError(f"judge {name}: is {what}, not a sequence classifier as Lingo-Judge is")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "spm.model")):
        # transformers would make up a tokenizer that knows no word.
        raise InputError(f"judge {name}: no tokenizer.json in the folder")
    # transformers writes id2label unless there are two classes, its default.
    outputs = len(labels) or config.get("num_labels", 2)
    if outputs != 1:
        raise InputError(f"judge {name}: has {outputs} outputs; Lingo-Judge has one")
