"""Every weight of the new model: which tensor it is made of, and how. Nothing is read but headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import prod

import torch
from transformers import PreTrainedTokenizerBase

from leo_drive.building.blueprint import Blueprint, Part
from leo_drive.building.sources import Source
from leo_drive.building.tokenizer import add_needed_tokens, names_added_tokens
from leo_drive.building.weights import Weight, Weights
from leo_drive.errors import InputError, one_line, some
from leo_drive.model import LeoConfig, LeoForConditionalGeneration
from leo_drive.model.checkpoints.internlm2 import WQKV, split_wqkv
from leo_drive.model.checkpoints.names import listed, original_name
from leo_drive.model.config import IMAGE_TOKEN

Shape = tuple[int, ...]
Change = Callable[..., torch.Tensor]

_LANGUAGE = "language_model."
_EMBEDDINGS, _HEAD = f"{_LANGUAGE}model.embed_tokens.weight", f"{_LANGUAGE}lm_head.weight"
_HEADS = ("lm_head.weight", "output.weight")
# Buffers that old checkpoints saved and the models compute themselves.
_BUFFERS = ("rotary_emb.inv_freq", "position_ids")


@dataclass(frozen=True)
class Step:
    """One weight of the new model.

    Attributes:
        name, shape: of the new weight.
        weight: what it is made of; None for a new one.
        change: from that tensor to this one; for a new weight it takes nothing.
    """

    name: str
    shape: Shape
    weight: Weight | None
    change: Change

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class Plan:
    """All that a build will do, checked.

    Attributes:
        config: of the new model.
        steps: its weights, those of one file together.
        dtype: their precision.
        weights: the opened checkpoint of every source.
        new_tokens: that the tokenizer lacked, whose embeddings are new.
    """

    config: LeoConfig
    steps: tuple[Step, ...]
    dtype: torch.dtype
    weights: Mapping[Source, Weights]
    new_tokens: tuple[str, ...]

    @property
    def new_weights(self) -> list[str]:
        return [step.name for step in self.steps if step.weight is None]

    @property
    def result_bytes(self) -> int:
        return sum(step.size for step in self.steps) * self.dtype.itemsize


def make_plan(
    blueprint: Blueprint, tokenizer: PreTrainedTokenizerBase | None, dtype: torch.dtype | None = None
) -> Plan:
    """Find every weight of the new model in the checkpoints' headers.

    Args:
        tokenizer: of the language model; what it lacks is added to it. Without one the vocabulary stays.
        dtype: of the new model; the language model's own by default.

    Raises:
        InputError: weights that are missing, left over, or of another shape; a tokenizer with more tokens
            than the language model has embeddings, or with fewer and no file that names the others; a
            configuration of which no model can be made.
    """
    config = deepcopy(blueprint.config)
    rows = config.llm.vocab_size
    new_tokens: list[str] = []
    new_ids: list[int] = []
    if tokenizer is None:
        config.image_token_id = blueprint.image_token
    else:
        if (known := len(tokenizer)) > rows:
            raise InputError(
                f"{blueprint.tokenizer}: the tokenizer has {known} tokens but the language model {rows} "
                f"embeddings; they do not belong together"
            )
        # Embeddings may be padded, but where none are named nothing tells padding from learned tokens.
        if known < rows and not names_added_tokens(blueprint.tokenizer.path):
            raise InputError(
                f"{blueprint.tokenizer}: the tokenizer has {known} tokens, the language model {rows} "
                f"embeddings, and no tokenizer_config.json or added_tokens.json names the others; get them "
                f"from where the checkpoint is from"
            )
        new_tokens = add_needed_tokens(tokenizer)
        ids = tokenizer.get_vocab()
        new_ids = [ids[token] for token in new_tokens]
        config.image_token_id = ids[IMAGE_TOKEN]
        config.llm.vocab_size = max(rows, len(tokenizer))
    weights = {source: Weights(source.path) for source in blueprint.sources}
    steps = _steps(blueprint.parts, config, weights, rows, new_ids)
    if dtype is None:
        dtype = next((s.weight.dtype for s in steps if s.name == _EMBEDDINGS and s.weight), None)
    if dtype == torch.float64:
        dtype = torch.float32  # no more than the precision in which models are trained
    return Plan(config, tuple(steps), dtype or torch.bfloat16, weights, tuple(new_tokens))


def _expected(config: LeoConfig, sources: Iterable[Source]) -> dict[str, Shape]:
    """Names and shapes of the model's weights, without those that are another's (a tied head).

    Args:
        sources: that the configuration was made from, for messages.
    """
    try:
        with torch.device("meta"):
            model = LeoForConditionalGeneration(config)
    except Exception as error:  # transformers and timm check their arguments each in their own way
        raise InputError(
            f"{', '.join(map(str, sources))}: no model can be made of these configurations: {one_line(error)}"
        ) from None
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.llm.tie_word_embeddings:
        shapes.pop(_HEAD, None)
    return shapes


def _steps(
    wanted: Sequence[Part],
    config: LeoConfig,
    weights: Mapping[Source, Weights],
    rows: int,
    new_ids: list[int],
) -> list[Step]:
    steps: list[Step] = []
    used: dict[Source, set[str]] = {source: set() for source in weights}
    # Names for the message; three of ours may come from one of theirs, which is named once.
    missing: dict[Source, dict[str, None]] = {source: {} for source in weights}
    misshapen: dict[Source, dict[str, None]] = {source: {} for source in weights}
    expected = _expected(config, weights)
    parts = [(part, _prefix(part, weights[part.source], expected)) for part in wanted]
    for ours, shape in expected.items():
        found = next(((part, prefix) for part, prefix in parts if ours.startswith(part.ours)), None)
        if found is None:
            steps.append(Step(ours, shape, None, partial(_new_weight, ours, shape)))
            continue
        part, prefix = found
        theirs, their_shape, change = _their_weight(part, ours, shape, config)
        if ours in (_EMBEDDINGS, _HEAD):
            their_shape = (rows, *shape[1:])
            change = partial(with_new_rows, rows=shape[0], new=new_ids)
        weight = weights[part.source].get(prefix + theirs)
        used[part.source].add(prefix + theirs)
        if weight is None:
            missing[part.source][prefix + theirs] = None
        elif weight.shape != their_shape:
            told = "config.json says" if part.described else "the other weights say"
            line = f"{weight.name}: {list(weight.shape)}, where {told} {list(their_shape)}"
            misshapen[part.source][line] = None
        elif weight.dtype is None:
            raise InputError(
                f"{weight.file}: {weight.name} is not in float32, float16 or bfloat16; "
                f"take the checkpoint that is not quantised"
            )
        else:
            steps.append(Step(ours, shape, weight, change))
    for source in weights:
        own = [(part, prefix) for part, prefix in parts if part.source == source]
        left = [n for n in _left_over(weights[source], own) if n not in used[source]]
        problems = [_count(list(missing[source]), "missing"), _count(left, "unexpected")]
        if shapes := list(misshapen[source]):
            problems.append(f"{len(shapes)} weights of another shape ({some(shapes, '; ')})")
        if missing[source] or left or shapes:
            raise InputError(f"{source}: {', '.join(problems)}; {_cure([part for part, _ in own])}")
    # A file is opened once, and the three parts of a wqkv stand together.
    return sorted(steps, key=lambda s: (s.weight is None, s.weight and (str(s.weight.file), s.weight.name)))


def _prefix(part: Part, weights: Weights, expected: Iterable[str]) -> str:
    """Which of the beginnings that the part's names may have this checkpoint uses; the first where none."""
    names = [
        original_name(n.removeprefix(part.ours), part.renaming) for n in expected if n.startswith(part.ours)
    ]
    for prefix in part.theirs:
        # Every name begins with nothing: that there is no beginning, only one of the part's own names shows.
        if any(name.startswith(prefix) for name in weights) if prefix else any(map(weights.get, names)):
            return prefix
    return part.theirs[0]


