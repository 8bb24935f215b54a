"""The answers of an evaluation, kept: a stopped one goes on, and a finished one can be asked for more."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

import leo_drive
from leo_drive.data.example import Example
from leo_drive.errors import InputError
from leo_drive.evaluation.table import Answered
from leo_drive.files import locked
from leo_drive.inference import Leo
from leo_drive.inference.decoding import folder_settings
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor

PARTIAL = "answers.partial.jsonl"
"""In the output folder while an evaluation is under way."""

_Kept = dict[tuple[str, int, str], list[Answered]]
"""By pass, number of the clip, and what is shown of it."""


@contextmanager
def kept_answers(path: Path, about: dict[str, str]) -> Iterator[PartialAnswers]:
    """The answers in a file while an evaluation is under way, which has another name once it is done.

    Those of a finished one are gone on with if they are of the same model and to the same questions: a judge,
    or a corruption more, needs no answer twice. Otherwise it is made anew.

    Args:
        path: in the evaluation's folder, which other runs are kept out of; see `finished`.

    Raises:
        InputError: as `PartialAnswers`, or another run is writing to the folder.
    """
    with locked(path.parent):
        if not path.is_file() and _is_about(finished(path), about):
            finished(path).replace(path)
        yield PartialAnswers(path, about)
        path.replace(finished(path))


def finished(path: Path) -> Path:
    """What a file of answers is called when there are all.

    Example:
        >>> finished(Path("answers.partial.jsonl")).name
        'answers.jsonl'
    """
    return path.with_name(path.name.replace(".partial", ""))


def _is_about(path: Path, about: dict[str, str]) -> bool:
    try:
        return _about(path) == about and bool(_read(path))
    except (OSError, ValueError, TypeError, KeyError):  # none, or a damaged one: it is replaced
        return False


def _cut_to_whole_lines(path: Path) -> int:
    """Drop a last line that was cut off; how many bytes are left."""
    whole = path.read_bytes().rfind(b"\n") + 1
    os.truncate(path, whole)
    return whole


def _about(path: Path) -> dict[str, Any]:
    """The first line; ValueError or TypeError where it is something else."""
    with path.open(encoding="utf-8") as file:
        return dict(json.loads(file.readline()))


def _read(path: Path) -> _Kept:
    """The answers; ValueError, TypeError or KeyError where a line is something else."""
    found: _Kept = {}
    for text in path.read_bytes().splitlines()[1:]:
        line = dict(json.loads(text))
        said = [Answered(str(answer), float(sure), bool(cut)) for answer, sure, cut in line["answers"]]
        found[str(line["pass"]), int(line["clip"]), str(line["shown"])] = said
    return found


class PartialAnswers:
    """A file with a line of JSON a clip, the first one about the model and the questions.

    Answers that are in it are not asked for again, unless a clip's pictures have changed since. It belongs to
    one model and one list of questions.

    Args:
        path: the file, made if it is not there. A last line that was cut off is asked for again.
        about: what the answers depend on, by name.

    Raises:
        InputError: the file has answers of another model or to other questions, or cannot be read.
    """

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        self.path = path
        self._answers: _Kept = {}
        if not path.is_file() or not _cut_to_whole_lines(path):
            path.write_text(json.dumps(about) + "\n", encoding="utf-8")
            return
        try:
            before = _about(path)
        except (ValueError, TypeError):
            raise self._damaged() from None
        self._check(before, about)
        try:
            self._answers = _read(path)
        except (ValueError, TypeError, KeyError):
            raise self._damaged() from None

    def _damaged(self) -> InputError:
        return InputError(f"{self.path}: damaged; remove it to start over")

    def get(self, name: str, clip: int, shown: str) -> list[Answered] | None:
        """The answers of a pass for a clip, or None when they are not in the file.

        Args:
            shown: of `what_is_shown`.
        """
        return self._answers.get((name, clip, shown))

    def keep(self, name: str, clip: int, shown: str, answers: list[Answered]) -> list[Answered]:
        """Write the answers of a pass for a clip, and return them."""
        said = [[answer.text, answer.confidence, answer.cut] for answer in answers]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"pass": name, "clip": clip, "shown": shown, "answers": said}) + "\n")
        self._answers[name, clip, shown] = answers
        return answers

    def _check(self, before: dict[str, Any], about: dict[str, str]) -> None:
        changed = [
            f"{key} {before.get(key)}, now {about[key]}" for key in about if before.get(key) != about[key]
        ]
        if changed:
            raise InputError(
                f"{self.path}: has the answers of an evaluation that was stopped, with {'; '.join(changed)}; "
                f"choose another folder, or remove this file to start over"
            )


def what_answers_depend_on(leo: Leo, examples: Sequence[Example], max_new_tokens: int) -> dict[str, str]:
    """Model, processor and questions, each as a short fingerprint, how answers are made, our version.

    Of pictures see `what_is_shown`.
    """
    asked = hashlib.blake2s()
    for example in examples:
        lines = [example.example_id, *(example.names or ())]
        lines += [f"{qa.question_id} {qa.question}" for qa in example.questions]
        asked.update("\n".join(lines).encode())
    return {
        "weights": weights_hash(leo.model),
        "processor": _processor_hash(leo.processor),
        "questions": asked.hexdigest()[:12],
        "decoding": _decoding(leo.model, max_new_tokens),
        "leo-drive": leo_drive.__version__,
    }


def what_is_shown(example: Example) -> str:
    """A clip's pictures as a short fingerprint of what is in them.

    Raises:
        InputError: a picture is not there.
    """
    sums = " ".join(f"{picture.checksum():08x}" for picture in example.pictures)
    return hashlib.blake2s(sums.encode()).hexdigest()[:12]


def made_by(leo: Leo, about: dict[str, str], **shown: Any) -> dict[str, Any]:
    """What a report says of the answers' origin.

    Args:
        about: of `what_answers_depend_on`.
        shown: what the model was shown.
    """
    return {
        "model": leo.name,
        "model_hash": about["weights"],
        **shown,
        "dtype": str(leo.model.dtype).removeprefix("torch."),
        "decoding": about["decoding"],
    }


def _decoding(model: LeoForConditionalGeneration, max_new_tokens: int) -> str:
    """How answers are made; what of the model's own generation_config.json changes them is named."""
    own = [f"{name} {value}" for name, value in folder_settings(model).items()]
    return ", ".join([f"greedy, at most {max_new_tokens} tokens", *own])


