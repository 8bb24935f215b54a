"""Questions, references and predictions that LingoQA's own scorer was run on; see test_judge.py."""

from __future__ import annotations

import pandas as pd

_LONG = "The vehicle ahead is slowing down, " * 12 + "and the light is red."

_REFERENCES = [
    ("q0", "s0", "Is there a vehicle ahead?", ["Yes, there is a vehicle ahead.", "Yes."]),
    ("q1", "s0", "Why do we stop?", ["The light is RED.", "  We stop at the red light.\n"]),
    ("q2", "s0", "What is on the left?", ["A cyclist is on the left.", "There are bicycles."]),
    ("q3", "s1", "Are there pedestrians?", ["No.", "No, there are none."]),
    ("q4", "s1", "What should the driver do?", ["Stop.", _LONG]),
    ("q5", "s1", "How many lanes are there?", ["2", "Two."]),
    ("q6", "s2", "What do you see?", ["A café on the right.", "Nothing of note."]),
    ("q7", "s2", "Is anything to be seen?", ["None", "Nothing."]),
    ("q8", "s2", "Which way do we turn?", ["We turn right.", "Right."]),
    ("q9", "s2", "Is it raining?", ["It is dry.", "No."]),
]

# As a model wrote it: upper case, spaces, commas, an answer that pandas reads as missing, an empty one, a
# question twice, one of another segment, and one that nobody asked. q9 is not answered.
PREDICTIONS = f"""question_id,segment_id,answer
q0,s0,"Yes, there is a vehicle ahead."
q1,s0,  BECAUSE OF THE RED LIGHT.
q2,s0,"A bicycle, on the left"
q3,s1,No
q4,s1,"{_LONG}"
q5,s1,2
q6,s2,A café.
q7,s2,None
q8,s2,
q0,s0,No.
q1,s9,Of another segment.
q99,s0,Nobody asked.
"""


def references() -> pd.DataFrame:
    """In the layout of LingoQA's evaluation part, a row for each reference."""
    rows = [
        (question_id, segment, [f"images/val/{segment}/{i}.jpg" for i in range(2)], question, answer)
        for question_id, segment, question, answers in _REFERENCES
        for answer in answers
    ]
    return pd.DataFrame(rows, columns=["question_id", "segment_id", "images", "question", "answer"])
