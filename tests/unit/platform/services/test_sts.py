from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.services.sessions import Sessions
from seatrial.platform.services.sts import StsService
from seatrial.platform.wire.errors import ServiceError

Call = Callable[..., dict[str, Any]]
ROLE = "arn:aws:iam::000000000000:role/service-role/MyRole"


def test_get_caller_identity_is_an_assumed_role(call_sts: Call) -> None:
    output = StsService("000000000000", Sessions(b"secret")).get_caller_identity(None, {})

    assert output["Arn"] == "arn:aws:sts::000000000000:assumed-role/SageMakerRole/seatrial"
    assert output["Account"] == "000000000000"
    assert re.fullmatch(r"AROA[A-Z2-7]{17}:seatrial", output["UserId"])


def test_assume_role_gives_credentials_that_are_known_again(call_sts: Call, sessions: Sessions) -> None:
    output = call_sts("AssumeRole", RoleArn=ROLE, RoleSessionName="me", DurationSeconds=900, SourceIdentity="alice")

    credentials = output["Credentials"]
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", credentials["AccessKeyId"])
    assert re.fullmatch(r"[\w-]{40}", credentials["SecretAccessKey"])
    left = credentials["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert 890 < left.total_seconds() <= 900
    assert output["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/MyRole/me"
    assert output["SourceIdentity"] == "alice"

    session = Sessions(b"a secret").read(credentials["SessionToken"])
    assert session is not None
    assert session.access_key_id == credentials["AccessKeyId"]
    assert session.secret_access_key == credentials["SecretAccessKey"]
    assert session.expires_at == credentials["Expiration"]
    identity = StsService("000000000000", sessions).get_caller_identity(session, {})
    assert identity["Arn"] == output["AssumedRoleUser"]["Arn"]
    assert identity["UserId"] == output["AssumedRoleUser"]["AssumedRoleId"]


def test_assume_role_twice_gives_other_credentials(call_sts: Call) -> None:
    one, other = (call_sts("AssumeRole", RoleArn=ROLE, RoleSessionName="me")["Credentials"] for _ in range(2))

    assert one["AccessKeyId"] != other["AccessKeyId"]


@pytest.mark.parametrize(
    ("arn", "code", "status"),
    [
        ("arn:aws:iam::000000000000:user/MyRole", "ValidationError", 400),
        ("a role of mine that I have", "ValidationError", 400),
        ("arn:aws:iam::111111111111:role/MyRole", "AccessDenied", 403),
    ],
)
def test_assume_role_that_cannot_be_is_refused(call_sts: Call, arn: str, code: str, status: int) -> None:
    with pytest.raises(ServiceError) as caught:
        call_sts("AssumeRole", RoleArn=arn, RoleSessionName="me")

    assert (caught.value.code, caught.value.status) == (code, status)
    assert arn in caught.value.message


def test_get_session_token_lasts_twelve_hours_or_as_asked(call_sts: Call) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    ends = [
        call_sts("GetSessionToken", **parameters)["Credentials"]["Expiration"]
        for parameters in ({}, {"DurationSeconds": 900})
    ]

    assert [round((end - now).total_seconds() / 60) for end in ends] == [720, 15]


@given(st.text() | st.from_regex(r"[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*", fullmatch=True))
def test_read_of_any_other_token_is_none(token: str) -> None:
    assert Sessions(b"a secret").read(token) is None


def test_read_of_a_token_of_another_secret_or_changed_is_none(sessions: Sessions) -> None:
    token = sessions.issue("Role", "me", datetime.datetime.now(datetime.timezone.utc)).token

    assert sessions.read(token) is not None
    assert Sessions(b"another").read(token) is None
    assert sessions.read("A" + token) is None
    assert sessions.read(token[:-2]) is None
