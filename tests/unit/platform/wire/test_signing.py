"""Signatures: botocore signs, we verify; one changed byte and the request is refused."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.platform.wire.clients import ENDPOINT, wire_request

from seatrial.platform.wire.authentication import authenticate
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.identify import Identified, identify
from seatrial.platform.wire.request import Headers, WireRequest
from seatrial.platform.wire.signing import SecretKey, Signature

ACCESS_KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEXAMPLE=="
KEYS = {
    ACCESS_KEY: SecretKey(secret_access_key=SECRET),
    "ASIA": SecretKey(secret_access_key=SECRET, session_token=TOKEN),
}
PERMANENT, TEMPORARY = Credentials(ACCESS_KEY, SECRET), Credentials("ASIA", SECRET, TOKEN)
MINUTE = datetime.timedelta(minutes=1)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def signed(
    signer: Callable[[Credentials], Any],
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    credentials: Credentials = PERMANENT,
) -> WireRequest:
    url = f"{ENDPOINT}{path}" + (f"?{query}" if query else "")
    auth = signer(credentials)
    is_in_query = isinstance(auth, SigV4QueryAuth | HmacV1QueryAuth)  # botocore would take a body for parameters
    request = AWSRequest(method=method, url=url, data=b"" if is_in_query else body, headers=headers or {})
    auth.add_auth(request)
    return wire_request(request)


def v4(credentials: Credentials) -> SigV4Auth:
    return SigV4Auth(credentials, "sagemaker", "us-east-1")


def s3_v4(credentials: Credentials) -> SigV4Auth:
    return S3SigV4Auth(credentials, "s3", "eu-central-1")


def presign_v4(credentials: Credentials) -> SigV4Auth:
    return SigV4QueryAuth(credentials, "sts", "us-east-1", expires=60)


def presign_s3(credentials: Credentials) -> SigV4Auth:
    return S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60)


def presign_v2(credentials: Credentials) -> HmacV1QueryAuth:
    return HmacV1QueryAuth(credentials, expires=60)


SIGNERS = {
    "v4": v4,
    "s3 v4": s3_v4,
    "presigned v4": presign_v4,
    "presigned s3 v4": presign_s3,
    "s3 v2": HmacV1Auth,
    "presigned s3 v2": presign_v2,
}
IS_S3 = {"s3 v4", "presigned s3 v4", "s3 v2", "presigned s3 v2"}


def check(request: WireRequest, *, at: datetime.datetime | None = None, **more: Any) -> Signature:
    return authenticate(request, identify(request), find_key=KEYS.get, now=at or now(), **more)


def refusal(request: WireRequest, **more: Any) -> tuple[str, int | None]:
    with pytest.raises(ServiceError) as caught:
        check(request, **more)
    return caught.value.code, caught.value.status


@pytest.mark.parametrize("credentials", [PERMANENT, TEMPORARY], ids=["permanent", "temporary"])
@pytest.mark.parametrize("signer", SIGNERS)
def test_authenticate_what_botocore_signed_gives_the_key(signer: str, credentials: Credentials) -> None:
    request = signed(
        SIGNERS[signer],
        method="PUT",
        path="/bucket/a%20key/%C3%A9~_-.(1)",
        query="partNumber=2&uploadId=a%2Fb%3D",
        headers={"Content-Type": "text/csv", "x-amz-meta-a": "  two   words "},
        body=b"1,2\n",
        credentials=credentials,
    )

    assert check(request).access_key_id == credentials.access_key


@pytest.mark.slow
@pytest.mark.parametrize("signer", SIGNERS)
@settings(max_examples=30)
@given(
    segments=st.lists(st.text(max_size=8), max_size=4),
    query=st.dictionaries(st.text("abcXYZ-é& =+/", min_size=1, max_size=6), st.text(max_size=6), max_size=4),
    meta=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    body=st.binary(max_size=20),
)
def test_authenticate_any_path_query_header_and_body(
    signer: str, segments: list[str], query: dict[str, str], meta: str, body: bytes
) -> None:
    path = "/" + "/".join(quote(segment.encode("utf-8", "replace"), safe="-_.~") for segment in segments)
    pairs = (f"{_quote(name)}={_quote(value)}" for name, value in sorted(query.items()))
    headers = {"x-amz-meta-note": meta}

    request = signed(SIGNERS[signer], path=path, query="&".join(pairs), headers=headers, body=body)

    assert check(request).access_key_id == ACCESS_KEY


def _quote(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="-_.~")


@pytest.mark.parametrize("signer", SIGNERS)
@settings(max_examples=20)
@given(data=st.data())
def test_authenticate_with_one_changed_byte_is_refused(signer: str, data: st.DataObject) -> None:
    request = signed(SIGNERS[signer], path="/bucket/key", query="acl=", headers={"x-amz-acl": "private"}, body=b"body")
    changed = data.draw(st.sampled_from(_changes(request, is_body_signed=signer in ("v4", "s3 v4", "presigned v4"))))

    with pytest.raises(ServiceError):
        check(changed)


def _changes(request: WireRequest, *, is_body_signed: bool) -> list[WireRequest]:
    headers = [pair for pair in request.headers if pair[0] != "x-amz-acl"]
    changes = [
        dataclasses.replace(request, method="GET"),
        dataclasses.replace(request, path="/bucket/kez"),
        dataclasses.replace(request, query=request.query.replace("acl=", "acl=x", 1)),
        dataclasses.replace(request, query=request.query.replace("acl=", "policy=", 1)),
        dataclasses.replace(request, headers=Headers([*headers, ("x-amz-acl", "public-read")])),
    ]
    if is_body_signed:
        changes.append(dataclasses.replace(request, body=b"bodz"))
    authorization = request.headers.get("authorization")
    if authorization:
        flipped = authorization[:-3] + ("A" if authorization[-3] != "A" else "B") + authorization[-2:]
        others = [pair for pair in request.headers if pair[0] != "authorization"]
        changes.append(dataclasses.replace(request, headers=Headers([*others, ("authorization", flipped)])))
    if "x-amz-acl" not in request.headers:
        changes.pop(4)  # a presigned query of version 2 carries it in the query
    return changes


@pytest.mark.parametrize(
    ("signer", "offset", "expected"),
    [
        ("v4", 14 * MINUTE, None),
        ("v4", -14 * MINUTE, None),
        ("v4", 16 * MINUTE, ("InvalidSignatureException", 400)),
        ("v4", -16 * MINUTE, ("InvalidSignatureException", 400)),
        ("s3 v4", 16 * MINUTE, ("RequestTimeTooSkewed", 403)),
        ("s3 v2", 16 * MINUTE, ("RequestTimeTooSkewed", 403)),
        ("presigned v4", 2 * MINUTE, ("RequestExpired", 400)),
        ("presigned s3 v4", 2 * MINUTE, ("AccessDenied", 403)),
        ("presigned s3 v4", MINUTE / 2, None),
        ("presigned s3 v2", 2 * MINUTE, ("AccessDenied", 403)),
    ],
)
def test_authenticate_at_another_time(
    signer: str, offset: datetime.timedelta, expected: tuple[str, int] | None
) -> None:
    query = "Action=GetCallerIdentity&Version=2011-06-15" if signer == "presigned v4" else ""
    request = signed(SIGNERS[signer], method="GET", path="/b/k" if signer in IS_S3 else "/", query=query)

    if expected is None:
        assert check(request, at=now() + offset).access_key_id == ACCESS_KEY
    else:
        assert refusal(request, at=now() + offset) == expected


@pytest.mark.parametrize(
    ("headers", "path", "expected"),
    [
        ({"X-Amz-Target": "SageMaker.ListModels"}, "/", ("MissingAuthenticationTokenException", 400)),
        ({}, "/bucket/key", ("AccessDenied", 403)),
        (
            {"X-Amz-Target": "SageMaker.ListModels", "Authorization": "AWS4-HMAC-SHA256 Credential=a/b"},
            "/",
            ("IncompleteSignatureException", 400),
        ),
        (
            {"X-Amz-Target": "SageMaker.ListModels", "Authorization": "Bearer x"},
            "/",
            ("IncompleteSignatureException", 400),
        ),
    ],
)
def test_authenticate_without_a_signature_is_refused(
    headers: dict[str, str], path: str, expected: tuple[str, int]
) -> None:
    request = WireRequest(method="POST", path=path, headers=Headers([("host", "localhost"), *headers.items()]))

    assert refusal(request) == expected


@pytest.mark.parametrize(
    ("credentials", "signer", "expected"),
    [
        (Credentials("AKIDOTHER", SECRET), "v4", "UnrecognizedClientException"),
        (Credentials("AKIDOTHER", SECRET), "presigned v4", "InvalidClientTokenId"),
        (Credentials("AKIDOTHER", SECRET), "s3 v4", "InvalidAccessKeyId"),
        (Credentials("AKIDOTHER", SECRET), "presigned s3 v2", "InvalidAccessKeyId"),
        (Credentials(ACCESS_KEY, "wrong"), "v4", "InvalidSignatureException"),
        (Credentials(ACCESS_KEY, "wrong"), "presigned v4", "SignatureDoesNotMatch"),
        (Credentials(ACCESS_KEY, "wrong"), "s3 v4", "SignatureDoesNotMatch"),
        (Credentials(ACCESS_KEY, "wrong"), "s3 v2", "SignatureDoesNotMatch"),
        (Credentials("ASIA", SECRET, "another token"), "v4", "UnrecognizedClientException"),
        (Credentials("ASIA", SECRET), "v4", "UnrecognizedClientException"),
    ],
)
def test_authenticate_with_a_wrong_key_is_refused_in_the_words_of_the_service(
    credentials: Credentials, signer: str, expected: str
) -> None:
    path, query = ("/", "Action=GetCallerIdentity&Version=2011-06-15") if signer == "presigned v4" else ("/b/k", "")
    request = signed(SIGNERS[signer], method="GET", path=path, query=query, credentials=credentials)

    assert refusal(request)[0] == expected


def test_authenticate_with_ended_credentials_is_refused() -> None:
    request = signed(v4, headers={"X-Amz-Target": "SageMaker.ListModels"}, credentials=TEMPORARY)
    ended = SecretKey(secret_access_key=SECRET, session_token=TOKEN, expires_at=now() - MINUTE)

    with pytest.raises(ServiceError, match="ExpiredTokenException"):
        authenticate(request, identify(request), find_key={"ASIA": ended}.get, now=now())


def test_authenticate_with_an_unsigned_amz_header_is_refused() -> None:
    request = signed(presign_s3, method="PUT", path="/bucket/key")
    added = Headers([*request.headers, ("x-amz-acl", "public-read")])

    assert refusal(WireRequest(method="PUT", path=request.path, query=request.query, headers=added)) == (
        "AuthorizationHeaderMalformed",
        400,
    )


@pytest.mark.parametrize(
    "expires", ["0", "604801", "-1", "abc", "1e3", "99999999999", "00000000199999999999", "9" * 5000]
)
def test_authenticate_presigned_for_longer_than_seven_days_is_refused(expires: str) -> None:
    request = signed(lambda credentials: S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=expires), path="/b/k")

    assert refusal(request) == ("AuthorizationHeaderMalformed", 400)


def test_authenticate_virtual_host_bucket_of_version_2() -> None:
    request = AWSRequest(method="GET", url=f"{ENDPOINT}/key?acl", headers={})
    request.auth_path = "/bucket/key"
    HmacV1Auth(PERMANENT).add_auth(request)

    assert check(wire_request(request), host_bucket="bucket").access_key_id == ACCESS_KEY
    assert refusal(wire_request(request))[0] == "SignatureDoesNotMatch"


@given(st.text(max_size=60), st.text(max_size=60))
def test_authenticate_any_authorization_header_gives_an_answer(authorization: str, query: str) -> None:
    for prefix in ("", "AWS ", "AWS4-HMAC-SHA256 Credential=k/20261123/r/s3/aws4_request, SignedHeaders=host, "):
        headers = Headers(
            [("host", "h"), ("authorization", prefix + authorization), ("x-amz-date", "20261123T000000Z")]
        )
        request = WireRequest(method="GET", path="/", query=quote(query.encode("utf-8", "replace")), headers=headers)
        with pytest.raises(ServiceError):
            authenticate(request, Identified(service="s3", protocol="rest-xml"), find_key=KEYS.get, now=now())


def test_secret_key_text_shows_no_secret() -> None:
    assert SECRET not in repr(KEYS[ACCESS_KEY])
    assert TOKEN not in repr(KEYS["ASIA"])


@pytest.mark.parametrize(
    ("signer", "old", "new", "code"),
    [
        (
            "presigned s3 v4",
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256",
            "AuthorizationHeaderMalformed",
        ),
        ("presigned s3 v4", "X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", "AuthorizationHeaderMalformed"),
        ("presigned s3 v4", "X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=date", "AuthorizationHeaderMalformed"),
        ("presigned s3 v4", "X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=600", "AuthorizationHeaderMalformed"),
        ("presigned s3 v4", "X-Amz-Date=", "X-Amz-Date=1999", "AuthorizationHeaderMalformed"),
        ("presigned s3 v2", "Expires=", "Expires=x", "AccessDenied"),
    ],
)
def test_authenticate_presigned_with_a_broken_parameter_is_refused(signer: str, old: str, new: str, code: str) -> None:
    request = signed(SIGNERS[signer], method="GET", path="/bucket/key")
    assert old in request.query

    assert refusal(dataclasses.replace(request, query=request.query.replace(old, new, 1)))[0] == code


@pytest.mark.parametrize(
    ("signer", "drop", "add", "code"),
    [
        ("s3 v4", "x-amz-content-sha256", [], "AuthorizationHeaderMalformed"),
        ("s3 v4", "x-amz-date", [], "AuthorizationHeaderMalformed"),
        ("s3 v4", "x-amz-date", [("x-amz-date", "yesterday")], "AuthorizationHeaderMalformed"),
        ("s3 v2", "date", [("date", "yesterday")], "AuthorizationHeaderMalformed"),
        ("s3 v4", "x-amz-date", [("x-amz-date", "{date}T999999Z")], "AuthorizationHeaderMalformed"),
    ],
)
def test_authenticate_with_a_broken_header_is_refused(
    signer: str, drop: str, add: list[tuple[str, str]], code: str
) -> None:
    request = signed(SIGNERS[signer], path="/bucket/key")
    today = f"{now():%Y%m%d}"
    kept = [pair for pair in request.headers if pair[0] != drop]
    added = [(name, value.replace("{date}", today)) for name, value in add]

    assert refusal(dataclasses.replace(request, headers=Headers([*kept, *added])))[0] == code


def test_authenticate_streamed_body_leaves_the_hash_to_the_reader() -> None:
    request = signed(s3_v4, method="PUT", path="/bucket/key", body=b"body")
    streamed = dataclasses.replace(request, body=b"", stream=iter([b"other"]))

    signature = check(streamed)

    assert signature.payload == hashlib.sha256(b"body").hexdigest()
    assert signature.scope.endswith("/eu-central-1/s3/aws4_request")


def test_authenticate_streamed_body_of_another_service_is_refused() -> None:
    request = signed(v4, headers={"X-Amz-Target": "SageMaker.ListModels"}, body=b"{}")

    assert refusal(dataclasses.replace(request, body=b"", stream=iter([b"{}"])))[0] == "InvalidSignatureException"


def test_authenticate_reads_a_path_with_dots_as_botocore_signs_it() -> None:
    request = signed(v4, path="/a/./b//../endpoints/x/", method="GET")

    assert check(request).access_key_id == ACCESS_KEY
