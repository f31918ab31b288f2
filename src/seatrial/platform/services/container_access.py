"""What a job's container is given so that it finds the platform: an address, a region, a session of the job's role.

On SageMaker credentials come from an address that ``AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`` names (contract.md §1.4);
here they are variables of their own, which every client reads. They open nothing but this platform.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS
from seatrial.core.errors import SeatrialError
from seatrial.engines.base import Engine, HostAccess
from seatrial.platform.jobs.stored_training import PlatformAccess
from seatrial.platform.services.roles import DEFAULT_ROLE_NAME, parse_role_arn
from seatrial.platform.services.sessions import Session, Sessions
from seatrial.platform.services.sts import utc_now

LOG = logging.getLogger(__name__)

SESSION_NAME = "SageMaker"
"""Of the role's session in a container; what ``GetCallerIdentity`` ends with on the service too."""

STAGING_ALLOWANCE = datetime.timedelta(days=1)
"""A session is good for the job's longest run and this, for what comes before the container starts."""

_ENDPOINT_URL = "AWS_ENDPOINT_URL"
_DEFAULT_REGION = "AWS_DEFAULT_REGION"
_ACCESS_KEY_ID, _SECRET_ACCESS_KEY, _SESSION_TOKEN = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
_CREDENTIALS = frozenset(
    {
        _ACCESS_KEY_ID,
        _SECRET_ACCESS_KEY,
        _SESSION_TOKEN,
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)
"""Ways of the user's own to name credentials; ours would come before them, or mix with them."""


class ContainerAccess:
    """Decides for each job.

    Args:
        region: Of the platform.
        sessions: Issues the credentials.
        port_for: The platform's port at an address where containers look for it; opened when needed.
        now: The clock.
    """

    def __init__(
        self,
        region: str,
        sessions: Sessions,
        port_for: Callable[[HostAccess], int],
        *,
        now: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self._region = region
        self._sessions = sessions
        self._port_for = port_for
        self._now = now

    def of_training_job(self, engine: Engine, name: str, request: Mapping[str, Any]) -> PlatformAccess:
        """What the container of a CreateTrainingJob request gets; nothing when it is isolated or has no way to us."""
        if request.get("EnableNetworkIsolation"):
            return PlatformAccess()
        try:
            access = engine.host_access()
            port = None if access is None else self._port_for(access)
        except SeatrialError as error:
            LOG.warning("the container of training job %s does not reach the platform: %s", name, error.sentence())
            return PlatformAccess()
        if access is None or port is None:
            LOG.warning(
                "the container of training job %s does not reach the platform, and gets no credentials: "
                "from where engine '%s' runs its containers no address leads to this host",
                name,
                engine.name,
            )
            return PlatformAccess()
        session = self._session(request)
        environment = access_environment(
            endpoint_url=f"http://{access.container_address}:{port}",
            region=self._region,
            session=session,
            user_environment=request.get("Environment") or {},
        )
        return PlatformAccess(environment=environment, host_ports=(port,))

    def _session(self, request: Mapping[str, Any]) -> Session:
        role = parse_role_arn(request["RoleArn"])
        seconds = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", MAX_RUNTIME_DEFAULT_SECONDS)
        ends_at = self._now() + datetime.timedelta(seconds=seconds) + STAGING_ALLOWANCE
        return self._sessions.issue(DEFAULT_ROLE_NAME if role is None else role[1], SESSION_NAME, ends_at)


def access_environment(
    *, endpoint_url: str, region: str, session: Session, user_environment: Mapping[str, str]
) -> dict[str, str]:
    """The variables; those that the user sets, and credentials beside the user's own, are left out."""
    variables = {_ENDPOINT_URL: endpoint_url, _DEFAULT_REGION: region}
    if not user_environment.keys() & _CREDENTIALS:
        variables |= {
            _ACCESS_KEY_ID: session.access_key_id,
            _SECRET_ACCESS_KEY: session.secret_access_key,
            _SESSION_TOKEN: session.token,
        }
    return {name: value for name, value in variables.items() if name not in user_environment}
