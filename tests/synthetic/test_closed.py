"""Reading free text back to closed values."""

import pytest

from leo_drive.data.closed import read_value
from leo_drive.data.synthetic import CHOICES

YES_NO = ("yes", "no")


@pytest.mark.parametrize(
    "text, choices, value",
    [
        ("Yes.", YES_NO, "yes"),
        ("yes, there is one on the left", YES_NO, "yes"),
        ("No, there isn't.", YES_NO, "no"),
        ("There are no cyclists.", YES_NO, "no"),
        ("Perhaps.", YES_NO, None),
        ("", YES_NO, None),
        ("Left and right.", CHOICES["side"], "both"),
        ("They are on the right-hand side.", CHOICES["side"], "right"),
        ("I can see 3 of them.", CHOICES["count"], "three"),
        ("There are five people.", CHOICES["count"], "four or more"),
        ("There are no people.", CHOICES["count"], "none"),
        ("one or two", CHOICES["count"], None),
        ("Silver.", CHOICES["colour"], "grey"),
        ("The light is yellow.", CHOICES["traffic_light"], "amber"),
        ("It is not red.", CHOICES["traffic_light"], None),
        ("It is turning to the left.", CHOICES["ego_motion"], "turning left"),
        ("We are not moving.", CHOICES["ego_motion"], "stopped"),
        ("Wait for the pedestrian.", CHOICES["what_to_do"], "stop"),
        ("Carry on.", CHOICES["what_to_do"], "keep going"),
        ("Because the light is red.", CHOICES["justification"], "red light"),
        ("The road bends to the right.", CHOICES["road_shape"], "bends right"),
    ],
)
def test_reading(text, choices, value):
    assert read_value(text, choices) == value


@pytest.mark.parametrize("kind", CHOICES)
def test_every_value_reads_as_itself(kind):
    for value in CHOICES[kind]:
        assert read_value(value, CHOICES[kind]) == value
        assert read_value(f"{value.capitalize()}.", CHOICES[kind]) == value
