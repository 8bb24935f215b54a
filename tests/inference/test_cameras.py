"""Clips whose frames have names, such as those of several cameras."""

import pytest
import torch
from PIL import Image

from leo_drive.clips import Clip, together
from leo_drive.errors import InputError
from leo_drive.inference import Leo
from tests.model.tiny import noise_clip, tiny_leo

QUESTIONS = ["Is there a vehicle ahead?", "What should the driver do?"]


@pytest.fixture(scope="module")
def leo() -> Leo:
    return Leo(*tiny_leo(tied=False))


def _camera(name: str, frames: int, size: tuple[int, int]) -> Clip:
    clip = noise_clip(frames)
    return Clip(tuple(f.resize(size) for f in clip.frames), clip.timestamps, name, "drive")


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Two frames of a wide camera and two of a square one."""
    return together([_camera("front", 2, (240, 60)), _camera("left", 2, (64, 64))])


def test_each_frame_gets_tiles_by_its_own_size(leo, clip):
    plan = leo.processor.plan(clip, QUESTIONS, max_tiles=16)
    cut = leo.processor.tiles(clip.frames, plan.max_tiles)
    assert plan.tiles == tuple(len(tiles) for tiles in cut) and len(set(plan.tiles)) == 2
    with pytest.raises(InputError, match=r"at most . frames fit"):
        Leo(*tiny_leo(context=210)).ask(clip, QUESTIONS)


def test_names_are_in_the_prompt_and_batch_alone_and_stream_agree(leo, clip):
    plan = leo.processor.plan(clip, QUESTIONS)
    prompt = leo.processor.prompt(QUESTIONS[0], plan.tiles, names=clip.names)
    text = leo.processor.tokenizer.decode(prompt.prefix)
    assert [text.index(f"{name}: ") for name in clip.names] == sorted(
        text.index(f"{n}: ") for n in clip.names
    )
    tiles = [t for frame in leo.processor.tiles(clip.frames, plan.max_tiles) for t in frame]
    ids = torch.tensor([[*prompt.prefix, *prompt.question]])
    plain = leo.model.generate(
        ids, pixel_values=leo.processor.pixel_values(tiles), max_new_tokens=12, do_sample=False
    )[0, ids.shape[1] :].tolist()
    ends = leo.processor.end_token_ids
    plain = plain[: next((i for i, token in enumerate(plain) if token in ends), len(plain))]
    both = leo.ask(clip, QUESTIONS, max_new_tokens=12)
    assert list(both[0].tokens) == [leo.processor.tokenizer.decode([t]) for t in plain]
    stream = leo.stream(clip, QUESTIONS[1], max_new_tokens=12)
    assert "".join(stream).strip() == both[1].text and stream.answer.tokens == both[1].tokens
    follow = [leo.ask(c, "What?", history=[(QUESTIONS[0], "Yes.")], max_new_tokens=12) for c in (clip, clip)]
    assert follow[0].tokens == follow[1].tokens
    # The names reach the model: without them its certainty is another.
    bare = Clip(clip.frames[:1], (0.0,))
    named = Clip(clip.frames[:1], (0.0,), names=("front",))
    logprobs = [leo.ask(c, QUESTIONS[0], max_new_tokens=4).token_logprobs[0] for c in (bare, named)]
    assert logprobs[0] != pytest.approx(logprobs[1], abs=1e-6)


def test_a_name_that_is_a_token_of_the_model(leo):
    clip = Clip((Image.new("RGB", (64, 64)),), (0.0,), names=("<image>",))
    with pytest.raises(InputError, match="holds <image>"):
        leo.ask(clip, "What?")
