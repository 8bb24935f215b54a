"""The command line: what it prints, and every failure as one line with the right exit status."""

import json
import logging
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import numpy as np
import pytest
from PIL import Image

from leo_drive.inference import Leo
from leo_drive.model.budget import Policy

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    """Six seconds at 10 frames a second."""
    path = tmp_path_factory.mktemp("video") / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 96, 64, "yuv420p", Fraction(1, 10)
        for i in range(60):
            picture = np.full((64, 96, 3), i * 4, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_ask_as_json(run, video, model):
    status, out, _ = run(
        "ask", video, "Is there a vehicle ahead?", "What?", "--model", model, "--json", "--at", 5
    )
    answers = json.loads(out)
    assert status == 0
    assert [a["question"] for a in answers] == ["Is there a vehicle ahead?", "What?"]
    for answer in answers:
        assert isinstance(answer["answer"], str) and 0 <= answer["confidence"] <= 1
        assert answer["timestamps"] == pytest.approx([1, 2, 3, 4, 5], abs=0.05)


def test_ask_for_people(run, video, model):
    status, out, _ = run(
        "ask", video, "What should the driver do?", "--model", model, "--frames", 2, "--seconds", 4
    )
    assert status == 0 and "What should the driver do?" in out and "confidence" in out
    assert "frames at 3.9, 5.9 s" in out


def test_a_window_longer_than_the_drive_is_said(run, video, model):
    status, out, err = run("ask", video, "What?", "--model", model, "--at", 2, "--json")
    assert status == 0 and json.loads(out)[0]["timestamps"][0] == 0
    assert "do not fit between the start and 2.000 s" in err


def text_file(folder):
    path = folder / "notes.mp4"
    path.write_text("not a video\n" * 100)
    return path


def empty_file(folder):
    path = folder / "empty.mp4"
    path.touch()
    return path


def sound_only(folder):
    path = folder / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def empty_folder(folder):
    path = folder / "nothing"
    path.mkdir()
    return path


def mixed_sizes(folder):
    path = folder / "mixed"
    path.mkdir()
    for i, size in enumerate([(64, 48), (64, 48), (48, 64)]):
        Image.new("RGB", size).save(path / f"{i}.png")
    return path


def damaged_image(folder):
    path = folder / "damaged"
    path.mkdir()
    for i in range(5):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(
            path / f"{i}.jpg"
        )
    (path / "4.jpg").write_bytes((path / "4.jpg").read_bytes()[:300])
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "missing.mp4", "missing.mp4"),
        (lambda folder: Path("https://example.org/drive.mp4"), "download it first"),
        (empty_file, "empty"),
        (text_file, "not a video"),
        (sound_only, "no video"),
        (empty_folder, "without images"),
        (mixed_sizes, "48x64"),
        (damaged_image, "4.jpg"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_sources_are_one_line_and_status_two(run, tmp_path, model, make, reason):
    path = make(tmp_path)
    status, out, err = run("ask", path, "What?", "--model", model)
    assert status == 2 and out == ""
    assert len(err.strip().splitlines()) == 1 and path.name in err and reason in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["What?", "--at", "60"], "time 60 s is past the end"),
        (["What?", "--at", "-1"], "before the start"),
        (["What?", "--frames", "0"], "at least 1, got 0"),
        (["What?", "--seconds", "0"], "seconds"),
        (["What?", "--frames", "55"], "at most"),
        ([" "], "the question is empty"),
        (["Is", "it", "raining?"], '3 questions of a word each; put a question in quotes: "Is it raining?"'),
        (["why " * 600], "shorten the question"),
        (["What?", "--camera", "rear"], "no camera 'rear'"),
        (["What?", "--dtype", "float8"], "float8"),
        (["What?", "--device", "cuda:77"], "cuda:77"),
        (["What?", "--model", "nanoo"], "nanoo"),
    ],
)
def test_bad_arguments_are_one_line_and_status_two(run, video, model, arguments, reason):
    status, out, err = run("ask", video, "--model", model, *arguments)
    assert status == 2 and out == ""
    assert len(err.strip().splitlines()) == 1 and reason in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "", "What?"),
        ("annotate", "a.mp4", "", "-q", "hazards", "--out", "night"),
        ("annotate", "a.mp4", "-q", "hazards", "--out", ""),
        ("annotations", ""),
        ("annotations", "night", "--clips", ""),
        ("evaluate", "lingoqa", "--root", "part", "--out", ""),
        ("evaluate", "lingoqa", "--root", "part", "--out", "o", "--predictions", ""),
        ("evaluate", "compare", "a", ""),
        ("build", "--preset", "leo-1b", "--out", ""),
        ("synth", "--clips", "2", "--out", ""),
    ],
)
def test_a_shell_variable_that_is_not_set_is_not_the_current_folder(run, arguments):
    status, out, err = run(*arguments)
    assert status == 2 and out == ""
    assert len(err.strip().splitlines()) == 1 and "an empty path" in err


