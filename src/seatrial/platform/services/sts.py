"""AWS STS: who calls, and temporary credentials."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from seatrial.platform.services.handlers import CallerHandler, Handler
from seatrial.platform.services.roles import DEFAULT_ROLE_NAME, assumed_role_arn, parse_role_arn, role_id
from seatrial.platform.services.sessions import Session, Sessions
from seatrial.platform.wire.errors import ServiceError, validation_error

DEFAULT_SESSION_NAME = "seatrial"
"""The session of a caller that has assumed no role."""
ASSUME_ROLE_DEFAULT_SECONDS = 3_600
"""Source: API_AssumeRole."""
SESSION_TOKEN_DEFAULT_SECONDS = 43_200
"""Source: API_GetSessionToken."""


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class StsService:
    """Handlers of STS.

    Args:
        account_id: 12 digits.
        sessions: Issues credentials.
        now: The clock.
    """

    def __init__(self, account_id: str, sessions: Sessions, *, now: Callable[[], datetime.datetime] = utc_now) -> None:
        self._account_id = account_id
        self._sessions = sessions
        self._now = now

    def handlers(self) -> dict[str, Handler]:
        """By operation."""
        return {
            "AssumeRole": self.assume_role,
            "GetSessionToken": self.get_session_token,
        }

    def caller_handlers(self) -> dict[str, CallerHandler]:
        """By operation, those whose answer depends on who asks."""
        return {"GetCallerIdentity": self.get_caller_identity}

    def get_caller_identity(self, session: Session | None, _: dict[str, Any]) -> dict[str, Any]:
        """An assumed role in any case: SDK v3 takes the execution role from it.

        Args:
            session: Of the request's security token, if we issued it.
        """
        role_name = DEFAULT_ROLE_NAME if session is None else session.role_name
        session_name = DEFAULT_SESSION_NAME if session is None else session.session_name
        return {
            "UserId": f"{role_id(self._account_id, role_name)}:{session_name}",
            "Account": self._account_id,
            "Arn": assumed_role_arn(self._account_id, role_name, session_name),
        }

    def assume_role(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Any role of any name may be assumed, as nobody here checks policies.

        Raises:
            ServiceError: ValidationError, it is no ARN of a role; AccessDenied, it is of another account.
        """
        arn = parameters["RoleArn"]
        found = parse_role_arn(arn)
        if found is None:
            raise validation_error(f"{arn} is invalid", service="sts")
        account_id, role_name = found
        if account_id != self._account_id:
            caller = self.get_caller_identity(None, {})["Arn"]
            what = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise ServiceError("AccessDenied", what, 403)
        session_name = parameters["RoleSessionName"]
        seconds = parameters.get("DurationSeconds", ASSUME_ROLE_DEFAULT_SECONDS)
        output = {
            "Credentials": self._credentials(role_name, session_name, seconds),
            "AssumedRoleUser": {
                "AssumedRoleId": f"{role_id(self._account_id, role_name)}:{session_name}",
                "Arn": assumed_role_arn(self._account_id, role_name, session_name),
            },
        }
        if "SourceIdentity" in parameters:
            output["SourceIdentity"] = parameters["SourceIdentity"]
        return output

    def get_session_token(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Credentials of the one caller there is."""
        seconds = parameters.get("DurationSeconds", SESSION_TOKEN_DEFAULT_SECONDS)
        return {"Credentials": self._credentials(DEFAULT_ROLE_NAME, DEFAULT_SESSION_NAME, seconds)}

    def _credentials(self, role_name: str, session_name: str, duration_seconds: int) -> dict[str, Any]:
        expires_at = self._now() + datetime.timedelta(seconds=duration_seconds)
        session = self._sessions.issue(role_name, session_name, expires_at)
        return {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.token,
            "Expiration": session.expires_at,
        }
