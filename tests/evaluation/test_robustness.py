"""Scores on corrupted clips: what is asked for, what is computed from it, what is shown."""

from __future__ import annotations

import pandas as pd
import pytest
from rich.console import Console

from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.errors import InputError
from leo_drive.evaluation.answering import grey_clip
from leo_drive.evaluation.corruptions import CORRUPTIONS, corrupt
from leo_drive.evaluation.robustness import (
    LAST_FRAME,
    passes,
    print_robustness,
    read_corruptions,
    robustness,
    robustness_figure,
)
from leo_drive.evaluation.table import Answered, question_table
from tests.model.tiny import noise_clip

EXAMPLES = [
    Example(f"clip{i}", (), ((QuestionAnswer(f"{i}", "?", "!", "seen", v, ("yes", "no")),),))
    for i, v in enumerate(["no", "yes"] * 20)
]


def score(right: int):
    """Questions of which the first so many are answered rightly."""
    said = [
        [Answered(qa.value if i < right else {"yes": "no", "no": "yes"}[qa.value]) for qa in e.questions]
        for i, e in enumerate(EXAMPLES)
    ]
    return question_table(EXAMPLES, said)


def printed(found, width):
    console = Console(width=width)
    with console.capture() as shown:
        print_robustness(found, console)
    return shown.get()


def test_names():
    assert read_corruptions("all") == tuple(CORRUPTIONS)
    assert read_corruptions(" motion-blur, FOG") == ("motion_blur", "fog")
    for wrong, said in (("fog,snow", "snow"), ("", "nothing")):
        with pytest.raises(InputError, match=f"--corrupt {said}: name some of blank, noise"):
            read_corruptions(wrong)


def test_passes_show_what_their_names_say():
    shown = passes(("blank", "jpeg"), 3)
    assert list(shown) == [LAST_FRAME, *(f"{n}_{s}" for n in ("blank", "jpeg") for s in (1, 2, 3))]
    clip = noise_clip(3)
    assert shown["last_frame"](clip).frames == clip.frames[-1:]
    assert shown["jpeg_2"](clip).frames[0].tobytes() == corrupt(clip, "jpeg", 2).frames[0].tobytes()
    assert shown["blank_3"](clip).frames[0].tobytes() == grey_clip(clip).frames[0].tobytes()
    assert "jpeg_2_seed5" in passes(("jpeg",), 3, seed=5) and passes((), 3) == {}
    # What would be the same as at a lower strength is not asked about again.
    assert list(passes(("dropped", "shuffled"), 3)) == [LAST_FRAME, "dropped_1", "dropped_2", "shuffled_1"]
    assert passes(("shuffled",), 2) == {}


