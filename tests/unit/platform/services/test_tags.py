"""Tags of resources that are there, and of others."""

from __future__ import annotations

import pytest

from seatrial.platform.services.sagemaker.tags import MAX_TAGS, Tags
from seatrial.platform.store.resources import Kind, Resource, ResourceStore
from seatrial.platform.wire.errors import ServiceError

ARN = "arn:job"


def tagged(count: int) -> list[dict[str, str]]:
    return [{"Key": f"k{number:02}", "Value": "v"} for number in range(count)]


@pytest.fixture
def tags(resources: ResourceStore) -> Tags:
    resources.insert(
        Resource(
            kind=Kind.TRAINING_JOB, name="job", arn=ARN, status="Completed", created_at=1, modified_at=1, document={}
        )
    )
    return Tags(resources)


def test_tags_are_added_listed_and_deleted(tags: Tags) -> None:
    assert tags.add_tags({"ResourceArn": ARN, "Tags": tagged(2)}) == {"Tags": tagged(2)}
    assert tags.delete_tags({"ResourceArn": ARN, "TagKeys": ["k01", "other"]}) == {}
    assert tags.list_tags({"ResourceArn": ARN}) == {"Tags": tagged(1)}


def test_more_tags_than_there_may_be_change_nothing(tags: Tags) -> None:
    tags.add_tags({"ResourceArn": ARN, "Tags": tagged(MAX_TAGS)})
    with pytest.raises(ServiceError) as caught:
        tags.add_tags({"ResourceArn": ARN, "Tags": [{"Key": "more", "Value": "v"}]})

    assert caught.value.code == "ResourceLimitExceeded"
    assert tags.list_tags({"ResourceArn": ARN}) == {"Tags": tagged(MAX_TAGS)}


def test_resource_that_is_not_there_is_told_by_each_operation(tags: Tags) -> None:
    for operation, members in (
        (tags.add_tags, {"Tags": tagged(1)}),
        (tags.list_tags, {}),
        (tags.delete_tags, {"TagKeys": ["k"]}),
    ):
        with pytest.raises(ServiceError, match="Resource does not exist: arn:other"):
            operation({"ResourceArn": "arn:other", **members})
