"""An answer that arrives piece by piece."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakSet

from transformers import PreTrainedTokenizerBase, StoppingCriteriaList, TextIteratorStreamer

from leo_drive.inference.answer import Answer


class AnswerStream(Iterator[str]):
    """Pieces of an answer's text, generated on a thread of its own.

    Attributes:
        answer: the whole answer once the pieces have run out, None before.

    Leaving a `with` block, like `stop`, ends the answer early; a stream that is merely
    dropped goes on to its end, or to the program's.

    Raises:
        Whatever generating raised, from the iteration that would have given the next piece.
    """

    def __init__(self, run: Callable[..., Answer], tokenizer: PreTrainedTokenizerBase) -> None:
        self.answer: Answer | None = None
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self._exhausted = False
        self._pieces = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._thread = threading.Thread(target=self._generate, args=(run,), daemon=True)
        _under_way.add(self)
        self._thread.start()

    def __next__(self) -> str:
        while not self._exhausted:
            # The streamer blocks for ever when it is asked again after its end.
            piece = next(self._pieces, None)
            if piece:
                return piece
            self._exhausted = piece is None
        self._thread.join()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def stop(self) -> None:
        """End the answer after the token at hand; the iteration then ends as usual."""
        self._stopped.set()

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def _generate(self, run: Callable[..., Answer]) -> None:
        def stopped(*_: Any, **__: Any) -> bool:
            return self._stopped.is_set()

        try:
            self.answer = run(streamer=self._pieces, stopping_criteria=StoppingCriteriaList([stopped]))
        except BaseException as error:
            self._error = error
            self._pieces.end()


_under_way: WeakSet[AnswerStream] = WeakSet()


@atexit.register
def _end_all() -> None:
    """A thread that is still in PyTorch when Python takes itself down would abort the whole program."""
    for stream in list(_under_way):
        with stream:
            pass