def test_what_corruption_costs_and_what_looking_back_gains(tmp_path):
    found = robustness(score(40), score(20), score(30), {"fog": {1: score(40), 2: score(30), 3: score(10)}})
    assert found["balanced_accuracy"] == {"plain": 1.0, "blind": 0.5, "last_frame": 0.75}
    assert found["gain_over_blind"] == 0.5 and found["temporal_gain"] == 0.25
    fog = found["corruptions"]["fog"]
    assert [fog[s]["kept"] for s in "123"] == [1.0, 0.5, -0.5] and found["mean_kept"] == pytest.approx(1 / 3)
    assert fog["2"]["accuracy"] == 0.75 and fog["2"]["unread"] == 0
    assert found["kinds"]["seen"]["questions"] == 40 and found["kinds"]["seen"]["temporal_gain"] == 0.25
    shown = printed(found, 150)
    assert "+0.250" in shown and "-50%" in shown and "mean of 1" in shown
    robustness_figure(found).savefig(tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_every_number_has_its_interval_and_the_same_every_time():
    def measured():
        return robustness(score(40), score(20), score(30), {"fog": {s: score(10 * s) for s in (1, 2, 3)}})

    found = measured()
    assert found == measured()
    for row in (found, found["kinds"]["seen"]):
        numbers = row["balanced_accuracy"] | {n: row[n] for n in ("gain_over_blind", "temporal_gain")}
        assert set(numbers) == set(row["intervals"])
        for name, number in numbers.items():
            low, high = row["intervals"][name]
            # Clips are drawn more or less often; where all are right nothing can change.
            assert (low == high == 1) if name == "plain" else low < number < high
        # Half of 40 clips: 0.5 with a standard error of 0.079.
        assert row["intervals"]["blind"] == pytest.approx([0.345, 0.655], abs=0.04)
    low, high = found["corruptions"]["fog"]["2"]["interval"]
    assert [low, high] == found["intervals"]["blind"]
    wide, narrow = printed(found, 150), printed(found, 100)
    assert f"0.500 ({low:.2f} to {high:.2f})" in wide and " to " not in narrow
    gain = found["intervals"]["gain_over_blind"]
    assert f"+0.500 ({gain[0]:+.2f} to {gain[1]:+.2f})" in wide
    drawn = robustness_figure(found).axes[0]
    assert [low, high] in [list(line.get_ydata()) for line in drawn.lines]


def test_strengths_that_are_left_out_are_empty_everywhere_and_said(tmp_path):
    found = robustness(score(40), score(20), score(30), {"dropped": {1: score(35)}})
    found |= {"unchanged": ["shuffled"], "same": {"dropped": [2, 3]}}
    assert found["mean_kept"] == found["corruptions"]["dropped"]["1"]["kept"] == 0.75
    shown = printed(found, 150)
    assert "Left out: shuffled. So few frames stay as they are." in shown
    assert "Left out: dropped at 2 and 3. Of so few frames it makes the same as at 1." in shown
    (row,) = [line for line in shown.splitlines() if line.startswith("│ dropped ")]
    assert [bool(cell.strip()) for cell in row.strip("│").split("│")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    points = [list(line.get_xdata()) for line in robustness_figure(found).axes[0].lines]
    assert [0, 1] in points and [1] in points


def judged(right: int):
    """The same with open questions, of which a judge finds the first so many answers right."""
    table = score(right)
    table["judge"] = [1.0 if value else -1.0 for value in table["correct"]]
    return table.assign(kind=None, truth=None, value=None, correct=None)


def test_a_judge_alone_is_enough():
    found = robustness(
        judged(40), judged(20), judged(30), {"fog": {s: judged(40 - 10 * s) for s in (1, 2, 3)}}
    )
    assert list(found) == ["lingo_judge"]
    assert found["lingo_judge"]["lingo_judge"] == {"plain": 1.0, "blind": 0.5, "last_frame": 0.75}
    shown = printed(found, 150)
    assert "balanced" not in shown and "mean of" not in shown
    (row,) = [line for line in shown.splitlines() if "+0.250" in line]
    assert row.startswith("│ Lingo-Judge ") and "+0.500" in row
    (axes,) = robustness_figure(found).axes
    assert axes.get_ylabel().startswith("Lingo-Judge")


def test_questions_on_one_clip_make_no_interval_narrower():
    once = [score(right) for right in (40, 20, 30)]
    many = [pd.concat([table] * 9, ignore_index=True) for table in once]
    assert robustness(*many, {})["intervals"] == robustness(*once, {})["intervals"]
    alone = robustness(*(table.head(1) for table in once), {})
    assert set(alone["intervals"].values()) == {None}


@pytest.mark.parametrize("blind", [20, 18])
def test_where_seeing_gains_nothing_for_sure_there_is_nothing_to_keep(blind):
    found = robustness(score(20), score(blind), score(20), {"fog": {s: score(20) for s in (1, 2, 3)}})
    assert found["gain_over_blind"] == pytest.approx((20 - blind) / 40)
    assert found["intervals"]["gain_over_blind"][0] == 0
    assert found["corruptions"]["fog"]["1"]["kept"] is None and found["mean_kept"] is None
    shown = printed(found, 150)
    assert "–" in shown and "not wholly above 0" in shown and "%" not in shown
