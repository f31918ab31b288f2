"""The service as an ASGI application: what happens to a request, step by step.

The door has verified the request's signature where that is asked for, and hands it on in the scope (``SIGNATURE``):
then the body is compared with what was signed (``bodies``).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

from seatrial.core.errors import SeatrialError
from seatrial.objects.base import ObjectStore
from seatrial.platform.services.s3 import long_answers, routes
from seatrial.platform.services.s3.addresses import BASE_HOSTS, split_address
from seatrial.platform.services.s3.bodies import Bodies, ClientGoneError
from seatrial.platform.services.s3.errors import S3Error, of_store
from seatrial.platform.services.s3.headers import lines_of_no_effect
from seatrial.platform.services.s3.requests import SIGNATURE, BodySource, Receive, S3Request, Scope, Send
from seatrial.platform.services.s3.responses import S3Response, send_response, xml_response
from seatrial.platform.wire.errors import ServiceError

LOG = logging.getLogger(__name__)

ACCOUNT_ID = "000000000000"
"""The account that owns all buckets."""

THREADS = 16
"""At work with files at the same time; most of the time they wait for the disk."""

SAID_MAX_LINES = 1_000
"""Lines of the log about headers; a client can make up as many as it likes."""


class S3Service:
    """Amazon S3's REST interface.

    Args:
        store: The objects.
        account_id: Who owns them; a request that expects another owner is refused.
        region: Of a request; ``us-east-1`` has rules of its own in S3.
        base_hosts: Hosts below which a name is a bucket's.
        first_space_seconds: How long the answer to a copy may take before white space is sent.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        account_id: str = ACCOUNT_ID,
        region: str = "us-east-1",
        base_hosts: Sequence[str] = BASE_HOSTS,
        first_space_seconds: float = long_answers.FIRST_SPACE_SECONDS,
    ) -> None:
        self._store = store
        self._said: set[str] = set()
        self._account_id = account_id
        self._region = region
        self._base_hosts = tuple(base_hosts)
        self._first_space_seconds = first_space_seconds
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._bodies = Bodies(store, self._executor)

    def close(self) -> None:
        """Wait for work that was begun."""
        self._executor.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(8).upper()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = BodySource(receive, headers)
        own_headers = {"x-amz-request-id": request_id, "x-amz-id-2": request_id, "server": "AmazonS3"}
        if long_answers.may_take_long(scope["method"], scope.get("query_string", b""), headers):
            answer = asyncio.ensure_future(self._respond(scope, headers, body, request_id))
            seconds = self._first_space_seconds
            response = await long_answers.wait_with_spaces(answer, own_headers, send, seconds=seconds)
        else:
            response = await self._respond(scope, headers, body, request_id)
        if response is None:
            return
        response.headers |= own_headers
        is_head = scope["method"] == "HEAD"
        if is_head and response.status >= 400:
            # An error has no body here and, as in S3, no type either; 404 is all a client learns.
            response = S3Response(status=response.status, headers={**response.headers, "content-length": "0"})
            response.headers.pop("content-type", None)
        if not await body.drain():
            response.headers["connection"] = "close"
        await send_response(response, is_head=is_head, receive=receive, send=send, executor=self._executor)

    async def _respond(
        self, scope: Scope, headers: Mapping[str, str], body: BodySource, request_id: str
    ) -> S3Response | None:
        """The answer, be it an error; ``None`` when nobody waits for one."""
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        resource = raw_path.decode("latin-1")
        try:
            try:
                return await self._answer(scope, headers, body, raw_path)
            except SeatrialError as error:
                raise of_store(error) from error
            except ServiceError as error:
                raise S3Error(error.code, error.message) from error
        except ClientGoneError:
            return None
        except S3Error as error:
            if error.code == "InternalError":
                LOG.exception("S3 request %s for %s failed", request_id, resource)
            return _error_response(error, resource, request_id)
        except Exception:
            LOG.exception("S3 request %s for %s failed", request_id, resource)
            return _error_response(S3Error("InternalError"), resource, request_id)

    async def _answer(self, scope: Scope, headers: Mapping[str, str], body: BodySource, raw_path: bytes) -> S3Response:
        bucket, key = split_address(headers.get("host", ""), raw_path, self._base_hosts)
        query = _parse_query(scope.get("query_string", b""))
        route = routes.find_route(scope["method"], bucket, key, query, headers)
        self._check_owners(headers, bucket)
        self._say_what_has_no_effect(route, headers)
        request = S3Request(
            method=scope["method"],
            bucket=bucket,
            key=key,
            resource=raw_path.decode("latin-1"),
            query=query,
            headers=headers,
            receive=body.receive,
            account_id=self._account_id,
            region=self._region,
            signature=scope.get(SIGNATURE),
        )
        if (streaming := routes.STREAMING.get(route)) is not None:
            return await streaming(self._bodies, self._store, request)
        if (with_xml := routes.WITH_XML.get(route)) is not None:
            document = await self._bodies.read_small(request)
            return await self._bodies.in_thread(with_xml, self._store, request, document)
        return await self._bodies.in_thread(routes.PLAIN[route], self._store, request)

    def _say_what_has_no_effect(self, route: routes.Route, headers: Mapping[str, str]) -> None:
        method, level, _ = route
        for line in lines_of_no_effect(method, level, headers):
            if line not in self._said and len(self._said) < SAID_MAX_LINES:
                self._said.add(line)
                LOG.warning("%s", line)

    def _check_owners(self, headers: Mapping[str, str], bucket: str) -> None:
        for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
            if bucket and headers.get(name, self._account_id) != self._account_id:
                raise S3Error("AccessDenied")


def _parse_query(query: bytes) -> dict[str, str]:
    """The first value of each name; a parameter may be written without a value."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise S3Error("InvalidURI") from None
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _error_response(error: S3Error, resource: str, request_id: str) -> S3Response:
    headers = {}
    if error.code == "InvalidRange" and "ActualObjectSize" in error.details:
        headers["content-range"] = f"bytes */{error.details['ActualObjectSize']}"
    return xml_response(error.body(resource, request_id, request_id), status=error.status, headers=headers)
