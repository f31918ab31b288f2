"""AWS IAM: roles and their policies, kept but never enforced.

The role ``roles.DEFAULT_ROLE_NAME`` is there without being made; what is attached to it is kept like any other role's.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from seatrial.platform.services.handlers import Handler
from seatrial.platform.services.roles import DEFAULT_ROLE_NAME, role_arn, role_id
from seatrial.platform.store.queries import Column, Comparison, Condition, Query
from seatrial.platform.store.resources import (
    AlreadyExistsError,
    Document,
    Kind,
    MissingError,
    Resource,
    ResourceStore,
)
from seatrial.platform.wire.errors import ServiceError, validation_error

DEFAULT_PAGE_ITEMS = 100
"""Source: MaxItems of API_ListRoles."""
DEFAULT_MAX_SESSION_SECONDS = 3_600
"""Source: MaxSessionDuration of API_CreateRole."""
_DEFAULT_ROLE_MADE_AT = 1_511_913_600.0  # 2017-11-29, the day SageMaker came out
_AWS_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::aws:policy(/(?:[\w+=,.@-]+/)*)([\w+=,.@-]{1,128})", re.ASCII)
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?:aws|\d{12}):policy/\S+", re.ASCII)
_TRUSTS_SAGEMAKER = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
_FULL_ACCESS_ARN = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"

_T = TypeVar("_T")


class IamService:
    """Handlers of IAM.

    Args:
        store: Keeps the roles.
        account_id: 12 digits.
        now: The clock, in seconds since 1970.
    """

    def __init__(self, store: ResourceStore, account_id: str, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._account_id = account_id
        self._now = now

    def handlers(self) -> dict[str, Handler]:
        """By operation."""
        return {
            "GetRole": self.get_role,
            "CreateRole": self.create_role,
            "DeleteRole": self.delete_role,
            "ListRoles": self.list_roles,
            "SimulatePrincipalPolicy": self.simulate_principal_policy,
            "AttachRolePolicy": self.attach_role_policy,
            "DetachRolePolicy": self.detach_role_policy,
            "ListAttachedRolePolicies": self.list_attached_role_policies,
            "ListRolePolicies": self.list_role_policies,
            "PutRolePolicy": self.put_role_policy,
            "GetRolePolicy": self.get_role_policy,
            "DeleteRolePolicy": self.delete_role_policy,
        }

    # --- roles ------------------------------------------------------------------------------------------------------

    def get_role(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Role": {**self._describe(self._find(parameters["RoleName"])), "RoleLastUsed": {}}}

    def create_role(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Names that differ in case only are the same. Source: API_CreateRole."""
        name, path = parameters["RoleName"], parameters.get("Path", "/")
        _check_policy(parameters["AssumeRolePolicyDocument"])
        if name.lower() == DEFAULT_ROLE_NAME.lower() or self._store.has_name_in_any_case(Kind.ROLE, name):
            raise _exists(name)
        document = _new_document(path, parameters["AssumeRolePolicyDocument"])
        document["max_session_seconds"] = parameters.get("MaxSessionDuration", DEFAULT_MAX_SESSION_SECONDS)
        document["description"] = parameters.get("Description")
        document["permissions_boundary"] = parameters.get("PermissionsBoundary")
        role = self._resource(name, document, self._now())
        try:
            self._store.insert(role, {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])})
        except AlreadyExistsError:
            raise _exists(name) from None
        return {"Role": self._describe(role)}

    def delete_role(self, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["RoleName"]
        if name == DEFAULT_ROLE_NAME:
            what = f"Seatrial keeps the role {name}: it is what a caller without a role of its own has"
            raise ServiceError("UnmodifiableEntity", what, 400)
        try:
            self._store.delete(Kind.ROLE, name, _check_is_bare)
        except MissingError:
            raise _missing_role(name) from None
        return {}

    def list_roles(self, parameters: dict[str, Any]) -> dict[str, Any]:
        last = _last_of_page_before(parameters)
        starts = role_arn(self._account_id, "", parameters.get("PathPrefix", "/"))
        query = Query(
            conditions=(Condition(Column.ARN, Comparison.STARTS_WITH, starts),),
            after=(last, last),
            limit=parameters.get("MaxItems", DEFAULT_PAGE_ITEMS) + 1,
        )
        roles = {role.name: role for role in self._store.list_page(Kind.ROLE, query)}
        if self._store.find(Kind.ROLE, DEFAULT_ROLE_NAME) is None and self._default_role().arn.startswith(starts):
            roles[DEFAULT_ROLE_NAME] = self._default_role()
        page, rest = _page([roles[name] for name in sorted(roles)], parameters, lambda role: role.name)
        # ListRoles tells no tags, boundaries or last use. Source: API_ListRoles.
        hidden = ("Tags", "PermissionsBoundary")
        described = [{k: v for k, v in self._describe(role).items() if k not in hidden} for role in page]
        return {"Roles": described, **rest}

    # --- managed policies -------------------------------------------------------------------------------------------

    def attach_role_policy(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Only AWS's own policies are there, every one of them: there is no CreatePolicy here."""
        arn = parameters["PolicyArn"]
        if not _POLICY_ARN.fullmatch(arn):
            raise ServiceError("InvalidInput", f"ARN {arn} is not valid.", 400)
        if not _AWS_POLICY_ARN.fullmatch(arn):
            raise _missing(f"Policy {arn} does not exist or is not attachable.")

        def attach(document: Document) -> None:
            if arn not in document["attached"]:
                document["attached"] = [*document["attached"], arn]

        return self._change(parameters["RoleName"], attach)

    def detach_role_policy(self, parameters: dict[str, Any]) -> dict[str, Any]:
        arn = parameters["PolicyArn"]

        def detach(document: Document) -> None:
            if arn not in document["attached"]:
                raise _missing(f"Policy {arn} was not found.")
            document["attached"] = [attached for attached in document["attached"] if attached != arn]

        return self._change(parameters["RoleName"], detach)

    def list_attached_role_policies(self, parameters: dict[str, Any]) -> dict[str, Any]:
        attached = self._find(parameters["RoleName"]).document["attached"]
        prefix = parameters.get("PathPrefix", "/")
        found = [match for arn in attached if (match := _AWS_POLICY_ARN.fullmatch(arn)) and match[1].startswith(prefix)]
        page, rest = _page(sorted(found, key=lambda match: match[0]), parameters, lambda match: match[0])
        return {"AttachedPolicies": [{"PolicyName": match[2], "PolicyArn": match[0]} for match in page], **rest}

    # --- inline policies --------------------------------------------------------------------------------------------

    def put_role_policy(self, parameters: dict[str, Any]) -> dict[str, Any]:
        name, policy = parameters["PolicyName"], parameters["PolicyDocument"]
        _check_policy(policy)

        def put(document: Document) -> None:
            document["inline"] = {**document["inline"], name: policy}

        return self._change(parameters["RoleName"], put)

    def get_role_policy(self, parameters: dict[str, Any]) -> dict[str, Any]:
        role_name, name = parameters["RoleName"], parameters["PolicyName"]
        policy = self._find(role_name).document["inline"].get(name)
        if policy is None:
            raise _missing_policy(name)
        return {"RoleName": role_name, "PolicyName": name, "PolicyDocument": _encode_policy(policy)}

    def delete_role_policy(self, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["PolicyName"]

        def delete(document: Document) -> None:
            if name not in document["inline"]:
                raise _missing_policy(name)
            document["inline"] = {kept: policy for kept, policy in document["inline"].items() if kept != name}

        return self._change(parameters["RoleName"], delete)

    def list_role_policies(self, parameters: dict[str, Any]) -> dict[str, Any]:
        names = sorted(self._find(parameters["RoleName"]).document["inline"])
        page, rest = _page(names, parameters, lambda name: name)
        return {"PolicyNames": list(page), **rest}

    def simulate_principal_policy(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Everybody may do everything."""
        resources = parameters.get("ResourceArns") or ["*"]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resources[0] if len(resources) == 1 else "*",
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
                "ResourceSpecificResults": [
                    {"EvalResourceName": resource, "EvalResourceDecision": "allowed"} for resource in resources
                ],
            }
            for action in parameters["ActionNames"]
        ]
        numbered = [(f"{index:08d}", result) for index, result in enumerate(results)]
        page, rest = _page(numbered, parameters, lambda item: item[0])
        return {"EvaluationResults": [result for _, result in page], **rest}

    # --- the store --------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> Resource:
        found = self._store.find(Kind.ROLE, name)
        if found is None and name == DEFAULT_ROLE_NAME:
            return self._default_role()
        if found is None:
            raise _missing_role(name)
        return found

    def _default_role(self) -> Resource:
        document = {**_new_document("/", _TRUSTS_SAGEMAKER), "attached": [_FULL_ACCESS_ARN]}
        return self._resource(DEFAULT_ROLE_NAME, document, _DEFAULT_ROLE_MADE_AT)

    def _resource(self, name: str, document: Document, created_at: float) -> Resource:
        return Resource(
            kind=Kind.ROLE,
            name=name,
            arn=role_arn(self._account_id, name, document["path"]),
            status="",
            created_at=created_at,
            modified_at=created_at,
            document=document,
        )

    def _change(self, name: str, change: Callable[[Document], None]) -> dict[str, Any]:
        def changed(role: Resource) -> Resource:
            document = dict(role.document)
            change(document)
            return replace(role, document=document, modified_at=self._now())

        if name == DEFAULT_ROLE_NAME and self._store.find(Kind.ROLE, name) is None:
            with contextlib.suppress(AlreadyExistsError):  # another request may be first
                self._store.insert(self._default_role())
        try:
            self._store.update(Kind.ROLE, name, changed)
        except MissingError:
            raise _missing_role(name) from None
        return {}

    def _describe(self, role: Resource) -> dict[str, Any]:
        document = role.document
        output: dict[str, Any] = {
            "Path": document["path"],
            "RoleName": role.name,
            "RoleId": role_id(self._account_id, role.name),
            "Arn": role.arn,
            "CreateDate": datetime.datetime.fromtimestamp(int(role.created_at), datetime.timezone.utc),
            "AssumeRolePolicyDocument": _encode_policy(document["trust"]),
            "MaxSessionDuration": document["max_session_seconds"],
        }
        if document.get("description") is not None:
            output["Description"] = document["description"]
        if document.get("permissions_boundary") is not None:
            output["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "PermissionsBoundaryPolicy",  # the model's only value
                "PermissionsBoundaryArn": document["permissions_boundary"],
            }
        if tags := self._store.tags(role.arn):
            output["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return output


def _new_document(path: str, trust: str) -> Document:
    return {
        "path": path,
        "trust": trust,
        "max_session_seconds": DEFAULT_MAX_SESSION_SECONDS,
        "attached": [],
        "inline": {},
    }


def _check_policy(policy: str) -> None:
    try:
        is_policy = isinstance(json.loads(policy), dict)
    except ValueError:
        is_policy = False
    if not is_policy:
        raise ServiceError("MalformedPolicyDocument", "This policy contains invalid Json", 400)


def _encode_policy(policy: str) -> str:
    """Percent-encoded, as IAM sends every policy; clients decode it. Source: API_GetRole."""
    return quote(policy, safe="")


def _check_is_bare(role: Resource) -> None:
    if role.document["attached"]:
        raise ServiceError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
    if role.document["inline"]:
        raise ServiceError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)


def _page(
    items: Sequence[_T], parameters: dict[str, Any], key: Callable[[_T], str]
) -> tuple[Sequence[_T], dict[str, Any]]:
    """The items behind ``Marker``, at most ``MaxItems``, and the members that tell where the page ended.

    Args:
        items: All, sorted by ``key``.
        parameters: Of the request.
        key: Unique.
    """
    last = _last_of_page_before(parameters)
    items = [item for item in items if key(item) > last]
    limit = parameters.get("MaxItems", DEFAULT_PAGE_ITEMS)
    if len(items) <= limit:
        return items, {"IsTruncated": False}
    page = items[:limit]
    return page, {"IsTruncated": True, "Marker": base64.urlsafe_b64encode(key(page[-1]).encode()).decode()}


def _last_of_page_before(parameters: dict[str, Any]) -> str:
    """The key that ``Marker`` holds; empty, and so before every key, without one."""
    marker = parameters.get("Marker", "")
    try:
        return base64.urlsafe_b64decode(marker).decode()
    except (binascii.Error, ValueError):
        raise validation_error(f"Invalid Marker: {marker}", service="iam") from None


def _missing(what: str) -> ServiceError:
    return ServiceError("NoSuchEntity", what, 404)


def _missing_role(name: str) -> ServiceError:
    return _missing(f"The role with name {name} cannot be found.")


def _missing_policy(name: str) -> ServiceError:
    return _missing(f"The role policy with name {name} cannot be found.")


def _exists(name: str) -> ServiceError:
    return ServiceError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
