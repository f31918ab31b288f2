"""ARNs and ids of IAM roles, and the role that is there without being made."""

from __future__ import annotations

import base64
import hashlib
import re

DEFAULT_ROLE_NAME = "SageMakerRole"
"""A SageMaker execution role, trusted by sagemaker.amazonaws.com; also what a caller without a session seems to be."""

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[!-~]*/)?([\w+=,.@-]{1,64})", re.ASCII)


def role_arn(account_id: str, name: str, path: str = "/") -> str:
    return f"arn:aws:iam::{account_id}:role{path}{name}"


def parse_role_arn(arn: str) -> tuple[str, str] | None:
    """Account and name, without the path; ``None``: it is no ARN of a role."""
    found = _ROLE_ARN.fullmatch(arn)
    return None if found is None else (found[1], found[2])


def assumed_role_arn(account_id: str, role_name: str, session_name: str) -> str:
    """How a caller that has assumed a role is named; the role's path is not in it."""
    return f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session_name}"


def role_id(account_id: str, name: str) -> str:
    """``AROA`` and 17 letters and digits, always the same for a role."""
    digest = hashlib.sha256(f"{account_id}/{name}".encode()).digest()
    return f"AROA{base64.b32encode(digest).decode()[:17]}"