def _their_weight(part: Part, ours: str, shape: Shape, config: LeoConfig) -> tuple[str, Shape, Change]:
    """Name (without the part's beginning) and shape of the checkpoint's tensor, and what makes it ours."""
    rest = ours.removeprefix(part.ours)
    heads, kv_heads = config.llm.num_attention_heads, config.llm.num_key_value_heads
    for i, letter in enumerate("qkv"):
        place = f".self_attn.{letter}_proj."
        if part.internlm2 and place in rest:
            head = shape[0] // (heads if letter == "q" else kv_heads)
            fused = ((heads + 2 * kv_heads) * head, *shape[1:])
            return rest.replace(place, WQKV), fused, partial(_one_of_wqkv, i, heads, kv_heads)
    return original_name(rest, part.renaming), shape, torch.Tensor.contiguous


def _one_of_wqkv(which: int, heads: int, kv_heads: int, wqkv: torch.Tensor) -> torch.Tensor:
    return split_wqkv(wqkv, heads, kv_heads)[which]


def with_new_rows(embeddings: torch.Tensor, rows: int, new: list[int]) -> torch.Tensor:
    """Embeddings (tokens, width) with `rows` rows; those that are new, or zero and now used, are the mean.

    A token that nobody has learned should look like an average one: a row of noise or zeros would give it a
    logit, and so a probability, unlike all others'. A row that the checkpoint has stays, though: whether it
    was learned cannot be seen, and with another one the model's other probabilities would change.

    Args:
        new: ids of the tokens that were added.
    """
    old = embeddings.shape[0]
    blank = [i for i in new if i < old and not embeddings[i].any()]
    if rows == old and not blank:
        return embeddings
    # Rows of zeros add nothing to the sum.
    mean = (embeddings.sum(0, dtype=torch.float32) / (old - len(blank))).to(embeddings.dtype)
    grown = embeddings.new_empty(rows, embeddings.shape[1])
    grown[:old] = embeddings
    grown[old:] = mean
    grown[blank] = mean
    return grown


def _new_weight(name: str, shape: Shape) -> torch.Tensor:
    """A projector's weight as the model itself initialises it, the same at every build."""
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) == 1:
        return torch.ones(shape)
    generator = torch.Generator().manual_seed(sum(name.encode()))
    return torch.empty(shape).normal_(std=LeoConfig.initializer_range, generator=generator)


def _left_over(weights: Weights, parts: list[tuple[Part, str]]) -> Iterator[str]:
    """Names that one of these parts ought to take, and those that no part of this checkpoint knows."""
    # A tied model's head is its embeddings, whatever the file holds; an untied one's was taken.
    heads = {prefix + n for part, prefix in parts if part.ours == _LANGUAGE for n in _HEADS}
    rest_unused = all(part.rest_unused for part, _ in parts)
    for name in weights:
        outside = not any(name.startswith(prefix) for _, prefix in parts)
        if not (name in heads or name.endswith(_BUFFERS) or (outside and rest_unused)):
            yield name


def _cure(parts: Iterable[Part]) -> str:
    if all(part.described for part in parts):
        return "these weights do not belong to the config.json"
    return "the file is not whole, or another model's; download it again"


def _count(names: list[str], what: str) -> str:
    return f"{len(names)} weights {what}" + (f" ({listed(names)})" if names else "")
