"""A run from the command line: what the table holds, and how it goes on, grows and is refused."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

import leo_drive
from leo_drive.annotation.decoder import Decoder
from leo_drive.annotation.job import Asking, Job, plan
from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import read_questions
from leo_drive.annotation.run import annotate as annotate_logs
from leo_drive.annotation.shares import Share, split
from leo_drive.annotation.table import Table
from leo_drive.annotation.tally import Tally
from leo_drive.clips.clip import Clip, together
from leo_drive.clips.discovery import LogEntry
from leo_drive.demo import CLIP
from leo_drive.inference import Leo, many
from leo_drive.inference.many import ClipBatch, Preparer
from tests.annotation.hostile import TwoCameras
from tests.clips import numbered
from tests.model.tiny import noise_clip, tiny_leo

COLUMNS = """
log camera start_s end_s frame_times question_id question kind answer value confidence status error model
model_hash settings_hash seconds
"""


def parts(tmp_path):
    return {p.name: p.read_bytes() for p in (tmp_path / "out" / "annotations").iterdir()}


def test_every_window_of_every_log_has_every_answer(annotate, rows, logs, model, tmp_path):
    status, out, err = annotate("--json")
    assert status == 0 and err == ""
    assert json.loads(out)["answers"] == 24 and json.loads(out)["complete"]
    table = pd.read_parquet(tmp_path / "out" / "annotations")
    assert set(COLUMNS.split()) <= set(table.columns)
    found = rows()
    assert len(found) == (3 + 4 + 5) * 2 and set(found["status"]) == {"ok"}
    assert found["confidence"].between(0, 1).all() and len(set(found["answer"])) > 3
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"]["hash"] == found["model_hash"][0]
    assert manifest["runs"][0]["finished"] and manifest["runs"][0]["command"].startswith(
        "leo-drive annotate "
    )
    assert (tmp_path / "out" / "report.html").read_text().count("<figure>") == 12
    # A command of earlier versions, as a manifest may have it, goes on.
    status, out, err = annotate("--max-tokens", 6, "--json")
    assert status == 0 and json.loads(out)["windows"] == 0 and rows().equals(found), err
    assert annotate("--max-tokens", 7)[0] == 2
    # What a plain `ask` says of the same moment.
    leo = leo_drive.load(model)
    with leo_drive.open(logs / "d1.mp4") as source:
        clip = source.clip(at=4.0, seconds=2, frames=2)
    there = found[(found["log"] == "d1.mp4") & (found["start_s"] == 2.0)]
    for (_, row), answer in zip(
        there.iterrows(), leo.ask(clip, list(there["question"]), max_new_tokens=6), strict=True
    ):
        assert row["answer"] == answer.text and row["confidence"] == pytest.approx(
            answer.confidence, abs=1e-3
        )
        assert tuple(row["frame_times"]) == clip.timestamps


def test_clips_in_one_batch_answer_token_for_token_as_alone():
    leo = Leo(*tiny_leo(tied=False))
    clips = [noise_clip(3, seed=seed) for seed in range(4)]
    asked = ["Is there a vehicle ahead?", "What?", "What should the driver do?"]
    tiles = leo.processor.plan(clips[0], asked)
    preparer = Preparer(leo.processor)
    batch = ClipBatch(leo, [preparer.prepare(clip, tiles) for clip in clips])
    pairs = [(k, question) for question in asked for k in (2, 0, 3, 1)]
    together = batch.ask(pairs, max_new_tokens=16)
    assert len({answer.tokens for answer in together}) > 3, "answers that never differ prove nothing"
    for (k, question), answer in zip(pairs, together, strict=True):
        alone = Leo(leo.model, leo.processor).ask(clips[k], question, max_new_tokens=16)
        assert alone.tokens == answer.tokens
        assert alone.confidence == pytest.approx(answer.confidence, abs=1e-5)
    small = Leo(leo.model, leo.processor, cache_bytes=1)
    singly = ClipBatch(small, [preparer.prepare(clip, tiles) for clip in clips]).ask(pairs, 16)
    assert [a.tokens for a in singly] == [a.tokens for a in together]


def test_a_frame_that_windows_share_is_tiled_and_encoded_once(monkeypatch):
    leo = Leo(*tiny_leo(tied=False))
    whole = noise_clip(6)
    clips = [Clip(whole.frames[i : i + 3], whole.timestamps[i : i + 3]) for i in range(4)]
    tiles = leo.processor.plan(clips[0], ["What?"])
    preparer, encoded = Preparer(leo.processor), []
    prepared = [preparer.prepare(clip, tiles) for clip in clips]
    assert prepared[0].frames[1] is prepared[1].frames[0]
    original = many.encode_tiles
    monkeypatch.setattr(
        many, "encode_tiles", lambda model, pixels: encoded.append(len(pixels[0])) or original(model, pixels)
    )
    answers = ClipBatch(leo, prepared).ask([(k, "What?") for k in range(4)], max_new_tokens=8)
    assert encoded == [6 * tiles.tiles[0]], "twelve frames are six"
    for clip, answer in zip(clips, answers, strict=True):
        alone = Leo(leo.model, leo.processor).ask(clip, "What?", max_new_tokens=8)
        assert alone.tokens == answer.tokens and alone.timestamps == answer.timestamps
    # The same frame with another bound on its tiles is not the same.
    more = replace(tiles, max_tiles=tuple(most + 1 for most in tiles.max_tiles))
    assert preparer.prepare(clips[0], more).frames[0].key != prepared[0].frames[0].key


def test_running_again_asks_nothing_again(annotate, rows, tmp_path, logs):
    annotate()
    before, table = parts(tmp_path), rows()
    shutil.copy(logs / "d0.mp4", logs / "d9.mp4")
    status, out, _ = annotate("--json")
    assert status == 0 and json.loads(out)["answers"] == 6
    after = parts(tmp_path)
    assert before.items() < after.items()
    pd.testing.assert_frame_equal(rows("log <> 'd9.mp4'"), table)


def test_parts_that_are_gone_are_made_again_the_same(annotate, rows, tmp_path):
    annotate("--part-rows", 4)
    before, table = parts(tmp_path), rows()
    assert len(before) == 3
    for path in sorted((tmp_path / "out" / "annotations").iterdir())[1:]:
        path.unlink()
    annotate("--part-rows", 4)
    assert parts(tmp_path).keys() == before.keys()
    pd.testing.assert_frame_equal(rows(), table)


def test_what_is_different_is_refused_and_named(annotate, questions, rows, run, tmp_path):
    annotate()
    before = parts(tmp_path)
    status, _, err = annotate("--rate", 3)
    assert status == 2 and "rate does not apply to any of the 3 logs" in err
    status, _, err = annotate("--every", 3)
    assert status == 2 and "every 2.0, now 3.0" in err and len(err.splitlines()) == 1
    questions.write_text(questions.read_text().replace("a vehicle ahead", "a car ahead"))
    status, _, err = annotate()
    assert (
        status == 2
        and "question vehicle: text 'Is there a vehicle ahead?', now 'Is there a car ahead?'" in err
    )
    status, _, err = annotate("--add")
    assert status == 2 and "question vehicle: text" in err
    other = tmp_path / "other"
    network, processor = tiny_leo(seed=1)
    network.save_pretrained(other)
    processor.save_pretrained(other)
    status, _, err = annotate("--model", other)
    assert status == 2 and str(other) in err and "choose another folder" in err
    assert parts(tmp_path) == before


def test_add_asks_only_what_is_new(annotate, questions, rows, tmp_path):
    annotate()
    before = rows()
    with questions.open("a") as file:
        file.write('  - {id: what, text: "What?", kind: free}\n')
    status, _, err = annotate()
    assert status == 2 and "question what is new" in err and "--add" in err
    status, out, _ = annotate("--add", "--json")
    assert status == 0 and json.loads(out)["answers"] == 12
    pd.testing.assert_frame_equal(rows("question_id <> 'what'"), before)
    assert len(rows()) == 36
    # And a file that holds nothing but the new question will do.
    questions.write_text('questions:\n  - {id: more, text: "Is it?", kind: yes_no}\n')
    assert annotate("--add")[0] == 0
    assert rows()["question_id"].value_counts().to_dict() == dict.fromkeys(
        ("vehicle", "action", "what", "more"), 12
    )


def test_failed_logs_are_rows_and_can_be_tried_again(annotate, rows, logs, tmp_path):
    whole = (logs / "d1.mp4").read_bytes()
    (logs / "d1.mp4").write_bytes(whole[: len(whole) // 2])
    (logs / "empty.mp4").touch()
    (logs / "text.mp4").write_text("not a video at all")
    status, out, err = annotate("--json")
    said = json.loads(out)
    assert status == 0 and said["failed"] == 6 and said["complete"]
    assert (said["logs"], said["logs_done"], said["logs_failed"]) == (5, 2, 3)
    assert len(err.splitlines()) == 1 and err.startswith("leo-drive: 3 logs failed: ")
    for name in ("d1.mp4", "empty.mp4", "text.mp4"):
        assert err.count(f"{logs / name}: ") == 1
    assert err.endswith("; --retry-failed tries again\n")
    failed = rows("status = 'failed'")
    assert set(failed["log"]) == {"d1.mp4", "empty.mp4", "text.mp4"} and failed["start_s"].isna().all()
    assert failed["error"].str.contains("truncated").sum() == 2 and failed["answer"].isna().all()
    assert len(rows("status = 'ok'")) == 16
    good = rows("status = 'ok'")
    before = parts(tmp_path)
    status, out, err = annotate()
    assert status == 0 and parts(tmp_path) == before and out.startswith("2 of 5 logs done; ")
    assert err == "leo-drive: not tried again: 3 logs that failed in an earlier run; --retry-failed does\n"
    (logs / "d1.mp4").write_bytes(whole)
    status, out, _ = annotate("--retry-failed", "--json")
    assert json.loads(out)["answers"] == 8 and json.loads(out)["failed"] == 4
    assert set(rows("status = 'failed'")["log"]) == {"empty.mp4", "text.mp4"}
    pd.testing.assert_frame_equal(rows("status = 'ok' and log <> 'd1.mp4'"), good)
    assert not rows().duplicated(["log", "window_index", "question_id"]).any()


def test_a_run_in_which_all_logs_fail_says_so(annotate, logs, tmp_path):
    (logs / "text.mp4").write_text("not a video at all")
    status, out, err = annotate(where=logs / "text.mp4")
    assert status == 1 and out.startswith("0 of 1 logs done; ") and "2 rows failed" in out
    assert "1 log failed: " in err and "text.mp4: not a video" in err and len(err.splitlines()) == 1
    status, _, err = annotate(where=logs / "text.mp4")
    assert status == 1 and "not tried again: 1 log that failed" in err


def test_a_log_that_failed_in_part_is_done_and_named():
    tally = Tally(logs=2, ended={"b"}, failed_before={"b"}, useful={"b"})
    assert tally.log_opened("a", 2) and not tally.log_opened("a", 2)
    row = {"log": "a", "camera": "front", "status": "failed", "error": "KeyError: 1"}
    tally.answered([row | {"window_index": 0}, row | {"window_index": 1, "status": "ok"}])
    assert (tally.logs_done, tally.complete) == (2, True)
    assert tally.failed_line().startswith("1 log failed, 1 of them in part: a: KeyError: 1; ")
    assert "1 log that failed in an earlier run" in tally.failed_before_line()


def test_a_log_that_was_cut_off_is_said_once(annotate, tmp_path, questions):
    whole = numbered.write(tmp_path / "whole.mp4", numbered.Kind(muxing={"movflags": "faststart"}))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    status, out, err = annotate(where=cut)
    assert status == 0 and "1 of 1 logs done" in out and len(err.splitlines()) == 1
    assert err.startswith(f"leo-drive: {cut}: its header promises 6.000 s but the video is readable only to")
    # On a cluster the log is opened beside the workers, and once more by each of them.
    job = Job(read_questions(questions), Cutting(1, 1, 2), Asking(), "tiny", "0", "float32")
    decoder = Decoder()
    try:
        pieces = list(split([Share(LogEntry("cut", cut))], job, 1, decoder))
    finally:
        decoder.close()
    said = [share.warnings for piece in pieces for share in piece]
    assert len(said) > 1 and {len(warnings) for warnings in said} == {1}


def test_a_log_that_vanishes_is_a_row(annotate, rows, logs, monkeypatch):
    from leo_drive.clips import discovery

    found = discovery.find_logs([logs])
    monkeypatch.setattr(discovery, "find_logs", lambda *_, **__: found)
    (logs / "d0.mp4").unlink()
    assert annotate()[0] == 0
    gone = rows("status = 'failed'")
    assert list(gone["log"]) == ["d0.mp4"] * 2 and "d0.mp4" in gone["error"].iloc[0]


def test_ask_if_is_honoured_and_said(run, tmp_path):
    """With the embedded model, whose answers can be read."""
    questions = tmp_path / "q.yaml"
    questions.write_text(
        "questions:\n"
        '  - {id: light, text: "What colour is the traffic light?", kind: choice, choices: [red, green]}\n'
        '  - {id: ahead, text: "Is there a vehicle ahead of us?", kind: yes_no}\n'
        '  - {id: if_yes, text: "How far is it?", kind: free, ask_if: {ahead: yes}}\n'
        '  - {id: if_no, text: "Is the road clear?", kind: yes_no, ask_if: {ahead: no}}\n'
        '  - {id: last, text: "Is it day or night?", kind: free, ask_if: {ahead: no, if_no: no}}\n'
    )
    status, _, err = run(
        "annotate", CLIP, "--questions", questions, "--out", tmp_path / "out", "--every", 2, "--seconds", 2
    )
    assert status == 0, err
    table = pd.read_parquet(tmp_path / "out" / "annotations")
    asked = 0
    for _, window in table.groupby("start_s"):
        of = window.set_index("question_id")
        value = of["value"].to_dict()
        expected = {"if_yes": value["ahead"] == "yes", "if_no": value["ahead"] == "no"}
        expected["last"] = expected["if_no"] and value["if_no"] == "no"
        assert {i: of.loc[i, "status"] == "ok" for i in expected} == expected
        assert set(of["status"]) <= {"ok", "not_asked"}
        asked += sum(expected.values())
    assert asked and (table["status"] == "not_asked").any()
    assert (table[table["question_id"] == "light"]["value"] == "red").any()


def test_similar_windows_are_skipped_and_said(annotate, rows, logs, tmp_path):
    picture = numbered.draw(5)
    still = tmp_path / "still"
    still.mkdir()
    from PIL import Image

    for i in range(12):
        Image.fromarray(picture if i != 7 else numbered.draw(200)).save(still / f"{i:02d}.png")
    options = ("--every", 2, "--skip-similar", 1, "--part-rows", 1, "--batch", 1)
    assert annotate(*options, where=still)[0] == 0
    found = rows("question_id = 'action'")
    # Images at 1 Hz, windows of 2 s with the frames at 1 and 2 s and so on; image 7 is in the fourth.
    assert list(found["status"]) == ["ok", "skipped", "skipped", "ok", "ok", "skipped"]
    assert [r for r in found["repeats_s"] if r == r] == [0, 0, 8]
    whole = rows()
    for path in sorted((tmp_path / "out" / "annotations").iterdir())[1:]:
        path.unlink()
    assert annotate(*options, where=still)[0] == 0
    pd.testing.assert_frame_equal(rows(), whole)


def test_logs_and_settings_that_cannot_be_are_refused_first(
    annotate, run, tmp_path, questions, logs, monkeypatch
):
    monkeypatch.setattr("leo_drive.inference.load", lambda *_, **__: pytest.fail("loaded a model"))
    out = ("--out", tmp_path / "o")
    for arguments, message in (
        ((tmp_path / "none", "-q", questions, *out), "no such file or folder"),
        ((logs, "-q", "hazrds", *out), "did you mean hazards"),
        ((logs, "-q", questions, "--out", questions), "cannot write here"),
        ((logs, "-q", questions, *out, "--every", 0), "--every: must be a number above 0"),
        ((logs, "-q", questions, *out, "--seconds", "nan"), "--seconds: must be a number above 0"),
        ((logs, *out), "--questions"),
    ):
        status, _, err = run("annotate", *arguments)
        assert status == 2 and message in err and len(err.splitlines()) == 1, err


def test_too_many_frames_are_refused_with_the_numbers(annotate, tmp_path):
    status, _, err = annotate("--frames", 200)
    assert status == 2 and "200 frames" in err and "at most" in err and len(err.splitlines()) == 1


def test_the_plan_does_not_depend_on_which_questions_are_left(questions):
    leo = Leo(*tiny_leo())
    asked = read_questions(questions)
    job = Job(asked, Cutting(frames=3), Asking(), "tiny", "0", "float32")
    clip = noise_clip(3)
    texts = [question.text for question in asked.questions]
    assert plan(leo.processor, clip, job) == leo.processor.plan(clip, texts)


@pytest.mark.parametrize(
    ("options", "cameras"),
    [({}, ["front"]), ({"cameras": ("all",)}, ["front", "left"]), ({"cameras": ("left",)}, ["left"])],
)
def test_cameras_each_on_its_own(questions, videos, tmp_path, options, cameras):
    job = Job(
        read_questions(questions), Cutting(2, 2, 2, **options), Asking(4), "tiny", "0", "float32", batch=3
    )
    annotate_logs(Leo(*tiny_leo(tied=False)), [TwoCameras("two", videos)], job, tmp_path / "out")
    found = Table(tmp_path / "out").rows()
    assert list(found["camera"].unique()) == cameras and len(found) == 6 * len(cameras)


def test_cameras_together_are_one_named_prompt(questions, videos, tmp_path):
    leo = Leo(*tiny_leo(tied=False))
    cutting = Cutting(2, 2, 2, cameras=("front", "left"), together=True)
    job = Job(read_questions(questions), cutting, Asking(4), "tiny", "0", "float32")
    entry = TwoCameras("two", videos)
    remembered = tmp_path / "out"
    annotate_logs(leo, [entry], job, remembered)
    found = Table(remembered).rows()
    assert set(found["camera"]) == {"front+left"} and len(found) == 6
    with entry.open() as source:
        clips = [source.clip(at=4.0, seconds=2, frames=2, camera=camera) for camera in source.cameras]
    answers = leo.ask(together(clips), [q.text for q in job.questions.questions], max_new_tokens=4)
    assert list(found[found["start_s"] == 2]["answer"]) == [answer.text for answer in answers]
    assert [tuple(t) for t in found[found["start_s"] == 2]["frame_times"]] == [(3.0, 4.0)] * 2
