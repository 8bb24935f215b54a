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
        ("**No**, it is red", YES_NO, "no"),
        ("No there is not", YES_NO, "no"),
        ("No, it is not clear.", YES_NO, "no"),
        ("No, there is no way through.", YES_NO, "no"),
        ("No idea.", YES_NO, None),
        ("No, I have no idea.", YES_NO, None),
        ("No, it is unclear to me why you ask.", YES_NO, "no"),
        ("It is slightly right ahead.", CHOICES["side"], "right"),
        ("The answer is yes.", YES_NO, "yes"),
        ("I would say no.", YES_NO, "no"),
        ("It is clear, so yes, we can.", YES_NO, "yes"),
        ("It is safe to proceed, there is no traffic ahead.", YES_NO, None),
        ("No traffic is ahead, we can go.", YES_NO, None),
        ("A pedestrian is crossing although there is no zebra crossing.", YES_NO, None),
        ("There are no cyclists.", YES_NO, None),
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
        ("We're making a left turn.", CHOICES["ego_motion"], "turning left"),
        ("We are in the left turn lane.", CHOICES["ego_motion"], None),
        ("I see two people and I think they wait.", CHOICES["count"], "two"),
        ("Two cars a hundred metres ahead.", CHOICES["count"], "two"),
        ("Two, each with a bag.", CHOICES["count"], "two"),
        ("Two hundred cars.", CHOICES["count"], None),
        ("We are not moving.", CHOICES["ego_motion"], "stopped"),
        ("Wait for the pedestrian.", CHOICES["what_to_do"], "stop"),
        ("Carry on.", CHOICES["what_to_do"], "keep going"),
        ("Because the light is red.", CHOICES["justification"], "red light"),
        ("The road bends to the right.", CHOICES["road_shape"], "bends right"),
        ("左", ("左", "右"), "左"),
        ("Слева.", ("слева", "справа"), "слева"),
        ("Something odd.", ("left", "前"), None),
        ("5", (">5", "none"), None),
        ("It is > 5.", (">5", "none"), ">5"),
        ("I can't tell.", ("yes", "can\u2019t tell"), "can\u2019t tell"),
        ("left - right", ("left \u2013 right", "none"), "left \u2013 right"),
        ("It is 30 degrees.", ("30\u00b0", "90\u00b0"), "30\u00b0"),
        ("100 percent", ("100%", "50%"), "100%"),
        ("50 %.", ("100%", "50%"), "50%"),
        ("5 %", ("5%", "5"), "5%"),
        ("There are >5 of them.", (">5", "none"), ">5"),
        ("C++", ("C", "C++"), "C++"),
        ("C++ or C", ("C", "C++"), None),
        ("It is 100%.", ("0%", "100%"), "100%"),
    ],
)
def test_reading(text, choices, value):
    assert read_value(text, choices) == value


@pytest.mark.parametrize(
    "question, text, value",
    [
        ("Are there any cyclists?", "There are no cyclists.", "no"),
        ("Are there any cyclists?", "No cyclists in view.", "no"),
        ("Are there any cyclists?", "None.", "no"),
        ("Do you see a pedestrian?", "There is nobody.", "no"),
        ("Is there a vehicle ahead?", "There are no cars ahead.", "no"),
        ("Are there any cyclists?", "There is no traffic.", None),
        ("Are there any people?", "There are no people but a cyclist.", None),
        ("Is the view free of any cyclists?", "There are no cyclists.", None),
        ("Are there no cyclists?", "There are no cyclists.", None),
        ("Is it safe to proceed?", "There is no traffic ahead.", None),
        ("Can we overtake any car?", "We can overtake as there is no oncoming traffic.", None),
        ("Is there a cyclist?", "There isn't a cyclist.", "no"),
        ("Is there a cyclist?", "There isn't a cyclist on the left.", None),
        ("Are there any pedestrians?", "I don\u2019t see any pedestrians.", "no"),
        ("Are there any pedestrians?", "I see no pedestrians.", "no"),
        ("Are there any pedestrians?", "There are zero pedestrians.", "no"),
        ("Are there any vehicles on the left?", "There are no vehicles on the right.", None),
        ("Is it raining?", "It is not raining.", "no"),
        ("Is there a vehicle in front?", "There is no vehicle right in front of us.", "no"),
        ("Are we moving?", "We're not moving.", "no"),
        ("Is the light red?", "The light is not red.", "no"),
        ("Is there a vehicle ahead?", "There is not a car ahead.", None),
        ("Do we need to stop?", "We do not need to stop for the bus.", None),
    ],
)
def test_what_is_denied_is_what_was_asked_for(question, text, value):
    assert read_value(text, YES_NO, question) == value


