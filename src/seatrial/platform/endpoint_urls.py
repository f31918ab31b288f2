"""The address of a server that answers in our stead."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from seatrial.core.errors import ConfigError

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_OURSELVES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 (nothing is bound)


def parse_endpoint_url(option: str, text: str, *, own_port: int = 0) -> str:
    """Check an address and bring it into the form ``scheme://host[:port]``.

    Args:
        option: Which option names it.
        text: As the user wrote it.
        own_port: Where the platform is going to answer; 0 when that is not known yet.

    Raises:
        ConfigError: it is no such address, it is the platform's own, or it is AWS's, who takes no request whose
            ``Host`` is ours.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _unusable(option, text) from None
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("http", "https") or not is_bare or not _HOST.fullmatch(host) or port == 0:
        raise _unusable(option, text)
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        raise ConfigError(
            "endpoint-url-of-aws",
            f"{option} takes the address of a server that stands in for AWS",
            found=host,
            expected="an emulator such as moto, or an S3 server such as SeaweedFS",
            fix="use AWS's clients without Seatrial's variables for AWS itself",
        )
    if own_port and port == own_port and host in _OURSELVES:
        raise ConfigError(
            "endpoint-url-of-ourselves",
            f"{option} names the address at which this platform is going to answer",
            found=f"'{text}'",
            expected="another server",
            fix="name that, or start the platform at another --port",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def _unusable(option: str, text: str) -> ConfigError:
    shown = re.sub(r"//[^/@]*@", "//…@", text)  # what may be a password stays unsaid
    return ConfigError(
        "endpoint-url-unusable",
        f"{option} takes an address without a path, a query or a user's name",
        found=f"'{shown}'",
        expected="http://HOST:PORT or https://HOST",
        fix="write the address in that form",
    )
