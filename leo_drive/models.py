"""Models by name: the embedded ones, folders, hub ids; and what a small one can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from leo_drive.errors import InputError, one_line, some

ASSETS = Path(__file__).parent / "assets"
LEARNED = "questions.txt"
"""In the folder of a model whose language is these alone: all questions that it was taught, one a line."""


def embedded_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(folder.name for folder in ASSETS.iterdir() if (folder / "config.json").is_file())


def find_model(name: str) -> str:
    """A model's folder, or its hub id (owner/name); neither is looked into.

    Raises:
        InputError: the name is of no embedded model, no folder, and cannot be a hub id.
    """
    folder = ASSETS / name if name in embedded_models() else Path(name)
    if folder.exists():
        return str(folder)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")) and not folder.parent.is_dir():
        return _hub_id(name)
    raise InputError(
        f"model {name}: neither an embedded model ({', '.join(embedded_models()) or 'there is none'}) nor a "
        f"folder (a stage of training, or leo-drive build, makes one); a hub id has the form owner/name"
    )


def _hub_id(name: str) -> str:
    # Takes a moment to import, and few models come from there.
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise InputError(f"model {name}: no folder, and no hub id: {one_line(error).rstrip('.')}") from None
    return name


def unlearned(model: str, questions: Iterable[str]) -> list[str]:
    """Those of some questions that a small model was never taught: its answers to them may mean nothing.

    None of a model without such a list: one with a pretrained language model understands other wordings.

    Raises:
        InputError: as `find_model`.
    """
    learned = _learned(Path(find_model(model)) / LEARNED)
    return [question for question in questions if learned and _plain(question) not in learned]


def unlearned_note(model: str, questions: Iterable[str]) -> str | None:
    """One line about the questions that a small model was never taught, if there are any."""
    strange = unlearned(model, dict.fromkeys(questions))
    if not strange:
        return None
    return (
        f"{model} has not learned to answer: {some(strange, ' ')}; what it says to that may mean nothing. "
        f"What it can be asked: {Path(find_model(model)) / LEARNED}"
    )


@cache
def _learned(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    return frozenset(map(_plain, path.read_text(encoding="utf-8").splitlines()))


def _plain(question: str) -> str:
    """A question without what makes no difference to people: case, spaces, its last mark."""
    return " ".join(question.casefold().split()).rstrip(" ?.!")
