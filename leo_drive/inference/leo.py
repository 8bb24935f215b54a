"""Ask a model about a clip: one encoding and one prefill, then all questions as one batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError
from leo_drive.inference.answer import Answer
from leo_drive.inference.decoding import Asked, answer_all
from leo_drive.inference.prefix import Prefix, compute_prefix
from leo_drive.inference.streaming import AnswerStream
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.model.budget import Policy
from leo_drive.model.processor import Turn

_PREFIXES_KEPT = 2
_CACHE_BYTES = 2 * 1024**3


class Leo:
    """A loaded model with its processor; `leo_drive.load` makes one.

    Args:
        cache_bytes: most memory for the keys and values of questions answered together; more questions than
            fit are answered in several batches.
        prefixes_kept: clips, each as it was tiled, whose encoding and prefill are kept for more questions.

    Example:
        >>> import leo_drive
        >>> leo = leo_drive.load("nano")
        >>> clip = leo_drive.open("drive.mp4").clip(at=12.0)            # doctest: +SKIP
        >>> [a.text for a in leo.ask(clip, ["Is there a cyclist?"])]    # doctest: +SKIP
    """

    def __init__(
        self,
        model: LeoForConditionalGeneration,
        processor: LeoProcessor,
        name: str = "leo",
        cache_bytes: int = _CACHE_BYTES,
        prefixes_kept: int = _PREFIXES_KEPT,
    ) -> None:
        self.model, self.processor, self.name, self.cache_bytes = model.eval(), processor, name, cache_bytes
        self.prefixes_kept = prefixes_kept
        self._prefixes: OrderedDict[tuple, Prefix] = OrderedDict()

    @overload
    def ask(self, clip: Clip, questions: str, **options: Any) -> Answer: ...
    @overload
    def ask(self, clip: Clip, questions: Sequence[str], **options: Any) -> list[Answer]: ...
    def ask(
        self,
        clip: Clip,
        questions: str | Sequence[str],
        history: Sequence[Turn] = (),
        max_new_tokens: int = 64,
        policy: Policy = "equal",
        max_tiles: int | None = None,
        **generate_options: Any,
    ) -> Answer | list[Answer]:
        """Answer questions about a clip, each on its own.

        Args:
            questions: one, or several that share the clip's encoding and prefill and run as one batch.
            history: earlier questions and answers on this clip that the new ones follow up on.
            max_new_tokens: most tokens of an answer, its end included.
            policy, max_tiles: the tile budget, see `leo_drive.model.budget.plan_tiles`.
            generate_options: transformers' `generate` options; greedy decoding unless they say otherwise.
                One sequence a question: beams and several return sequences are `leo.model.generate`'s.

        Returns:
            An answer for a string, a list in the questions' order for a list.

        Raises:
            InputError: an empty question, no token for an answer, or frames and text that do not fit the
                context.
            LeoDriveError: one question alone does not fit the device's memory.
        """
        if isinstance(questions, str):
            return self.ask(
                clip,
                [questions],
                history=history,
                max_new_tokens=max_new_tokens,
                policy=policy,
                max_tiles=max_tiles,
                **generate_options,
            )[0]
        questions = list(questions)
        if not questions:
            return []
        prefix, paid = self._prefix(clip, questions, history, max_new_tokens, policy, max_tiles)
        asked = [
            Asked(q, self.processor.prompt(q, prefix.plan.tiles, history, clip.names).question)
            for q in questions
        ]
        return self._answer(prefix, asked, max_new_tokens, paid, generate_options)

    def stream(
        self,
        clip: Clip,
        question: str,
        history: Sequence[Turn] = (),
        max_new_tokens: int = 64,
        policy: Policy = "equal",
        max_tiles: int | None = None,
        **generate_options: Any,
    ) -> AnswerStream:
        """Answer one question piece by piece.

        Iterating gives pieces of text as they are generated; `.answer` is the whole `Answer` afterwards and
        `.stop()` ends it early. Options and errors as in `ask`.
        """
        prefix, paid = self._prefix(clip, [question], history, max_new_tokens, policy, max_tiles)
        prompt = self.processor.prompt(question, prefix.plan.tiles, history, clip.names).question
        asked = [Asked(question, prompt)]

        def run(**stream_options: Any) -> Answer:
            options = {**generate_options, **stream_options}
            return self._answer(prefix, asked, max_new_tokens, paid, options)[0]

        return AnswerStream(run, self.processor.tokenizer)

    def _prefix(
        self,
        clip: Clip,
        questions: Sequence[str],
        history: Sequence[Turn],
        max_new_tokens: int,
        policy: Policy,
        max_tiles: int | None,
    ) -> tuple[Prefix, dict[str, float]]:
        """The clip's prefix and what it cost now: nothing when it is one of the last ones used."""
        if not isinstance(clip, Clip):
            raise InputError(f"{clip!r:.80}: is no clip; leo_drive.open(PATH).clip() gives one")
        if not isinstance(max_new_tokens, int | np.integer) or max_new_tokens < 1:
            raise InputError(f"max_new_tokens={max_new_tokens}: an answer takes 1 token or more")
        plan = self.processor.plan(clip, questions, history, max_new_tokens, policy, max_tiles)
        key = (id(clip), plan)
        prefix = self._prefixes.pop(key, None)
        paid = {"encode": 0.0, "prefill": 0.0}
        if prefix is None:
            prefix = compute_prefix(self.model, self.processor, clip, plan)
            paid = prefix.timings
        self._prefixes[key] = prefix  # holds the clip, so its id stays its own
        while len(self._prefixes) > self.prefixes_kept:
            self._prefixes.popitem(last=False)
        return prefix, paid

    def _answer(
        self,
        prefix: Prefix,
        asked: Sequence[Asked],
        max_new_tokens: int,
        paid: dict[str, float],
        options: dict[str, Any],
    ) -> list[Answer]:
        return answer_all(
            self.model, self.processor, prefix, asked, max_new_tokens, self.cache_bytes, paid, options
        )
