"""Looking at a table: summary, filters, exports that our own readers read back, pictures, the page."""

import csv
import json
import re
import resource
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from leo_drive.annotation import look
from leo_drive.annotation.export import export_rows
from leo_drive.annotation.store import Store
from leo_drive.annotation.table import COLUMNS, Table
from leo_drive.annotation.timelines import colours_of
from leo_drive.data.lingoqa import read_lingoqa, read_part
from leo_drive.errors import InputError
from tests.annotation.conftest import QUESTIONS
from tests.clips import numbered


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


def test_rows_into_a_pipe_are_whole(run, table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (part,) = Store(table).parts()
    rows = Store(table)._read(part).to_pylist()
    answer = " ".join(["A bus that is as long as its name"] * 20)
    part.unlink()
    Store(table).write([{**row, "answer": answer} for row in rows])
    status, out, _ = run("annotations", table, "--where", "log = 'd0.mp4'")
    assert status == 0 and out.count(answer) == 9 and len(out.splitlines()) == 11


def test_rows_on_a_narrow_terminal_are_folded_not_cut(run, table, monkeypatch):
    monkeypatch.setattr(look, "out", Console(width=60, force_terminal=True, soft_wrap=True))
    (part,) = Store(table).parts()
    rows = Store(table)._read(part).to_pylist()
    part.unlink()
    Store(table).write([{**row, "log": "synthetic_night_drive_0001.mp4"} for row in rows])
    _, out, _ = run("annotations", table, "--where", "question_id = 'vehicle'", "--limit", 1)
    assert "synthetic_night_" in out and "drive_0001.mp4" in out and "…" not in out


def test_rows_stand_in_the_order_of_the_questions(annotate, questions, run, tmp_path):
    asked = {i: f'  - {{id: {i}, text: "Is there {i}?", kind: yes_no}}' for i in ("light", "cars", "aaa")}

    def ask(*ids):
        questions.write_text("\n".join(["questions:", *(asked[i] for i in ids)]))
        assert annotate("--add")[0] == 0

    ask("light", "cars")
    ask("light", "cars", "aaa")
    rows = Table(tmp_path / "out").rows()
    for _, of_window in rows.groupby(["log", "window_index"]):
        assert list(of_window["question_id"]) == ["light", "cars", "aaa"]
    summary = Table(tmp_path / "out").summary()
    assert [question["question_id"] for question in summary["questions"]] == ["light", "cars", "aaa"]
    assert list(summary["timelines"]["d0.mp4"]) == ["light", "cars", "aaa"]
    assert list(rows.columns) == list(COLUMNS)


def test_csv_and_jsonl_hold_the_rows(run, table, tmp_path):
    for form in ("csv", "jsonl"):
        status, out, _ = run("annotations", table, "--export", form, "--to", tmp_path / f"t.{form}")
        assert status == 0 and out == f"36 rows in {tmp_path / f't.{form}'}\n"
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


@pytest.fixture
def few_rows():
    return pd.DataFrame({"answer": ["Is it?", "Ja — gewiß."], "frame_times": [[1.0], None]})


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".XZ"])
def test_a_name_that_says_compressed_is(few_rows, tmp_path, ending):
    for form, read in (("csv", pd.read_csv), ("jsonl", partial(pd.read_json, lines=True))):
        path = tmp_path / f"t.{form}{ending}"
        export_rows(form, few_rows, tmp_path, path)
        assert list(read(path)["answer"]) == list(few_rows["answer"])


