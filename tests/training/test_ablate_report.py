"""What an ablation's table says of how far its differences are to be trusted."""

from pathlib import Path

import pandas as pd
import pytest

from leo_drive.evaluation.table import to_csv
from training.ablate_report import summary


def result(variant, seed, score, blind=0.3):
    about = {"questions": 10, "unread": 0.0, "kinds": {}, "tokens_per_tile": 32, "weights": 100}
    scores = {"accuracy": score, "balanced_accuracy": score, "blind": blind, "gain": score - blind}
    return {"variant": variant, "seed": seed, "part": "generated", **scores, **about}


def answers_of(folder: Path, right: int, clips: int = 20, first: int = 0) -> str:
    """A folder with what a model said of a question a clip, the first `right` of them rightly."""
    rows = []
    for i in range(clips):
        truth = ("yes", "no")[i % 2]
        said = truth if i < right else ("no", "yes")[i % 2]
        about = {
            "question_id": f"q{first + i}",
            "segment_id": f"s{first + i}",
            "part": "val",
            "subject": None,
        }
        about |= {"kind": "presence", "question": "Is there a tree?", "references": [truth]}
        about |= {
            "truth": truth,
            "answer": said,
            "value": said,
            "correct": said == truth,
            "choices": ["yes", "no"],
        }
        rows.append(about | {"confidence": 0.5, "judge": float("nan")})
    folder.mkdir()
    (folder / "questions.csv").write_text(to_csv(pd.DataFrame(rows)))
    return str(folder)


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_difference_says_how_much_hangs_on_the_clips(tmp_path, seeds):
    def row(variant, right, **of):
        folder = tmp_path / f"{variant}{right}{of}"
        answers = answers_of(folder, right, **of)
        return [{**result(variant, seed, right / 20), "answers": answers} for seed in range(seeds)]

    same, all_right = row("same", 10), row("all", 20)
    rows = summary([*row("none", 0), *all_right, *row("half", 10), *row("others", 10, first=7)])
    none, everything, half, others = (r["difference_interval"] for r in rows)
    assert none is None and everything == [1.0, 1.0] and others is None
    # The share of 20 draws that fall on ten clips: half, and 95 % of the time within 0.22 of it.
    assert half == pytest.approx([0.28, 0.72], abs=0.06)
    assert summary([*row("half too", 10), *same])[1]["difference_interval"] == [0.0, 0.0]
    assert summary([result("a", 0, 0.5), result("b", 0, 0.6)])[1]["difference_interval"] is None
