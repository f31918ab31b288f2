"""The ``context`` that hooks may take as their last parameter: the request's headers, and what to add to the response.

The same object answers the questions that handlers written for AWS's inference toolkit ask of the context of Multi
Model Server and TorchServe: ``context.system_properties.get("model_dir")``, ``context.get_request_header(0, name)``,
``context.set_response_status(code)``. Those servers number the requests of a batch; here a batch is one request, and
its number is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import overload

from seatrial.contract.limits import CUSTOM_ATTRIBUTES_MAX_CHARACTERS, SESSION_ID_MAX_CHARACTERS
from seatrial.contract.serving import NEW_SESSION, Header

RawHeaders = Iterable[tuple[bytes, bytes]]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE_ASCII = re.compile(r"[\t\x20-\x7e]*")
_SESSION_ID = re.compile(r"[!-:<-~]+")
_EXPIRY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_EXPIRY_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


class Headers(dict[str, str]):
    """Headers by lower-case name; looked up without regard to case, repeated ones joined by commas."""

    def __init__(self, raw: RawHeaders = ()) -> None:
        super().__init__()
        for name_bytes, value_bytes in raw:
            name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
            super().__setitem__(name, f"{dict.__getitem__(self, name)}, {value}" if name in self else value)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


class Context:
    """One request as its hooks see it; loading hooks get one without a request."""

    __slots__ = ("_headers", "_raw_headers", "_response_headers", "_response_status", "_system_properties")

    def __init__(self, raw_headers: RawHeaders, system_properties: Mapping[str, object]) -> None:
        self._raw_headers = raw_headers
        self._headers: Headers | None = None
        self._system_properties = system_properties
        self._response_headers: dict[str, str] = {}
        self._response_status: int | None = None

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        if self._headers is None:
            self._headers = Headers(self._raw_headers)
        return self._headers

    @property
    def custom_attributes(self) -> str | None:
        return self.headers.get(Header.CUSTOM_ATTRIBUTES)

    @property
    def target_model(self) -> str | None:
        return self.headers.get(Header.TARGET_MODEL)

    @property
    def target_variant(self) -> str | None:
        return self.headers.get(Header.TARGET_VARIANT)

    @property
    def inference_id(self) -> str | None:
        return self.headers.get(Header.INFERENCE_ID)

    @property
    def session_id(self) -> str | None:
        """``NEW_SESSION`` when the client asks for a session to be opened, see ``is_new_session``."""
        return self.headers.get(Header.SESSION_ID)

    @property
    def is_new_session(self) -> bool:
        return self.session_id == NEW_SESSION

    def set_custom_attributes(self, value: str) -> None:
        """Send ``value`` back as the response's custom attributes.

        Raises:
            ValueError: more than 1,024 characters, or not visible ASCII.
        """
        if len(value) > CUSTOM_ATTRIBUTES_MAX_CHARACTERS:
            raise ValueError(f"custom attributes have {len(value)} characters, at most 1024 are allowed")
        self._set(Header.CUSTOM_ATTRIBUTES, value)

    def set_new_session(self, session_id: str, expires: str | datetime) -> None:
        """Tell the platform that a session was opened.

        Args:
            session_id: At most 256 characters, no space and no semicolon.
            expires: A time with its zone, ``datetime.now(timezone.utc) + timedelta(minutes=20)`` for instance, or UTC
                time as the text ``YYYY-MM-DDTHH:MM:SSZ``.

        Raises:
            ValueError: the id cannot be sent, or ``expires`` is no such time.
        """
        self._set(Header.NEW_SESSION_ID, f"{_checked_session_id(session_id)}; Expires={_rendered_expiry(expires)}")

    def set_closed_session(self, session_id: str) -> None:
        """Tell the platform that a session was closed.

        Raises:
            ValueError: the id cannot be sent, see ``set_new_session``.
        """
        self._set(Header.CLOSED_SESSION_ID, _checked_session_id(session_id))

    @property
    def response_headers(self) -> Mapping[str, str]:
        """What was set so far, by lower-case name; ``set_response_header`` checks and adds."""
        return MappingProxyType(self._response_headers)

    @property
    def response_status(self) -> int | None:
        """The status a hook asked for; ``None`` is 200."""
        return self._response_status

    @overload
    def set_response_header(self, name: str, value: str, /) -> None: ...
    @overload
    def set_response_header(self, number: int, name: str, value: str, /) -> None: ...
    def set_response_header(self, *arguments: int | str) -> None:
        """Add a header to the response: ``(name, value)``, or ``(0, name, value)`` as TorchServe has it.

        Raises:
            ValueError: not a header's name or value, or a header that the server itself must write.
        """
        name, value = arguments[-2:]
        self._set(str(name), str(value))

    def _set(self, name: str, value: str) -> None:
        name = name.lower()
        if _TOKEN.fullmatch(name) is None or name in _FRAMING:
            raise ValueError(f"{name!r} cannot be set as a response header")
        self._response_headers[name] = checked_header_value(name, value)

    # From here on: the context of Multi Model Server and TorchServe.

    @property
    def system_properties(self) -> Mapping[str, object]:
        return self._system_properties

    @property
    def model_name(self) -> str:
        return "model"

    @property
    def manifest(self) -> dict[str, object]:
        return {}

    @property
    def metrics(self) -> None:
        return None

    @property
    def request_ids(self) -> dict[int, str | None]:
        return {0: self.inference_id}

    @property
    def request_processor(self) -> list[Context]:
        return [self]

    def get_request_id(self, number: int = 0) -> str | None:
        return self.request_ids.get(number)

    def get_request_header(self, number: int, name: str) -> str | None:
        return self.headers.get(name)

    def get_all_request_header(self, number: int = 0) -> Headers:
        return self.headers

    def get_request_property(self, name: str) -> str | None:
        return self.headers.get(name)

    def get_request_properties(self) -> Headers:
        return self.headers

    def set_response_content_type(self, number: int, value: str) -> None:
        self._set(Header.CONTENT_TYPE, value)

    def get_response_content_type(self, number: int = 0) -> str | None:
        return self._response_headers.get(Header.CONTENT_TYPE)

    def get_response_headers(self, number: int = 0) -> Mapping[str, str]:
        return self.response_headers

    def get_response_header(self, *arguments: int | str) -> str | None:
        """``(name)``, or ``(0, name)``."""
        return self._response_headers.get(str(arguments[-1]).lower())

    def add_response_property(self, name: str, value: str) -> None:
        self._set(name, value)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Answer with this status; the phrase of HTTP/1.1 is the server's.

        Raises:
            ValueError: not a final HTTP status.
        """
        if not 200 <= code <= 599:
            raise ValueError(f"{code} is not the status of an HTTP response")
        self._response_status = code

    set_http_response_status = set_response_status

    def get_response_status(self, number: int = 0) -> tuple[int, str]:
        return self._response_status or 200, ""

    def report_status(self, code: int, reason_phrase: str = "") -> None:
        self.set_response_status(code, reason_phrase)


