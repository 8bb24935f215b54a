"""From asked ticks to decoded frames, with as little decoding as the file allows."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from leo_drive.clips.container import OpenVideo
from leo_drive.clips.timeline import REORDERED, Timeline, packets

_LOOKAHEAD = 2 * REORDERED
"""Packets read ahead of the decoder; the next to show is in there."""

_HELD_BYTES = 32 << 20
"""Of compressed packets held while looking for the last keyframe before a wanted frame."""

_SKIPS_SAFELY = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs whose decoders can leave out frames that no other frame refers to."""


class Decoder:
    """Stands somewhere in an open video and goes to the frames asked for.

    To a frame further on in the same group of pictures it decodes on; to any other it seeks to the last
    keyframe before it. On the way it leaves out frames that nothing refers to and nobody asked for.

    Args:
        video: the open file.
        timeline: of its video stream; `end` is moved back when the tail turns out not to decode.

    Attributes:
        video: the open file; the owner closes it.
        decoded: frames that came out of the decoder so far.
    """

    def __init__(self, video: OpenVideo, timeline: Timeline) -> None:
        self.video = video
        self.decoded = 0
        self._timeline = timeline
        self._skips = not timeline.counted and video.stream.codec_context.name in _SKIPS_SAFELY
        self._longest_group = round(1 / timeline.tick)
        # Whole packets are lost between two that are further apart.
        self._gap = max(round(1 / timeline.tick), REORDERED * timeline.last_ticks)
        self._leave()

    def read(self, targets: Sequence[int]) -> Iterator[tuple[int, int, VideoFrame]]:
        """The frame that shows at each target.

        Args:
            targets: ticks, ascending, no tick twice.

        Yields:
            (target, tick of the frame, frame), in the order of the targets. Ends early where the file does
            not decode to the target; `timeline.end` then is the last frame that did.
        """
        self._targets = targets
        self._planned: dict[int, int] = {}
        for target in targets:
            if not self._leads_to(target) or self._is_nearer_by_seeking(target):
                self._land(target)
            found = self._advance(target)
            if found is None:
                return
            yield target, *found

    # Where the decoder stands.

    def _leave(self) -> None:
        """Forgets the position: the next target needs a seek."""
        self._source: Iterator[Packet] = iter(())
        self._window: deque[Packet] = deque()  # read, not yet decoded
        self._recent: deque[int] = deque(maxlen=2 * _LOOKAHEAD)  # pts decoded lately
        self._fed: int | None = None  # highest pts decoded
        self._landed_key: int | None = None
        self._last_key: int | None = None
        self._ready: deque[tuple[int, VideoFrame]] = deque()  # decoded, not yet shown
        self._shown: tuple[int, VideoFrame] | None = None
        self._counted = 0
        self._drained = True
        self._from_start = False
        self._met_damage = False

    def _leads_to(self, target: int) -> bool:
        """Whether the target's frame comes out when decoding on from here."""
        if self._shown is None or target < self._shown[0]:
            return False
        if target in self._planned or not self._skips:
            return True
        # Frames between those shown and those fed may have been left out: the next frame must be unfed.
        fed = self._fed
        return fed is not None and any(p.pts is not None and fed < p.pts <= target for p in self._window)

    def _is_nearer_by_seeking(self, target: int) -> bool:
        if not self._timeline.seeks or target in self._planned or self._fed is None:
            return False
        index = self.video.stream.index_entries
        if (
            len(index)
            and self.video.container.format.name.startswith("mov")
            and index[-1].timestamp >= target
        ):
            key = index.search_timestamp(target)
            return key >= 0 and index[key].timestamp > self._fed
        return target - self._fed > self._longest_group

    # Seeking.

    def _land(self, target: int) -> None:
        """Places the window at the last keyframe that shows at or before the target."""
        if self._timeline.counted:
            self._rewind()
            return
        back = 0
        while self._timeline.seeks and target - back > self._timeline.start:
            if self._seek(target - back) and self._read_to(target):
                return
            back = max(2 * back, round(1 / self._timeline.tick))
        self._rewind()
        self._read_to(target)

    def _land_before(self, target: int) -> bool:
        """Lands at an earlier keyframe, as the target does not decode from the last. False without one."""
        key = self._landed_key
        if key is None or key <= self._timeline.start:
            return False
        self._land(min(target, key - 1))
        return self._landed_key is None or self._landed_key < key

    def _seek(self, tick: int) -> bool:
        try:
            self.video.container.seek(tick, stream=self.video.stream)
        except (av.FFmpegError, EOFError):
            return False
        self._leave()
        self._start_reading()
        return True

    def _rewind(self) -> None:
        # The first frame may be sent a little before it shows.
        before = min(self._timeline.start - round(1 / self._timeline.tick), 0)
        if not (self._timeline.seeks and self._seek(before)):
            self.video.start_over()
            self._leave()
            self._start_reading()
        self._from_start = True

    def _start_reading(self) -> None:
        self._source = packets(self.video)
        self._drained = False

    def _read_to(self, target: int) -> bool:
        """Reads packets up to the target without decoding, and drops those before its last keyframe.

        Returns:
            Whether there was a keyframe that shows at or before the target.
        """
        held = 0
        found = False
        for packet in self._source:
            if packet.is_keyframe and packet.pts is not None and (packet.pts <= target or not self._window):
                if packet.pts > target and not self._from_start:
                    return False
                self._window.clear()
                held = 0
                found = True
                self._landed_key = packet.pts
            if found or self._from_start:
                self._window.append(packet)
                held += packet.size
            reached = packet.dts if packet.dts is not None else packet.pts
            if held > _HELD_BYTES or (reached is not None and reached > target):
                break
        return found

    # Decoding.

    def _advance(self, target: int) -> tuple[int, VideoFrame] | None:
        """Decodes on to the frame that shows at the target, from wherever the decoder stands."""
        while True:
            if self._shown is not None and self._planned.get(target) == self._shown[0]:
                return self._shown
            upcoming = self._peek()
            if upcoming is not None and upcoming[0] <= target:
                self._shown = self._ready.popleft()
                continue
            if self._shown is None:
                if self._land_before(target):
                    continue
                return self._serves(target, upcoming)
            if target in self._planned and self._skips:
                # The frame that should show did not decode, and its neighbours may have been left out.
                self._skips = False
                self._planned.clear()
                self._land(target)
                continue
            if upcoming is None and self._shown[0] < self._timeline.end:
                return self._at_damage(target, self._shown)
            return self._shown

    def _serves(self, target: int, upcoming: tuple[int, VideoFrame] | None) -> tuple[int, VideoFrame] | None:
        """The first frame that decodes, where none does before the target.

        That of a recording that begins in the midst of an intra refresh comes once the picture is refreshed.
        Where the wait is for damage, it only serves for as long as a frame lasts.
        """
        if upcoming is not None and self._met_damage:
            return upcoming if upcoming[0] <= target + self._timeline.last_ticks else None
        return upcoming

    def _at_damage(self, target: int, shown: tuple[int, VideoFrame]) -> tuple[int, VideoFrame] | None:
        """Nothing decodes after the frame shown: it still serves for as long as a frame lasts.

        If that is so to the very end of the file, the video ends here from now on.
        """
        if self._timeline.counted or (self._fed is not None and self._fed >= self._timeline.end):
            self._timeline.end = shown[0]
        return shown if target <= shown[0] + self._timeline.last_ticks else None

    def _peek(self) -> tuple[int, VideoFrame] | None:
        while not self._ready and not self._drained:
            while len(self._window) <= _LOOKAHEAD:
                packet = next(self._source, None)
                if packet is None:
                    break
                self._window.append(packet)
            self._decode(self._window.popleft() if self._window else None)
        return self._ready[0] if self._ready else None

    def _decode(self, packet: Packet | None) -> None:
        context = self.video.stream.codec_context
        if packet is None:
            self._drained = True
        else:
            self._note(packet)
            if self._skips:
                context.skip_frame = "DEFAULT" if self._plan(packet) else "NONREF"
        try:
            frames = context.decode(packet)
        except (av.FFmpegError, EOFError):
            self._met_damage = True
            return  # the frames around it stand
        for frame in frames:
            self._met_damage |= frame.is_corrupt
            self.decoded += 1
            tick = self._counted if self._timeline.counted else frame.pts
            self._counted += 1
            if tick is not None and not frame.is_corrupt:
                self._ready.append((tick, frame))

    def _note(self, packet: Packet) -> None:
        if packet.pts is None:
            return
        if packet.is_keyframe:
            if self._last_key is not None:
                self._longest_group = max(self._longest_group, packet.pts - self._last_key)
            self._last_key = packet.pts
        if self._fed is not None and packet.pts - self._fed > self._gap:
            self._met_damage = True
        self._fed = packet.pts if self._fed is None else max(self._fed, packet.pts)
        self._recent.append(packet.pts)

    def _plan(self, packet: Packet) -> bool:
        """Whether the packet's frame shows at some target; if so, notes at which ones.

        It does when no frame known shows between it and the target: those decoded lately and those read
        ahead are all that can.
        """
        if packet.pts is None:
            return True
        if packet.is_discard:
            return False
        later = [p.pts for p in self._window if p.pts is not None and not p.is_discard and p.pts > packet.pts]
        later += [pts for pts in self._recent if pts > packet.pts]
        until = min(later, default=None)
        first = bisect_left(self._targets, packet.pts)
        shows_at = [t for t in self._targets[first:] if until is None or t < until]
        for target in shows_at:
            self._planned[target] = packet.pts
        return bool(shows_at)
