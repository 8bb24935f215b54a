"""gr.Video for addresses of `Viewer.show`."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import gradio as gr
from gradio.data_classes import FileData

# Gradio writes a stub (.pyi) beside the source of every class that is derived from a component, when it is
# imported: into the checkout here, and not at all where the folder may not be written to.
with patch("gradio.component_meta.create_or_modify_pyi"):

    class Player(gr.Video):
        """gr.Video that takes an address as it is: Gradio would fetch a copy of each into its cache."""

        is_template = True

        def postprocess(self, value: str | Path | None) -> FileData | None:
            """The address, unchanged."""
            return None if value is None else FileData(path=str(value), url=str(value), orig_name="video.mp4")