@pytest.mark.parametrize(
    "question, text, value",
    [
        ("Is there a cyclist?", "There is a cyclist on the left.", "yes"),
        ("Are there pedestrians crossing?", "There are two pedestrians crossing.", "yes"),
        ("Are there any pedestrians?", "I can see a pedestrian.", "yes"),
        ("Is there a vehicle ahead?", "There is a car ahead.", "yes"),
        ("Is it raining?", "It is raining.", "yes"),
        ("Is the light red?", "The light is red.", "yes"),
        ("Is the road clear?", "The road ahead is clear.", "yes"),
        ("Are we getting closer to the vehicle ahead?", "We are getting closer to the vehicle ahead.", "yes"),
        ("Should we stop?", "We should stop.", "yes"),
        ("Is there a car?", "There is a large white car.", "yes"),
        ("Should we stop?", "We can stop.", None),
        ("Is the vehicle ahead moving?", "The vehicle ahead has stopped moving.", None),
        ("Is it raining?", "It stopped raining.", None),
        ("Is the traffic light red?", "The traffic light is green and the brake light is red.", None),
        ("Is there a car on the left?", "There is a car on the right and a truck on the left.", None),
        ("Can we turn left?", "We are forbidden to turn left.", None),
        ("Is the road clear?", "The road is far from clear.", None),
        ("Is there a truck in our lane?", "There is a truck in the opposite lane.", None),
        ("Are there two pedestrians?", "There are two cars and three pedestrians.", None),
        ("Should we overtake the vehicle?", "We should avoid trying to overtake the vehicle.", None),
        ("Is the car on the road?", "The car is by the road.", None),
        ("Is there a car?", "There is a car park.", None),
        ("Is there a cyclist?", "There is an empty cyclist lane.", None),
        ("Is there a cyclist on the left?", "There is a cyclist on the right.", None),
        ("Is there a pedestrian?", "There is a pedestrian crossing.", None),
        ("Is there any traffic?", "There is a traffic light.", None),
        ("Is the car ahead of the bus?", "The bus is ahead of the car.", None),
        ("Are we turning?", "They are turning.", None),
        ("Is the light red?", "The light was red.", None),
        ("Is the light red?", "The light is red or green.", None),
        ("Is it safe to proceed?", "It would be safe to proceed if the light were green.", None),
        ("Is the road wet?", "The road is dry.", None),
        ("Are there any cyclists?", "There are few cyclists.", None),
        ("Are there any cyclists?", "There are cyclists, but far away.", None),
        ("Is there no cyclist?", "There is a cyclist.", None),
        ("Is there anything?", "Something.", None),
        ("Are there two cyclists?", "There are three cyclists.", None),
        ("Are there two cyclists?", "There are two cyclists.", "yes"),
    ],
)
def test_what_is_asked_may_be_said_again(question, text, value):
    assert read_value(text, YES_NO, question) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("More than one.", None),
        ("There is one lane.", "one"),
        ("One-lane road.", None),
        ("A two lane highway.", None),
        ("At least two cars", None),
        ("Less than three", None),
        ("Fewer than four.", None),
        ("Two or more.", None),
        ("Up to three people.", None),
        ("More than three.", "four or more"),
        ("At least five.", "four or more"),
        ("Six or more", "four or more"),
        ("10 or more", "four or more"),
        ("At least eleven.", "four or more"),
        ("There are over 10 cars.", "four or more"),
        ("One car over there.", "one"),
    ],
)
def test_a_bound_is_no_number(text, value):
    assert read_value(text, CHOICES["count"]) == value


@pytest.mark.parametrize(
    "kind, text",
    [
        ("what_to_do", "There is no need to stop."),
        ("weather", "There is no fog."),
        ("weather", "Hardly any rain."),
        ("side", "There is no pedestrian on the right."),
        ("side", "He has the right of way."),
        ("side", "Right now I see them nowhere."),
        ("side", "They left the road."),
        ("side", "One is right beside us."),
        ("side", "That's right."),
        ("side", "Either left or right."),
        ("side", "They walk from left to right."),
        ("distance", "There is one vehicle so far."),
        ("ego_motion", "We are in the left lane."),
        ("count", "No idea."),
        ("count", "Twenty-one."),
        ("count", "One hundred."),
        ("count", "1,000"),
        ("count", "Two dozen."),
        ("count", "It is a two-lane road."),
        ("time_of_day", "There are dark clouds."),
        ("count", "1+"),
        ("count", "<4"),
        ("count", "A minimum of two."),
        ("count", "One on the left and one on the right."),
        ("count", "Two on each side."),
        ("count", "Each side has one."),
        ("count", "A couple on the left and a couple on the right."),
        ("count", "One is on the left, one is on the right."),
        ("count", "There is one on the left and another on the right."),
        ("count", "A hundred and two."),
        ("traffic_light", "It is unclear whether the light is red."),
        ("side", "The side is unknown, it could be left."),
    ],
)
def test_what_says_no_value_is_not_read(kind, text):
    assert read_value(text, CHOICES[kind]) is None


@pytest.mark.parametrize(
    "text",
    [
        "Indeed, there is no vehicle.",
        "True or false? False.",
        "yes/no",
        "Yes and no.",
        "Yes? I am not sure.",
        "No vehicles other than a white van.",
        "No vehicle apart from the one ahead.",
        "No doubt, there is one.",
        "No fewer than two vehicles.",
        "None on the left, one ahead.",
        "There is no lack of vehicles.",
        "No pedestrians, and a queue of vehicles ahead.",
        "No. 1 hazard is the vehicle.",
        "There were no vehicles a second ago, now there is one.",
        "There is no room to pass the vehicles ahead.",
        "There is nothing between us and the vehicles ahead.",
        "Nothing is certain.",
        "No one knows.",
        "There is no way to tell whether there are vehicles.",
    ],
)
def test_a_yes_or_no_that_may_mean_the_other_is_not_read(text):
    assert read_value(text, YES_NO, "Are there any vehicles ahead?") is None


@pytest.mark.parametrize("kind", CHOICES)
def test_every_value_reads_as_itself(kind):
    for value in CHOICES[kind]:
        assert read_value(value, CHOICES[kind]) == value
        assert read_value(f"{value.capitalize()}.", CHOICES[kind]) == value
