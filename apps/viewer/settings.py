"""What the viewer is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

CLIPS = Path(__file__).parent / "clips"
ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Limits:
    """What a visitor may send. Logs of the served folder are the operator's own and have no limits.

    Attributes:
        megabytes, seconds: of an upload.
        pixels: of its frames.
        question: characters.
        frames: of a moment.
        shortest, longest: seconds that its frames reach back.
    """

    megabytes: float = 500.0
    seconds: float = 3600.0
    pixels: int = 3840 * 2160
    question: int = 300
    frames: int = 16
    shortest: float = 0.5
    longest: float = 30.0


@dataclass(frozen=True)
class Settings:
    """What the viewer is started with.

    Attributes:
        model: as `leo_drive.load` has it.
        compare_model: a second one to compare with, loaded when it is first asked.
        device, dtype: of both.
        logs: a folder whose logs may be opened; nothing outside it can be.
        clips: the bundled clips.
        reviews: folders that `leo-drive annotate` or `leo-drive evaluate` wrote, to review.
        host, port, root_path: where it listens, and below which path a proxy shows it.
        accounts: passwords by user; none means that everybody may come in.
        max_new_tokens: of an answer.
        grace: seconds that a session outlives its page, for a connection that broke.
        idle: seconds after which a session that asks nothing is ended.
    """

    model: str = "nano"
    compare_model: str | None = None
    device: str | None = None
    dtype: str | None = None
    logs: Path | None = None
    clips: Path = CLIPS
    reviews: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int | None = None
    root_path: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    max_new_tokens: int = 64
    grace: float = 20.0
    idle: float = 7200.0
