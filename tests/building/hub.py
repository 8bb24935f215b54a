"""A Hugging Face hub on this machine: what huggingface_hub asks of one to download a repository."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def local_hub(repositories: dict[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serve folders as repositories; gives the address and the list, filled as it goes, of files fetched."""
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urlsplit(self.path).path.removeprefix("/")
            for name, folder in repositories.items():
                if path in (f"api/models/{name}", f"api/models/{name}/revision/main"):
                    files = [{"rfilename": f.name, "size": f.stat().st_size} for f in folder.iterdir()]
                    info = {"id": name, "sha": COMMIT, "siblings": files}
                    return self.answer(json.dumps(info).encode())
                if path == f"api/models/{name}/tree/{COMMIT}":
                    files = [
                        {"type": "file", "oid": f.name, "size": f.stat().st_size, "path": f.name}
                        for f in folder.iterdir()
                    ]
                    return self.answer(json.dumps(files).encode())
                start = f"{name}/resolve/{COMMIT}/"
                if path.startswith(start) and (file := folder / path.removeprefix(start)).is_file():
                    if self.command == "GET":
                        fetched.append(file.name)
                    content = file.read_bytes()
                    return self.answer(content, ETag=f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_response(404 if path.startswith("api/") and "/" in path[4:] else 401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, body: bytes, **headers: str) -> None:
            self.send_response(200)
            for key, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", fetched
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
