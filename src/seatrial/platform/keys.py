"""Whose signatures the platform takes where it asks for a key: configured keys, and sessions that it handed out.

Configured keys stand in a file of the form that AWS's own tools have for them (``~/.aws/credentials``): each section
is a key. It can be named to a client with ``AWS_SHARED_CREDENTIALS_FILE``.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.core.errors import ConfigError
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.wire.signing import FindKey, SecretKey

KEYS_FILE = "keys"
"""In a platform's home directory, made when it is first needed."""

_ACCESS_KEY_ID = re.compile(r"\w{3,128}", re.ASCII)
_TEMPLATE = """\
# Keys of a Seatrial platform; they open nothing else. Each section is one.
[default]
aws_access_key_id = {access_key_id}
aws_secret_access_key = {secret_access_key}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """What a listener that asks for a key takes."""

    sessions: Sessions
    configured: Mapping[str, SecretKey] = field(default_factory=dict)
    """By access key id."""

    def finder(self, token: str | None) -> FindKey:
        """Finds the key of a request.

        Args:
            token: The request's security token, if it has one.
        """
        session = None if token is None else self.sessions.read(token)

        def find(access_key_id: str) -> SecretKey | None:
            if session is not None and session.access_key_id == access_key_id:
                return SecretKey(
                    secret_access_key=session.secret_access_key,
                    session_token=session.token,
                    expires_at=session.expires_at,
                )
            return self.configured.get(access_key_id)

        return find


def make_keys_file(path: Path) -> None:
    """A file with one random key that only its owner may read; one that is there stays.

    Raises:
        ConfigError: it cannot be written.
    """
    text = _TEMPLATE.format(
        access_key_id=f"SEATRIAL{base64.b32encode(secrets.token_bytes(8)).decode()[:12]}",
        secret_access_key=secrets.token_urlsafe(30),
    )
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(partial, path)  # whole or not at all, and never over another
        finally:
            partial.unlink()
    except OSError as error:
        raise _unusable(path, found=error.strerror or str(error), fix="name another file with --keys") from error


def read_keys(path: Path) -> dict[str, SecretKey]:
    """The keys of a file by their ids, in its order.

    Raises:
        ConfigError: it cannot be read, or what it holds are no keys.
    """
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(path, found=error.strerror or str(error)) from error
    except (UnicodeDecodeError, configparser.Error) as error:
        # The parser's own words would show the line, and with it a secret.
        raise _unusable(path, found=f"a file that cannot be parsed ({type(error).__name__})") from error
    found: dict[str, SecretKey] = {}
    for name in parser.sections():
        section = parser[name]
        access_key_id = section.get("aws_access_key_id", "")
        secret = section.get("aws_secret_access_key", "")
        if not _ACCESS_KEY_ID.fullmatch(access_key_id) or not secret:
            raise _unusable(path, found=f"section [{name}] without a key id of 3 to 128 letters and a secret")
        found[access_key_id] = SecretKey(
            secret_access_key=secret, session_token=section.get("aws_session_token") or None
        )
    if not found:
        raise _unusable(path, found="no section")
    return found


def _unusable(path: Path, *, found: str, fix: str = "") -> ConfigError:
    return ConfigError(
        "keys-unusable",
        "the file of keys cannot be used",
        where=str(path),
        found=found,
        expected="sections with aws_access_key_id and aws_secret_access_key, as in ~/.aws/credentials",
        fix=fix or "mend the file, or remove it from the home directory to have a new one made",
    )
