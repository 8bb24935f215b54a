"""Opening and watching: bundled clips, uploads, logs, and what is refused."""

import threading
from fractions import Fraction

import pytest
from PIL import Image

from apps.viewer.engine import Engine
from apps.viewer.library import Library
from apps.viewer.settings import Limits
from tests.clips import numbered
from tests.viewer.acting import (
    QUESTION,
    drag_to,
    foreign_requests,
    moment,
    open_tab,
    said,
    shown_numbers,
    upload,
    wait_for_answers,
    wait_for_frames,
    wait_for_text,
)


class LateEngine(Engine):
    """Nano, once it is allowed to load."""

    def __init__(self):
        self.allowed = threading.Event()
        super().__init__(["nano"])

    def leo(self, name=None):
        assert self.allowed.wait(120)
        return super().leo(name)


def test_the_page_is_there_before_the_model_and_says_so(start, visit):
    engine = LateEngine()
    page = visit(start(own_engine=engine).url)
    wait_for_text(page, "#status", "nano is loading")
    assert page.locator("#frames img").count() == 5 and "Red light" in page.inner_text("#title")
    drag_to(page, 0.5)
    page.fill(QUESTION, "Is there a vehicle ahead?")
    page.click("#ask")
    page.wait_for_selector("#chat .leo-waiting")
    engine.allowed.set()
    wait_for_answers(page, 1)
    wait_for_text(page, "#status", "nano is ready")
    engine.close()


def test_a_bundled_clip_plays_and_the_moment_follows(site, visit):
    page = visit("about:blank", opened=False)
    foreign = foreign_requests(page, site.url)
    page.goto(site.url)
    page.wait_for_selector("#frames img")
    page.locator("#bundled .gallery-item").filter(has_text="Braking ahead").click()
    wait_for_text(page, "#title", "Braking ahead")
    page.wait_for_function("document.querySelector('.tl-strip')?.naturalWidth > 1000")
    page.wait_for_function("document.querySelector('#player video')?.readyState >= 2")
    page.wait_for_function("Math.abs(document.querySelector('#player video').currentTime - 5) < 0.1")
    page.evaluate("document.querySelector('#player video').currentTime = 1")
    page.wait_for_function("document.querySelector('#timeline .tl').getAttribute('aria-valuenow') === '1.00'")
    page.locator("#timeline .tl").focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('#player video').currentTime > 1.5")
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('#player video').paused")
    stood = page.evaluate("document.querySelector('#player video').currentTime")
    assert moment(page) == pytest.approx(stood, abs=0.3)
    wait_for_frames(page)
    images = page.evaluate("[...document.images].filter(i => i.offsetParent).map(i => i.alt)")
    assert images and all(images), "a picture without words"
    assert page.get_attribute("#player video", "aria-label") and foreign == []


def test_stopping_just_after_the_playhead_was_heard_of_is_a_moment_too(site, visit):
    page = visit(site.url)
    page.locator("#bundled .gallery-item").filter(has_text="Braking ahead").click()
    wait_for_text(page, "#title", "Braking ahead")
    page.wait_for_function("Math.abs(document.querySelector('#player video')?.currentTime - 5) < 0.1")
    page.evaluate("document.querySelector('#player video').currentTime = 1")
    page.wait_for_function("document.querySelector('#timeline .tl').getAttribute('aria-valuenow') === '1.00'")
    wait_for_frames(page)
    page.evaluate(
        "() => { const video = document.querySelector('#player video');"
        "video.addEventListener('timeupdate', () => { if (video.currentTime > 2) video.pause(); });"
        "video.play(); }"
    )
    page.wait_for_function("document.querySelector('#player video').currentTime > 2")
    page.wait_for_function("document.querySelector('#player video').paused")
    assert 2 <= moment(page) < 4
    wait_for_frames(page)


def test_exact_frames_tiles_and_tokens(site, visit, drives):
    page = visit(site.url)
    upload(page, drives / "drive.mp4")
    wait_for_text(page, "#title", "drive.mp4")
    assert "deleted when you leave" in page.inner_text("#title")
    page.fill("#frame-count input[type=number]", "3")
    page.keyboard.press("Tab")
    drag_to(page, 0.5)
    page.wait_for_function("document.querySelectorAll('#frames .thumbnail-item').length === 3")
    wait_for_frames(page)
    times, numbers = shown_numbers(page)
    assert times == sorted(times) and times[-1] == pytest.approx(moment(page), abs=0.11)
    assert numbers == [round(time * 10) for time in times], "a frame under another frame's time"
    page.click("#tiles button")
    page.wait_for_selector("#tiles .tok")
    assert "3 tiles" in page.inner_text("#tiles") and "of 2048 tokens" in page.inner_text("#tiles")
    page.wait_for_function("document.querySelectorAll('#tiles img').length === 3")


