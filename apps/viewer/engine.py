"""The model behind the page: loaded in the background, used by one thread at a time."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from leo_drive.errors import LeoDriveError
from leo_drive.models import unlearned

if TYPE_CHECKING:
    from leo_drive.clips import Clip
    from leo_drive.inference import Answer, Leo

logger = logging.getLogger("leo_drive")

PREFIXES_KEPT = 16
"""Moments whose encoding is kept: several people follow up on theirs in turn."""

T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """A whole answer.

    Attributes:
        seconds: from when the model turned to it.
        learned: whether a small model was ever taught the question.
    """

    answer: Answer
    seconds: float
    learned: bool = True


class Engine:
    """The models, each in memory once.

    All that touches a model runs on a single thread, in the order in which it came. So nobody can leave a
    lock behind, whatever becomes of the page that asked.

    Args:
        models: names as `leo_drive.load` has them. The first is loaded at once, in the background; another
            one when it is first asked.
    """

    def __init__(
        self,
        models: Sequence[str],
        device: str | None = None,
        dtype: str | None = None,
        max_new_tokens: int = 64,
    ) -> None:
        self.models, self.max_new_tokens = tuple(models), max_new_tokens
        self._options = {"device": device, "dtype": dtype}
        self._loaded: dict[str, Leo] = {}
        self._failed: LeoDriveError | None = None
        self._closing = False
        self._worker = ThreadPoolExecutor(1, "model")
        self._worker.submit(self._load_first)

    @property
    def ready(self) -> bool:
        """Whether the first model can be asked."""
        return self.models[0] in self._loaded

    @property
    def status(self) -> str:
        """The first model's state in words."""
        name = self.models[0]
        if self._failed is not None:
            return f"{name} could not be loaded: {self._failed}"
        if not self.ready:
            return f"{name} is loading"
        model = self._loaded[name].model
        return f"{name} is ready on {model.device.type}"

    @property
    def failed(self) -> bool:
        """Whether the first model could not be loaded."""
        return self._failed is not None

    def leo(self, name: str | None = None) -> Leo:
        """A model, loaded if it has not been yet. To be called on the model's thread only.

        Raises:
            LeoDriveError: it cannot be loaded.
        """
        name = name or self.models[0]
        if name not in self._loaded:
            # The model's libraries take seconds to import: the page does not wait for them.
            from leo_drive.inference import Leo, load

            loaded = load(name, **self._options)
            self._loaded[name] = Leo(loaded.model, loaded.processor, name=name, prefixes_kept=PREFIXES_KEPT)
        return self._loaded[name]

    def run(self, work: Callable[[Leo], T], model: str | None = None) -> T:
        """Do something with a model, after all that came before, and wait for it.

        Raises:
            LeoDriveError: the model cannot be loaded; and whatever the work raises.
        """
        return self._worker.submit(lambda: work(self.leo(model))).result()

    def stream(
        self,
        clip: Clip,
        question: str,
        history: Sequence[tuple[str, str]],
        stopped: threading.Event,
        model: str | None = None,
    ) -> Iterator[str | Said]:
        """Pieces of an answer as they are generated, and last the whole answer.

        Args:
            stopped: set it to end the answer early. One set before its turn comes gives nothing at all.

        Raises:
            LeoDriveError: as `Leo.stream`.
        """
        pieces: queue.SimpleQueue[str | Said | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                if stopped.is_set():
                    return
                start = time.perf_counter()
                leo = self.leo(model)
                with leo.stream(clip, question, history, max_new_tokens=self.max_new_tokens) as stream:
                    for piece in stream:
                        pieces.put(piece)
                        if stopped.is_set():
                            stream.stop()
                if stream.answer is not None:
                    learned = not unlearned(leo.name, [question])
                    pieces.put(Said(stream.answer, time.perf_counter() - start, learned))
            except BaseException as error:
                pieces.put(error)
            finally:
                pieces.put(None)

        self._worker.submit(work)
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            stopped.set()

    def close(self) -> None:
        """Take no more work."""
        self._closing = True
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _load_first(self) -> None:
        try:
            leo = self.leo()
            self._warm_up(leo)
        except LeoDriveError as error:
            self._failed = error
            if not self._closing:
                logger.error("%s", error)

    def _warm_up(self, leo: Leo) -> None:
        """One answer to nobody, so that the first visitor does not wait for what a first run sets up."""
        from PIL import Image

        from leo_drive.clips import Clip

        grey = Image.new("RGB", (64, 36), (127, 127, 127))
        leo.ask(Clip((grey,), (0.0,)), "?", max_new_tokens=1)
