"""The benchmark's load in short, and the command that serves."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading

import httpx
import pytest

from benchmarks.viewer_load import growth, measure
from leo_drive.errors import InputError


def test_several_browsers_are_all_answered(site, browser):
    found = {}
    # Its own event loop, apart from the tests' Playwright.
    run = threading.Thread(
        target=lambda: found.update(load=asyncio.run(measure(site.url, os.getpid(), 2, 4)))
    )
    run.start()
    run.join()
    load = found["load"]
    assert load.failures == [] and len(load.waits) >= 2
    assert growth(load) < 200


def test_the_command_serves_on_loopback_and_ends_politely(tmp_path):
    command = [sys.executable, "-m", "apps.viewer", "--logs", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert url, line + process.stderr.read()
        assert "LEO-Drive" in httpx.get(url[0], timeout=120).text
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--logs", "nowhere"], "nowhere: no such folder"),
        (["--review", "."], "nothing to review"),
        (["--auth", "anna"], "give USER:FILE"),
        (["--auth", "anna:nowhere"], "nowhere cannot be read"),
        (["--port", "0"], "--port"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path, arguments, words, monkeypatch, capsys):
    from apps.viewer.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["viewer", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    err = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 2 and words in err and "Traceback" not in err


def test_the_number_of_tokens_has_its_earlier_name_too(run_module, monkeypatch):
    def made(settings):
        raise InputError(f"{settings.max_new_tokens} tokens")

    monkeypatch.setattr("apps.viewer.viewer.Viewer", made)
    for option in ("--max-tokens", "--max-new-tokens"):
        assert run_module("apps.viewer", option, 7)[2] == "leo-drive: 7 tokens\n"
    said = run_module("apps.viewer", "--help")[1]
    assert "--max-new-tokens" in said and "--max-tokens" not in said