def test_a_file_dropped_anywhere_that_browsers_cannot_play_gets_a_preview(site, visit, drives):
    page = visit(site.url)
    content = list((drives / "drive.mkv").read_bytes())
    page.evaluate(
        """content => {
            const carrier = new DataTransfer();
            carrier.items.add(new File([new Uint8Array(content)], 'night drive.mkv'));
            document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: carrier, bubbles: true}));
        }""",
        content,
    )
    wait_for_text(page, "#title", "night drive.mkv")
    assert "a preview is made" in page.inner_text("#title")
    wait_for_text(page, "#player", "Preview, 10 frames a second")
    page.wait_for_function("document.querySelector('#player video')?.duration > 5.5")


def test_images_are_a_drive_too(site, visit, tmp_path):
    for number in range(12):
        Image.fromarray(numbered.draw(number, (192, 108))).convert("RGB").save(tmp_path / f"{number}.png")
    page = visit(site.url)
    upload(page, *sorted(tmp_path.glob("*.png")))
    wait_for_text(page, "#title", "12 images")
    wait_for_frames(page)
    times, numbers = shown_numbers(page)
    assert numbers == [round(time) for time in times] and len(times) == 5
    wait_for_text(page, "#player", "Preview, 1 frames a second")


def test_images_of_one_name_are_kept_apart(tmp_path):
    for number, name in enumerate(("a/f.png", "b/f.png", "c/f (2).png", "d/f.png")):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(numbered.draw(number)).convert("RGB").save(tmp_path / name)
    library = Library(tmp_path, None, Limits())
    recording = library.receive([str(path) for path in sorted(tmp_path.glob("*/*"))], tmp_path)
    frames = recording.source.frames_at([0.0, 1.0, 2.0, 3.0])
    assert sorted(numbered.read(frame.image) for frame in frames) == [0, 1, 2, 3]
    recording.close()


def test_what_is_refused_is_said_in_the_page(site, visit, drives, tmp_path):
    whole = (drives / "drive.mp4").read_bytes()
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / "broken.mp4").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    numbered.write(tmp_path / "long.mp4", numbered.Kind(frames=200, rate=Fraction(5), size=(64, 48)))
    numbered.write(tmp_path / "wide.mp4", numbered.Kind(frames=2, size=(800, 600)))
    page = visit(site.url)
    for name, words in (
        ("notes.txt", "of this type cannot be read"),
        ("broken.mp4", "its index (the moov atom) is missing"),
        ("noise.mp4", "not a video"),
        ("long.mp4", "runs 0.7 minutes; at most 0.5 are taken here"),
        ("wide.mp4", "frames of 800x600 are too large"),
    ):
        upload(page, tmp_path / name)
        said(page, words)
        assert "Red light" in page.inner_text("#title")
        assert str(site.viewer.sessions.root) not in page.content()


def test_a_file_too_large_to_upload_is_said_by_gradio(site, visit, tmp_path):
    (tmp_path / "large.mp4").write_bytes(bytes(1_500_000))
    page = visit(site.url)
    upload(page, tmp_path / "large.mp4")
    page.locator(".toast-body").first.wait_for()
    assert "1" in page.locator(".toast-body").first.inner_text()
    assert "Red light" in page.inner_text("#title")
    assert str(site.viewer.sessions.root) not in page.content()


def test_light_and_dark(site, visit):
    page = visit(site.url)
    background = "getComputedStyle(document.body).backgroundColor"
    page.wait_for_function("document.body.classList.contains('dark')")
    dark = page.evaluate(background)
    page.click("#theme")
    page.wait_for_function("!document.body.classList.contains('dark')")
    page.wait_for_function(f"{background} !== {dark!r}")
    page.reload()
    page.wait_for_selector("#frames img")
    assert not page.evaluate("document.body.classList.contains('dark')")


def test_a_phone(site, visit):
    page = visit(site.url, 390, 844, is_mobile=True, has_touch=True, device_scale_factor=2)
    for tab in ("Ask", "Compare", "Review", "Ask"):
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{tab} is wider than a phone"
    page.tap("#question textarea, #question input")
    page.fill(QUESTION, "What is the weather like?")
    page.tap("#ask")
    wait_for_answers(page, 1)
    box = page.locator("#chat").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