def _processor_hash(processor: LeoProcessor) -> str:
    """How pictures and words reach the model, as a short fingerprint: sizes, tokens, the chat template."""
    words = sorted(processor.tokenizer.get_vocab().items())
    settings = _of_any_library(json.loads(processor.to_json_string()))
    made = json.dumps([settings, processor.chat_template, words], sort_keys=True)
    return hashlib.blake2s(made.encode()).hexdigest()[:12]


def weights_hash(network: PreTrainedModel) -> str:
    """A network's configuration and all its weights as a short fingerprint.

    Hashing leaves Python's lock, so that the tensors of a large model are read on all cores.
    """
    settings = _of_any_library(json.loads(network.config.to_json_string()))
    made = hashlib.blake2s(json.dumps(settings, sort_keys=True).encode())
    state = network.state_dict()
    with ThreadPoolExecutor() as threads:
        digests = threads.map(_digest, state.values())
        for (name, tensor), digest in zip(state.items(), digests, strict=True):
            made.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode() + digest)
    return made.hexdigest()[:12]


def _digest(tensor: torch.Tensor) -> bytes:
    values = tensor.detach().reshape(-1).view(torch.uint8).cpu().numpy()
    return hashlib.blake2b(values, digest_size=16).digest()


def _of_any_library(settings: Any) -> Any:
    """Without the version of transformers that is installed: an upgrade does not make it another model."""
    if isinstance(settings, dict):
        return {k: _of_any_library(v) for k, v in settings.items() if k != "transformers_version"}
    return [_of_any_library(item) for item in settings] if isinstance(settings, list) else settings
