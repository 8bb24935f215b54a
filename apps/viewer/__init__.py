"""The dashcam viewer: open a drive in a browser page and talk with it (python -m apps.viewer).

Everything about models and recordings is the library's; this is the page around it. Imports inside are
relative, so that the folder also works on its own, as a Hugging Face Space.
"""
