"""Files of this machine that a request names: our extensions, for callers at the loopback address only.

A program directory runs as the user who started the platform, and a ``file://`` channel shows the user's files. Whoever
may connect to 127.0.0.1 could do both without us; whoever came with a key, from another machine or from inside a
container, could not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.engines.program import is_program_directory
from seatrial.platform.wire.errors import ServiceError


def check_names_no_host_files(request: Mapping[str, Any]) -> None:
    """Refuse a CreateTrainingJob that names files of this machine.

    Raises:
        ServiceError: AccessDeniedException.
    """
    image = request.get("AlgorithmSpecification", {}).get("TrainingImage", "")
    uris = [
        channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
        for channel in request.get("InputDataConfig", ())
    ]
    named = [one for one in (image, *uris) if is_program_directory(one)]
    if named:
        raise ServiceError(
            "AccessDeniedException",
            f"{named[0]} is of the machine that runs the platform, and only callers at its loopback address may name "
            "files there: name an image and an S3 URI.",
            403,
        )