@pytest.mark.parametrize("name", ["t.csv.zip", "t.csv.zst", "t.tar.gz"])
def test_a_name_that_says_what_is_not_written_is_refused(few_rows, tmp_path, name):
    for form in ("csv", "jsonl"):
        with pytest.raises(InputError, match=r"is not written here; end its name with \.gz"):
            export_rows(form, few_rows, tmp_path, tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()
    export_rows("csv", few_rows, tmp_path, tmp_path / "t.zip.csv")
    assert (tmp_path / "t.zip.csv").read_text().startswith("answer,")


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


def test_an_export_that_failed_leaves_nothing_and_goes_well_again(run, table, tmp_path):
    for form in ("csv", "jsonl", "lingoqa", "labelstudio", "fiftyone"):
        target = tmp_path / "to" / form
        words = ("annotations", table, "--export", form, "--to", target)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
        try:
            status, _, err = run(*words)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert status == 1 and len(err.splitlines()) == 1, err
        assert f"{target}: cannot be written to" in err and "run the same command again" in err
        assert not target.is_file() and not list(target.glob("*"))
        assert run(*words)[0] == 0
    assert not list(tmp_path.rglob("*.unfinished"))
    assert len(read_lingoqa(tmp_path / "to" / "lingoqa")) == 12


def test_an_export_fills_an_empty_folder_where_it_is(run, table, tmp_path, monkeypatch):
    (tmp_path / "here" / ".unfinished" / "images").mkdir(parents=True)  # one that was killed left this
    monkeypatch.chdir(tmp_path / "here")
    assert run("annotations", table, "--export", "lingoqa", "--to", ".")[0] == 0
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [
        "images",
        "train.parquet",
        "train_kinds.parquet",
    ]


def test_times_in_csv_are_every_digit_of_them(tmp_path, table):
    rows = Table(table).rows()
    rows["frame_times"] = [np.array([8641.9746, 8642.0, 1 / 3])] * len(rows)
    export_rows("csv", rows, table, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        written = next(csv.DictReader(file))["frame_times"]
    assert [float(time) for time in written.split()] == [8641.9746, 8642.0, 1 / 3]


def test_every_task_has_what_the_configuration_names(run, annotate, table, questions, videos, tmp_path):
    short = tmp_path / "short"
    short.mkdir()
    numbered.write(short / "short.mp4", numbered.Kind(frames=1))
    assert annotate(where=short)[0] == 0
    assert run("annotations", table, "--export", "labelstudio", "--to", tmp_path / "ls")[0] == 0
    config = ElementTree.parse(tmp_path / "ls" / "config.xml").getroot()
    names = [image.attrib["value"].removeprefix("$") for image in config.findall("Image")]
    tasks = {task["data"]["window"]: task["data"] for task in _tasks(tmp_path / "ls")}
    assert names == ["frame0", "frame1"] and all(tasks[window].keys() >= set(names) for window in tasks)
    (of_short,) = [data for data in tasks.values() if data["log"] == "short.mp4"]
    assert of_short["frame0"] == of_short["frame1"]
    # What nobody answered can be chosen all the same.
    choices = {
        block.attrib["name"]: [choice.attrib["value"] for choice in block.findall("Choice")]
        for block in config.findall("Choices")
    }
    assert choices == {"vehicle": ["yes", "no"], "side": ["left", "right"]}
    assert run("annotations", table, "--export", "lingoqa", "--to", tmp_path / "part")[0] == 0
    kinds = pd.read_parquet(tmp_path / "part" / "train_kinds.parquet")
    of_side = kinds[kinds["kind"] == "side"]["choices"]
    assert len(of_side) and all(list(values) == ["left", "right"] for values in of_side)


def _tasks(folder):
    return json.loads((folder / "tasks.json").read_text())


def test_questions_of_alike_ids_are_told_apart(run, annotate, questions, tmp_path):
    ids = ("a-b", "a_b", "x", "x_text", "x_said", "a_b_2")
    lines = [f'  - {{id: {i}, text: "Is it {n}?", kind: yes_no}}' for n, i in enumerate(ids)]
    questions.write_text("\n".join(["questions:", *lines]))
    assert annotate()[0] == 0
    for form in ("fiftyone", "labelstudio"):
        words = ("--export", form, "--to", tmp_path / form)
        assert run("annotations", tmp_path / "out", *words)[0] == 0
    samples = json.loads((tmp_path / "fiftyone" / "samples.json").read_text())["samples"]
    fields = json.loads((tmp_path / "fiftyone" / "metadata.json").read_text())["info"]["questions"]
    assert list(fields) == list(ids) and len(set(fields.values())) == len(ids)
    assert fields["a-b"] == "q_a_b" and fields["a_b"] == "q_a_b_2"
    texts = [key for key in samples[0] if key.startswith("q_") and key.endswith("_text")]
    assert len(set(texts) - set(fields.values())) == len(ids)
    config = ElementTree.parse(tmp_path / "labelstudio" / "config.xml").getroot()
    names = [block.attrib["name"] for block in config if "name" in block.attrib]
    assert len(set(names)) == len(names)


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
    assert status == 2 and "already holds samples.json; choose a new or an empty folder" in err


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
    # A legend a question, whole values to point at, and a pattern for what could not be read.
    keys = re.findall(r'<i class=key style="background:([^"]+)"></i>(\w+)', page)
    assert [value for _, value in keys] == ["yes", "no", "left", "right", "unreadable"]
    fields = re.findall(r'<i style="background:([^"]+)" title="([^"]+)"></i>', page)
    assert ("#0f62b0", "2 to 4 s: yes") in fields and len(fields) == 24
    assert {(look, title.split(": ")[1]) for look, title in fields} <= set(keys)


def test_colours_are_those_of_their_words_and_no_two_alike():
    lights = colours_of(["red", "amber", "Green", "off", "grille"])
    assert (lights["red"], lights["amber"], lights["Green"]) == ("#c62828", "#e39c1e", "#2f9e62")
    for values in (lights, colours_of([f"s{i}" for i in range(40)]), colours_of(["grey", "gray", "white"])):
        assert len(set(values.values())) == len(values)
