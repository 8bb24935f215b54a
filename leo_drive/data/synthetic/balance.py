"""Keeping the answers of a data set unguessable: a running balance, and the score of guessing blind."""

from __future__ import annotations

from collections import Counter, defaultdict

import pandas as pd

from leo_drive.data.synthetic.questions import Question


class Balance:
    """Takes a question only while its answer is not ahead of the other answers to the same question.

    Decides in the order it is asked, so the same clips in the same order give the same data set.
    """

    slack = 2
    lead = 1.12

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def take(self, question: Question) -> bool:
        """Whether the question goes in, where it then counts; open ones always do."""
        fits = self.fits(question)
        if fits and question.choices:
            self.counts[question.kind, question.subject][question.value] += 1
        return fits

    def fits(self, question: Question) -> bool:
        """Whether the question may go in."""
        if not question.choices:
            return True
        counts = self.counts[question.kind, question.subject]
        others = [counts[v] for v in question.choices if v != question.value]
        # Against the mean of the others, so that one rare answer does not starve all the rest.
        return counts[question.value] <= self.lead * sum(others) / len(others) + self.slack


def blind_baseline(table: pd.DataFrame) -> pd.DataFrame:
    """How well one does without looking: always the commonest value of the kind and subject.

    Args:
        table: a data set's kinds table, with columns kind, subject, value, choices.

    Returns:
        One row a kind and subject: n, values (how many occur), majority (its share, the blind accuracy)
        and balanced (the blind balanced accuracy, 1 / values); closed questions only.
    """
    rows = []
    for (kind, subject), group in table[table.value != ""].groupby(["kind", "subject"], sort=True):
        shares = group.value.value_counts(normalize=True)
        rows.append(
            {
                "kind": kind,
                "subject": subject,
                "n": len(group),
                "values": len(shares),
                "majority": float(shares.iloc[0]),
                "balanced": 1.0 / len(shares),
            }
        )
    return pd.DataFrame(rows, columns=["kind", "subject", "n", "values", "majority", "balanced"])
