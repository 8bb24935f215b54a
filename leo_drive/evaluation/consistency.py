"""Whether answers hold together: one question in several wordings, and in the negative.

No reference answers are needed, so it can be measured on any clips. A model that always says yes agrees with
itself in every paraphrase and contradicts itself in every negation: the two are told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rich.console import Console
from rich.table import Table

from leo_drive.data.closed import read_value
from leo_drive.data.kinds import YES_NO
from leo_drive.evaluation.bootstrap import Metric, interval, ratio, share
from leo_drive.evaluation.page import with_interval
from leo_drive.evaluation.table import Answered
from leo_drive.terminal import print_table
from leo_drive.yaml_files import read_yaml

WORDINGS = Path(__file__).parent.parent / "assets" / "consistency.yaml"

Relation = Literal["paraphrase", "negation"]
_EXAMPLES = 10
_ROOM = 100
"""Columns of a terminal that has room for intervals."""


class Group(BaseModel):
    """Wordings of one question.

    Attributes:
        ask: they mean the same.
        negated: they mean the opposite of `ask`, and the same among themselves; only of yes or no.
        choices: what can be answered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    ask: tuple[str, ...] = Field(min_length=1)
    negated: tuple[str, ...] = ()
    choices: tuple[str, ...] = YES_NO

    @model_validator(mode="after")
    def _makes_pairs(self) -> Group:
        wordings = self.wordings
        if len(wordings) < 2 or any(not w.strip() for w in wordings) or len(set(wordings)) < len(wordings):
            raise ValueError(f"{self.name}: needs two or more wordings, none of them empty or twice there")
        if self.negated and self.choices != YES_NO:
            raise ValueError(f"{self.name}: only a question of yes or no can be negated")
        return self

    @property
    def wordings(self) -> tuple[str, ...]:
        """All of them, in the order in which they are asked."""
        return (*self.ask, *self.negated)

    @property
    def pairs(self) -> list[tuple[Relation, str, str]]:
        """Every two wordings, and how they are related."""
        same = [*combinations(self.ask, 2), *combinations(self.negated, 2)]
        return [
            *(("paraphrase", a, b) for a, b in same),
            *(("negation", a, b) for a, b in product(self.ask, self.negated)),
        ]


class Wordings(BaseModel):
    """The table of wordings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: tuple[Group, ...] = Field(min_length=1)

    @property
    def questions(self) -> list[str]:
        """What is asked of every clip."""
        return [wording for group in self.groups for wording in group.wordings]

    @property
    def key(self) -> str:
        """By which the answers are found again; another table has another."""
        return f"consistency_{hashlib.blake2s(self.model_dump_json().encode()).hexdigest()[:8]}"


def read_wordings(path: Path = WORDINGS) -> Wordings:
    """Read and check a table of wordings.

    Raises:
        InputError: no such file, not YAML, or not such a table.
    """
    return read_yaml(path, Wordings, "a table of wordings")


def consistency(
    wordings: Wordings, clips: Sequence[str], answers: Sequence[Sequence[Answered]]
) -> dict[str, Any]:
    """The share of pairs whose answers contradict each other.

    Args:
        clips: names.
        answers: of each clip, to `wordings.questions` in their order.

    Returns:
        clips, and for paraphrase and negation: pairs, unread (the share of pairs of which an answer could not
        be read, which are not counted further), contradictory (the share of the others; None without any)
        and its 95 % interval over clips; contradictory, the mean of both shares, and its interval; groups:
        the same for each; examples: some contradictions.
    """
    tally: dict[tuple[str, Relation], list[_Pair]] = {}
    examples: list[dict[str, Any]] = []
    for clip, said in zip(clips, answers, strict=True):
        answer_of = dict(zip(wordings.questions, said, strict=True))
        for group in wordings.groups:
            for relation, a, b in group.pairs:
                first, second = (read_value(answer_of[q].text, group.choices, q) for q in (a, b))
                broken = None
                if first is not None and second is not None:
                    broken = (first == second) == (relation == "negation")
                tally.setdefault((group.name, relation), []).append(_Pair(clip, relation, broken))
                if broken and len(examples) < _EXAMPLES:
                    said_of = {q: answer_of[q].text for q in (a, b)}
                    examples.append({"clip": clip, "relation": relation, "answers": said_of})
    relations: tuple[Relation, ...] = ("paraphrase", "negation")
    every = [pair for of_group in tally.values() for pair in of_group]
    return {
        "clips": len(clips),
        **_mean_share(every),
        **{r: _share([pair for pair in every if pair.relation == r]) for r in relations},
        "groups": {
            group.name: {r: _share(tally[group.name, r]) for r in relations if (group.name, r) in tally}
            for group in wordings.groups
        },
        "examples": examples,
    }


class _Pair(NamedTuple):
    clip: str
    relation: Relation
    broken: bool | None  # None where an answer could not be read


def _share(found: Sequence[_Pair]) -> dict[str, Any]:
    """The share that contradicts, of the pairs that could be read."""
    read = [pair.broken is not None for pair in found]
    broken = share([bool(pair.broken) for pair in found], read)
    return {
        "pairs": len(found),
        "unread": (len(found) - sum(read)) / len(found) if found else None,
        "contradictory": broken.value if any(read) else None,
        "interval": interval(broken, [pair.clip for pair in found]),
    }


def _mean_share(found: Sequence[_Pair]) -> dict[str, Any]:
    """The mean of the relations' shares, of those of which a pair could be read."""
    known = sorted({pair.relation for pair in found if pair.broken is not None})
    if not known:
        return {"contradictory": None, "interval": None}
    # Of every relation two columns: contradicts, could be read.
    rows = [
        [pair.relation == r and x for r in known for x in (bool(pair.broken), pair.broken is not None)]
        for pair in found
    ]

    def score(sums: np.ndarray) -> np.ndarray:
        # NaN, and left out of the interval, where the clips drawn have no pair of a relation that was read.
        return np.mean([ratio(sums[..., 2 * i : 2 * i + 2]) for i in range(len(known))], axis=0)

    metric = Metric(np.array(rows, dtype=float), score)
    return {"contradictory": metric.value, "interval": interval(metric, [pair.clip for pair in found])}


def print_consistency(found: dict[str, Any], console: Console) -> None:
    """Contradictions by group of wordings, with intervals where there is room."""
    room = console.width >= _ROOM
    table = Table("wordings of", "paraphrases contradict", "negations contradict", "unread")
    for name, group in [*found["groups"].items(), ("all", found)]:
        parts = [group.get(relation) for relation in ("paraphrase", "negation")]
        pairs = sum(part["pairs"] for part in parts if part)
        unread = sum(part["unread"] * part["pairs"] for part in parts if part and part["pairs"])
        table.add_row(
            name,
            *(
                with_interval(part["contradictory"], part["interval"] if room else None, _shown)
                if part
                else ""
                for part in parts
            ),
            _shown(unread / pairs if pairs else None),
            style="bold" if group is found else "",
        )
    print_table(table, console)
    console.print("unread: an answer of the pair could not be told; not counted")


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:.1%}"
