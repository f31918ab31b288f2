"""Temporary credentials: made, and known again, without keeping any.

A session token carries the role, the session's name and its end, signed with a secret of this platform; key id and
secret key follow from it. So a request that comes with the token can be checked and attributed after a restart too.
They open nothing outside of this platform.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import secrets
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Temporary credentials and whose they are."""

    role_name: str
    session_name: str
    access_key_id: str
    """``ASIA`` and 16 letters and digits."""
    secret_access_key: str
    """40 characters."""
    token: str
    expires_at: datetime.datetime


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    role_name: str
    session_name: str
    expires_at: int
    nonce: str


class Sessions:
    """Issues and reads session tokens.

    Args:
        secret: Signs them; with another one, tokens of before are unknown.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, role_name: str, session_name: str, expires_at: datetime.datetime) -> Session:
        """New credentials; the end is cut to whole seconds."""
        claims = _Claims(role_name, session_name, int(expires_at.timestamp()), secrets.token_hex(8))
        return self._session(claims, msgspec.json.encode(claims))

    def read(self, token: str) -> Session | None:
        """The session of a token, be it over or not; ``None`` when we did not issue it."""
        payload, _, signature = token.partition(".")
        try:
            encoded = base64.urlsafe_b64decode(payload)
            claims = msgspec.json.decode(encoded, type=_Claims)
        except (binascii.Error, ValueError, msgspec.DecodeError):
            return None
        if not hmac.compare_digest(self._sign(b"token", encoded).encode(), signature.encode()):
            return None
        return self._session(claims, encoded)

    def _session(self, claims: _Claims, encoded: bytes) -> Session:
        return Session(
            role_name=claims.role_name,
            session_name=claims.session_name,
            access_key_id=f"ASIA{base64.b32encode(hashlib.sha256(encoded).digest()).decode()[:16]}",
            secret_access_key=self._sign(b"key", encoded)[:40],
            token=f"{base64.urlsafe_b64encode(encoded).decode()}.{self._sign(b'token', encoded)}",
            expires_at=datetime.datetime.fromtimestamp(claims.expires_at, datetime.timezone.utc),
        )

    def _sign(self, purpose: bytes, payload: bytes) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._secret, purpose + b":" + payload, "sha256")).decode()
