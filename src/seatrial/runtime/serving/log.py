"""Log lines of ``serve``: to stderr, with time, level, process and text."""

from __future__ import annotations

import faulthandler
import io
import logging
import sys

FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"


def configure(level: int) -> None:
    """Set up logging for us and, unless it does so itself, for the user's code; make output leave line by line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    logging.basicConfig(level=level, format=FORMAT, stream=sys.stderr)
    if sys.stderr is not None:
        # Stacks of all threads when a native library crashes, or when the supervisor ends a worker that hangs.
        faulthandler.enable(all_threads=True)
