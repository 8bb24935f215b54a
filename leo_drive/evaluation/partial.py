"""The answers of an evaluation, kept: a stopped one goes on, and a finished one can be asked for more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

import leo_drive
from leo_drive.data.example import Example
from leo_drive.errors import InputError
from leo_drive.evaluation.table import Answered
from leo_drive.files import locked
from leo_drive.inference import Leo

PARTIAL = "answers.partial.jsonl"
"""In the output folder while an evaluation is under way."""
_VALUES_READ = 64


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
        with path.open(encoding="utf-8") as file:
            return bool(json.loads(file.readline()) == about)
    except (OSError, ValueError):  # none, or a damaged one: it is replaced
        return False


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
        self._answers: dict[tuple[str, int, str], list[Answered]] = {}
        lines = self._whole_lines()
        if lines:
            self._check(lines[0], about)
            for line in lines[1:]:
                self._answers[line["pass"], line["clip"], line["shown"]] = line["answers"]
        else:
            path.write_text(json.dumps(about) + "\n", encoding="utf-8")

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

    def _whole_lines(self) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        written = self.path.read_bytes()
        whole = written[: written.rfind(b"\n") + 1]
        if whole != written:
            self.path.write_bytes(whole)
        try:
            lines = [dict(json.loads(line)) for line in whole.splitlines()]
            for line in lines[1:]:
                said = [Answered(text, float(sure), bool(cut)) for text, sure, cut in line["answers"]]
                of = {"pass": str(line["pass"]), "clip": int(line["clip"]), "shown": str(line["shown"])}
                line |= {**of, "answers": said}
            return lines
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{self.path}: damaged; remove it to start over") from None

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
    """The model and the questions, each as a short fingerprint, how long answers may be, and our version."""
    asked = hashlib.blake2s()
    for example in examples:
        lines = [example.example_id, *(p.member or p.path.name for p in example.pictures)]
        lines += [f"{qa.question_id} {qa.question}" for qa in example.questions]
        asked.update("\n".join(lines).encode())
    return {
        "weights": weights_hash(leo.model),
        "questions": asked.hexdigest()[:12],
        "max_new_tokens": str(max_new_tokens),
        "leo-drive": leo_drive.__version__,
    }


def what_is_shown(example: Example) -> str:
    """A clip's pictures as a short fingerprint, of their lengths: none is read for it.

    Raises:
        InputError: a picture is not there.
    """
    lengths = " ".join(str(picture.length()) for picture in example.pictures)
    return hashlib.blake2s(lengths.encode()).hexdigest()[:12]


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
        "decoding": f"greedy, at most {about['max_new_tokens']} tokens",
    }


def weights_hash(network: PreTrainedModel) -> str:
    """A network's configuration and weights as a short fingerprint.

    Of the weights it takes the first values of each tensor: training moves them all, and a large model is not
    read twice.
    """
    settings = json.loads(network.config.to_json_string())
    # Of the library that is installed, not of the model: an upgrade does not make it another one.
    settings.pop("transformers_version", None)
    made = hashlib.blake2s(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in network.state_dict().items():
        values = tensor.reshape(-1)[:_VALUES_READ].float().cpu().numpy()
        made.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode() + values.tobytes())
    return made.hexdigest()[:12]
