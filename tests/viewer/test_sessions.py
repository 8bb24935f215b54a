"""What a page's session keeps, and what it reads again."""

import io
import weakref
import zipfile
from functools import partial

import pytest
from PIL import Image

from apps.viewer.conversation import Moment, Turn
from apps.viewer.engine import Said
from apps.viewer.export import as_markdown
from apps.viewer.recording import Recording
from apps.viewer.sessions import CLIPS_KEPT, Session
from leo_drive.clips.opening import open_source
from leo_drive.errors import InputError
from leo_drive.inference import Answer
from tests.clips import numbered

MOMENTS = [Moment(k / 2, 0.5, 2) for k in range(1, 9)]


@pytest.fixture
def session(tmp_path):
    path = numbered.write(tmp_path / "drive.mp4", numbered.Kind())
    session = Session(None, tmp_path / "session")
    session.open(Recording(open_source(path), "drive", None), MOMENTS[0])
    yield session
    session.close()


def test_few_frames_are_held_however_many_moments_were_asked_about(session):
    first = session.look_at(MOMENTS[0])
    assert session.look_at(MOMENTS[0]) is first, "what was read of a clip is used again"
    for moment in MOMENTS:
        session.look_at(moment)
    assert session.look_at(MOMENTS[0]) is first, "nor is it read again while somebody holds it"
    numbers, gone = [numbered.read(frame) for frame in first.frames], weakref.ref(first)
    del first
    for moment in MOMENTS[1:]:
        session.look_at(moment)
    assert gone() is None and len(session.clips) == CLIPS_KEPT < len(MOMENTS)
    assert [numbered.read(frame) for frame in session.look_at(MOMENTS[0]).frames] == numbers


def test_an_export_reads_the_frames_of_old_moments_again(session):
    shown = {}
    for moment in MOMENTS:
        clip = session.look_at(moment)
        shown[moment] = [numbered.read(frame) for frame in clip.frames]
        answer = Answer("Is it wet?", "No.", 0.5, ("No.",), (-0.7,), clip.timestamps)
        session.conversation.thread(moment, clip.timestamps).turns.append(
            Turn("Is it wet?", said=Said(answer, 0.1))
        )
    made = as_markdown(
        session.recording, session.conversation, "nano", partial(session.clip_at, session.recording)
    )
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        for number, moment in enumerate(MOMENTS, 1):
            frames = [Image.open(io.BytesIO(archive.read(f"frames/{number}-{i}.jpg"))) for i in range(2)]
            assert [numbered.read(frame) for frame in frames] == shown[moment]


def test_an_export_never_takes_frames_of_what_was_opened_meanwhile(session, tmp_path):
    for moment in MOMENTS[:2]:
        clip = session.look_at(moment)
        answer = Answer("Is it wet?", "No.", 0.5, ("No.",), (-0.7,), clip.timestamps)
        session.conversation.thread(moment, clip.timestamps).turns.append(
            Turn("Is it wet?", said=Said(answer, 0.1))
        )
    recording, conversation = session.recording, session.conversation
    other = numbered.write(tmp_path / "other.mp4", numbered.Kind(frames=80))

    def clip_at(moment):
        if moment == MOMENTS[1]:
            session.open(Recording(open_source(other), "other", None), MOMENTS[0])
        return session.clip_at(recording, moment)

    with pytest.raises(InputError, match="drive: another clip has been opened"):
        as_markdown(recording, conversation, "nano", clip_at)
