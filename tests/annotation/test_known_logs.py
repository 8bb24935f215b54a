"""Logs that a table has already: told by where they lie, whatever they are called."""

import json
import logging
import os
import shutil
import threading
from pathlib import Path

import pytest

from leo_drive.annotation.pictures import _quiet, remember_logs
from leo_drive.annotation.table import Table


@pytest.fixture
def mon(logs) -> Path:
    """A folder with a log, cam.mp4; tue beside it has another one of that name."""
    for day, video in (("mon", "d0.mp4"), ("tue", "d1.mp4")):
        (logs / day).mkdir()
        (logs / video).rename(logs / day / "cam.mp4")
    return logs / "mon"


def test_another_log_of_the_same_name_is_refused(annotate, rows, mon, tmp_path):
    assert annotate(where=mon)[0] == 0
    before, remembered = rows(), (tmp_path / "out" / "logs.json").read_bytes()
    status, out, err = annotate(where=mon.parent / "tue")
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert (
        f"cam.mp4: the table has another log of that name, {mon}/cam.mp4; choose another --out folder" in err
    )
    assert rows().equals(before) and (tmp_path / "out" / "logs.json").read_bytes() == remembered
    # Gone, and the other one is no copy of it.
    (mon / "cam.mp4").unlink()
    assert annotate(where=mon.parent / "tue")[0] == 2


def test_a_log_keeps_its_name_whatever_is_annotated_with_it(annotate, rows, mon):
    assert annotate(where=mon)[0] == 0
    status, out, _ = annotate(mon.parent / "tue", "--json", where=mon)
    assert status == 0 and json.loads(out)["answers"] == 8
    assert rows()["log"].value_counts().to_dict() == {"cam.mp4": 6, f"{mon.parent}/tue/cam.mp4": 8}
    for where in (mon, mon.parent / "tue", mon / "cam.mp4"):
        status, out, _ = annotate("--json", where=where)
        assert status == 0 and json.loads(out)["windows"] == 0 and json.loads(out)["complete"]
    # By another way, and beside the third log, which is new.
    (mon.parent.parent / "link").symlink_to(mon.parent)
    status, out, _ = annotate("--json", where=mon.parent.parent / "link")
    assert status == 0 and json.loads(out)["windows"] == 5 and json.loads(out)["logs_done"] == 3


def test_a_log_that_was_moved_is_done_and_found_again(annotate, run, mon, tmp_path):
    assert annotate(where=mon)[0] == 0
    moved = mon.rename(tmp_path / "archive")
    status, out, err = annotate("--json", where=moved)
    assert status == 0 and json.loads(out)["windows"] == 0 and json.loads(out)["complete"], err
    status, _, err = run("annotations", tmp_path / "out", "--clips", tmp_path / "look")
    assert status == 0, err
    # A copy of it that lies beside it is another log.
    shutil.copytree(moved, tmp_path / "copy")
    assert annotate(where=tmp_path / "copy")[0] == 2