def test_more_frames_than_fit_names_a_number_that_works(run, video, model):
    _, _, err = run("ask", video, "What?", "--model", model, "--frames", 55)
    fitting = err.split("at most ")[1].split()[0]
    status, _, _ = run("ask", video, "What?", "--model", model, "--frames", fitting)
    assert status == 0


def test_synth_and_evaluate(run, tmp_path, model):
    part, results = tmp_path / "part", tmp_path / "r"
    synth = ["synth", "--out", part, "--clips", 3, "--split", "val", "--workers", 1]
    status, out, err = run(*synth, "--width", 192, "--height", 108, "--video")
    assert status == 0, err
    assert len(list((part / "videos").glob("*.mp4"))) == 3
    status, _, err = run(*synth)
    assert status == 2 and str(part) in err and len(err.strip().splitlines()) == 1
    evaluate = ["evaluate", "lingoqa", "--root", part, "--model", model, "--out", results]
    status, out, err = run(*evaluate, "--max-new-tokens", 8, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report == json.loads((results / "report.json").read_text())
    assert report["segments"] == 3 and 0 <= report["closed"]["balanced_accuracy"] <= 1 and report["blind"]
    lines = (results / "predictions.csv").read_text().splitlines()
    assert lines[0] == "question_id,segment_id,answer"


def test_a_folder_without_a_table_is_refused(run, tmp_path, model):
    status, _, err = run("evaluate", "lingoqa", "--root", tmp_path, "--model", model, "--out", tmp_path / "r")
    assert status == 2 and "neither val.parquet nor train.parquet" in err
    nowhere = ("--root", tmp_path / "nowhere", "--out", tmp_path / "r")
    status, _, err = run("evaluate", "lingoqa", *nowhere, "--model", model)
    assert status == 2 and "nowhere: no such folder or file" in err


def test_nowhere_to_write(run, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    status, _, err = run("synth", "--out", blocked / "inside", "--clips", 1, "--workers", 1)
    assert status != 0 and len(err.strip().splitlines()) == 1 and str(blocked) in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(run, tmp_path):
    tmp_path.chmod(0o500)
    status, _, err = run("synth", "--out", tmp_path / "inside", "--clips", 1, "--workers", 1)
    assert status == 2 and "permission" in err and len(err.strip().splitlines()) == 1


def test_doctor(run):
    status, out, _ = run("doctor", "--json")
    diagnosis = json.loads(out)
    assert status == 0 and diagnosis["packages"]["torch"].startswith("2.")
    assert diagnosis["decoders"]["h264"] and "cpu" in diagnosis["devices"] and "nano" in diagnosis["models"]
    assert not diagnosis["problems"]
    assert "nothing is missing" in run("doctor")[1]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_doctor_says_by_its_status_that_something_is_missing(run, monkeypatch, options):
    monkeypatch.setitem(sys.modules, "av", None)
    status, out, err = run("doctor", *options)
    assert status == 1 and "the decoders cannot be examined" in out and err == ""


@pytest.mark.parametrize(
    "command", [[], ["ask"], ["synth"], ["evaluate"], ["evaluate", "lingoqa"], ["doctor"]]
)
def test_help_helps(run, command):
    status, out, _ = run(*command, "--help")
    assert status == 0 and "Usage:" in out
    if command in (["ask"], ["synth"], ["evaluate", "lingoqa"]):
        assert "Example" in out


def test_from_a_shell_without_a_traceback(video):
    done = subprocess.run(
        [sys.executable, "-m", "leo_drive.cli", "ask", str(video) + "x", "What?"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.strip().splitlines()) == 1


def still(folder):
    path = folder / "still.png"
    Image.new("RGB", (64, 48)).save(path)
    return path, [0]


def three_images(folder):
    path = folder / "three"
    path.mkdir()
    for i in range(3):
        Image.new("RGB", (64, 48)).save(path / f"{i}.png")
    return path, [0, 1, 2]


@pytest.mark.parametrize("make", [still, three_images])
def test_fewer_frames_than_the_model_was_trained_with_are_not_repeated(run, tmp_path, model, make):
    path, times = make(tmp_path)
    status, out, err = run("ask", path, "What?", "--model", model, "--json")
    assert status == 0 and err == "" and json.loads(out)[0]["timestamps"] == times


@pytest.mark.parametrize(
    ("options", "times"),
    [
        (["--at", "1"], [0, 1]),
        (["--seconds", "2"], [1, 2]),
        (["--frames", "4"], [0, 0, 1, 2]),
    ],
)
def test_frames_that_there_are_for_a_window(run, tmp_path, model, options, times):
    path, _ = three_images(tmp_path)
    _, out, _ = run("ask", path, "What?", "--model", model, "--json", *options)
    assert json.loads(out)[0]["timestamps"] == times


@pytest.mark.parametrize(
    "options", [["--at", "nan"], ["--seconds", "nan"], ["--seconds", "-1"], ["--at", "inf"]]
)
def test_times_that_are_none_are_refused(run, video, model, options):
    status, out, err = run("ask", video, "What?", "--model", model, *options)
    assert status == 2 and out == "" and len(err.splitlines()) == 1


def test_the_tile_budget_is_passed_on(run, monkeypatch, video, model):
    seen = {}

    def ask(leo, clip, questions, **options):
        seen.update(options)
        return []

    monkeypatch.setattr(Leo, "ask", ask)
    run("ask", video, "What?", "--model", model, "--policy", "last_frame_first", "--max-tiles", 3)
    assert seen["policy"] == "last_frame_first" and seen["max_tiles"] == 3
    for policy in get_args(Policy):
        assert run("ask", video, "What?", "--model", model, "--policy", policy)[0] == 0


@pytest.fixture(scope="session")
def part(tmp_path_factory) -> Path:
    from leo_drive.data.synthetic import write_dataset

    folder = tmp_path_factory.mktemp("part")
    write_dataset(folder, 1, size=(96, 64), split="val")
    return folder


def test_a_segment_of_a_part(run, part, model):
    status, out, err = run(
        "ask", part, "What?", "--model", model, "--segment", "synthetic-0-val-000000", "--json"
    )
    assert status == 0, err
    assert json.loads(out)[0]["timestamps"] == [0, 1, 2, 3, 4]
    status, _, err = run("ask", part, "What?", "--model", model, "--segment", "another")
    assert status == 2 and "no segment 'another'" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "video.mp4"], "Missing argument 'QUESTION...'; see leo-drive ask --help"),
        (["ask", "video.mp4", "What?", "--frames", "abc"], "'--frames'"),
        (["ask", "video.mp4", "What?", "--policy", "best"], "'last_frame_first'"),
        (["ask", "video.mp4", "What?", "--max-tiles", "0"], "'--max-tiles'"),
        (["ask", "--bogus"], "--bogus; see leo-drive ask --help"),
        (["bogus"], "No such command 'bogus'; see leo-drive --help"),
        (["evaluate", "bogus"], "see leo-drive evaluate --help"),
        (["synth", "--out", "x", "--clips", "0"], "'--clips'"),
        (["synth", "--out", "x", "--clips", "1", "--split", "test"], "'val'"),
        (["synth", "--out", "x", "--clips", "1", "--width", "63"], "'--width'"),
        (["synth", "--out", "x", "--clips", "1", "--height", "63"], "'--height'"),
    ],
)
def test_usage_errors_are_one_line_and_status_two(run, arguments, message):
    status, out, err = run(*arguments)
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert err.startswith("leo-drive: ") and message in err and "--help" in err


