"""Where the viewer listens, and what is said where it cannot."""

import socket

import pytest

from apps.viewer.server import free_port, is_open
from leo_drive.errors import InputError


def test_a_model_that_is_none_is_said_before_the_page_is_there(run_module):
    for options in (("--model", "nanoo"), ("--compare-model", "nanoo")):
        status, out, err = run_module("apps.viewer", *options)
        assert status == 2 and out == "" and "model nanoo: neither an embedded model" in err


@pytest.mark.parametrize("port", [None, 7999])
def test_a_host_that_is_none_is_named_and_no_other_port_is_tried(start, port, caplog):
    with pytest.raises(InputError, match=r"^--host nosuch\.invalid: cannot listen on port \d+ there: .+;"):
        start(host="nosuch.invalid", port=port)
    assert not caplog.records


def test_an_address_of_another_machine_is_no_taken_port():
    with pytest.raises(InputError, match=r"--host 192\.0\.2\.1: .*assign requested address"):
        free_port("192.0.2.1", 7999)


def test_a_port_that_is_taken_is_passed_over_unless_it_was_asked_for(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: is taken; choose another"):
            free_port("127.0.0.1", port)
        monkeypatch.setattr("gradio.http_server.INITIAL_PORT_VALUE", port)
        assert free_port("127.0.0.1", None) > port
        monkeypatch.setattr("gradio.http_server.TRY_NUM_PORTS", 1)
        with pytest.raises(InputError, match=f"{port} to {port} are taken"):
            free_port("127.0.0.1", None)


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True), ("::", True)]
)
def test_hosts_that_others_reach(host, expected):
    assert is_open(host) == expected
