"""Reviewing: a table of `leo-drive annotate` and the predictions of an evaluation."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import leo_drive
from apps.viewer.marks import MARKS
from apps.viewer.reviews import FIXED, RIGHT, WRONG, Filter, Review
from apps.viewer.settings import Settings
from apps.viewer.viewer import Viewer
from leo_drive.annotation.job import Asking, Job
from leo_drive.annotation.log import Cutting
from leo_drive.annotation.questions import read_questions
from leo_drive.annotation.run import annotate
from leo_drive.clips.discovery import find_logs
from leo_drive.data.lingoqa import read_part
from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from leo_drive.evaluation.lingoqa import evaluate_part
from leo_drive.evaluation.table import QUESTIONS as QUESTIONS_CSV
from leo_drive.inference import Leo
from tests.clips import numbered
from tests.model.tiny import tiny_leo
from tests.viewer.acting import open_tab, said, wait_for_text

QUESTIONS = """
questions:
  - {id: vehicle, text: "Is there a vehicle ahead?", kind: yes_no}
  - {id: action, text: "What should the driver do?", kind: free}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """The OUT of a real run over two small drives."""
    folder = tmp_path_factory.mktemp("review")
    (folder / "logs").mkdir()
    for name in ("a.mp4", "b.mkv"):
        kind = numbered.Kind(suffix=Path(name).suffix, frames=40, size=(192, 108))
        numbered.write(folder / "logs" / name, kind)
    (folder / "questions.yaml").write_text(QUESTIONS)
    leo = Leo(*tiny_leo(tied=False))
    job = Job(
        read_questions(folder / "questions.yaml"),
        Cutting(every=2, seconds=2, frames=2),
        Asking(6, "equal", None),
        "tiny",
        "0",
        "float32",
    )
    annotate(leo, find_logs([folder / "logs"]), job, folder / "out")
    return folder / "out"


def test_marks_are_on_the_disk_at_once_and_read_again(table, tmp_path):
    review = Review(table)
    assert len(review.rows) == 8
    review.mark(0, RIGHT, who="anna")
    review.mark(1, FIXED, "The driver should stop.")
    review.mark(2, WRONG)
    review.mark(2, RIGHT)
    with pytest.raises(InputError, match="needs its correction"):
        review.mark(3, FIXED, "  ")
    with pytest.raises(InputError, match="no row 99"):
        review.mark(99, RIGHT)
    assert len((table / MARKS).read_text().splitlines()) == 4
    again = Review(table)
    assert again.counts() == {"right": 2, "fixed": 1, "unmarked": 5}
    assert again.mark_of(0)["who"] == "anna" and again.mark_of(1)["corrected"] == "The driver should stop."
    # What a power cut leaves is passed over; what nobody wrote is not.
    with (table / MARKS).open("a") as file:
        file.write('{"log": "a.mp4", "cam')
    assert Review(table).counts() == again.counts()
    lines = (table / MARKS).read_text().splitlines()
    (table / MARKS).write_text("\n".join(["nonsense", *lines[:-1]]) + "\n")
    with pytest.raises(InputError, match="line 1 is no mark"):
        Review(table)
    (table / MARKS).write_text("\n".join(lines[:-1]) + "\n")
    assert again.export(tmp_path / "part") == 3
    answers = {qa.question: qa.answer for s in read_part(tmp_path / "part") for qa in s.questions}
    assert answers["What should the driver do?"] == "The driver should stop."
    (table / MARKS).unlink()


def test_a_line_that_was_cut_off_costs_no_other_mark(table):
    Review(table).mark(0, RIGHT)
    line = (table / MARKS).read_bytes()
    # In the middle of a word or of a letter; or all is there but the line's end.
    cut = {
        b'{"log": "a.mp4", "cam': 2,
        'line "Größe'.encode()[:-3]: 2,
        line.replace(b"right", b"wrong")[:-1]: 3,
    }
    for torn, count in cut.items():
        (table / MARKS).write_bytes(line + torn)
        Review(table).mark(1, RIGHT)
        assert (table / MARKS).read_bytes().count(b"\n") == count
        assert Review(table).mark_of(1)["mark"] == RIGHT
        assert Review(table).mark_of(0)["mark"] == (RIGHT if count == 2 else WRONG)
    (table / MARKS).unlink()


def test_tables_of_one_name_are_told_apart(table, engine, tmp_path):
    folders = [shutil.copytree(table, tmp_path / name) for name in ("mon/night", "tue/night", "tue/day")]
    viewer = Viewer(Settings(reviews=(*folders, folders[0])), engine)
    assert list(viewer.reviews) == ["mon/night", "tue/night", "day"]
    viewer.reviews["tue/night"].mark(0, WRONG)
    assert [(folder / MARKS).exists() for folder in folders] == [False, True, False]
    viewer.close()


def test_filters(table):
    review = Review(table)
    every, count = review.shown(Filter(), 100)
    assert count == len(every) == 8
    assert review.shown(Filter(question="What should the driver do?", log="b.mkv"), 100)[1] == 2
    sure = every["confidence"].median()
    low, n = review.shown(Filter(highest=float(sure)), 100)
    assert 0 < n < 8 and (low["confidence"] <= sure).all()
    word = every["answer"].iloc[0][:4]
    assert all(word.lower() in a.lower() for a in review.shown(Filter(answer=word.upper()), 100)[0]["answer"])
    assert len(review.shown(Filter(), 3)[0]) == 3


