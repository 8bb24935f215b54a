"""LingoQA's layout as examples."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pandas as pd
import pytest

from leo_drive.data.lingoqa import read_lingoqa, read_part
from leo_drive.data.readers import read_examples
from leo_drive.data.synthetic import write_dataset
from leo_drive.data.unusable import gathering_unusable
from leo_drive.errors import InputError
from tests.data.pictures import jpeg, pack, shade, write

ROWS = [
    {
        "question_id": f"{segment}-{q}",
        "segment_id": segment,
        "images": [f"images/train/{segment}/{i}.jpg" for i in range(2)],
        "question": "Is there a cyclist?",
        "answer": answer,
    }
    for segment in ("aa", "bb")
    for q, answer in enumerate(("No.", "Yes, on the left."))
]
IMAGES = {f"train/{s}/{i}.jpg": jpeg(50 * (1 + i) + 10 * (s == "bb")) for s in ("aa", "bb") for i in range(2)}


def table(folder, rows=ROWS, name="train.parquet"):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / name)
    return folder


@pytest.mark.parametrize("lead", ["", "images/", None])
def test_examples(tmp_path, lead):
    part = table(tmp_path / "scenery")
    if lead is None:
        write(part / "images", IMAGES)
    else:
        pack(part / "images.zip", {lead + name: data for name, data in IMAGES.items()})
    first, second = read_lingoqa(part)
    assert (first.example_id, second.example_id) == ("aa", "bb")
    assert [shade(p.read()) for p in first.pictures + second.pictures] == [50, 100, 60, 110]
    assert first.names is None and first.label_maps == ()
    assert [len(c) for c in first.conversations] == [1, 1]
    assert [qa.answer for qa in second.questions] == ["No.", "Yes, on the left."]
    assert [qa.kind for qa in second.questions] == [None, None]


def test_a_segment_shown_twice_with_other_images_is_two_examples(tmp_path):
    rows = [ROWS[0], {**ROWS[1], "images": ["images/train/aa/1.jpg"]}]
    examples = read_lingoqa(table(tmp_path / "part", rows))
    assert [len(e.pictures) for e in examples] == [2, 1]


def test_kinds_and_label_maps_of_generated_drives(tmp_path):
    write_dataset(tmp_path / "drives", 2, size=(96, 64), labels=True)
    examples = read_lingoqa(tmp_path / "drives", labels="labels/train")
    for example in examples:
        assert all(picture.exists() for picture in example.pictures + example.label_maps)
        assert [m.path.stem for m in example.label_maps] == [p.path.stem for p in example.pictures]
    closed = [qa for example in examples for qa in example.questions if qa.choices]
    assert closed and all(qa.value in qa.choices and qa.kind for qa in closed)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"answer": None}, "row 1: there is no answer"),
        ({"answer": "  "}, "row 1: the answer is empty"),
        ({"question": ""}, "row 1: the question is empty"),
        ({"segment_id": None}, "row 1: there is no segment_id"),
        ({"images": []}, "row 1: images is no list of paths"),
        ({"images": None}, "row 1: images is no list of paths; found None"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, change, message):
    part = table(tmp_path / "part", [ROWS[0], {**ROWS[1], **change}])
    with pytest.raises(InputError, match=message) as refused:
        read_part(part)
    assert str(part / "train.parquet") in str(refused.value)


@pytest.mark.parametrize("ids", [int, float])
def test_ids_that_are_whole_numbers_are_their_text(tmp_path, ids):
    rows = [{**row, "question_id": ids(i), "segment_id": ids(i // 2)} for i, row in enumerate(ROWS)]
    part = table(tmp_path / "part", rows)
    table(part, [kind | {"question_id": ids(i)} for i, kind in enumerate(KINDS)], "train_kinds.parquet")
    first, second = read_part(part)
    assert (first.segment_id, second.segment_id) == ("0", "1")
    assert [(qa.question_id, qa.kind) for qa in second.questions] == [("2", "cyclist"), ("3", "cyclist")]


@pytest.mark.parametrize("field, value", [("question_id", 1.5), ("segment_id", True), ("question", 3)])
def test_numbers_for_text_are_refused(tmp_path, field, value):
    part = table(tmp_path / "part", [{**row, field: value} for row in ROWS])
    with pytest.raises(InputError, match=f"row 0: {field} is no text; found {value}"):
        read_part(part)


@pytest.mark.parametrize("answer", ["", " ", None])
def test_a_row_without_an_answer_is_left_out_and_named_where_one_learns(tmp_path, answer, caplog):
    part = table(tmp_path / "part", [*ROWS[:3], {**ROWS[3], "answer": answer}])
    path = part / "train.parquet"
    for gathered in (False, True):
        with gathering_unusable() if gathered else nullcontext() as unusable:
            examples = read_examples("lingoqa", part)
        assert [qa.question_id for example in examples for qa in example.questions] == [
            "aa-0",
            "aa-1",
            "bb-0",
        ]
    # Gathered, it is listed instead.
    assert caplog.messages == [f"{path}: left out 1 questions without an answer: row 3"]
    assert unusable.left_out == {"questions without an answer": [f"{path}: row 3"]}
    # What measures with a part needs it whole.
    for read in (read_part, read_lingoqa):
        with pytest.raises(InputError, match="row 3: the"):
            read(part)


@pytest.mark.parametrize("lacking", [3, 4])
def test_a_table_most_of_whose_rows_have_no_answer_is_refused(tmp_path, lacking):
    part = table(tmp_path / "part", [{**row, "answer": ""} for row in ROWS[:lacking]] + ROWS[lacking:])
    with pytest.raises(InputError, match=rf"{lacking} of 4 rows have no answer \(row 0, row 1, row 2") as no:
        read_examples("lingoqa", part)
    assert len(no.value.problems) == lacking and "\n" not in str(no.value)


def test_missing_columns_are_named(tmp_path):
    part = table(tmp_path / "part", [{k: v for k, v in row.items() if k != "answer"} for row in ROWS])
    with pytest.raises(InputError, match="column answer is missing; LingoQA has question_id, segment_id"):
        read_lingoqa(part)


def test_rows_that_are_wrong_are_listed_together(tmp_path):
    rows = [{**ROWS[0], "answer": answer} for answer in ("Yes.", "", None, "No.", " ", "")]
    with pytest.raises(InputError) as error:
        read_part(table(tmp_path / "part", rows))
    assert str(error.value).endswith(
        "row 1: the answer is empty; row 2: there is no answer; row 4: the answer is empty; "
        "and 1 more rows are wrong"
    )
    assert [problem.split(": ")[1] for problem in error.value.problems] == [
        "row 1",
        "row 2",
        "row 4",
        "row 5",
    ]
    # Of a row everything, and a check goes on with the others.
    damaged = [ROWS[0], {**ROWS[1], "question": "", "answer": ""}, {**ROWS[2], "images": []}]
    with gathering_unusable() as unusable:
        assert len(read_part(table(tmp_path / "part", damaged))) == 1
    said = [
        "row 1: the question is empty, the answer is empty",
        "row 2: images is no list of paths; found array",
    ]
    assert [s in d for s, d in zip(said, unusable.damaged, strict=True)] == [True, True]


def test_a_table_that_is_none(tmp_path):
    (tmp_path / "val.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"val\.parquet: not a readable parquet file"):
        read_lingoqa(tmp_path)
    with pytest.raises(InputError, match=r"elsewhere: no such folder or file"):
        read_lingoqa(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"neither val\.parquet nor train\.parquet"):
        read_lingoqa(tmp_path / "empty")


def test_of_a_folder_with_both_tables_one_has_to_be_named(tmp_path):
    part = table(tmp_path / "part", ROWS[:2])
    table(part, ROWS[2:], "val.parquet")
    for name, rows in (("train", KINDS[:2]), ("val", KINDS[2:])):
        table(part, rows, f"{name}_kinds.parquet")
    write(part / "images", IMAGES)
    for read in (read_part, read_lingoqa):
        with pytest.raises(
            InputError, match=r"part: holds val\.parquet and train\.parquet; give the one"
        ) as no:
            read(part)
        assert str(part / "train.parquet") in str(no.value) and "\n" not in str(no.value)
    for name, segment in (("train", "aa"), ("val", "bb")):
        (example,) = read_lingoqa(part / f"{name}.parquet")
        assert example.example_id == segment and all(p.exists() for p in example.pictures)
        assert [qa.value for qa in example.questions] == ["no", "yes"]


def test_segments_may_number_their_questions_alike(tmp_path):
    rows = [{**ROWS[0], "question_id": "1"}, {**ROWS[2], "question_id": "1", "question": "Is it night?"}]
    assert [s.segment_id for s in read_part(table(tmp_path / "part", rows))] == ["aa", "bb"]


def test_a_table_without_rows(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    pd.DataFrame(ROWS).head(0).to_parquet(part / "val.parquet")
    with pytest.raises(InputError, match=r"val\.parquet: has no rows; give a part with questions"):
        read_part(part)


KINDS = [
    {"question_id": row["question_id"], "kind": "cyclist", "value": row["answer"][:-1].lower().split(",")[0]}
    | {"choices": ["yes", "no"]}
    for row in ROWS
]


def test_a_table_of_kinds(tmp_path):
    part = table(tmp_path / "part")
    table(part, KINDS[1:], "train_kinds.parquet")
    asked = [qa for segment in read_part(part) for qa in segment.questions]
    assert [(qa.kind, qa.value, qa.choices) for qa in asked] == [
        (None, None, None),
        *(("cyclist", value, ("yes", "no")) for value in ("yes", "no", "yes")),
    ]


@pytest.mark.parametrize("lost", ["question_id", "kind", "value", "choices"])
def test_a_table_of_kinds_without_a_column(tmp_path, lost):
    part = table(tmp_path / "part")
    table(part, [{k: v for k, v in row.items() if k != lost} for row in KINDS], "train_kinds.parquet")
    with pytest.raises(
        InputError, match=rf"train_kinds\.parquet: the column {lost} is missing; it needs"
    ) as no:
        read_part(part)
    assert "\n" not in str(no.value)


def test_a_table_of_kinds_that_has_a_question_twice(tmp_path):
    part = table(tmp_path / "part")
    table(part, [*KINDS, {**KINDS[1], "value": "no"}, *KINDS[2:]], "train_kinds.parquet")
    with pytest.raises(
        InputError, match=r"train_kinds\.parquet: has question aa-1, bb-0, bb-1 more than once; keep one"
    ):
        read_part(part)


@pytest.mark.parametrize(
    "field, value, reason",
    [
        ("value", "No", "the value 'No' is none of the choices yes, no"),
        ("value", None, "the value None is none of the choices yes, no"),
        ("choices", "yes,no", "choices is no list of texts; found 'yes,no'"),
        ("choices", [1, 2], "choices is no list of texts"),
        ("choices", ["yes", None], "choices is no list of texts"),
        ("choices", None, "choices is no list of texts; found None"),
        ("kind", 3, "the kind is no text; found 3"),
        ("kind", None, "a value or choices, and no kind to count it with"),
    ],
)
def test_a_table_of_kinds_with_something_else_in_it(tmp_path, field, value, reason):
    part = table(tmp_path / "part")
    rows = [row | {field: value} for row in KINDS]
    table(part, rows, "train_kinds.parquet")
    with pytest.raises(InputError, match=rf"train_kinds\.parquet: row 0: {re.escape(reason)}") as no:
        read_part(part)
    assert "\n" not in str(no.value) and len(no.value.problems) >= 1


def test_camvid(shared):
    part = shared / "data/lingoqa_camvid/scenery"
    if not part.is_dir():
        pytest.skip("no lingoqa_camvid beside the repository")
    examples = read_lingoqa(part, labels="../labels")
    assert len(examples) == 342 and sum(len(e.questions) for e in examples) == 2076
    assert {len(e.pictures) for e in examples} == {5}
    assert all(m.exists() for e in examples[::50] for m in e.label_maps)
