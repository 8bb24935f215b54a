"""Answer several questions about the bundled clip and write a picture of it: python -m leo_drive.demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import leo_drive
from leo_drive.files import writable_folder
from leo_drive.terminal import named_path, out, print_answers, run_command, spinner

CLIP = Path(__file__).parent / "assets" / "demo.mp4"
QUESTIONS = (
    "Is there a vehicle ahead of us?",
    "Are there any pedestrians in view?",
    "What colour is the traffic light?",
    "What is the weather like?",
    "Is our vehicle moving?",
    "What should the driver do?",
)


def main(
    folder: Annotated[Path, typer.Option("--out", parser=named_path, help="Folder of the picture.")] = Path(
        "demo"
    ),
) -> None:
    """Ask the embedded model about the bundled clip, and draw a picture of its answers."""
    writable_folder(folder)
    with spinner("loading nano"):
        # Imported here, for the spinner: the model's libraries take seconds.
        from leo_drive.picture import answers_picture

        leo = leo_drive.load("nano")
    with spinner("answering"):
        clip = leo_drive.open(CLIP).clip()
        answers = leo.ask(clip, QUESTIONS)
    print_answers(f"{CLIP.name}, a generated drive", answers)
    path = folder / "answers.png"
    answers_picture(clip, answers).save(path)
    out.print(f"picture: {path}")
    clip_path = CLIP.relative_to(Path.cwd()) if CLIP.is_relative_to(Path.cwd()) else CLIP
    out.print(f'ask it more: leo-drive ask {clip_path} "Is there a cyclist?"')


if __name__ == "__main__":
    run_command(main, "python -m leo_drive.demo")
