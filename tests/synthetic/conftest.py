"""One small generated data set and a handful of clips, made once for all tests here."""

import pandas as pd
import pytest

from leo_drive.data.synthetic import blind_baseline, sample_drive, write_dataset
from leo_drive.data.synthetic.balance import Balance
from leo_drive.data.synthetic.facts import gather
from leo_drive.data.synthetic.questions import ask
from leo_drive.data.synthetic.render import render

SMALL = (256, 144)


@pytest.fixture(scope="session")
def scenes():
    """(drive, last frame, facts, questions) of a hundred drives."""
    made = []
    for seed in range(500, 600):
        drive = sample_drive(seed)
        frame = render(drive, 4.0, SMALL)
        facts = gather(drive, frame)
        made.append((drive, frame, facts, ask(facts)))
    return made


@pytest.fixture(scope="session")
def balanced(scenes):
    """The kinds table that a data set of those drives would have."""
    balance = Balance()
    rows = [
        (q.kind, q.subject, q.value, list(q.choices), q.text)
        for *_, questions in scenes
        for q in questions
        if balance.take(q)
    ]
    return pd.DataFrame(rows, columns=["kind", "subject", "value", "choices", "text"])


@pytest.fixture(scope="session")
def baseline(balanced):
    return blind_baseline(balanced)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A data set of six clips with label maps, and its folder."""
    out = tmp_path_factory.mktemp("generated")
    write_dataset(out, clips=6, seed=3, size=(128, 72), labels=True)
    return out
