"""An answer, with what is known about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """What the model said to one question.

    Attributes:
        question, text: asked and answered.
        confidence: 0 to 1, the geometric mean of the tokens' probabilities, after the model's temperature.
            Not calibrated unless the model's card says so.
        tokens: the answer's pieces of text, the end token left out.
        token_logprobs: natural logarithm of each generated token's probability, the end token included.
        timestamps: seconds, of the frames that were shown.
        timings: seconds for `encode` (tiles through the branches), `prefill` (system and frames through
            the language model; both 0 when an earlier question had paid) and `decode` (the batch that this
            answer was in).
        complete: False when the answer was cut at the token limit.
    """

    question: str
    text: str
    confidence: float
    tokens: tuple[str, ...]
    token_logprobs: tuple[float, ...]
    timestamps: tuple[float, ...]
    timings: dict[str, float] = field(default_factory=dict)
    complete: bool = True

    def as_dict(self) -> dict:
        """Plain values, for JSON and tables."""
        return {
            "question": self.question,
            "answer": self.text,
            "confidence": round(self.confidence, 4),
            "timestamps": [round(t, 3) for t in self.timestamps],
            "timings": {name: round(seconds, 4) for name, seconds in self.timings.items()},
            "complete": self.complete,
        }


def confidence(logprobs: Sequence[float], temperature: float = 1.0) -> float:
    """Geometric mean of the tokens' probabilities, sharpened or softened by a temperature.

    Example:
        >>> round(confidence([math.log(0.9), math.log(0.4)]), 3)
        0.6
    """
    return math.exp(sum(logprobs) / len(logprobs) / temperature) if logprobs else 0.0
