"""Ask a model about a clip: one encoding and one prefill, then all questions as one batch."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError, LeoDriveError
from leo_drive.inference.answer import Answer, confidence
from leo_drive.inference.prefix import Prefix, compute_prefix
from leo_drive.inference.streaming import AnswerStream
from leo_drive.model import LeoForConditionalGeneration, LeoProcessor
from leo_drive.model.budget import Policy
from leo_drive.model.processor import Turn

_PREFIXES_KEPT = 2
_CACHE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class _Decoded:
    """New token ids and their log-probabilities, a list a question, and the seconds they took."""

    ids: list[list[int]]
    logprobs: list[list[float]]
    seconds: float


class Leo:
    """A loaded model with its processor; `leo_drive.load` makes one.

    Args:
        cache_bytes: most memory for the keys and values of questions answered together; more questions than
            fit are answered in several batches.

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
    ) -> None:
        self.model, self.processor, self.name, self.cache_bytes = model.eval(), processor, name, cache_bytes
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
            InputError: an empty question, or frames and text that do not fit the context.
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
        if not questions:
            return []
        prefix, paid = self._prefix(clip, questions, history, max_new_tokens, policy, max_tiles)
        prompts = [
            self.processor.prompt(q, prefix.plan.tiles, history, clip.names).question for q in questions
        ]
        answers: list[Answer] = []
        size = min(len(questions), self._batch_size(prefix, max(map(len, prompts)) + max_new_tokens))
        while len(answers) < len(questions):
            batch = slice(len(answers), len(answers) + size)
            try:
                decoded = self._decode(prefix, prompts[batch], max_new_tokens, generate_options)
            except torch.OutOfMemoryError:
                if size == 1:
                    raise LeoDriveError(
                        f"{clip.source or 'clip'}: out of memory with one question; use fewer frames or tiles"
                    ) from None
                size = max(1, size // 2)
                continue
            timings = {**paid, "decode": decoded.seconds}
            answers += [
                self._answer(q, ids, logprobs, prefix.clip, timings)
                for q, ids, logprobs in zip(questions[batch], decoded.ids, decoded.logprobs, strict=True)
            ]
        return answers

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

        def run(**stream_options: Any) -> Answer:
            decoded = self._decode(prefix, [prompt], max_new_tokens, {**generate_options, **stream_options})
            timings = {**paid, "decode": decoded.seconds}
            return self._answer(question, decoded.ids[0], decoded.logprobs[0], clip, timings)

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
        plan = self.processor.plan(clip, questions, history, max_new_tokens, policy, max_tiles)
        key = (id(clip), plan)
        prefix = self._prefixes.pop(key, None)
        paid = {"encode": 0.0, "prefill": 0.0}
        if prefix is None:
            prefix = compute_prefix(self.model, self.processor, clip, plan)
            paid = prefix.timings
        self._prefixes[key] = prefix  # holds the clip, so its id stays its own
        while len(self._prefixes) > _PREFIXES_KEPT:
            self._prefixes.popitem(last=False)
        return prefix, paid

    def _batch_size(self, prefix: Prefix, own_tokens: int) -> int:
        per_question = prefix.bytes_per_token * (len(prefix.ids) + own_tokens)
        return max(1, self.cache_bytes // per_question)

    @torch.inference_mode()
    def _decode(
        self, prefix: Prefix, prompts: Sequence[Sequence[int]], max_new_tokens: int, options: dict[str, Any]
    ) -> _Decoded:
        """Generate for a batch of questions on one prefix.

        Shorter questions are padded between prefix and question; the mask hides the padding and positions
        count what is not hidden, so each question sees what it would see alone.
        """
        start = time.perf_counter()
        pad = self.processor.tokenizer.pad_token_id
        longest = max(map(len, prompts))
        rows = [[*prefix.ids, *[pad] * (longest - len(p)), *p] for p in prompts]
        mask = [[1] * len(prefix.ids) + [0] * (longest - len(p)) + [1] * len(p) for p in prompts]
        device = self.model.device
        for name in ("num_beams", "num_return_sequences"):
            if options.get(name, 1) > 1:
                raise InputError(
                    f"{name}={options[name]}: answers are one sequence each; use leo.model.generate"
                )
        defaults = {"do_sample": False, "pad_token_id": pad, "eos_token_id": self.processor.end_token_ids}
        output = self.model.generate(
            torch.tensor(rows, device=device),
            attention_mask=torch.tensor(mask, device=device),
            past_key_values=prefix.cache(len(prompts)),
            max_new_tokens=max_new_tokens,
            output_logits=True,
            return_dict_in_generate=True,
            **{**defaults, **options},
        )
        ids = output.sequences[:, len(rows[0]) :]
        logprobs = torch.stack(
            [
                step.float().log_softmax(-1).gather(1, ids[:, t : t + 1])[:, 0]
                for t, step in enumerate(output.logits)
            ],
            dim=1,
        )
        return _Decoded(ids.tolist(), logprobs.tolist(), time.perf_counter() - start)

    def _answer(
        self, question: str, ids: list[int], logprobs: list[float], clip: Clip, timings: dict[str, float]
    ) -> Answer:
        ends = [i for i, token in enumerate(ids) if token in self.processor.end_token_ids]
        length = ends[0] if ends else len(ids)
        logprobs = logprobs[: length + 1]
        decode = self.processor.tokenizer.decode
        return Answer(
            question=question,
            text=decode(ids[:length], skip_special_tokens=True).strip(),
            confidence=confidence(logprobs, self.model.config.confidence_temperature),
            tokens=tuple(decode([i]) for i in ids[:length]),
            token_logprobs=tuple(logprobs),
            timestamps=clip.timestamps,
            timings=timings,
            complete=bool(ends),
        )
