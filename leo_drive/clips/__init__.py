"""Clips: recordings (sources), which of their moments to look at (samplers), and the clips cut from them."""

from leo_drive.clips.clip import Clip, together
from leo_drive.clips.cutting import SourceMixin, cut
from leo_drive.clips.discovery import LogEntry, find_logs
from leo_drive.clips.image_file import ImageFile
from leo_drive.clips.images import ImageSource
from leo_drive.clips.lingoqa import LingoQASegment
from leo_drive.clips.mcap import McapLog
from leo_drive.clips.nuscenes import NuScenesScene
from leo_drive.clips.opening import Opener, open_source, register_opener
from leo_drive.clips.rosbag import RosBag
from leo_drive.clips.samplers import Sampler, fixed_fps, frame_differences, last_n, scene_changes, uniform
from leo_drive.clips.scenes import detect_scene_changes
from leo_drive.clips.source import Frame, Source
from leo_drive.clips.video import VideoSource

__all__ = [
    "Clip",
    "Frame",
    "ImageFile",
    "ImageSource",
    "LingoQASegment",
    "LogEntry",
    "McapLog",
    "NuScenesScene",
    "Opener",
    "RosBag",
    "Sampler",
    "Source",
    "SourceMixin",
    "VideoSource",
    "cut",
    "detect_scene_changes",
    "find_logs",
    "fixed_fps",
    "frame_differences",
    "last_n",
    "open_source",
    "register_opener",
    "scene_changes",
    "together",
    "uniform",
]
