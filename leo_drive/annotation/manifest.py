"""OUT/manifest.json: what made a table, and whether a run may go on with it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import leo_drive
from leo_drive.annotation.job import Job
from leo_drive.annotation.questions import Question, QuestionSet
from leo_drive.errors import InputError
from leo_drive.files import write_whole

FORMAT = 1
_PACKAGES = ("torch", "transformers", "timm", "av", "pillow", "numpy", "pyarrow")


class Manifest:
    """What made a table: model, questions, settings and every run.

    Args:
        out: the folder of the run.

    Raises:
        InputError: a manifest that cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.path = out, out / "manifest.json"
        self.content: dict[str, Any] = {}
        try:
            self.content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            raise InputError(f"{self.path}: cannot be read; choose another folder") from None
        if not isinstance(self.content, dict) or self.content.get("format") != FORMAT:
            raise InputError(f"{self.path}: of another version of leo-drive; choose another folder")

    @property
    def questions(self) -> QuestionSet | None:
        """The questions that the table has, or None before its first run."""
        return QuestionSet(**self.content["questions"]) if self.content else None

    def check(self, job: Job, add: bool = False) -> QuestionSet:
        """The questions that a run should ask: the job's, and with `add` those of the table before them.

        Raises:
            InputError: the table was made with something else, and what is different.
        """
        before = self.questions
        if before is None:
            return job.questions
        different = [
            f"model {self.content['model']['name']} {self.content['model']['hash']}, now "
            f"{job.model} {job.model_hash}"
        ] * (self.content["model"]["hash"] != job.model_hash)
        settings = self.content["settings"]
        different += [
            f"{key} {settings.get(key)}, now {job.settings.get(key)}"
            for key in settings | job.settings
            if settings.get(key) != job.settings.get(key)
        ]
        old, new = before.by_id(), job.questions.by_id()
        different += [_change(old[i], new[i]) for i in old if i in new and old[i] != new[i]]
        added, gone = [i for i in new if i not in old], [i for i in old if i not in new]
        if not add:
            different += [f"question {i} is new" for i in added] + [f"question {i} is gone" for i in gone]
        if different:
            only_new = bool(added) and len(different) == len(added)
            cure = "choose another folder" + (", or --add the new questions" if only_new else "")
            raise InputError(f"{self.out}: holds answers made with {'; '.join(different)}; {cure}")
        if not add:
            return job.questions
        together = (*before.questions, *(new[i] for i in added))
        return job.questions.model_copy(update={"questions": together})

    def begin(self, job: Job, command: str) -> None:
        """Note that a run begins."""
        run = {
            "command": command,
            "started": _now(),
            "finished": None,
            "versions": {
                "leo_drive": leo_drive.__version__,
                "python": platform.python_version(),
                **_versions(),
            },
        }
        self.content = {
            "format": FORMAT,
            "model": {"name": job.model, "hash": job.model_hash},
            "questions": job.questions.model_dump(mode="json"),
            "questions_hash": job.questions.hash,
            "settings": job.settings,
            "settings_hash": job.settings_hash,
            "runs": [*self.content.get("runs", []), run],
        }
        self._write()

    def finish(self, about: dict[str, Any]) -> None:
        """Note how the run that began last ended."""
        self.content["runs"][-1].update({"finished": _now(), **about})
        self._write()

    def _write(self) -> None:
        text = json.dumps(self.content, indent=2, ensure_ascii=True) + "\n"
        write_whole(self.path, text.encode(), self.out)


@cache
def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"leo_drive": leo_drive.__version__, "python": platform.python_version(), **packages}


def _change(old: Question, new: Question) -> str:
    a, b = old.model_dump(mode="json"), new.model_dump(mode="json")
    return ", ".join(f"question {old.id}: {key} {a[key]!r}, now {b[key]!r}" for key in a if a[key] != b[key])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
