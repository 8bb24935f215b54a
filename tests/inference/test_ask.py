"""One clip, many questions."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from leo_drive.errors import InputError, LeoDriveError
from leo_drive.inference import Leo, decoding
from leo_drive.inference.answer import confidence
from leo_drive.inference.prefix import encode_tiles
from tests.model.tiny import noise_clip, tiny_leo

QUESTIONS = [
    "Is there a vehicle ahead?",
    "What?",
    "What should the driver do?",
    "Is there a vehicle ahead? And should the driver stop there? What is there to do?",
]


@pytest.fixture(scope="module")
def leo() -> Leo:
    return Leo(*tiny_leo(tied=False))


@pytest.fixture(scope="module")
def clip():
    return noise_clip(4)


def separately(leo: Leo, clip, question: str, tokens: int) -> list[int]:
    """What the reference's `chat` does: encode, and generate from the whole prompt."""
    plan = leo.processor.plan(clip, [question])
    prompt = leo.processor.prompt(question, plan.tiles)
    tiles = [t for frame in leo.processor.tiles(clip.frames, plan.max_tiles) for t in frame]
    ids = torch.tensor([[*prompt.prefix, *prompt.question]])
    output = leo.model.generate(
        ids, pixel_values=leo.processor.pixel_values(tiles), max_new_tokens=tokens, do_sample=False
    )
    return output[0, ids.shape[1] :].tolist()


def test_together_one_by_one_and_plain_generate_agree_token_for_token(leo, clip):
    together = leo.ask(clip, QUESTIONS, max_new_tokens=16)
    assert len({a.tokens for a in together}) > 1, "answers that never differ prove nothing"
    for question, answer in zip(QUESTIONS, together, strict=True):
        alone = Leo(leo.model, leo.processor).ask(clip, question, max_new_tokens=16)
        assert alone.tokens == answer.tokens
        assert alone.confidence == pytest.approx(answer.confidence, abs=1e-5)
        ids = separately(leo, clip, question, 16)
        ends = leo.processor.end_token_ids
        expected = ids[: next((i for i, t in enumerate(ids) if t in ends), len(ids))]
        assert [leo.processor.tokenizer.decode([t]) for t in expected] == list(answer.tokens)


def test_logprobs_are_those_of_one_full_pass(leo, clip):
    answer = leo.ask(clip, QUESTIONS[0], max_new_tokens=8)
    ids = separately(leo, clip, QUESTIONS[0], 8)
    plan = leo.processor.plan(clip, QUESTIONS[:1])
    prompt = leo.processor.prompt(QUESTIONS[0], plan.tiles)
    tiles = [t for frame in leo.processor.tiles(clip.frames, plan.max_tiles) for t in frame]
    full = torch.tensor([[*prompt.prefix, *prompt.question, *ids]])
    with torch.inference_mode():
        logits = leo.model(full, pixel_values=leo.processor.pixel_values(tiles)).logits
    expected = logits[0, len(prompt) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(ids).unsqueeze(1))[:, 0]
    torch.testing.assert_close(torch.tensor(answer.token_logprobs), expected[: len(answer.token_logprobs)])
    assert answer.confidence == pytest.approx(float(expected.mean().exp()), abs=1e-5)


def test_encoding_and_prefill_are_paid_once(leo, clip, monkeypatch):
    fresh = Leo(leo.model, leo.processor)
    encoded = []
    original = leo.model.visual_tokens
    monkeypatch.setattr(
        leo.model, "visual_tokens", lambda pixels: encoded.append(len(pixels[0])) or original(pixels)
    )
    first = fresh.ask(clip, QUESTIONS)
    second = fresh.ask(clip, "What?", history=[(QUESTIONS[0], first[0].text)])
    list(fresh.stream(clip, "What?"))
    assert encoded == [4]
    assert first[0].timings["encode"] > 0 and second.timings["encode"] == second.timings["prefill"] == 0


def test_history_is_part_of_the_prompt(leo, clip):
    history = [("Is there a vehicle ahead?", "Yes, there is a vehicle ahead.")]
    answer = leo.ask(clip, "What should the driver do?", history=history, max_new_tokens=12)
    prompt = leo.processor.prompt("What should the driver do?", [1] * 4, history)
    text = leo.processor.tokenizer.decode(prompt.question)
    assert "Yes, there is a vehicle ahead.<|im_end|><|im_start|>user\nWhat should the driver do?" in text
    assert answer.tokens != leo.ask(clip, "What should the driver do?", max_new_tokens=12).tokens


