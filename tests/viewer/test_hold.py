"""Several people, their privacy, and what must stay shut."""

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from gradio_client import Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.clips import numbered
from tests.viewer.acting import ABOUT, ask, upload, wait_for_answers, wait_for_text


def until(what, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _files(site) -> list[str]:
    """Names of what sessions keep, also while the server takes their folders away."""
    return [name for _, _, names in os.walk(site.viewer.sessions.root) for name in names]


def test_two_people_see_nothing_of_each_other_and_uploads_go_with_their_session(site, visit, drives):
    until(lambda: len(site.viewer.sessions) == 0)
    anna, ben = visit(site.url), visit(site.url)
    upload(anna, drives / "drive.mp4")
    wait_for_text(anna, "#title", "drive.mp4")
    ask(anna, "Is there a vehicle ahead?")
    ask(ben, "Is it day or night?")
    assert "Red light" in ben.inner_text("#title") and "vehicle ahead" not in ben.inner_text("#chat")
    assert "day or night" not in anna.inner_text("#chat")
    video = anna.get_attribute("#player video", "src")
    frame = anna.get_attribute("#frames img >> nth=0", "src")
    assert httpx.get(video, headers={"Range": "bytes=0-9"}).status_code == 206
    assert _files(site) == ["drive.mp4"]
    anna.close()
    until(lambda: not _files(site))
    assert httpx.get(video).status_code == httpx.get(frame).status_code == 404
    files = Path(os.environ["GRADIO_TEMP_DIR"])
    assert not [path for path in files.rglob("*.mp4")], "Gradio kept a copy"
    ben.close()
    until(lambda: len(site.viewer.sessions) == 0)
    # What it showed goes after the session itself has been taken out.
    until(lambda: len(site.viewer.media) == 0)


def test_the_place_in_the_queue_is_shown_and_everybody_is_answered(site, visit, engine):
    pages = [visit(site.url) for _ in range(3)]
    held = threading.Event()
    holding = threading.Thread(target=engine.run, args=(lambda _: held.wait(200),))
    holding.start()
    try:
        for page in pages:
            ask(page, "Is there a vehicle ahead?", wait=False)
            page.wait_for_selector("#chat .leo-waiting")
        wait_for_text(pages[1], "#chat", "queue: ")
        wait_for_text(pages[2], "#chat", "queue: 2/2")
    finally:
        held.set()
        holding.join()
    for page in pages:
        wait_for_answers(page, 1)


@pytest.fixture(scope="module")
def served(start, tmp_path_factory):
    """A served folder with logs, and things outside that links in it lead to."""
    outside = tmp_path_factory.mktemp("outside")
    numbered.write(outside / "secret.mp4", numbered.Kind(frames=20))
    (outside / "secret.txt").write_text("secret")
    logs = tmp_path_factory.mktemp("logs")
    (logs / "monday").mkdir()
    numbered.write(logs / "monday" / "drive.mp4", numbered.Kind(frames=30, size=(192, 108)))
    (logs / "notes.txt").write_text("of the operator")
    (logs / "link.mp4").symlink_to(outside / "secret.mp4")
    (logs / "folder").symlink_to(outside)
    (logs / "round").symlink_to(logs)
    pictures = logs / "pictures"
    pictures.mkdir()
    from PIL import Image

    Image.new("RGB", (64, 36)).save(outside / "secret.png")
    Image.new("RGB", (64, 36)).save(pictures / "0.png")
    (pictures / "1.png").symlink_to(outside / "secret.png")
    return start(logs=logs), logs, outside


def test_logs_of_the_served_folder_and_nothing_else(served, visit):
    site, _, outside = served
    names = site.viewer.library.logs()
    assert "monday/drive.mp4" in names and not [n for n in names if "secret" in n or "link" in n]
    page = visit(site.url)
    page.click("#logs input")
    page.get_by_role("option", name="monday/drive.mp4").click()
    wait_for_text(page, "#title", "monday/drive.mp4")
    client = Client(site.url, verbose=False)
    hostile = [
        "../" + outside.name + "/secret.mp4",
        str(outside / "secret.mp4"),
        "link.mp4",
        "folder/secret.mp4",
        "monday/../link.mp4",
        "..%2f" + outside.name + "%2fsecret.mp4",
        "pictures",
        "notes.txt",
        "",
    ]
    for name in hostile:
        with pytest.raises(Exception, match=r"(?i)log|choose|outside|choices"):
            client.predict(name, 5, 5, api_name="/open_log")
    client.close()


def test_gradios_file_route_gives_nothing_away(served, visit):
    site, logs, outside = served
    visit(site.url)
    private = [
        logs / "monday" / "drive.mp4",
        logs / "notes.txt",
        outside / "secret.txt",
        logs / "folder" / "secret.txt",
        Path(__file__),
        Path(__file__).parents[2] / "apps" / "viewer" / "server.py",
        Path("/etc/passwd"),
        Path("/proc/self/environ"),
        site.viewer.sessions.root,
    ]
    base = site.url.rstrip("/")
    tried = [str(path) for path in private]
    tried += [
        f"{os.environ['GRADIO_TEMP_DIR']}/../{logs.name}/notes.txt",
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
    ]
    tried += ["http://127.0.0.1/", "file:///etc/passwd", "HTTP://example.com/", "~/.bashrc"]
    with httpx.Client() as client:
        for path in tried:
            for route in (
                "/gradio_api/file=",
                "/gradio_api/file/",
                "/file=",
                "/media/",
                "/media/x/",
                "/static/",
                "/assets/",
            ):
                for written in (path, quote(path, safe=""), quote(quote(path, safe=""), safe="")):
                    response = client.get(base + route + written)
                    assert response.status_code in (400, 401, 403, 404, 405, 422), f"{route}{written}"
                    assert "secret" not in response.text[:50] and "root:" not in response.text
        for route in (
            "/gradio_api/proxy=http://127.0.0.1/",
            "/monitoring",
            "/gradio_api/runs",
            "/gradio_api/deep_link",
        ):
            assert client.get(base + route).status_code in (403, 404, 405), route


def test_a_clip_of_another_page_cannot_be_named_as_an_upload(served):
    site, logs, outside = served
    client = Client(site.url, verbose=False)
    import json

    for path in (outside / "secret.mp4", logs / "monday" / "drive.mp4", "/etc/passwd"):
        config = client.config["dependencies"]
        receive = next(d for d in config if any(t[1] == "upload" for t in d["targets"]))
        body = {
            "fn_index": receive["id"],
            "session_hash": "somebody",
            "data": [[{"path": str(path), "meta": {"_type": "gradio.FileData"}}], 5, 5],
        }
        joined = httpx.post(site.url + "gradio_api/queue/join", json=body, timeout=60)
        assert joined.status_code == 200
        with httpx.stream(
            "GET", site.url + "gradio_api/queue/data?session_hash=somebody", timeout=120
        ) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    assert not message["success"] and "media" not in json.dumps(message.get("output"))
                    break
        assert Path(path).exists(), "it was moved away"
    client.close()


def test_only_accounts_come_in(start, visit):
    site = start(accounts={"anna": "pass:word"})
    base = site.url.rstrip("/")
    with httpx.Client() as client:
        for route in ("/config", "/gradio_api/info", "/gradio_api/file=/etc/passwd", "/media/x/frame.jpg"):
            assert client.get(base + route).status_code == 401, route
        assert client.post(f"{base}/login", data={"username": "anna", "password": "wrong"}).status_code == 400
        assert client.post(f"{base}/login", data={"username": "ben", "password": "x"}).status_code == 400
    page = visit(site.url, opened=False)
    page.locator("input").nth(0).fill("anna")
    page.locator("input[type=password]").fill("pass:word")
    page.keyboard.press("Enter")
    page.wait_for_selector("#frames img")
    page.wait_for_function("document.querySelector('#frames img').naturalWidth > 0")
    ask(page, "Is it day or night?")
    frame = page.get_attribute("#frames img >> nth=0", "src")
    assert httpx.get(frame).status_code == 401


@contextmanager
def proxied(target: str, prefix: str):
    """A reverse proxy that shows a site below a path, as nginx does with proxy_pass .../ ."""
    client = httpx.AsyncClient(base_url=target, timeout=120)

    async def pass_on(request: Request) -> StreamingResponse:
        path = request.url.path.removeprefix(prefix) or "/"
        headers = [(k, v) for k, v in request.headers.raw if k.lower() != b"host"]
        headers.append((b"x-forwarded-host", request.headers["host"].encode()))
        inner = client.build_request(
            request.method, path, params=request.query_params, headers=headers, content=await request.body()
        )
        answer = await client.send(inner, stream=True)
        kept = {
            k: v for k, v in answer.headers.items() if k.lower() not in ("transfer-encoding", "connection")
        }
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept)

    routes = [Route(prefix + "{rest:path}", pass_on, methods=["GET", "POST", "HEAD"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{prefix}/"
    server.force_exit = server.should_exit = True
    thread.join(10)


def test_below_a_path_of_a_proxy(start, visit):
    site = start(root_path="/viewer")
    with proxied(site.url, "/viewer") as url:
        page = visit(url)
        page.wait_for_function("document.querySelector('#frames img').naturalWidth > 0")
        page.wait_for_function("document.querySelector('#player video')?.readyState >= 2")
        assert page.get_attribute("#player video", "src").startswith(url)
        ask(page, "Is it day or night?")
        assert page.locator(ABOUT).count() == 1
        page.close()
