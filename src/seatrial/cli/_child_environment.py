"""The environment of a program that ``seatrial run`` starts: the platform's address, and no way to AWS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CHILD_PYTHON = Path(__file__).parent / "child_python"
"""Holds the ``sitecustomize`` of the child."""

KEPT_VARIABLES = frozenset(
    {
        "AWS_CLI_AUTO_PROMPT",
        "AWS_CLI_FILE_ENCODING",
        "AWS_DEFAULT_OUTPUT",
        "AWS_MAX_ATTEMPTS",
        "AWS_PAGER",
        "AWS_RETRY_MODE",
    }
)
"""Variables of AWS's clients that the child gets from the caller: they choose neither account nor address."""

NOWHERE: Mapping[str, str] = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Closes what AWS's clients read besides the environment: profiles, with keys and addresses, and a machine's role."""

_LOOPBACK = ("127.0.0.1", "localhost")


def child_environment(environment: Mapping[str, str], client_variables: Mapping[str, str]) -> dict[str, str]:
    """What the child gets.

    Everything of the caller's but ``AWS_*``, of which ``KEPT_VARIABLES`` stay; then what clients of the platform have
    to know. ``PYTHONPATH`` gets the directory of our ``sitecustomize`` in front, and a proxy is told to leave the
    loopback address alone.

    Args:
        environment: Of the caller.
        client_variables: As ``seatrial env`` tells them.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_") or name in KEPT_VARIABLES}
    paths = [str(CHILD_PYTHON), *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **kept,
        **NOWHERE,
        **client_variables,
        **_unproxied(environment),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _unproxied(environment: Mapping[str, str]) -> dict[str, str]:
    """``no_proxy`` in both spellings, since clients differ in which one they read first."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if listed.strip() == "*":
        return {}
    hosts = [host for host in (part.strip() for part in listed.split(",")) if host]
    text = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])
    return {"no_proxy": text, "NO_PROXY": text}
