"""How each kind of question is asked, in many ways that do not depend on its answer."""

from __future__ import annotations

from itertools import product
from string import Formatter

_WORDS: dict[str, tuple[str, ...]] = {
    "us": ("us", "our vehicle", "the ego vehicle", "me", "our car"),
    "ego": ("our vehicle", "the ego vehicle", "our car", "the ego car"),
    "view": ("in view", "in the scene", "visible", "in the picture", "on the road scene"),
    "driver": ("the driver", "the ego driver", "our driver"),
    "lead": ("the vehicle ahead", "the vehicle in front", "the vehicle in front of us", "the lead vehicle"),
}
# For each subject: with its article, its plural.
NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "vehicle": (("a vehicle", "vehicles"), ("a car or other vehicle", "cars or other vehicles")),
    "truck or bus": (("a truck or bus", "trucks or buses"), ("a bus or truck", "buses or trucks")),
    "parked vehicle": (("a parked vehicle", "parked vehicles"), ("a parked car", "parked cars")),
    "oncoming vehicle": (("an oncoming vehicle", "oncoming vehicles"), ("a vehicle coming towards us", "vehicles coming towards us")),
    "pedestrian": (("a pedestrian", "pedestrians"), ("a person on foot", "people on foot"), ("a person", "people")),
    "cyclist": (("a cyclist", "cyclists"), ("a bicycle", "bicycles"), ("a bike", "bikes"), ("a bicycle or cyclist", "bicycles or cyclists")),
    "traffic light": (("a traffic light", "traffic lights"), ("a traffic signal", "traffic signals")),
    "traffic sign": (("a traffic sign", "traffic signs"), ("a road sign", "road signs")),
    "zebra crossing": (("a zebra crossing", "zebra crossings"), ("a pedestrian crossing", "pedestrian crossings"), ("a crosswalk", "crosswalks")),
    "fence": (("a fence", "fences"), ("a fence or wall", "fences or walls"), ("a fence beside the road", "fences beside the road")),
    "tree": (("a tree", "trees"), ("a tree or bush", "trees or bushes")),
    "building": (("a building", "buildings"), ("a house or other building", "houses or other buildings")),
}  # fmt: skip

