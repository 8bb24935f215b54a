"""The library's occlusion: what it yields is what greying by hand gives."""

import numpy as np
import pytest
import torch

from leo_drive.clips.clip import Clip
from leo_drive.errors import InputError
from leo_drive.inference import Leo
from leo_drive.inference.attribution import GREY, occlusion
from tests.model.tiny import noise_clip, tiny_leo


@pytest.fixture(scope="module")
def leo() -> Leo:
    return Leo(*tiny_leo(tied=False))


@pytest.fixture(scope="module")
def clip() -> Clip:
    return noise_clip(2, seed=3)


def by_hand(leo: Leo, clip: Clip, question: str, answer: str) -> float:
    """The answer's log-probability from one pass over the whole prompt, no batch, no token kept."""
    plan = leo.processor.plan(clip, [question])
    tiles = [t for frame in leo.processor.tiles(clip.frames, plan.max_tiles) for t in frame]
    prompt = leo.processor.prompt(question, plan.tiles)
    end = leo.processor.tokenizer(f"{answer}<|im_end|>", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[*prompt.prefix, *prompt.question, *end]])
    with torch.no_grad():
        logits = leo.model(ids, pixel_values=leo.processor.pixel_values(tiles)).logits[0]
    logprobs = logits.log_softmax(-1)
    start = ids.shape[1] - len(end)
    return sum(float(logprobs[start + i - 1, token]) for i, token in enumerate(end))


def greyed(clip: Clip, box: tuple[int, int, int, int], frames: list[int]) -> Clip:
    pictures = [frame.copy() for frame in clip.frames]
    for k in frames:
        pictures[k].paste(GREY, box)
    return Clip(tuple(pictures), clip.timestamps, clip.camera, clip.source)


@pytest.mark.parametrize("per_frame", [False, True])
def test_every_patch_is_what_greying_it_by_hand_gives(leo, clip, per_frame):
    question, answer = "What should the driver do?", "Stop."
    maps = list(occlusion(leo, clip, question, answer, rows=2, columns=3, per_frame=per_frame, batch=4))
    whole = maps[-1]
    assert (
        whole.drops.shape == ((2 if per_frame else 1), 2, 3) and whole.done == whole.total == whole.drops.size
    )
    assert whole.logprob == pytest.approx(by_hand(leo, clip, question, answer), abs=1e-4)
    width, height = clip.size
    for k, row, column in np.ndindex(whole.drops.shape):
        box = (
            round(column / 3 * width),
            round(row / 2 * height),
            round((column + 1) / 3 * width),
            round((row + 1) / 2 * height),
        )
        changed = greyed(clip, box, [k] if per_frame else [0, 1])
        expected = whole.logprob - by_hand(leo, changed, question, answer)
        assert whole.drops[k, row, column] == pytest.approx(expected, abs=1e-3)
    assert np.abs(whole.drops).max() > 0.01, "a map without any differences proves nothing"


def test_the_map_grows_and_stops_when_nobody_asks_for_more(leo, clip):
    steps = occlusion(leo, clip, "What?", "Yes, there is a vehicle ahead.", rows=2, columns=4, batch=3)
    first, second = next(steps), next(steps)
    assert (first.done, second.done, first.total) == (3, 6, 8)
    assert np.isnan(first.drops).sum() == 5 and np.isnan(second.drops).sum() == 2
    assert np.array_equal(first.drops[~np.isnan(first.drops)], second.drops.ravel()[:3])


def test_the_answer_is_measured_after_what_was_said_before(leo, clip):
    alone = next(occlusion(leo, clip, "What?", "Stop.", rows=1, columns=1))
    history = [("What should the driver do?", "Stop.")]
    after = next(occlusion(leo, clip, "What?", "Stop.", history, rows=1, columns=1))
    assert after.logprob != pytest.approx(alone.logprob, abs=1e-3)


def test_what_cannot_be_measured_is_refused(leo, clip):
    with pytest.raises(InputError, match="rows must be a whole number"):
        next(occlusion(leo, clip, "What?", "Stop.", rows=0))
    with pytest.raises(InputError, match="finer than frames"):
        next(occlusion(leo, clip, "What?", "Stop.", rows=5000))
