"""Scores on corrupted clips: what is asked for, what is computed from it, what is shown."""

from __future__ import annotations

import pytest
from rich.console import Console

from leo_drive.data.example import QuestionAnswer
from leo_drive.errors import InputError
from leo_drive.evaluation.answering import grey_clip
from leo_drive.evaluation.closed import score_closed
from leo_drive.evaluation.corruptions import CORRUPTIONS, corrupt
from leo_drive.evaluation.robustness import (
    LAST_FRAME,
    passes,
    print_robustness,
    read_corruptions,
    robustness,
    robustness_figure,
)
from tests.model.tiny import noise_clip

ASKED = [
    [QuestionAnswer(f"{i}", "?", "!", "seen", "yes" if i % 2 else "no", ("yes", "no")) for i in range(8)]
]


def score(right: int):
    """Of eight questions, the first so many answered rightly."""
    said = [
        qa.value if i < right else ("no" if qa.value == "yes" else "yes") for i, qa in enumerate(ASKED[0])
    ]
    return score_closed(ASKED, [said])


def test_names():
    assert read_corruptions("all") == tuple(CORRUPTIONS)
    assert read_corruptions(" motion-blur, FOG") == ("motion_blur", "fog")
    for wrong, said in (("fog,snow", "snow"), ("", "nothing")):
        with pytest.raises(InputError, match=f"--corrupt {said}: name some of blank, noise"):
            read_corruptions(wrong)


def test_passes_show_what_their_names_say():
    shown = passes(("blank", "jpeg"))
    assert list(shown) == [LAST_FRAME, *(f"{n}_{s}" for n in ("blank", "jpeg") for s in (1, 2, 3))]
    clip = noise_clip(3)
    assert shown["last_frame"](clip).frames == clip.frames[-1:]
    assert shown["jpeg_2"](clip).frames[0].tobytes() == corrupt(clip, "jpeg", 2).frames[0].tobytes()
    assert shown["blank_3"](clip).frames[0].tobytes() == grey_clip(clip).frames[0].tobytes()
    assert "jpeg_2_seed5" in passes(("jpeg",), seed=5) and passes(()) == {}


def test_what_corruption_costs_and_what_looking_back_gains(tmp_path):
    found = robustness(score(8), score(4), score(6), {"fog": {1: score(8), 2: score(6), 3: score(2)}})
    assert found["balanced_accuracy"] == {"plain": 1.0, "blind": 0.5, "last_frame": 0.75}
    assert found["gain_over_blind"] == 0.5 and found["temporal_gain"] == 0.25
    fog = found["corruptions"]["fog"]
    assert [fog[s]["kept"] for s in "123"] == [1.0, 0.5, -0.5] and found["mean_kept"] == pytest.approx(1 / 3)
    assert fog["2"]["accuracy"] == 0.75 and fog["2"]["unread"] == 0
    assert found["kinds"]["seen"]["questions"] == 8 and found["kinds"]["seen"]["temporal_gain"] == 0.25
    console = Console(width=150)
    with console.capture() as shown:
        print_robustness(found, console)
    assert "+0.250" in shown.get() and "-50%" in shown.get() and "mean of 1" in shown.get()
    robustness_figure(found).savefig(tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_where_seeing_gains_nothing_there_is_nothing_to_keep():
    found = robustness(score(4), score(4), score(4), {"fog": {1: score(4), 2: score(4), 3: score(4)}})
    assert found["corruptions"]["fog"]["1"]["kept"] is None and found["mean_kept"] is None
    console = Console(width=150)
    with console.capture():
        print_robustness(found, console)
