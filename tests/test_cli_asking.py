"""`leo-drive ask`: what is taken for a question, and images whose names tell no times; `--version`."""

import json
from pathlib import Path

import pytest
from PIL import Image

import leo_drive
from leo_drive.inference import Leo

CLIP = Path(leo_drive.__file__).parent / "assets" / "demo.mp4"


def test_questions_of_one_word_may_be_several(run, model):
    status, out, _ = run("ask", CLIP, "Weather?", "Hazards?", "--model", model, "--json")
    assert status == 0 and len(json.loads(out)) == 2


@pytest.mark.parametrize(("rate", "times"), [(2, [0.0, 0.5, 1.0]), (4, [0.0, 0.25, 0.5])])
def test_a_rate_says_when_images_were_taken(run, tmp_path, model, rate, times):
    for i in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{i}.png")
    options = ("--rate", rate, "--frames", 3, "--seconds", times[-1], "--model", model, "--json")
    status, out, _ = run("ask", tmp_path, "What?", *options)
    assert status == 0 and json.loads(out)[0]["timestamps"] == times


def test_the_number_of_tokens_has_its_earlier_name_too(run, monkeypatch, model):
    seen = []
    monkeypatch.setattr(Leo, "ask", lambda *_, max_new_tokens, **__: seen.append(max_new_tokens) or [])
    for option in ("--max-tokens", "--max-new-tokens"):
        assert run("ask", CLIP, "What?", "--model", model, option, 3)[0] == 0
    assert seen == [3, 3]
    for command in ("ask", "annotate"):
        said = run(command, "--help")[1]
        assert "--max-new-tokens" in said and "--max-tokens" not in said


def test_the_version(run):
    assert run("--version") == (0, f"leo-drive {leo_drive.__version__}\n", "")