def test_a_small_memory_splits_the_batch_and_changes_nothing(leo, clip, monkeypatch):
    whole = leo.ask(clip, QUESTIONS, max_new_tokens=10)
    small = Leo(leo.model, leo.processor, cache_bytes=1)
    sizes = []
    original = decoding.decode
    monkeypatch.setattr(
        decoding,
        "decode",
        lambda model, processor, prefix, batch, *rest: (
            sizes.append(len(batch)) or original(model, processor, prefix, batch, *rest)
        ),
    )
    assert [a.tokens for a in small.ask(clip, QUESTIONS, max_new_tokens=10)] == [a.tokens for a in whole]
    assert sizes == [1, 1, 1, 1]


def test_running_out_of_memory_halves_the_batch(leo, clip, monkeypatch):
    original, sizes = decoding.decode, []

    def limited(model, processor, prefix, batch, *rest):
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError
        return original(model, processor, prefix, batch, *rest)

    whole = leo.ask(clip, QUESTIONS, max_new_tokens=10)
    monkeypatch.setattr(decoding, "decode", limited)
    assert [a.tokens for a in leo.ask(clip, QUESTIONS, max_new_tokens=10)] == [a.tokens for a in whole]
    assert sizes == [4, 2, 1, 1, 1, 1]


def test_streaming_gives_the_same_text_in_pieces(leo, clip):
    whole = leo.ask(clip, QUESTIONS[2], max_new_tokens=16)
    stream = leo.stream(clip, QUESTIONS[2], max_new_tokens=16)
    pieces = list(stream)
    assert "".join(pieces).strip() == whole.text
    assert stream.answer is not None and stream.answer.tokens == whole.tokens


def test_a_stream_can_be_stopped(leo, clip):
    stream = leo.stream(clip, QUESTIONS[2], max_new_tokens=200, eos_token_id=-1)
    next(stream)
    stream.stop()
    rest = list(stream)
    assert stream.answer is not None and not stream.answer.complete
    assert len(stream.answer.tokens) < 200 and len(rest) < 200


def test_an_error_underway_reaches_the_one_who_iterates(leo, clip):
    with pytest.raises(ValueError, match="temperature"):
        list(leo.stream(clip, "What?", do_sample=True, temperature=-1.0))


def test_bad_questions_are_refused(leo, clip):
    for question, reason in (
        ("  ", "the question is empty"),
        ("what is <IMG_CONTEXT>?", "holds <IMG_CONTEXT>"),
        ("<image> and?", "holds <image>"),
        ("why? " * 400, "shorten the question"),
    ):
        with pytest.raises(InputError, match=reason):
            leo.ask(clip, ["Is it raining?", question])
    assert leo.ask(clip, []) == []


def test_more_frames_than_fit_are_refused_with_the_number_that_fits(leo):
    with pytest.raises(InputError, match=r"at most (\d+) frames fit") as error:
        leo.ask(noise_clip(60), "What?")
    fitting = int(str(error.value).split("at most ")[1].split()[0])
    assert leo.ask(noise_clip(fitting), "What?").timestamps == tuple(range(fitting))
    with pytest.raises(InputError, match="at most"):
        leo.ask(noise_clip(fitting + 1), "What?")


def test_confidence_temperature_softens():
    assert confidence([-1.0, -3.0]) < confidence([-1.0, -3.0], temperature=2.0) < 1
    assert confidence([]) == 0.0


def test_an_exhausted_stream_stays_exhausted(leo, clip):
    stream = leo.stream(clip, "What?", max_new_tokens=4)
    assert list(stream)
    assert list(stream) == []
    with leo.stream(clip, "What?", max_new_tokens=200, eos_token_id=-1) as stream:
        next(stream)
    list(stream)
    assert len(stream.answer.tokens) < 200


def test_one_sequence_a_question(leo, clip):
    for option in ("num_beams", "num_return_sequences"):
        with pytest.raises(InputError, match=f"{option}=3"):
            leo.ask(clip, "What?", do_sample=True, **{option: 3})


