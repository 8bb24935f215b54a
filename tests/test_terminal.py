"""What reaches the terminal: one line an error, any text in any encoding, and no fuss over a closed pipe."""

import io
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from leo_drive import terminal
from leo_drive.errors import InputError
from leo_drive.terminal import complain, one_line_errors, out, print_json, progress

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (PermissionError(13, "Permission denied"), 2, "no permission; choose another place"),
        (PermissionError(13, "Permission denied", "x"), 2, "x: no permission"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (OSError("odd"), 1, "odd"),
        (FileNotFoundError(2, "No such file or directory", b"y"), 1, "y: No such file"),
        (InputError("two\nlines"), 2, "two lines"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_of_the_world_are_one_line(capsys, error, status, line):
    with pytest.raises(SystemExit) as stop, one_line_errors():
        raise error
    err = capsys.readouterr().err
    assert stop.value.code == status and err.startswith(f"leo-drive: {line}") and len(err.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_can_print_anything(monkeypatch, encoding):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    value = {"question": "ein Zug? 電車 \udcff"}
    with one_line_errors():
        print_json(value)
        shown = streams["stdout"].buffer.getvalue()
        out.print(":car: 電車 \udcff", markup=False)
        complain("電車 \udcff")
    assert json.loads(shown.decode(encoding)) == value
    assert b":car:" in streams["stdout"].buffer.getvalue()
    assert b"\\udcff" in streams["stderr"].buffer.getvalue()


def test_json_stays_readable_where_it_can(capsys):
    print_json(["Straße"])
    assert "Straße" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["/data/{run}/x", "/data/a[/b]", "/data/[old]/x", ":car:"])
def test_paths_are_shown_as_they_are(monkeypatch, path):
    shown = Console(file=io.StringIO(), force_terminal=True, width=100, **terminal.PLAIN)
    monkeypatch.setattr(terminal, "err", shown)
    with progress(f"reading {path}") as update:
        update(1, 2)
    with terminal.spinner(f"loading {path}"):
        pass
    table = Table("what", path, box=None)
    table.add_row(path, "")
    terminal.print_table(table, shown)
    assert shown.file.getvalue().count(path) >= 4


def test_a_bar_prints_nothing_where_nobody_watches(capsys):
    with progress("drawing") as update:
        update(1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_is_not_complained_about():
    code = "from leo_drive.terminal import *\nwith one_line_errors(): print_json(['long'] * 100000)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    process.stdout.close()
    assert process.wait(timeout=60) == 1 and process.stderr.read() == b""
    process.stderr.close()


def test_a_demo_that_cannot_write_is_one_line(monkeypatch, tmp_path, capsys):
    (tmp_path / "demo").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("leo_drive.demo", run_name="__main__")
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith("leo-drive: demo: cannot write here")
    assert len(err.splitlines()) == 1
