"""Looking at a table: summary, filters, exports that our own readers read back, pictures, the page."""

import csv
import json
import re

import pandas as pd
import pytest
from PIL import Image

from leo_drive.annotation.store import Store
from leo_drive.data.lingoqa import read_lingoqa, read_part
from tests.annotation.conftest import QUESTIONS


@pytest.fixture
def table(annotate, questions, tmp_path):
    """A run with answers that are put in by hand where a tiny model has none to give."""
    questions.write_text(QUESTIONS + '  - {id: side, text: "Where?", kind: choice, choices: [left, right]}\n')
    assert annotate()[0] == 0
    out = tmp_path / "out"
    (part,) = Store(out).parts()
    rows = Store(out)._read(part).to_pylist()
    for i, row in enumerate(rows):
        answers = {
            "vehicle": ("Yes.", "yes") if row["window_index"] % 2 else ("No.", "no"),
            "side": ("Left.", "left") if row["log"] == "d0.mp4" else ("Hm.", None),
            "action": ("Stop, [now] & <wait>.", None),
        }
        row["answer"], row["value"] = answers[row["question_id"]]
        row["readable"] = None if row["kind"] == "free" else row["value"] is not None
        row["confidence"] = round(0.5 + i / 100, 4)
    part.unlink()
    Store(out).write(rows)
    return out


def test_the_summary_counts(run, table):
    status, out, err = run("annotations", table, "--json")
    said = json.loads(out)
    assert status == 0 and err == ""
    assert (said["logs"], said["windows"], said["rows"], said["statuses"]) == (3, 12, 36, {"ok": 36})
    vehicle, action, side = said["questions"]
    assert [q["question_id"] for q in said["questions"]] == ["vehicle", "action", "side"]
    assert vehicle["shares"] == {"no": pytest.approx(7 / 12), "yes": pytest.approx(5 / 12)}
    assert action["shares"] == {"Stop, [now] & <wait>.": 1} and side["unreadable"] == 9
    assert side["shares"] == {"left": pytest.approx(3 / 12)}
    assert said["timelines"]["d2.mp4"] == {"side": "?????", "vehicle": "nynyn"}
    assert said["lowest"][0]["confidence"] == 0.5
    status, out, _ = run("annotations", table)
    assert "3 logs, 12 windows, 36 rows: 36 ok" in out and "58%  no" in out and "nynyn" in out


def test_where_filters(run, table):
    status, out, _ = run("annotations", table, "--where", "value = 'yes' and confidence < 0.6", "--json")
    found = json.loads(out)
    assert status == 0 and found and all(r["value"] == "yes" and r["confidence"] < 0.6 for r in found)
    whole = pd.read_parquet(table / "annotations")
    assert len(found) == ((whole["value"] == "yes") & (whole["confidence"] < 0.6)).sum()
    status, out, _ = run("annotations", table, "--where", "log = 'd0.mp4'", "--limit", 2)
    assert "9 rows, the first 2 of them above" in out and "[now]" in out
    for wrong in ("valu = 'yes'", "value = ", "1; drop table x"):
        status, out, err = run("annotations", table, "--where", wrong)
        assert status == 2 and out == "" and len(err.splitlines()) == 1 and "columns are log, camera" in err
    status, _, err = run("annotations", table / "annotations")
    assert status == 2 and "no annotations in this folder" in err


def test_csv_and_jsonl_hold_the_rows(run, table, tmp_path):
    for form in ("csv", "jsonl"):
        assert run("annotations", table, "--export", form, "--to", tmp_path / f"t.{form}")[0] == 0
        status, _, err = run("annotations", table, "--export", form, "--to", tmp_path / f"t.{form}")
        assert status == 2 and "is there already" in err
    with (tmp_path / "t.csv").open() as file:
        flat = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert len(flat) == len(lines) == 36
    assert [r["answer"] for r in flat] == [r["answer"] for r in lines]
    assert lines[0]["frame_times"] == [1.0, 2.0] and flat[0]["frame_times"] == "1 2"
    assert lines[1]["value"] is None and lines[1]["error"] is None
    status, _, err = run("annotations", table, "--export", "csv")
    assert status == 2 and "--export and --to go together" in err
    status, _, err = run(
        "annotations", table, "--export", "csv", "--to", tmp_path / "n.csv", "--where", "false"
    )
    assert status == 2 and "no rows to export" in err


def test_the_lingoqa_part_is_read_by_our_readers(run, table, tmp_path, model):
    part = tmp_path / "part"
    status, _, err = run(
        "annotations", table, "--export", "lingoqa", "--to", part, "--where", "log <> 'd1.mp4'"
    )
    assert status == 0, err
    examples = read_lingoqa(part)
    assert len(examples) == 8 and all(len(e.questions) == 3 for e in examples)
    assert [p.read().size for p in examples[0].pictures] == [(96, 64)] * 2
    asked = {(q.question, q.kind, q.value, q.choices) for s in read_part(part) for q in s.questions}
    assert ("Is there a vehicle ahead?", "vehicle", "yes", ("yes", "no")) in asked
    assert ("What should the driver do?", None, None, None) in asked
    status, out, err = run(
        "evaluate",
        "lingoqa",
        "--root",
        part,
        "--model",
        model,
        "--out",
        tmp_path / "e",
        "--no-blind",
        "--json",
    )
    assert status == 0 and json.loads(out), err


def test_labelstudio_and_fiftyone_are_whole(run, table, tmp_path):
    for form in ("labelstudio", "fiftyone"):
        assert run("annotations", table, "--export", form, "--to", tmp_path / form)[0] == 0
    tasks = json.loads((tmp_path / "labelstudio" / "tasks.json").read_text())
    assert len(tasks) == 12
    config = (tmp_path / "labelstudio" / "config.xml").read_text()
    for task in tasks:
        for i in range(2):
            path = task["data"][f"frame{i}"].removeprefix("/data/local-files/?d=")
            assert Image.open(tmp_path / "labelstudio" / path).size == (96, 64)
        for result in task["predictions"][0]["result"]:
            assert f'name="{result["from_name"]}"' in config
    samples = json.loads((tmp_path / "fiftyone" / "samples.json").read_text())["samples"]
    assert len(samples) == 12 and samples[1]["q_vehicle"]["label"] == "yes"
    assert all((tmp_path / "fiftyone" / s["filepath"]).is_file() for s in samples)
    status, _, err = run("annotations", table, "--export", "fiftyone", "--to", tmp_path / "fiftyone")
    assert status == 2 and "is there already" in err


def test_sheets_show_the_chosen_windows(run, table, tmp_path):
    status, out, _ = run("annotations", table, "--clips", tmp_path / "look", "--where", "value = 'yes'")
    assert status == 0 and "5 pictures" in out
    pictures = sorted((tmp_path / "look").iterdir())
    assert len(pictures) == 5 and "d0-mp4-front-000002000" in pictures[0].name
    assert Image.open(pictures[0]).width == 1280


def test_a_log_that_moved_is_named(run, table, tmp_path, logs):
    (logs / "d0.mp4").rename(logs / "elsewhere.mp4")
    status, _, err = run("annotations", table, "--clips", tmp_path / "look")
    assert status == 2 and "d0.mp4" in err and len(err.splitlines()) == 1


def test_the_page_stands_alone(table):
    from leo_drive.annotation.report import write_report

    page = write_report(table).read_text()
    assert page.count("data:image/jpeg;base64,") == 12 and "&lt;wait&gt;" in page and "<wait>" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page) and "Is there a vehicle ahead?" in page
