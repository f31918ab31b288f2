"""Is a request the poll of a botocore waiter, so that its answer may be held back until something changes.

botocore says in its User-Agent which features are in use: ``… m/Z,N,e,b,D,B …``, letters behind ``m/``, of which ``B``
marks a waiter (``WAITER`` in ``botocore.useragent``, since 1.36). A plain call has no ``B``.
"""

from __future__ import annotations

from seatrial.platform.wire.request import Headers

WAITER_FEATURE = "B"
HOLD_LIMIT_SECONDS = 50.0
"""How long an answer may be held back: below the 60 s after which botocore gives up reading."""


def is_waiter(headers: Headers) -> bool:
    """Whether a botocore waiter sends this request. A client that says nothing of features is none."""
    words = (headers.get("user-agent") or "").split()
    return any(WAITER_FEATURE in word[2:].split(",") for word in words if word.startswith("m/"))
