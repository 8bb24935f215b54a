"""From frames and questions to what the model reads: tiles, pixel values, prompt, token ids.

The prompt is ChatML: system, then the frames, then the question. Everything up to the last frame's closing
token is the same for all questions on a clip: the prefix that `leo_drive.inference` computes once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from leo_drive.clips.clip import Clip, frame_names
from leo_drive.errors import InputError
from leo_drive.model.budget import Policy, TilePlan, plan_tiles
from leo_drive.model.config import IMAGE_END, IMAGE_START, IMAGE_TOKEN, LeoConfig
from leo_drive.model.preprocess import pixel_values
from leo_drive.model.tiling import tile

IMAGE_PLACEHOLDER = "<image>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TURN_END = "<|im_end|>"
Turn = tuple[str, str]


@dataclass(frozen=True)
class Prompt:
    """Token ids of one question.

    Attributes:
        prefix: everything up to the last frame's closing token, shared by all questions on the clip.
        question: the rest, up to where the answer starts.
    """

    prefix: tuple[int, ...]
    question: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prefix) + len(self.question)


class LeoProcessor(ProcessorMixin):
    """Tiles images, writes prompts and tokenizes them.

    Args:
        tokenizer: with the image tokens among its special tokens.
        leo: the model's configuration (as a dictionary when read from processor_config.json).
        chat_template: Jinja, over messages whose content is text.

    Example:
        >>> import leo_drive
        >>> processor = leo_drive.load("nano").processor
        >>> print(processor.conversation(["Is it raining?"], frames=2)[1]["content"])
        Frame1: <image>
        Frame2: <image>
        Is it raining?
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        leo: LeoConfig | dict[str, Any] | None = None,
        chat_template: str | None = None,
    ) -> None:
        super().__init__(tokenizer, chat_template=chat_template or CHAT_TEMPLATE)
        self.use_config(leo if isinstance(leo, LeoConfig) else LeoConfig(**(leo or {})))
        ids = cast(list[int], tokenizer.convert_tokens_to_ids([IMAGE_START, IMAGE_TOKEN, IMAGE_END]))
        if None in ids or tokenizer.unk_token_id in ids:
            raise InputError(f"the tokenizer lacks the image tokens {IMAGE_START} {IMAGE_TOKEN} {IMAGE_END}")
        self.image_start_id, self.image_token_id, self.image_end_id = ids
        turn_end = tokenizer.convert_tokens_to_ids(TURN_END)
        self.end_token_ids = sorted({i for i in (turn_end, tokenizer.eos_token_id) if i is not None})

    def use_config(self, config: LeoConfig) -> None:
        """Tile and count tokens for this model.

        Raises:
            ValueError: the configuration's image token is not the tokenizer's, or its vocabulary is smaller.
        """
        image_token = self.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        # A configuration without an image token is one that no model has been made of yet.
        if config.image_token_id and config.image_token_id != image_token:
            raise ValueError(
                f"the configuration's image token is {config.image_token_id}, the tokenizer's {IMAGE_TOKEN} "
                f"is {image_token}; they belong to different models"
            )
        if len(self.tokenizer) > config.llm.vocab_size:
            raise ValueError(
                f"the tokenizer has {len(self.tokenizer)} tokens, the model {config.llm.vocab_size}; they "
                f"belong to different models"
            )
        self.leo = config

    def to_dict(self) -> dict[str, Any]:
        leo = self.leo.to_dict()
        # Where the model was read from is nobody's business who gets it.
        for config in (leo, leo["text_config"]):
            config.pop("_name_or_path", None)
        return {**super().to_dict(), "leo": leo}

    def tiles(self, images: Sequence[Image.Image], max_tiles: Sequence[int]) -> list[list[Image.Image]]:
        """Each image's tiles, at most `max_tiles[i]` before the thumbnail."""
        return [
            tile(image, self.leo.tile_size, 1, most, self.leo.use_thumbnail)
            for image, most in zip(images, max_tiles, strict=True)
        ]

    def pixel_values(self, tiles: Sequence[Image.Image]) -> list[torch.Tensor]:
        """One (tiles, 3, image_size, image_size) tensor a branch."""
        return pixel_values(tiles, self.leo.branch_configs)

    def conversation(
        self,
        questions: Sequence[str],
        frames: int,
        answers: Sequence[str] = (),
        names: Sequence[str] | None = None,
        system: str | None = None,
    ) -> list[dict[str, str]]:
        """ChatML messages: the frames stand before the first question; answers follow their questions.

        Args:
            names: what each frame is called in the text, such as its camera; Frame1, Frame2 ... unless told.
            system: the system message, the model's own unless told.

        Raises:
            InputError: a question is empty, or a text holds one of the tokenizer's special tokens.
        """
        messages = [{"role": "system", "content": system or self.leo.system_message}]
        for i, question in enumerate(questions):
            content = self._checked(question)
            if i == 0:
                called = None if names is None else [self._without_special_tokens(name) for name in names]
                content = frame_lines(frames, called) + content
            messages.append({"role": "user", "content": content})
            if i < len(answers):
                messages.append({"role": "assistant", "content": self._without_special_tokens(answers[i])})
        return messages

    def prompt(
        self,
        question: str,
        tiles: Sequence[int],
        history: Sequence[Turn] = (),
        names: Sequence[str] | None = None,
        system: str | None = None,
    ) -> Prompt:
        """The token ids of a question on frames of so many tiles each, after earlier turns."""
        text = self._text(question, history, len(tiles), names, system)
        ids = self.tokenizer(self._expand(text, [0] * len(tiles)))["input_ids"]
        start = len(ids) - ids[::-1].index(self.image_end_id) if tiles else 0
        return Prompt(self.with_tiles(ids[:start], tiles), tuple(ids[start:]))

    def with_tiles(self, prefix: Sequence[int], tiles: Sequence[int]) -> tuple[int, ...]:
        """The token ids of a prefix of frames without tiles, with so many tiles each.

        As text, image tokens would take the tokenizer far longer than all words do.
        """
        ids, left = [], iter(tiles)
        for token in prefix:
            ids.append(token)
            if token == self.image_start_id:
                ids += [self.image_token_id] * (next(left) * self.leo.tokens_per_tile)
        return tuple(ids)

    def turns(
        self,
        turns: Sequence[Turn],
        tiles: Sequence[int],
        names: Sequence[str] | None = None,
        system: str | None = None,
    ) -> tuple[Prompt, list[tuple[tuple[int, ...], tuple[int, ...]]]]:
        """The token ids of a conversation whose answers are known, for training.

        Returns:
            The first question's prompt, and for every turn the ids of what is read before the answer (of the
            first turn without the prefix) and of the answer with its end token.
        """
        prompt = self.prompt(turns[0][0], tiles, (), names, system)
        ids, read = [], self._text(turns[0][0], (), len(tiles), names, system)
        for k, (question, answer) in enumerate(turns):
            if k == 0:
                before = prompt.question
            else:
                text = self._text(question, turns[:k], len(tiles), names, system)
                before = tuple(self._ids(text.removeprefix(read)))
                read = text
            after = self._without_special_tokens(answer) + TURN_END
            read += after
            ids.append((before, tuple(self._ids(after))))
        return prompt, ids

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _text(
        self,
        question: str,
        history: Sequence[Turn],
        frames: int,
        names: Sequence[str] | None,
        system: str | None,
    ) -> str:
        """The whole prompt as text, up to where the answer starts."""
        questions = [*(q for q, _ in history), question]
        messages = self.conversation(questions, frames, [a for _, a in history], names, system)
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, tokenize=False, add_generation_prompt=True
        )

    def plan(
        self,
        clip: Clip,
        questions: Sequence[str],
        history: Sequence[Turn] = (),
        answer_tokens: int = 64,
        policy: Policy = "equal",
        max_tiles: int | None = None,
    ) -> TilePlan:
        """The clip's tiles, or InputError with the numbers when they do not fit beside the questions."""
        longest = max(questions, key=lambda q: len(self.prompt(q, [], history)))

        def text_tokens(frames: int) -> int:
            names = None if clip.names is None else clip.names[-frames:]
            return len(self.prompt(longest, [0] * frames, history, names))

        name = clip.source or "clip"
        return plan_tiles(clip.sizes, self.leo, text_tokens, answer_tokens, policy, max_tiles, name)

    def __call__(
        self,
        images: Image.Image | Sequence[Image.Image | Sequence[Image.Image]] | None = None,
        text: str | Sequence[str] | None = None,
        max_tiles: int | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Inputs of the model from text with `<image>` placeholders, one an image, in order.

        Args:
            images: of all texts, in order, or a list of its own for each text; those of one text share its
                tiles equally.
            text: one text or several; several are padded on the left.
            max_tiles: tiles to share out in one text; the configuration's by default.

        Returns:
            input_ids and attention_mask (texts, length), and with images pixel_values, a list with one
            (tiles, 3, H, W) tensor a branch.
        """
        texts = [text] if isinstance(text, str) else list(text or [])
        pictures = _in_order(images, [t.count(IMAGE_PLACEHOLDER) for t in texts])
        most = self.leo.max_tiles if max_tiles is None else max_tiles
        all_tiles: list[Image.Image] = []
        expanded = []
        for t in texts:
            own = [pictures.pop(0) for _ in range(t.count(IMAGE_PLACEHOLDER))]
            tiles = self.tiles(own, [max(1, most // len(own))] * len(own)) if own else []
            expanded.append(self._expand(t, [len(x) for x in tiles]))
            all_tiles += [tile for image in tiles for tile in image]
        options = {"return_tensors": "pt", "padding": True, "padding_side": "left", **kwargs}
        encoded = self.tokenizer(expanded, **options)
        longest = max(map(len, encoded["input_ids"]), default=0)
        if longest > self.leo.context_length:
            raise InputError(
                f"the prompt has {longest} tokens, the model's context holds "
                f"{self.leo.context_length}; use fewer tiles or a shorter text"
            )
        data = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
        if all_tiles:
            data["pixel_values"] = self.pixel_values(all_tiles)
        return BatchFeature(data)

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values"]

    def _expand(self, text: str, tiles: Sequence[int]) -> str:
        """Replace each placeholder by a run of image tokens."""
        pieces = text.split(IMAGE_PLACEHOLDER)
        if len(pieces) != len(tiles) + 1:
            raise InputError(f"{len(pieces) - 1} {IMAGE_PLACEHOLDER} in the text but {len(tiles)} images")
        runs = [IMAGE_START + IMAGE_TOKEN * (n * self.leo.tokens_per_tile) + IMAGE_END for n in tiles]
        return pieces[0] + "".join(run + piece for run, piece in zip(runs, pieces[1:], strict=True))

    def _checked(self, question: str) -> str:
        if not isinstance(question, str) or not question.strip():
            raise InputError("the question is empty; ask something, for example: What should the driver do?")
        question = question.strip()
        try:
            question.encode()
        except UnicodeEncodeError:  # what a terminal gives for bytes that are no text
            raise InputError(f"the question {question[:40]!a} is not UTF-8 text; write it anew") from None
        return self._without_special_tokens(question)

    def as_plain_text(self, text: str) -> str:
        """The text with a space in whatever would be read as one of the model's own tokens: "< /s>".

        Data holds such words by chance, in pages of HTML for one.
        """
        for token in self._own_tokens():
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _own_tokens(self) -> list[str]:
        return [IMAGE_PLACEHOLDER, *self.tokenizer.all_special_tokens]

    def _without_special_tokens(self, text: str) -> str:
        for token in self._own_tokens():
            if token in text:
                raise InputError(
                    f"the text {text[:40]!r} holds {token}, which is the model's own; leave it out"
                )
        return text


def frame_lines(frames: int, names: Sequence[str] | None = None) -> str:
    """What stands before the question: a line a frame, or the bare image when there is one without a name."""
    if names is not None and len(names) != frames:
        raise InputError(f"{len(names)} names for {frames} frames")
    if names is None and frames == 1:
        return f"{IMAGE_PLACEHOLDER}\n"
    return "".join(f"{name}: {IMAGE_PLACEHOLDER}\n" for name in names or frame_names(frames))


def _in_order(
    images: Image.Image | Sequence[Image.Image | Sequence[Image.Image]] | None, placeholders: list[int]
) -> list[Image.Image]:
    """All images; InputError if there are not as many as placeholders, in each text where that is told."""
    given = [images] if isinstance(images, Image.Image) else list(images or [])
    single = [own for own in given if isinstance(own, Image.Image)]
    if len(single) == len(given):
        if len(single) != sum(placeholders):
            raise InputError(f"{sum(placeholders)} {IMAGE_PLACEHOLDER} in the text but {len(single)} images")
        return single
    of_texts = [[own] if isinstance(own, Image.Image) else list(own) for own in given]
    if (counts := [len(own) for own in of_texts]) != placeholders:
        raise InputError(f"{placeholders} {IMAGE_PLACEHOLDER} in the texts but {counts} images")
    return [image for own in of_texts for image in own]
