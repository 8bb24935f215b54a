"""python -m apps.viewer: talk with a dashcam in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leo_drive.errors import InputError
from leo_drive.models import find_model
from leo_drive.terminal import named_path, run_command

from .settings import CLIPS, Limits, Settings

_EXAMPLES = (
    "Examples:\n\n"
    "python -m apps.viewer\n\n"
    "python -m apps.viewer --logs drives/ --review night/\n\n"
    "python -m apps.viewer --model models/leo-8b --host 0.0.0.0 --port 8080 --auth anna:anna.password"
)


def view(
    model: Annotated[
        str, typer.Option("--model", "-m", help="An embedded model, a model folder, or a hub id.")
    ] = "nano",
    compare_model: Annotated[str | None, typer.Option(help="A second model, to compare with.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda ...; a GPU if there is one.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    logs: Annotated[
        Path | None,
        typer.Option(parser=named_path, help="Folder of logs that may be opened, and nothing outside it."),
    ] = None,
    clips: Annotated[Path, typer.Option(parser=named_path, help="Folder of bundled clips (mp4).")] = CLIPS,
    review: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path, help="Folder of leo-drive annotate or evaluate, to review. Repeatable."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; this machine alone by default.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; the first free one from 7860 by default.", min=1, max=65535),
    ] = None,
    auth: Annotated[
        list[str] | None,
        typer.Option(metavar="USER:FILE", help="Let in USER with the password in FILE. Repeatable."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Path below which a proxy shows the page, such as /viewer.")
    ] = "",
    max_mb: Annotated[float, typer.Option(help="Largest upload, in megabytes.", min=1)] = 500,
    max_seconds: Annotated[float, typer.Option(help="Longest upload, in seconds.", min=1)] = 3600,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.", min=1)] = 64,
    max_tokens: Annotated[int | None, typer.Option(hidden=True, min=1)] = None,
) -> None:
    """Open the dashcam viewer in a browser: watch a drive and talk with it."""
    from .server import prepare

    for name in filter(None, (model, compare_model)):
        find_model(name)  # a name that is none's should not wait for the page
    settings = Settings(
        model=model,
        compare_model=compare_model,
        device=device,
        dtype=dtype,
        logs=logs,
        clips=clips,
        reviews=tuple(review or ()),
        host=host,
        port=port,
        root_path=root_path.rstrip("/"),
        accounts=dict(_account(account) for account in auth or ()),
        limits=Limits(megabytes=max_mb, seconds=max_seconds),
        max_new_tokens=max_tokens or max_new_tokens,  # --max-tokens earlier
    )
    with prepare():
        from .server import serve
        from .viewer import Viewer

        viewer = Viewer(settings)
        try:
            serve(viewer)
        finally:
            viewer.close()


def _account(given: str) -> tuple[str, str]:
    """A user and the password that the file holds."""
    user, _, file = given.partition(":")
    if not user or not file:
        raise InputError(f"--auth {given}: give USER:FILE, the file holding the password")
    try:
        password = Path(file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"--auth {given}: the file {file} cannot be read") from None
    if not password:
        raise InputError(f"--auth {given}: the file {file} is empty; write the password into it")
    return user, password


def main() -> None:
    """Entry point."""
    run_command(view, "python -m apps.viewer", _EXAMPLES)


if __name__ == "__main__":
    main()