def test_a_log_that_was_still_being_copied_is_said_and_asked_again(annotate, rows, logs, videos):
    shutil.copy(videos / "d0.mp4", logs / "d1.mp4")
    (logs / "d2.mp4").write_bytes(b"")
    assert annotate()[0] == 0
    before = rows("log = 'd0.mp4'")
    shutil.copy(videos / "d1.mp4", logs / "d1.mp4")
    shutil.copy(videos / "d2.mp4", logs / "d2.mp4")
    status, _, err = annotate()
    assert status == 2 and len(err.splitlines()) == 1
    assert "d1.mp4, d2.mp4: of another size than when it was annotated" in err and "--retry-failed" in err
    status, out, _ = annotate("--retry-failed", "--json")
    assert status == 0 and json.loads(out)["answers"] == 18
    assert rows()["log"].value_counts().to_dict() == {"d0.mp4": 6, "d1.mp4": 8, "d2.mp4": 10}
    assert rows("log = 'd0.mp4'").equals(before)
    assert annotate()[0] == 0


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something done after a run has begun and noted how large the logs are, before it opens any."""

    def put(change):
        begin = "leo_drive.annotation.run.remember_logs"
        monkeypatch.setattr(begin, lambda *about: remember_logs(*about) or change())

    return put


def test_a_log_is_as_large_as_it_was_at_its_turn(annotate, rows, logs, videos, meanwhile):
    for name in ("d1.mp4", "d2.mp4"):
        (logs / name).write_bytes(b"")

    def copied():
        shutil.copy(videos / "d1.mp4", logs / "d1.mp4")
        (logs / "d2.mp4").write_bytes(b"no video")

    meanwhile(copied)
    assert annotate()[0] == 0
    assert rows()["log"].value_counts().to_dict() == {"d0.mp4": 6, "d1.mp4": 8, "d2.mp4": 2}
    meanwhile(lambda: None)
    status, out, err = annotate("--json")
    assert status == 0 and json.loads(out)["answers"] == 0, err


def test_a_log_that_grows_between_its_answers_is_said(annotate, logs, videos, questions, meanwhile):
    assert annotate(where=logs / "d0.mp4")[0] == 0
    questions.write_text(questions.read_text() + '  - {id: road, text: "What road is it?", kind: free}\n')
    meanwhile(lambda: shutil.copy(videos / "d1.mp4", logs / "d0.mp4"))
    assert annotate("--add", where=logs / "d0.mp4")[0] == 0
    meanwhile(lambda: None)
    status, _, err = annotate(where=logs / "d0.mp4")
    assert status == 2 and "d0.mp4: of another size than when it was annotated" in err


def test_a_folder_of_images_that_grew_is_said(annotate, videos, tmp_path):
    from PIL import Image

    from tests.clips import numbered

    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(numbered.draw(i)).save(folder / f"{i}.png")
    assert annotate(where=folder)[0] == 0
    (folder / "notes.txt").write_text("not seen by any model")
    assert annotate(where=folder)[0] == 0
    Image.fromarray(numbered.draw(6)).save(folder / "6.png")
    status, _, err = annotate(where=folder)
    assert status == 2 and "frames: of another size" in err


def test_names_that_are_no_text_are_asked_once_and_found_again(annotate, run, rows, logs, tmp_path):
    name = b"caf\xe9.mp4"
    try:
        (logs / "d0.mp4").rename(logs / os.fsdecode(name))
    except OSError:
        pytest.skip("this disk takes only names that are text")
    (logs / os.fsdecode(b"bad\xff.mp4")).write_bytes(b"no video")
    assert annotate()[0] == 0
    before = rows()
    assert set(before["log"]) == {"caf\\udce9.mp4", "bad\\udcff.mp4", "d1.mp4", "d2.mp4"}
    status, out, _ = annotate("--json")
    assert status == 0 and json.loads(out)["answers"] == 0 and rows().equals(before)
    status, out, err = annotate("--retry-failed", "--json")
    assert status == 0 and json.loads(out)["failed"] == 2 and len(rows()) == len(before), err
    status, out, err = run(
        "annotations", tmp_path / "out", "--clips", tmp_path / "look", "--where", "log like 'caf%'"
    )
    assert status == 0 and "3 pictures" in out, err
    kept = json.loads((tmp_path / "out" / "logs.json").read_text())["caf\\udce9.mp4"]
    assert Path(kept["path"]).is_file()


def test_logs_of_alike_names_are_all_annotated(annotate, logs, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, video in (("a/b", "d0.mp4"), ("b", "d1.mp4"), ("c", "d2.mp4")):
        Path(folder).mkdir(parents=True)
        shutil.copy(videos / video, Path(folder) / "x.mp4")
    status, out, err = annotate("b", "c", "--json", where="a")
    assert status == 0 and json.loads(out)["logs_done"] == 3, err
    assert len(Table("out").rows()) == (3 + 4 + 5) * 2


def test_what_is_known_of_a_log_is_not_said_again_and_all_else_is(caplog):
    library, both, left = logging.getLogger("leo_drive.clips.video"), threading.Barrier(3), threading.Event()

    def read(last):
        with _quiet():
            library.warning("was cut off")
            both.wait()
            if last:
                left.wait()
        left.set()

    threads = [threading.Thread(target=read, args=(last,)) for last in (False, True)]
    for thread in threads:
        thread.start()
    both.wait()
    library.warning("meanwhile")
    for thread in threads:
        thread.join()
    library.warning("afterwards")
    assert caplog.messages == ["meanwhile", "afterwards"]
