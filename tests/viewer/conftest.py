"""Real Chromium against a real server with nano; the model is loaded once for all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from apps.viewer.server import prepare

_gradio_files = prepare()  # before Gradio is imported: it reads where its files go, once

from apps.viewer.engine import Engine  # noqa: E402
from apps.viewer.server import serve  # noqa: E402
from apps.viewer.settings import Settings  # noqa: E402
from apps.viewer.viewer import Viewer  # noqa: E402
from tests.clips import numbered  # noqa: E402

TIMEOUT = 120_000
"""Milliseconds: a machine may be busy with other things; a test that hangs still ends."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-dev-shm-usage"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("LEO_DRIVE_NO_BROWSER") == "1":
        for item in items:
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="LEO_DRIVE_NO_BROWSER=1"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: the machine's own, or Playwright's."""
    with sync_playwright() as playwright:
        found = next((path for name in _NAMES if (path := shutil.which(name))), None)
        own = Path(playwright.chromium.executable_path)
        if found is None and not own.is_file():
            pytest.fail(
                "no Chromium for the viewer: `apt install chromium` or `playwright install chromium`, "
                "or set LEO_DRIVE_NO_BROWSER=1 to do without",
                pytrace=False,
            )
        browser = playwright.chromium.launch(executable_path=found or own, headless=True, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine(["nano"])
    yield engine
    engine.close()


@dataclass
class Site:
    """A viewer that is being served."""

    url: str
    viewer: Viewer


@pytest.fixture(scope="module")
def start(engine: Engine) -> Iterator[Callable[..., Site]]:
    """Serve a viewer with some settings, on a free port, until the module's tests are through."""
    with ExitStack() as stack:

        def go(own_engine: Engine | None = None, **settings: Any) -> Site:
            viewer = Viewer(Settings(**{"grace": 0.5, **settings}), own_engine or engine)
            stack.callback(viewer.close)
            blocks = serve(viewer, block=False)
            stack.callback(blocks.close, verbose=False)
            return Site(blocks.local_url, viewer)

        yield go


@pytest.fixture(scope="module")
def site(start: Callable[..., Site]) -> Site:
    """A viewer as it is without any options, except that small uploads are large already."""
    from apps.viewer.settings import Limits

    return start(limits=Limits(megabytes=1, seconds=30, pixels=700 * 400))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page as somebody new; what the page complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def go(url: str, width: int = 1280, height: int = 900, opened: bool = True, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        if opened:
            page.wait_for_selector("#frames img")
            page.wait_for_selector("#timeline .tl-handle[style]")
        return page

    yield go
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="session")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small numbered videos: one that browsers play, and the same as mkv."""
    folder = tmp_path_factory.mktemp("drives")
    for name in ("drive.mp4", "drive.mkv"):
        numbered.write(folder / name, numbered.Kind(suffix=Path(name).suffix, frames=60, size=(192, 108)))
    return folder
