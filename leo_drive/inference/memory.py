"""As much at once as the device's memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from leo_drive.errors import DeviceMemoryError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parts(
    items: Sequence[Item], size: int, run: Callable[[Sequence[Item]], Result], refusal: Callable[[Item], str]
) -> Iterator[tuple[Sequence[Item], Result]]:
    """Run over items in their order, so many at once, and half as many from where memory runs out.

    Args:
        size: at most at once, for a start.
        run: of a part of the items; what it has begun is lost where memory runs out.
        refusal: the error's message where a single item, which it is given, does not fit.

    Returns:
        Each part with what `run` made of it.

    Raises:
        DeviceMemoryError: a single item does not fit.
    """
    done, size = 0, max(1, size)
    while done < len(items):
        part = items[done : done + size]
        try:
            result = run(part)
        except torch.OutOfMemoryError:
            if len(part) == 1:
                raise DeviceMemoryError(refusal(part[0])) from None
            size = len(part) // 2
            continue
        yield part, result
        done += len(part)