_TEMPLATES: dict[str, tuple[str, ...]] = {
    "presence": (
        "Is there {a}?", "Is there {a} {view}?", "Are there any {many}?", "Are there any {many} {view}?",
        "Can you see {a}?", "Can you see any {many}?", "Do you see {a}?", "Do you see any {many} {view}?",
        "Is {a} {view}?", "Are any {many} visible?", "Are {many} present?", "Is there {a} anywhere?",
    ),
    "side": (
        "On which side are the {many}?", "On which side of the view are the {many}?", "Where are the {many}, left or right?",
        "Which side are the {many} on?", "Are the {many} on the left, on the right or on both sides?",
        "Where do you see the {many}?", "On what side of {us} are the {many}?", "Which side of the road are the {many} on?",
    ),
    "count": (
        "How many {many} are there?", "How many {many} are {view}?", "How many {many} can you see?", "Count the {many}.",
        "What is the number of {many}?", "How many {many} do you see?", "Tell me how many {many} there are.",
        "What number of {many} is visible?",
    ),
    "traffic_light": (
        "What colour is the traffic light?", "What color is the traffic light?", "What is the state of the traffic light?",
        "What does the traffic light show?", "Which colour is the traffic light showing?", "What colour is the light?",
        "What is the traffic light showing to {us}?", "Is the traffic light red, amber or green?",
        "What signal does the traffic light give?", "What state is the traffic light in?",
    ),
    "distance": (
        "How far away is {lead}?", "How close is {lead}?", "What is the distance to {lead}?", "How far ahead is {lead}?",
        "Is {lead} close, at a medium distance or far away?", "How near is {lead} to {ego}?", "How much room is there to {lead}?",
        "How far are we from {lead}?",
    ),
    "vehicle_ahead": (
        "Is there a vehicle ahead?", "Is there a vehicle directly ahead of {us}?", "Is there a vehicle in front of {us}?",
        "Are we following a vehicle?", "Is anything driving directly ahead of {us}?", "Is there a vehicle in our lane ahead?",
        "Do we have a vehicle in front?", "Is there a vehicle in the path of {ego}?", "Is there a car ahead of {us}?",
        "Is there any vehicle ahead of {us}?",
    ),
    "colour": (
        "What colour is {lead}?", "What color is {lead}?", "Which colour does {lead} have?", "What is the colour of {lead}?",
        "Tell me the colour of {lead}.", "Which colour is {lead}?", "What colour is the vehicle we are following?",
        "What is the color of {lead}?",
    ),
    "crossing": (
        "Is anyone crossing the road?", "Is someone crossing in front of {us}?", "Is there a pedestrian crossing in front of {us}?",
        "Is a pedestrian crossing the road?", "Are there people crossing the road ahead?", "Is anybody walking across the road?",
        "Is a person in the road ahead of {us}?", "Does a pedestrian cross our path?", "Is anyone crossing in front of {ego}?",
    ),
    "background": (
        "What takes up most of the background: buildings, trees or the sky?", "What is most of the background?",
        "What dominates the background: buildings, trees or sky?", "What fills most of the background?",
        "Is the background mostly buildings, trees or sky?", "What do we mostly see in the background?",
        "What mainly makes up the background?", "Which is largest in the background: buildings, trees or the sky?",
    ),
    "weather": (
        "What is the weather like?", "What is the weather?", "How is the weather?", "What are the weather conditions?",
        "Describe the weather.", "Which weather do we have?", "What weather are we driving in?", "What kind of weather is it?",
    ),
    "time_of_day": (
        "What time of day is it?", "Is it day, dusk or night?", "Is it day or night?", "When was this filmed: day, dusk or night?",
        "Are we driving by day, at dusk or at night?", "Which time of day is it?", "What part of the day is it?",
        "How light is it: day, dusk or night?",
    ),
    "road_shape": (
        "Does the road bend?", "Is the road straight or does it bend?", "What is the shape of the road ahead?",
        "Where does the road go?", "Which way does the road bend?", "Is the road ahead straight?", "How does the road ahead run?",
        "Does the road ahead curve?",
    ),
    "traffic": (
        "Is the road ahead open or crowded?", "Is the traffic light or is the road crowded?", "How busy is the road ahead?",
        "Is the road crowded?", "How much traffic is there?", "Is there much traffic?", "Is the road open or busy?",
        "How crowded is the road?",
    ),
    "ego_motion": (
        "What is {ego} doing?", "How is {ego} moving?", "Is {ego} turning?", "Which way is {ego} going?", "Are we turning?",
        "Is {ego} stopped, going straight or turning?", "Describe the motion of {ego}.", "What manoeuvre is {ego} making?",
        "In which direction is {ego} moving?", "What is the current action of {ego}?",
    ),
    "ego_speed": (
        "How is the speed of {ego} changing?", "Is {ego} speeding up or slowing down?", "What is happening to our speed?",
        "Is {ego} accelerating, slowing down or keeping its speed?", "How does our speed change?", "Are we speeding up or slowing down?",
        "What is the speed of {ego} doing?", "Is our speed steady?",
    ),
    "lead_braking": (
        "Is {lead} braking?", "Are the brake lights of {lead} on?", "Is {lead} using its brakes?", "Does {lead} brake?",
        "Are the brake lamps of {lead} lit?", "Can you see brake lights on {lead}?", "Has {lead} got its brake lights on?",
        "Are brake lights visible on {lead}?",
    ),
    "approaching": (
        "Are we getting closer to {lead}?", "Is {ego} approaching {lead}?", "Are we closing in on {lead}?",
        "Is the gap to {lead} getting smaller?", "Are we catching up with {lead}?", "Is the distance to {lead} shrinking?",
        "Do we come nearer to {lead}?", "Are we gaining on {lead}?",
    ),
    "attention": (
        "What should {driver} pay attention to?", "What should {driver} watch?", "What should we watch out for?",
        "What is the most important thing for {driver}?", "What deserves the most attention?", "What does {driver} have to look out for?",
        "What should {driver} focus on?", "Where should the attention of {driver} be?", "What should I be aware of?",
    ),
    "what_to_do": (
        "What should {driver} do?", "What should {driver} do now?", "What should {ego} do?", "What is the right thing to do?",
        "What should we do next?", "What should I do?", "What action should {ego} take?", "How should {driver} react?",
        "What is the best action now?",
    ),
    "justification": (
        "Why is {ego} driving like this?", "What explains what {ego} is doing?", "What is the reason for what {ego} is doing?",
        "Why is {ego} doing what it is doing?", "What is the reason for our current action?", "Why does {ego} act this way?",
        "What makes {ego} behave as it does?", "What decides how {ego} drives now?",
    ),
    "justification stopping": (
        "Why is {ego} slowing down or stopped?", "Why are we not moving on?", "Why did {ego} stop or slow down?",
        "What makes us stop?", "What is the reason for stopping?", "Why are we stopping?", "Why is {ego} stopping?",
        "What are we waiting for?",
    ),
    "description": (
        "Describe the scene.", "What do you see?", "Describe what is happening.", "What is going on?", "Summarise the scene.",
        "What is in front of {us}?", "Give a short description of the scene.", "Tell me about the scene.",
        "Describe the driving scene.",
    ),
}  # fmt: skip


def wordings(kind: str, subject: str = "") -> list[str]:
    """Every way a question of this kind is asked about a subject."""
    templates = _TEMPLATES.get(f"{kind} {subject}", _TEMPLATES.get(kind, ()))
    names = NAMES.get(subject, (("", ""),))
    out: dict[str, None] = {}
    for template in templates:
        fields = [name for _, name, _, _ in Formatter().parse(template) if name]
        words = [_WORDS[name] for name in fields if name in _WORDS]
        keys = [name for name in fields if name in _WORDS]
        for chosen in product(*words):
            for one, many in names:
                out[template.format(**dict(zip(keys, chosen, strict=True)), a=one, many=many)] = None
    return list(out)