def test_a_table_is_filtered_watched_marked_and_exported(start, visit, table):
    page = visit(start(reviews=(table,)).url)
    open_tab(page, "Review")
    wait_for_text(page, "#review-count", "8 of 8 answers")
    page.click("#mark-right")
    said(page, "choose a row of the table first")
    page.click("[data-testid=cell-1-4]")
    wait_for_text(page, "#review-words", "What should the driver do?")
    page.wait_for_function("document.querySelectorAll('#review-frames img').length === 2")
    page.wait_for_function("document.querySelector('#review-player video')?.currentTime > 1")
    page.click("#mark-right")
    wait_for_text(page, "#review-count", "1 right")
    assert json.loads((table / MARKS).read_text())["mark"] == "right"
    page.click("[data-testid=cell-3-4]")
    wait_for_text(page, "#review-words", "2.0 s to")
    page.fill("#mark-text textarea, #mark-text input", "Slow down.")
    page.click("#mark-fix")
    wait_for_text(page, "#review-count", "1 fixed")
    # Browsers do not play b.mkv: a preview is made of it.
    played = page.get_attribute("#review-player video", "src")
    page.click("[data-testid=cell-5-4]")
    wait_for_text(page, "#review-words", "b.mkv")
    page.wait_for_function(
        "(old) => { const video = document.querySelector('#review-player video');"
        "return video && video.src !== old && video.currentTime > 1 && video.videoWidth === 192; }",
        arg=played,
    )
    with page.expect_download() as download:
        page.click("#review-export")
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        rows = pd.read_parquet(io.BytesIO(archive.read("lingoqa/train.parquet")))
        assert len(rows) == 2 and "Slow down." in set(rows["answer"])
        assert set(rows["images"].iloc[0]) <= {n.removeprefix("lingoqa/") for n in archive.namelist()}
    (table / MARKS).unlink()


@pytest.mark.parametrize("named", ["part", "part/val.parquet"])
def test_predictions_of_an_evaluation_are_reviewed_too(tmp_path, named):
    write_dataset(tmp_path / "part", 1, split="val", size=(192, 108), workers=1)
    leo = Leo(*tiny_leo(tied=False, context=1024))
    evaluate_part(leo, tmp_path / named, tmp_path / "eval", blind=False)
    review = Review(tmp_path / "eval")
    asked = read_part(tmp_path / named)[0]
    assert len(review.rows) == len(asked.questions)
    sure = review.rows["confidence"].median()
    assert 0 < len(review.shown(Filter(lowest=sure), 99)[0]) < len(asked.questions)
    assert list(review.rows["reference"]) == [qa.answer for qa in asked.questions]
    review.mark(0, FIXED, asked.questions[0].answer)
    assert review.export(tmp_path / "fixed") == 1
    row = read_part(tmp_path / "fixed")[0]
    assert row.questions[0].answer == asked.questions[0].answer and len(row.images) == 5
    clip = leo_drive.open(review.entry(0).path, **review.entry(0).options).clip()
    assert clip.size == (192, 108)
    review.close()
    # Another model's answers take the place of those that were marked; then the first ones come back.
    first = (tmp_path / "eval" / QUESTIONS_CSV).read_bytes()
    answers = pd.read_csv(io.BytesIO(first), dtype=str)
    answers.assign(answer="X").to_csv(tmp_path / "eval" / QUESTIONS_CSV, index=False)
    review = Review(tmp_path / "eval")
    assert review.counts() == {"unmarked": len(asked.questions)} and review.corrected_rows().empty
    review.mark(0, WRONG)
    review.close()
    (tmp_path / "eval" / QUESTIONS_CSV).write_bytes(first)
    review = Review(tmp_path / "eval")
    assert review.mark_of(0)["mark"] == FIXED
    review.close()
    # What does not say which answer it was given to holds for any.
    mark = {key: value for key, value in review.mark_of(0).items() if key != "answer"}
    (tmp_path / "eval" / MARKS).write_text(json.dumps(mark) + "\n")
    review = Review(tmp_path / "eval")
    assert review.mark_of(0) == mark
    review.close()
    # Of a question that was answered twice there is the last answer, and what is marked stays marked.
    twice = pd.concat([answers.iloc[[-1]].assign(answer="Before."), answers])
    twice.to_csv(tmp_path / "eval" / QUESTIONS_CSV, index=False)
    last = len(asked.questions) - 1
    for mark in (WRONG, RIGHT):
        review = Review(tmp_path / "eval")
        assert list(review.shown(Filter(), 99)[0].index) == list(range(last + 1))
        assert list(review.rows["answer"]) == answers["answer"].to_list()
        review.mark(last, mark)
        review.close()
        review = Review(tmp_path / "eval")
        assert [review.mark_of(i)["mark"] for i in (0, last)] == [FIXED, mark]
        review.close()
    with pytest.raises(InputError, match="nothing to review"):
        Review(tmp_path / "part")
