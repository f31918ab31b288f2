"""The hosts of one job and what each is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.cluster import GroupRequest, resource_configs

COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def groups_of(counts: list[int]) -> list[GroupRequest]:
    return [
        GroupRequest(instance_group_name=f"group-{place}", instance_type=f"ml.c{place}.large", instance_count=count)
        for place, count in enumerate(counts)
    ]


def test_hosts_are_sorted_as_text() -> None:
    configs = resource_configs([GroupRequest(instance_type="ml.m5.large", instance_count=11)])
    assert configs[0].hosts[:4] == ("algo-1", "algo-10", "algo-11", "algo-2")
    assert [config.current_host for config in configs] == [f"algo-{number}" for number in range(1, 12)]
    assert {config.current_group_name for config in configs} == {"homogeneousCluster"}


@given(COUNTS)
def test_each_host_is_in_one_group_and_knows_it(counts: list[int]) -> None:
    configs = resource_configs(groups_of(counts))
    assert len(configs) == sum(counts)
    for config in configs:
        assert config.hosts == tuple(sorted(one.current_host for one in configs))
        (own,) = [group for group in config.instance_groups if config.current_host in group.hosts]
        assert (config.current_group_name, config.current_instance_type) == (own.instance_group_name, own.instance_type)
    assert [len(group.hosts) for group in configs[0].instance_groups] == counts
