from __future__ import annotations

import pytest

from seatrial.contract.training import InstanceGroup, ResourceConfig
from seatrial.core.errors import ContractError
from seatrial.runtime.training.hosts import Cluster, launch_cluster

GROUPS = (
    InstanceGroup(instance_group_name="big", instance_type="ml.m5.large", hosts=("algo-3", "algo-2")),
    InstanceGroup(instance_group_name="small", instance_type="ml.m5.large", hosts=("algo-1",)),
)


def config(current_host: str) -> ResourceConfig:
    return ResourceConfig(current_host=current_host, hosts=("algo-1", "algo-2", "algo-3"), instance_groups=GROUPS)


def test_launch_cluster_sorts_hosts_as_sagemaker_does() -> None:
    hosts = tuple(f"algo-{number}" for number in range(1, 12))

    cluster = launch_cluster(ResourceConfig(current_host="algo-10", hosts=hosts), {})

    assert cluster is not None
    assert cluster.hosts[:3] == ("algo-1", "algo-10", "algo-11")
    assert (cluster.rank, cluster.leader, cluster.is_leader) == (1, "algo-1", False)


def test_launch_cluster_of_named_groups_leaves_out_the_other_hosts() -> None:
    named = {"sagemaker_distribution_instance_groups": '["big"]'}

    assert launch_cluster(config("algo-1"), named) is None
    assert launch_cluster(config("algo-3"), named) == Cluster(
        hosts=("algo-2", "algo-3"), current_host="algo-3", network_interface_name="eth0"
    )


@pytest.mark.parametrize("value", ['["bigger"]', "big", '{"big": 1}', "[[]]"])
def test_launch_cluster_of_groups_that_are_not_there_refuses(value: str) -> None:
    with pytest.raises(ContractError, match="instance groups"):
        launch_cluster(config("algo-1"), {"sagemaker_distribution_instance_groups": value})
