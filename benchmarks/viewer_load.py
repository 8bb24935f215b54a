"""Several browsers that ask together: is everybody answered, and does the server's memory stay flat?

    python -m benchmarks.viewer_load [--browsers 8] [--minutes 5] [--model nano] [--url URL]

Starts a viewer of its own unless --url names one. Each browser opens the page, then asks, follows up, moves
the moment and changes the clip, over and over, waiting for every answer. Prints answers, failures, waiting
times and the server's memory at every tenth of the time. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from playwright.async_api import Browser, Page, async_playwright

from leo_drive.errors import one_line

QUESTIONS = (
    "Is there a vehicle ahead?",
    "What is the weather like?",
    "Is our vehicle moving?",
    "What should the driver do?",
)
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-dev-shm-usage"]
_WAIT = 180_000
"""Milliseconds after which an answer has failed."""


@dataclass
class Load:
    """What happened.

    Attributes:
        waits: seconds from each question to its whole answer.
        failures: what went wrong instead.
        memory: (seconds since the start, megabytes) of the server.
    """

    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


@contextmanager
def server(model: str) -> Iterator[tuple[str, int]]:
    """A viewer in a process of its own: its address and process number."""
    command = [sys.executable, "-m", "apps.viewer", "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # asked for above
            for line in process.stdout:
                if found := re.search(r"http://\S+", line):
                    yield found[0], process.pid
                    return
            raise SystemExit("the viewer did not start")
        finally:
            process.terminate()


def megabytes(process: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


async def visit(browser: Browser, url: str, seconds: float, load: Load, seed: int) -> None:
    """One visitor, for so long from when the page is there."""
    choice = random.Random(seed)
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(_WAIT)
    await page.goto(url)
    await page.wait_for_selector("#frames img")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            await ask(page, choice.choice(QUESTIONS), load)
            what = choice.random()
            if what < 0.3:
                await page.locator("#timeline .tl").focus()
                await page.keyboard.press(choice.choice(["ArrowLeft", "PageDown", "Home", "End"]))
                await page.wait_for_timeout(600)
            elif what < 0.4:
                clips = page.locator("#bundled .gallery-item")
                await clips.nth(choice.randrange(await clips.count())).click()
                await page.wait_for_function("document.querySelectorAll('#chat .user').length === 0")
                await page.wait_for_timeout(600)
        except Exception as error:
            load.failures.append(one_line(error)[:200])
            await page.reload()
            await page.wait_for_selector("#frames img")
    await context.close()


async def ask(page: Page, question: str, load: Load) -> None:
    """Ask, and wait for the whole answer."""
    before = await page.locator("#chat .leo-about").count()
    start = time.monotonic()
    await page.fill("#question textarea, #question input", question)
    await page.press("#question textarea, #question input", "Enter")
    await page.wait_for_function(f"document.querySelectorAll('#chat .leo-about').length > {before}")
    load.waits.append(time.monotonic() - start)


async def measure(url: str, process: int | None, browsers: int, seconds: float) -> Load:
    """So many visitors for so long."""
    load = Load()
    start = time.monotonic()

    async def watch() -> None:
        while process is not None:
            load.memory.append((time.monotonic() - start, megabytes(process)))
            await asyncio.sleep(2)

    async with async_playwright() as playwright:
        path = next(
            (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
        )
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=_ARGUMENTS)
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(visit(browser, url, seconds, load, seed) for seed in range(browsers)))
        watching.cancel()
        await browser.close()
    return load


def growth(load: Load) -> float:
    """Megabytes by which the median of the last third of the time lies above that of the middle third."""
    third = len(load.memory) // 3
    middle, last = load.memory[third : 2 * third], load.memory[2 * third :]
    return statistics.median(m for _, m in last) - statistics.median(m for _, m in middle or last)


def main(
    browsers: Annotated[int, typer.Option(help="That ask together.", min=1)] = 8,
    minutes: Annotated[float, typer.Option(help="For how long.", min=0.05)] = 5.0,
    model: Annotated[str, typer.Option(help="An embedded model, a folder or a hub id.")] = "nano",
    url: Annotated[str | None, typer.Option(help="A viewer that is running; its memory is not seen.")] = None,
) -> None:
    """Print what happened; exit status 1 when somebody was not answered."""
    if url is not None:
        load = asyncio.run(measure(url, None, browsers, minutes * 60))
    else:
        with server(model) as (own, process):
            load = asyncio.run(measure(own, process, browsers, minutes * 60))
    waits = sorted(load.waits)
    print(f"{browsers} browsers, {minutes:g} minutes: {len(waits)} answers, {len(load.failures)} failures")
    if waits:
        slow = waits[min(len(waits) - 1, int(0.95 * len(waits)))]
        print(f"seconds to a whole answer: median {statistics.median(waits):.1f}, 95 % below {slow:.1f}")
    if len(load.memory) > 3:
        tenths = [load.memory[round(i / 10 * (len(load.memory) - 1))][1] for i in range(11)]
        print(
            "server's memory, MB: " + ", ".join(f"{m:.0f}" for m in tenths) + " (every tenth of the time); "
            f"last third {growth(load):+.0f} over the middle third"
        )
    for failure in load.failures[:5]:
        print(f"  {failure}")
    if load.failures:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
