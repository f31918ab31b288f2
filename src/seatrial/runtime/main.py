"""The console scripts ``train`` and ``serve``: each loads only what it runs."""

from __future__ import annotations

import sys


def train() -> None:
    """SageMaker runs ``IMAGE train``; the configuration files say the rest, so there are no arguments."""
    from seatrial.runtime.training.run import main  # noqa: PLC0415 (a serving container never loads it)

    sys.exit(main())


def serve() -> None:
    """SageMaker runs ``IMAGE serve``; the environment says the rest, so there are no arguments."""
    from seatrial.runtime.serving.run import main  # noqa: PLC0415 (a training image may lack its dependencies)

    sys.exit(main())
