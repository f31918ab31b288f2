"""The hosts of one training job: their names, their groups, and what each is told. Source: contract.md §1.3, §1.12."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.contract.names import host_name
from seatrial.contract.training import InstanceGroup, ResourceConfig

HOMOGENEOUS_GROUP_NAME = "homogeneousCluster"
"""The instance group of a job that names none (§1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """An entry of ``InstanceGroups``, or ``InstanceType`` and ``InstanceCount`` of a job without."""

    instance_type: str
    instance_count: int
    instance_group_name: str = HOMOGENEOUS_GROUP_NAME


def resource_configs(groups: Sequence[GroupRequest]) -> tuple[ResourceConfig, ...]:
    """``resourceconfig.json`` of each host, ``algo-1`` first.

    The hosts are sorted as text: ``algo-10`` comes before ``algo-2`` (§1.3). AWS hands the numbers out in no order that
    a program may rely on (§1.12); here the groups get them one after another.
    """
    made: list[InstanceGroup] = []
    count = 0
    for group in groups:
        names = tuple(host_name(count + number) for number in range(1, group.instance_count + 1))
        count += group.instance_count
        made.append(
            InstanceGroup(instance_group_name=group.instance_group_name, instance_type=group.instance_type, hosts=names)
        )
    hosts = tuple(sorted(name for group in made for name in group.hosts))
    return tuple(
        ResourceConfig(
            current_host=name,
            hosts=hosts,
            current_instance_type=group.instance_type,
            current_group_name=group.instance_group_name,
            instance_groups=tuple(made),
        )
        for group in made
        for name in group.hosts
    )
