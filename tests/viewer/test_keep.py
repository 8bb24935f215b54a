"""Keeping: exports that hold what was said, and links that open it again."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.viewer.acting import ask, drag_to, moment, said, upload, wait_for_answers, wait_for_text


def download(page, button: str) -> bytes:
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_bytes()


def test_exports_hold_the_conversation_and_its_frames(site, visit):
    page = visit(site.url)
    page.click("#export-json")
    said(page, "nothing has been answered yet")
    ask(page, "Is there a vehicle ahead?")
    drag_to(page, 0.5)
    wait_for_text(page, "#thread", "a new thread")
    ask(page, "Is it day or night?")
    content = json.loads(download(page, "#export-json"))
    assert content["recording"] == "Red light" and content["model"] == "nano"
    assert [len(thread["turns"]) for thread in content["threads"]] == [1, 1]
    first = content["threads"][0]["turns"][0]
    assert first["question"] == "Is there a vehicle ahead?" and first["answer"] in page.inner_text("#chat")
    assert len(first["timestamps"]) == 5 and 0 < first["confidence"] <= 1
    with zipfile.ZipFile(io.BytesIO(download(page, "#export-markdown"))) as archive:
        text = archive.read("conversation.md").decode()
        assert json.loads(archive.read("conversation.json")) == content
        shown = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
        assert len(shown) == 10
        for name in shown:
            assert Image.open(io.BytesIO(archive.read(name))).size == (640, 360)
    assert first["question"] in text and first["answer"] in text


def test_a_link_opens_the_same_moment_and_questions(site, visit):
    page = visit(site.url)
    page.locator("#bundled .gallery-item").filter(has_text="Night in the rain").click()
    wait_for_text(page, "#title", "Night in the rain")
    drag_to(page, 0.5)
    wait_for_text(page, "#thread", "Asking about")
    ask(page, "Is it raining?")
    at = moment(page)
    page.click("#share")
    page.wait_for_function("document.querySelector('#link input, #link textarea')?.value.startsWith('http')")
    link = page.input_value("#link input, #link textarea")
    other = visit(link)
    wait_for_text(other, "#title", "Night in the rain")
    assert abs(moment(other) - at) < 0.01
    other.locator("#linked .gallery-item").filter(has_text="Is it raining?").click()
    wait_for_answers(other, 1)


def test_an_upload_cannot_be_linked_to(site, visit, drives):
    page = visit(site.url)
    upload(page, drives / "drive.mp4")
    wait_for_text(page, "#title", "drive.mp4")
    page.click("#share")
    said(page, "cannot be linked to")


@pytest.mark.parametrize(("asked", "shown"), [("60", "30"), ("0.2", "0.5")])
def test_a_links_seconds_are_those_that_can_be_asked_with(site, visit, asked, shown):
    page = visit(f"{site.url}?open=clip:Red light&seconds={asked}")
    page.wait_for_function(
        "(s) => document.querySelector('#seconds input[type=number]').value === s", arg=shown
    )
    ask(page, "Is it day or night?")


def test_a_link_that_leads_nowhere_says_so(site, visit):
    page = visit(f"{site.url}?open=log:../../etc/passwd&at=nan&seconds=-4&frames=9999&q=%3Cscript%3E")
    page.locator(".toast-body").first.wait_for()
    wait_for_text(page, "#title", "Red light")
    assert 1 <= page.locator("#frames img").count() <= 16
