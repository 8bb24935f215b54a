"""JSON files: all that is wrong in one is told."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from leo_drive.data.documents import read_json
from leo_drive.errors import InputError


class Answer(BaseModel):
    id: str
    answer: str


def test_every_problem_of_a_file(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps([{"id": "1", "answer": "Yes."}, {"id": 2}, {"answer": "No."}, 3]))
    with pytest.raises(InputError) as refused:
        read_json(path, list[Answer], "a list of answers")
    line, problems = str(refused.value), refused.value.problems
    assert line.startswith(
        f"{path}: not a list of answers: 1.id: Input should be a valid string; 1.answer: F"
    )
    assert line.endswith("and 1 more") and "\n" not in line
    assert [problem.removeprefix(f"{path}: ").split(":")[0] for problem in problems] == [
        *("1.id", "1.answer", "2.id", "3"),
    ]
