from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from seatrial.platform.services.iam import IamService
from seatrial.platform.store.resources import ResourceStore
from seatrial.platform.wire.errors import ServiceError

Call = Callable[..., dict[str, Any]]
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
BATCH = "arn:aws:iam::aws:policy/service-role/AWSBatchServiceRole"


def error_of(call: Call, operation: str, **parameters: Any) -> tuple[str, int | None, str]:
    with pytest.raises(ServiceError) as caught:
        call(operation, **parameters)
    return caught.value.code, caught.value.status, caught.value.message


def test_get_role_of_the_default_role_trusts_sagemaker(call_iam: Call) -> None:
    role = call_iam("GetRole", RoleName="SageMakerRole")["Role"]

    assert role["Arn"] == "arn:aws:iam::000000000000:role/SageMakerRole"
    trust = json.loads(unquote(role["AssumeRolePolicyDocument"]))
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    attached = call_iam("ListAttachedRolePolicies", RoleName="SageMakerRole")
    assert attached["AttachedPolicies"] == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": FULL_ACCESS}]


def test_create_role_is_kept_by_the_store(call_iam: Call, resources: ResourceStore) -> None:
    created = call_iam(
        "CreateRole",
        RoleName="Mine",
        Path="/team/",
        AssumeRolePolicyDocument=TRUST,
        Description="what for",
        MaxSessionDuration=7200,
        PermissionsBoundary=FULL_ACCESS,
        Tags=[{"Key": "k", "Value": "v"}],
    )["Role"]

    again = IamService(resources, "000000000000").get_role({"RoleName": "Mine"})["Role"]
    assert again == {**created, "RoleLastUsed": {}}
    assert created["Arn"] == "arn:aws:iam::000000000000:role/team/Mine"
    assert unquote(created["AssumeRolePolicyDocument"]) == TRUST
    assert created["Tags"] == [{"Key": "k", "Value": "v"}]
    assert created["MaxSessionDuration"] == 7200
    listed = call_iam("ListRoles")
    assert [role["RoleName"] for role in listed["Roles"]] == ["Mine", "SageMakerRole"]
    assert call_iam("ListRoles", PathPrefix="/team")["Roles"][0]["Description"] == "what for"


@pytest.mark.parametrize("name", ["Mine", "mINE", "sagemakerrole"])
def test_create_role_of_a_name_that_is_taken_is_refused(call_iam: Call, name: str) -> None:
    call_iam("CreateRole", RoleName="Mine", AssumeRolePolicyDocument=TRUST)

    assert error_of(call_iam, "CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST) == (
        "EntityAlreadyExists",
        409,
        f"Role with name {name} already exists.",
    )


@pytest.mark.parametrize("policy", ["", "{", "[]", "1"])
def test_policies_that_are_no_json_object_are_refused(call_iam: Call, policy: str) -> None:
    created = error_of(call_iam, "CreateRole", RoleName="Mine", AssumeRolePolicyDocument=policy)
    put = error_of(call_iam, "PutRolePolicy", RoleName="SageMakerRole", PolicyName="p", PolicyDocument=policy)

    assert created == put == ("MalformedPolicyDocument", 400, "This policy contains invalid Json")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("GetRole", {}),
        ("DeleteRole", {}),
        ("AttachRolePolicy", {"PolicyArn": FULL_ACCESS}),
        ("DetachRolePolicy", {"PolicyArn": FULL_ACCESS}),
        ("ListAttachedRolePolicies", {}),
        ("ListRolePolicies", {}),
        ("PutRolePolicy", {"PolicyName": "p", "PolicyDocument": "{}"}),
        ("GetRolePolicy", {"PolicyName": "p"}),
        ("DeleteRolePolicy", {"PolicyName": "p"}),
    ],
)
def test_operations_on_an_unknown_role_answer_no_such_entity(
    call_iam: Call, operation: str, parameters: dict[str, str]
) -> None:
    assert error_of(call_iam, operation, RoleName="Nobody", **parameters) == (
        "NoSuchEntity",
        404,
        "The role with name Nobody cannot be found.",
    )


def test_attached_policies_come_and_go_also_of_the_default_role(call_iam: Call) -> None:
    for arn in (S3_READ, BATCH, S3_READ):
        assert call_iam("AttachRolePolicy", RoleName="SageMakerRole", PolicyArn=arn) == {}

    listed = call_iam("ListAttachedRolePolicies", RoleName="SageMakerRole")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in listed] == [S3_READ, FULL_ACCESS, BATCH]
    below = call_iam("ListAttachedRolePolicies", RoleName="SageMakerRole", PathPrefix="/service-role/")
    assert [policy["PolicyName"] for policy in below["AttachedPolicies"]] == ["AWSBatchServiceRole"]

    call_iam("DetachRolePolicy", RoleName="SageMakerRole", PolicyArn=S3_READ)
    assert error_of(call_iam, "DetachRolePolicy", RoleName="SageMakerRole", PolicyArn=S3_READ)[:2] == (
        "NoSuchEntity",
        404,
    )


