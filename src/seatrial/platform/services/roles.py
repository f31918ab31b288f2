"""ARNs and ids of IAM roles, and the role that is there without being made."""

from __future__ import annotations

import base64
import hashlib

DEFAULT_ROLE_NAME = "SageMakerRole"
"""A SageMaker execution role, trusted by sagemaker.amazonaws.com; also what a caller without a session seems to be."""


def role_arn(account_id: str, name: str, path: str = "/") -> str:
    return f"arn:aws:iam::{account_id}:role{path}{name}"


def assumed_role_arn(account_id: str, role_name: str, session_name: str) -> str:
    """How a caller that has assumed a role is named; the role's path is not in it."""
    return f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session_name}"


def role_id(account_id: str, name: str) -> str:
    """``AROA`` and 17 letters and digits, always the same for a role."""
    digest = hashlib.sha256(f"{account_id}/{name}".encode()).digest()
    return f"AROA{base64.b32encode(digest).decode()[:17]}"
