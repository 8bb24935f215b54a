"""From facts to what a driver makes of them: what to heed, what to do, and why we do what we do."""

from __future__ import annotations

from collections.abc import Iterator

from leo_drive.data.synthetic.facts import Facts
from leo_drive.data.synthetic.findings import Finding


def judgement(f: Facts) -> Iterator[Finding]:
    """What matters most, what to do about it, and why our vehicle does what it does."""
    if f.crossing is None or f.vehicle_ahead is None or f.light is None or f.cyclist_in_path is None:
        return
    before, now = f.ego_speed
    halted, slowing = f.ego_distance < 0.3 or now < 0.3, before > 4 and now < 0.6 * before
    gap = f.lead.gap if f.lead else 99.0
    braking = bool(f.lead and f.lead.braking)
    closing = f.lead is not None and f.lead.gap_before - f.lead.gap > 3.5 and gap < 16
    held = f.lead is not None and gap < 10 and halted
    hazards = [f.crossing, f.light == "red", (braking and gap < 20) or held]
    if f.crossing:
        yield Finding(
            "attention",
            "",
            "pedestrian",
            "The driver should pay attention to the pedestrian crossing in front of us.",
        )
        yield Finding("what_to_do", "", "stop", "The driver should stop for the pedestrian.")
    elif f.cyclist_in_path and f.light in ("none", "green") and gap > 15:
        yield Finding("attention", "", "cyclist", "The driver should pay attention to the cyclist.")
        if not halted:
            yield Finding("what_to_do", "", "slow down", "The driver should slow down for the cyclist.")
    elif f.light in ("red", "amber"):
        if gap > 25:
            yield Finding(
                "attention",
                "",
                "traffic light",
                f"The driver should pay attention to the {f.light} traffic light.",
            )
        if f.light == "red":
            yield Finding("what_to_do", "", "stop", "The driver should stop at the red light.")
        elif gap > 25:
            yield Finding("what_to_do", "", "slow down", "The driver should slow down for the amber light.")
    elif f.lead is not None and gap < 24:
        yield Finding(
            "attention", "", "vehicle ahead", "The driver should pay attention to the vehicle ahead."
        )
        if held:
            yield Finding("what_to_do", "", "stop", "The driver should stop behind the vehicle ahead.")
        elif braking or closing:
            yield Finding("what_to_do", "", "slow down", "The driver should slow down for the vehicle ahead.")
    elif f.lead is None and f.presence["pedestrian"] is False and f.presence["cyclist"] is False:
        yield Finding("attention", "", "road ahead", "The driver should pay attention to the road ahead.")
    moving = (before > 4 and now > 0.8 * before) or (now > 3 and before < 1)
    clear = (
        not any(hazards)
        and not f.cyclist_in_path
        and (f.lead is None or gap > 26)
        and f.light in ("none", "green")
    )
    if clear:
        yield Finding("what_to_do", "", "keep going", "The driver should keep going.")
        yield Finding("hazard", "", "no", "No, there is no hazard.")
    yield from _hazard(f, stands=held, brakes=braking and gap < 20)
    if (halted or slowing) and sum(map(bool, hazards)) == 1:
        why = ("pedestrian crossing", "red light", "vehicle braking")[[bool(h) for h in hazards].index(True)]
        told = {
            "pedestrian crossing": "Because a pedestrian is crossing in front of us.",
            "red light": "Because the traffic light is red.",
            "vehicle braking": "Because the vehicle ahead has stopped."
            if held
            else "Because the vehicle ahead is braking.",
        }[why]
        yield Finding("justification", "", why, told)
        yield Finding("justification", "stopping", why, told)
    elif moving and clear:
        if f.light == "green":
            yield Finding("justification", "", "green light", "Because the traffic light is green.")
        elif f.lead is None:
            yield Finding("justification", "", "clear road", "Because the road ahead is clear.")


def _hazard(f: Facts, stands: bool, brakes: bool) -> Iterator[Finding]:
    """What is in our way; `stands` and `brakes` are said of the vehicle ahead."""
    dangers = {
        "pedestrian": ("a pedestrian is crossing in front of us", bool(f.crossing)),
        "cyclist": ("there is a cyclist in our path", bool(f.cyclist_in_path)),
        "vehicle ahead": (f"the vehicle ahead {'has stopped' if stands else 'is braking'}", stands or brakes),
    }
    there = {name: told for name, (told, real) in dangers.items() if real}
    for name, told in list(there.items())[:1]:
        yield Finding("hazard", "", "yes", f"Yes, {told}.")
        if len(there) == 1:
            yield Finding("which_hazard", "", name, f"{told[0].upper()}{told[1:]}.")
