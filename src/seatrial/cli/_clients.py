"""botocore's clients of the platform, and what their errors become."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import botocore.config
import botocore.exceptions
import botocore.session

from seatrial.cli._platform import RunningPlatform
from seatrial.cli.env import ENVIRONMENT
from seatrial.core.errors import RequestError

READ_TIMEOUT_SECONDS = 75
"""Above the time for which the platform holds the answer to a waiter."""
_CONNECT_TIMEOUT_SECONDS = 5

_FIXES: Mapping[str, str] = {
    "DescribeTrainingJob": "give a name as 'seatrial jobs' shows it: letters, digits and hyphens, 63 at most",
    "ListTrainingJobs": "give a part of a name: letters, digits and hyphens, no pattern",
    "StopTrainingJob": "only a job that has not ended can be stopped: 'seatrial describe' shows how this one ended",
}
"""What the user of a command can do when the platform refuses an operation of it."""


class Clients:
    """One client a service, made when it is first used.

    Neither the user's profile and configuration files nor a proxy of the environment have a say: the platform is on
    this machine. Parameters are not checked on this side, so that its answer is the one other clients get.

    Args:
        platform: Whom they ask.
    """

    def __init__(self, platform: RunningPlatform) -> None:
        self._platform = platform
        nothing: Any = (None, None, None, None)
        nowhere: Any = (None, None, os.devnull, None)
        self._session = botocore.session.Session(
            session_vars={"profile": nothing, "config_file": nowhere, "credentials_file": nowhere}
        )

    @cached_property
    def sagemaker(self) -> Any:  # noqa: ANN401 (botocore makes the methods at run time)
        return self._client("sagemaker")

    @cached_property
    def logs(self) -> Any:  # noqa: ANN401
        return self._client("logs")

    @cached_property
    def s3(self) -> Any:  # noqa: ANN401
        return self._client("s3")

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Turns what botocore raises into errors that tell the user what to do.

        Raises:
            RequestError: the platform refused, or did not answer.
        """
        try:
            yield
        except botocore.exceptions.ClientError as error:
            raise RequestError(
                "platform-refused",
                "the platform refused the request",
                where=error.operation_name,
                found=f"{error.response['Error']['Code']}: {error.response['Error']['Message']}",
                fix=_FIXES.get(error.operation_name, "see platform.log in its home directory"),
            ) from error
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as error:
            raise RequestError(
                "platform-unreachable",
                "the platform does not answer",
                where=self._platform.url,
                found=str(error),
                fix="if it is being stopped, wait for its end; otherwise look at platform.log in its home directory",
            ) from error

    def _client(self, service: str) -> Any:  # noqa: ANN401
        return self._session.create_client(
            service,
            endpoint_url=self._platform.url,
            region_name=ENVIRONMENT["AWS_REGION"],
            aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 1},
                proxies={},
                parameter_validation=False,
                s3={"addressing_style": "path"},
            ),
        )
