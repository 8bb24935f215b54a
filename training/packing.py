"""Several conversations about one clip in one pass over its frames, without seeing one another.

The sequence is the clip's prefix followed by every conversation: mostly one question with its answer. Each
attends to the prefix and to itself, and its positions start where the prefix ends, so it sees exactly what it
would see alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

IGNORE = -100


@dataclass(frozen=True)
class Packed:
    """One clip's sequence.

    Attributes:
        input_ids, labels, position_ids: (length,); labels are IGNORE but for answers and their end token.
        group: (length,), 0 for the prefix and k for the k-th conversation.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor
    group: torch.Tensor


# The (question ids, answer ids) of successive turns; an answer's ids include its end token.
Turns = Sequence[tuple[Sequence[int], Sequence[int]]]


def pack(prefix: Sequence[int], conversations: Sequence[Turns]) -> Packed:
    """Join a prefix and the conversations about it.

    Example:
        >>> pack([1, 2], [[([3], [4, 5])], [([6], [7]), ([8], [9])]]).position_ids.tolist()
        [0, 1, 2, 3, 4, 2, 3, 4, 5]
    """
    ids, labels = list(prefix), [IGNORE] * len(prefix)
    positions, group = list(range(len(prefix))), [0] * len(prefix)
    for k, turns in enumerate(conversations, start=1):
        start = len(ids)
        for question, answer in turns:
            ids += [*question, *answer]
            labels += [IGNORE] * len(question) + list(answer)
        length = len(ids) - start
        positions += range(len(prefix), len(prefix) + length)
        group += [k] * length
    return Packed(*(torch.tensor(x, dtype=torch.long) for x in (ids, labels, positions, group)))


def collate(
    packs: Sequence[Packed], pad_token_id: int, dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    """Pad clips on the right into one batch.

    Returns:
        input_ids, labels, position_ids (batch, length), and attention_mask (batch, 1, length, length), 0
        where a token may look and the most negative number elsewhere.
    """
    length = max(len(p.input_ids) for p in packs)

    def padded(name: str, value: int) -> torch.Tensor:
        rows = [getattr(p, name) for p in packs]
        return torch.stack([torch.nn.functional.pad(r, (0, length - len(r)), value=value) for r in rows])

    group = padded("group", -1)
    query, key = group.unsqueeze(2), group.unsqueeze(1)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    # A padding token sees itself, so that no row of the softmax is empty.
    allowed = causal & ((key == 0) | (key == query)) & ((key >= 0) | torch.eye(length, dtype=torch.bool))
    mask = torch.zeros(allowed.shape, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)
    return {
        "input_ids": padded("input_ids", pad_token_id),
        "labels": padded("labels", IGNORE),
        "position_ids": padded("position_ids", 0),
        "attention_mask": mask.unsqueeze(1),
    }