def checked_header_value(name: str, value: str) -> str:
    """The value, when it cannot break the response it is written into.

    Raises:
        ValueError: it has other characters than visible ASCII.
    """
    if _VISIBLE_ASCII.fullmatch(value) is None:
        raise ValueError(f"the value of response header {name!r} has characters that are not visible ASCII")
    return value


def _checked_session_id(session_id: str) -> str:
    if not isinstance(session_id, str):  # hooks are often written without types
        raise ValueError(f"a session id is text, not {session_id!r}")
    if not 1 <= len(session_id) <= SESSION_ID_MAX_CHARACTERS:
        raise ValueError(f"a session id has 1 to 256 characters, not {len(session_id)}")
    if _SESSION_ID.fullmatch(session_id) is None:
        raise ValueError(f"the session id {session_id!r} has a space, a semicolon or what is no visible ASCII")
    return session_id


def _rendered_expiry(expires: str | datetime) -> str:
    """The expiry as the contract (§2.3) spells it; a client that parses it finds nothing else."""
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            raise ValueError(f"the session's expiry {expires} has no time zone, expected one such as timezone.utc")
        return expires.astimezone(timezone.utc).strftime(_EXPIRY_FORMAT)
    if isinstance(expires, str) and _EXPIRY.fullmatch(expires):
        try:
            datetime.strptime(expires, _EXPIRY_FORMAT)
        except ValueError:
            pass
        else:
            return expires
    raise ValueError(
        f"the session's expiry is {expires!r}, expected a datetime with a time zone or UTC as 'YYYY-MM-DDTHH:MM:SSZ'"
    )
