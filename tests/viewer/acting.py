"""What a visitor does, in words."""

from __future__ import annotations

import io

from PIL import Image
from playwright.sync_api import Page

from tests.clips import numbered

QUESTION = "#question textarea, #question input"
ABOUT = "#chat .leo-about"


def ask(page: Page, question: str, wait: bool = True) -> str:
    """Write a question, press Enter, and read the answer with what is said about it."""
    before = page.locator(ABOUT).count()
    page.fill(QUESTION, question)
    page.press(QUESTION, "Enter")
    if not wait:
        return ""
    wait_for_answers(page, before + 1)
    return last_answer(page)


def wait_for_answers(page: Page, count: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('{ABOUT}').length === {count}")


def last_answer(page: Page) -> str:
    return page.locator("#chat .bot").last.inner_text()


def moment(page: Page) -> float:
    """Seconds at which the marker stands."""
    return float(page.get_attribute("#timeline .tl", "aria-valuenow") or "nan")


def wait_for_frames(page: Page) -> None:
    """Wait until the last frame shown is the one at the marker, at ten frames a second."""
    page.wait_for_function(
        "() => { const all = document.querySelectorAll('#frames .caption-label');"
        "const at = parseFloat(document.querySelector('#timeline .tl').getAttribute('aria-valuenow'));"
        "return all.length && Math.abs(parseFloat(all[all.length - 1].innerText) - at) < 0.11; }"
    )


def drag_to(page: Page, share: float) -> None:
    """Drag the marker to a share of the timeline."""
    box = page.locator("#timeline .tl").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.9, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, y, steps=4)
    page.mouse.up()


def wait_for_text(page: Page, where: str, text: str) -> None:
    page.wait_for_function(
        "([where, text]) => document.querySelector(where)?.innerText.includes(text)", arg=[where, text]
    )


def said(page: Page, text: str) -> None:
    """Wait for a message in the page's corner that holds a text, and close it."""
    toast = page.locator(".toast-body").filter(has_text=text).first
    toast.wait_for()
    toast.locator("button, .toast-close").first.click()


def upload(page: Page, *paths: object) -> None:
    """Choose files in the file dialogue."""
    with page.expect_file_chooser() as chooser:
        page.click("#upload")
    chooser.value.set_files([str(path) for path in paths])


def foreign_requests(page: Page, url: str) -> list[str]:
    """What the page asks of other hosts than its own, from now on."""
    asked: list[str] = []
    own = (url, "data:", "blob:")
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith(own) else None)
    return asked


def shown_numbers(page: Page) -> tuple[list[float], list[int]]:
    """The times and the numbers of the frames that are shown, of a numbered recording."""
    times = [float(t.split()[0]) for t in page.locator("#frames .caption-label").all_inner_texts()]
    urls = page.locator("#frames img").evaluate_all("all => all.map(i => i.src)")
    frames = [Image.open(io.BytesIO(page.context.request.get(url).body())) for url in urls]
    return times, [numbered.read(frame) for frame in frames]


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