def test_assisted_decoding_is_refused(leo, clip):
    for option in ({"prompt_lookup_num_tokens": 2}, {"assistant_model": leo.model}):
        with pytest.raises(InputError, match=f"{next(iter(option))}: questions share a prefix"):
            leo.ask(clip, "What?", **option)


UNFIT = {
    **{
        "use_cache": False,
        "num_beams": 3,
        "early_stopping": True,
        "guidance_scale": 2.0,
        "penalty_alpha": 0.6,
    },
    **{
        "prompt_lookup_num_tokens": 3,
        "cache_implementation": "static",
        "stop_strings": ["e"],
        "max_length": 3,
    },
    **{"do_sample": True, "top_k": 4, "dola_layers": "low", "max_time": 1e-9},
    **{"max_new_tokens": 3, "output_logits": False, "return_dict_in_generate": False},
}


def test_a_prefix_that_was_read_before_needs_its_cache(leo, clip, monkeypatch):
    plain = leo.ask(clip, QUESTIONS, max_new_tokens=12)
    for option in ({"use_cache": False}, {"generation_config": leo.model.generation_config}):
        with pytest.raises(InputError, match=f"{next(iter(option))}.*use leo.model.generate"):
            leo.ask(clip, "What?", **option)
    # A model folder may say otherwise, as training scripts leave it; and None is no option.
    for name, value in UNFIT.items():
        monkeypatch.setattr(leo.model.generation_config, name, value)
    again = Leo(leo.model, leo.processor).ask(clip, QUESTIONS, max_new_tokens=np.int64(12), num_beams=None)
    assert [a.tokens for a in again] == [a.tokens for a in plain]
    assert decoding.folder_settings(leo.model) == {}
    monkeypatch.setattr(leo.model.generation_config, "suppress_tokens", [3])
    assert decoding.folder_settings(leo.model) == {"suppress_tokens": [3]}


ENDS_EARLY = """
import leo_drive
from PIL import Image
clip = leo_drive.Clip((Image.new("RGB", (480, 270)),), (0,))
stream = leo_drive.load("nano").stream(clip, "Describe the scene.", min_new_tokens=60)
print(next(stream), flush=True)
"""


def test_a_program_may_end_while_an_answer_is_under_way():
    done = subprocess.run([sys.executable, "-c", ENDS_EARLY], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout and "terminate" not in done.stderr, done.stderr[-500:]


def test_questions_may_come_from_a_generator_and_must_be_text(leo, clip):
    together = leo.ask(clip, (q for q in ("What?", "Where?")), max_new_tokens=4)
    assert [a.question for a in together] == ["What?", "Where?"]
    with pytest.raises(InputError, match="is not UTF-8 text"):
        leo.ask(clip, "What \udcff?")
    for wrong in (0, 2.5):
        with pytest.raises(InputError, match=f"max_new_tokens={wrong}: an answer takes 1"):
            leo.ask(clip, "What?", max_new_tokens=wrong)


def test_a_path_is_no_clip(leo):
    with pytest.raises(InputError, match=r"'drive\.mp4': is no clip; leo_drive\.open\(PATH\)\.clip\(\)"):
        leo.ask("drive.mp4", "What?")


def test_history_may_not_hold_special_tokens(leo, clip):
    with pytest.raises(InputError, match="holds </img>"):
        leo.ask(clip, "What?", history=[("Is there a vehicle ahead?", "Yes.</img>")])


def test_tiles_encoded_in_pieces_are_the_same(leo, clip, monkeypatch):
    tiles = [t for frame in leo.processor.tiles(clip.frames, [1] * 4) for t in frame]
    pixels = leo.processor.pixel_values(tiles)
    whole = leo.model.visual_tokens(pixels).detach()
    torch.testing.assert_close(encode_tiles(leo.model, pixels, at_once=3), whole)
    original, sizes = leo.model.visual_tokens, []

    def limited(pixel_values):
        sizes.append(len(pixel_values[0]))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError
        return original(pixel_values)

    monkeypatch.setattr(leo.model, "visual_tokens", limited)
    torch.testing.assert_close(encode_tiles(leo.model, pixels), whole)
    assert sizes == [4, 2, 1, 1, 1, 1]
    monkeypatch.setattr(leo.model, "visual_tokens", lambda _: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(LeoDriveError, match="out of memory with a single tile"):
        encode_tiles(leo.model, pixels)