def test_attach_role_policy_of_a_policy_that_is_not_there_is_refused(call_iam: Call) -> None:
    own = "arn:aws:iam::000000000000:policy/own"
    assert error_of(call_iam, "AttachRolePolicy", RoleName="SageMakerRole", PolicyArn=own)[0] == "NoSuchEntity"
    bad = "AmazonSageMakerFullAccess"
    assert error_of(call_iam, "AttachRolePolicy", RoleName="SageMakerRole", PolicyArn=bad)[0] == "InvalidInput"


def test_inline_policies_come_and_go(call_iam: Call) -> None:
    policy = '{"Statement": [{"Resource": "arn:aws:s3:::b/*"}]}'
    call_iam("CreateRole", RoleName="Mine", AssumeRolePolicyDocument=TRUST)
    call_iam("PutRolePolicy", RoleName="Mine", PolicyName="b", PolicyDocument="{}")
    call_iam("PutRolePolicy", RoleName="Mine", PolicyName="a", PolicyDocument=policy)

    assert call_iam("ListRolePolicies", RoleName="Mine")["PolicyNames"] == ["a", "b"]
    got = call_iam("GetRolePolicy", RoleName="Mine", PolicyName="a")
    assert unquote(got["PolicyDocument"]) == policy
    call_iam("DeleteRolePolicy", RoleName="Mine", PolicyName="a")
    assert error_of(call_iam, "DeleteRolePolicy", RoleName="Mine", PolicyName="a")[:2] == ("NoSuchEntity", 404)
    assert error_of(call_iam, "GetRolePolicy", RoleName="Mine", PolicyName="a")[:2] == ("NoSuchEntity", 404)


def test_delete_role_wants_a_bare_role(call_iam: Call) -> None:
    call_iam("CreateRole", RoleName="Mine", AssumeRolePolicyDocument=TRUST)
    call_iam("AttachRolePolicy", RoleName="Mine", PolicyArn=S3_READ)
    call_iam("PutRolePolicy", RoleName="Mine", PolicyName="p", PolicyDocument="{}")

    assert error_of(call_iam, "DeleteRole", RoleName="Mine")[:2] == ("DeleteConflict", 409)
    call_iam("DetachRolePolicy", RoleName="Mine", PolicyArn=S3_READ)
    assert error_of(call_iam, "DeleteRole", RoleName="Mine")[:2] == ("DeleteConflict", 409)
    call_iam("DeleteRolePolicy", RoleName="Mine", PolicyName="p")
    assert call_iam("DeleteRole", RoleName="Mine") == {}

    assert error_of(call_iam, "GetRole", RoleName="Mine")[0] == "NoSuchEntity"
    assert error_of(call_iam, "DeleteRole", RoleName="SageMakerRole")[0] == "UnmodifiableEntity"


def test_lists_are_paged_by_marker(call_iam: Call) -> None:
    for name in "DBAC":
        call_iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST)

    names, marker = [], {}
    while True:
        output = call_iam("ListRoles", MaxItems=2, **marker)
        names.append([role["RoleName"] for role in output["Roles"]])
        if not output["IsTruncated"]:
            break
        marker = {"Marker": output["Marker"]}

    assert names == [["A", "B"], ["C", "D"], ["SageMakerRole"]]
    assert "Marker" not in output
    for bad in ("ä", "x", "/w=="):
        assert error_of(call_iam, "ListRoles", Marker=bad)[:2] == ("ValidationError", 400)


def test_simulate_principal_policy_allows_everything_page_by_page(call_iam: Call) -> None:
    actions = [f"s3:Action{number}" for number in range(12)]
    caller = {"ActionNames": actions, "ResourceArns": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], "MaxItems": 5}

    results: list[dict[str, Any]] = []
    marker: dict[str, str] = {}
    while True:
        output = call_iam("SimulatePrincipalPolicy", PolicySourceArn="arn:aws:iam::0:role/x", **caller, **marker)
        results += output["EvaluationResults"]
        if not output["IsTruncated"]:
            break
        marker = {"Marker": output["Marker"]}

    assert [result["EvalActionName"] for result in results] == actions
    assert {result["EvalDecision"] for result in results} == {"allowed"}
    assert len(results[0]["ResourceSpecificResults"]) == 2
    one = call_iam("SimulatePrincipalPolicy", PolicySourceArn="arn:aws:iam::0:role/x", ActionNames=["sts:AssumeRole"])
    assert one["EvaluationResults"][0]["EvalResourceName"] == "*"