@pytest.mark.parametrize("arguments", [[], ["evaluate"]])
def test_no_arguments_print_the_help_and_nothing_else(run, arguments):
    _, out, err = run(*arguments)
    assert "Usage:" in out and err == ""


@pytest.mark.parametrize("command", ["synth", "evaluate"])
def test_out_that_is_a_file_is_refused_first(run, monkeypatch, tmp_path, part, command):
    monkeypatch.setattr("leo_drive.inference.load", lambda *_, **__: pytest.fail("loaded a model"))
    file = tmp_path / "file"
    file.write_text("mine")
    options = {"synth": ["synth", "--clips", 1], "evaluate": ["evaluate", "lingoqa", "--root", part]}[command]
    status, out, err = run(*options, "--out", file)
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert f"{file}: cannot write here" in err and file.read_text() == "mine"


def test_a_bad_part_does_not_wait_for_the_model(run, monkeypatch, tmp_path):
    monkeypatch.setattr("leo_drive.inference.load", lambda *_, **__: pytest.fail("loaded a model"))
    (tmp_path / "val.parquet").write_text("not a table")
    status, _, err = run("evaluate", "lingoqa", "--root", tmp_path, "--out", tmp_path / "r")
    assert status == 2 and "not a readable parquet file" in err


def test_ctrl_c_inside_a_command(run, monkeypatch, video):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("leo_drive.clips.open_source", interrupt)
    assert run("ask", video, "What?") == (130, "", "leo-drive: interrupted\n")


def test_running_twice_warns_once(run, video, model):
    before = list(logging.getLogger("leo_drive").handlers)
    for _ in range(2):
        _, _, err = run("ask", video, "What?", "--model", model, "--at", 2)
        assert err.count("do not fit between") == 1 and err.startswith("leo-drive: ")
    assert logging.getLogger("leo_drive").handlers == before
