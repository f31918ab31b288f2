"""IAM: roles and their policies are kept and never enforced."""

from __future__ import annotations

import functools

from seatrial.platform.wire.operations import Declaration

_declare = functools.partial(Declaration, service="iam")
_PAGE = ("Marker", "MaxItems")

DECLARATIONS = (
    _declare(operation="GetRole", acted_on=("RoleName",)),
    _declare(
        operation="CreateRole",
        acted_on=("RoleName", "Path", "AssumeRolePolicyDocument", "Tags[].Key", "Tags[].Value"),
        echoed=("Description", "MaxSessionDuration", "PermissionsBoundary"),
        note="The policy is checked to be JSON.",
    ),
    _declare(operation="DeleteRole", acted_on=("RoleName",)),
    _declare(operation="ListRoles", acted_on=("PathPrefix", *_PAGE)),
    _declare(
        operation="SimulatePrincipalPolicy",
        acted_on=("ActionNames", "ResourceArns", *_PAGE),
        no_effect=(
            "PolicySourceArn",
            "PolicyInputList",
            "PermissionsBoundaryPolicyInputList",
            "PolicyExclusionList",
            "ResourcePolicy",
            "ResourceOwner",
            "CallerArn",
            "ContextEntries",
            "ResourceHandlingOption",
        ),
        note="Every action is allowed, whatever the policies say.",
    ),
    _declare(operation="AttachRolePolicy", acted_on=("RoleName", "PolicyArn"), note="Policies of AWS only."),
    _declare(operation="DetachRolePolicy", acted_on=("RoleName", "PolicyArn")),
    _declare(operation="ListAttachedRolePolicies", acted_on=("RoleName", "PathPrefix", *_PAGE)),
    _declare(operation="ListRolePolicies", acted_on=("RoleName", *_PAGE)),
    _declare(operation="PutRolePolicy", acted_on=("RoleName", "PolicyName"), echoed=("PolicyDocument",)),
    _declare(operation="GetRolePolicy", acted_on=("RoleName", "PolicyName")),
    _declare(operation="DeleteRolePolicy", acted_on=("RoleName", "PolicyName")),
)
