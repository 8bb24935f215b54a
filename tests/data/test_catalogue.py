"""Cards of data sets, and those of the catalogue."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from leo_drive.data.catalogue import read_card, read_catalogue
from leo_drive.data.example import Example, QuestionAnswer
from leo_drive.data.readers import READERS, read_examples
from leo_drive.data.synthetic import write_dataset
from leo_drive.errors import InputError
from tests.data.pictures import jpeg, write

ROOT = Path(__file__).parent.parent.parent
CARD = {
    "title": "Mine",
    "format": "lingoqa",
    "homepage": "https://example.org",
    "licence": "CC0",
    "parts": {"all": {"root": "scenery", "rows": 3}},
}


def card(folder, **changes):
    (folder / "card.yaml").write_text(yaml.safe_dump({**CARD, **changes}))
    return folder


def test_the_catalogue():
    cards = read_catalogue(ROOT / "datasets")
    assert set(cards) == {"lingoqa", "lingoqa_camvid", "drivelm", "llava", "synthetic"}
    assert {c.format for c in cards.values()} == set(READERS)
    for name in cards:
        assert (ROOT / "datasets" / name / "README.md").is_file()
        assert f"[{name}]({name}/README.md)" in (ROOT / "datasets/README.md").read_text()
    assert cards["lingoqa"].part("evaluation").use == "evaluate"


def test_the_catalogue_is_no_package():
    assert not list((ROOT / "datasets").rglob("__init__.py"))
    command = [sys.executable, "-c", "import datasets; print(datasets.Dataset.__name__)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "Dataset\n", done.stderr
    assert importlib.util.find_spec("datasets.lingoqa") is None


def test_reading_a_part(tmp_path):
    write_dataset(tmp_path / "put/here", 1, size=(96, 64), labels=True)
    read = read_card(
        card(
            tmp_path, format="synthetic", parts={"p": {"root": "here", "options": {"labels": "labels/train"}}}
        )
    )
    (example,) = read.read("p", tmp_path / "put")
    assert example.label_maps[0].exists()
    (example,) = read.read("p", tmp_path / "put", labels=None)
    assert example.label_maps == ()
    with pytest.raises(InputError, match="Mine: no part 'train'; there are p"):
        read.read("train", tmp_path)


@pytest.mark.parametrize(
    "rows, rows_to, found, wrong",
    [(3, 1, 3, False), (3, 1, 2, True), (3, 1, 4, True), (300, 100, 349, False), (300, 100, 250, True),
     (300, 100, 351, True), (None, 1, 7, False)],
)  # fmt: skip
def test_rows(tmp_path, rows, rows_to, found, wrong):
    part = read_card(card(tmp_path, parts={"p": {"rows": rows, "rows_to": rows_to}})).part("p")
    qa = QuestionAnswer("q", "What?", "That.")
    assert (part.row_problem([Example("e", (), ((qa,),) * found)]) is not None) == wrong


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"license": "CC0"}, "license: unknown; did you mean licence?"),
        ({"parts": {"p": {"rot": "x"}}}, "parts.p.rot: unknown; did you mean root?"),
        ({"parts": {"p": {"zzz": "x"}}}, "parts.p.zzz: unknown; there are root, rows"),
        ({"parts": {"p": {"rows": -1}}}, "parts.p.rows: Input should be greater than 0"),
        ({"parts": {}}, "parts: "),
        ({"format": "coco"}, "format: 'coco' is unknown; there are lingoqa, synthetic, drivelm, llava"),
        ({"title": None}, "title: Input should be a valid string"),
        ({3: 4}, "3: Keys should be strings"),
    ],
)
def test_wrong_cards(tmp_path, changes, message):
    with pytest.raises(InputError) as refused:
        read_card(card(tmp_path, **changes) if 3 not in changes else _with_number(tmp_path))
    assert f"{tmp_path}/card.yaml: " in str(refused.value) and message in str(refused.value)
    assert "\n" not in str(refused.value)


def _with_number(folder):
    (folder / "card.yaml").write_text(yaml.safe_dump({**CARD, 3: 4}))
    return folder


@pytest.mark.parametrize(
    "text, message", [("a: [", "not YAML"), ("- a", "a card is a mapping"), ("", "a card is a")]
)
def test_no_card(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_card(tmp_path / "mine.yaml")


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match=r"card\.yaml: No such file"):
        read_card(tmp_path)
    with pytest.raises(InputError, match="no data sets"):
        read_catalogue(tmp_path)


def test_readers_by_name(tmp_path):
    with pytest.raises(InputError, match=r"unknown format 'lingoq'; did you mean lingoqa\?"):
        read_examples("lingoq", tmp_path)
    with pytest.raises(InputError, match=r"drivelm has no option 'camera'; did you mean cameras\?"):
        read_examples("drivelm", tmp_path, camera="CAM_FRONT")
    with pytest.raises(InputError, match="lingoqa has no option 'part'; there are labels"):
        read_examples("lingoqa", tmp_path, part="x")


def check(*arguments):
    command = [sys.executable, "datasets/check.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_program_that_checks(tmp_path):
    write_dataset(tmp_path, 1, size=(96, 64))
    done = check("synthetic", "drives", tmp_path)
    assert done.returncode == 0 and "1 examples" in done.stdout and "nothing missing" in done.stdout, (
        done.stderr
    )
    next(tmp_path.rglob("3.jpg")).unlink()
    done = check("synthetic", "drives", tmp_path)
    assert done.returncode == 1 and "1 pictures missing" in done.stdout and done.stderr == ""
    done = check("synthetic", "train", tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("use, status", [("train", 0), ("evaluate", 1)])
def test_the_program_that_checks_lists_every_row_that_cannot_be_used(tmp_path, status_of, use, status):
    parts = {"p": {"use": use}, "damaged": {"root": "damaged"}}
    card(tmp_path, format="lingoqa", parts=parts)
    rows = [
        {
            "question_id": i,
            "segment_id": i,
            "images": ["0.jpg"],
            "question": "What?",
            "answer": "" if i < 4 else "A.",
        }
        for i in range(9)
    ]
    write(tmp_path, {"0.jpg": jpeg(50)})
    pd.DataFrame(rows).to_parquet(tmp_path / "train.parquet")
    (tmp_path / "damaged").mkdir()
    pd.DataFrame([row | {"question": ""} for row in rows]).to_parquet(tmp_path / "damaged/train.parquet")

    def checked(part):
        words = ("check", tmp_path, part, tmp_path)
        return status_of(lambda: runpy.run_path(str(ROOT / "datasets/check.py"), run_name="__main__"), *words)

    told, out, err = checked("p")
    left = f"questions without an answer: {tmp_path}/train.parquet: row"
    assert told == status and "5 examples, 5 questions" in out and f"left out: 4 {left}" in out and not err
    assert [f"left out: {left} {i}\n" in out for i in range(5)] == [True] * 4 + [False]
    told, out, err = checked("damaged")
    assert told == 2 and len(err.splitlines()) == 1
    assert [f"train.parquet: row {i}: the question is empty" in out for i in range(10)] == [True] * 9 + [
        False
    ]
