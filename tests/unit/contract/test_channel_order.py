"""Shares and orders of a channel: nothing is lost, nothing comes twice, everything is the same on every machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.channel_order import epoch_items, shuffled_positions
from seatrial.contract.s3_channel import S3Channel
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import S3DistributionType

SEEDS = st.none() | st.integers(-(2**63), 2**63 - 1)


def channel_of(seed: int | None, distribution: S3DistributionType = S3DistributionType.SHARDED_BY_S3_KEY) -> S3Channel:
    return S3Channel(name="train", s3_uri=S3Uri("b", ""), distribution=distribution, shuffle_seed=seed)


@given(st.integers(0, 60), SEEDS, st.integers(0, 5), st.integers(1, 12))
def test_epoch_items_of_all_hosts_are_the_whole_channel_once(
    count: int, seed: int | None, epoch: int, hosts: int
) -> None:
    shares = [
        epoch_items(range(count), channel_of(seed), epoch=epoch, host_index=host, host_count=hosts)
        for host in range(hosts)
    ]
    assert sorted(item for share in shares for item in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 60), SEEDS, st.integers(0, 5), st.integers(1, 4))
def test_epoch_items_of_a_replicated_channel_are_all_of_it_and_alike_everywhere(
    count: int, seed: int | None, epoch: int, hosts: int
) -> None:
    channel = channel_of(seed, S3DistributionType.FULLY_REPLICATED)
    copies = [
        list(epoch_items(range(count), channel, epoch=epoch, host_index=host, host_count=hosts))
        for host in range(hosts)
    ]
    assert all(copy == copies[0] for copy in copies)
    assert sorted(copies[0]) == list(range(count))


def test_epoch_items_without_a_seed_are_dealt_in_order() -> None:
    assert epoch_items("abcde", channel_of(None), host_index=1, host_count=2) == "bd"


def test_shuffled_positions_are_these_for_ever() -> None:
    """Documented as the order of SHA-256 of ``seed:epoch:position``; a change would change users' runs."""
    assert shuffled_positions(6, 42, 0) == [2, 5, 3, 4, 0, 1]
    assert shuffled_positions(6, 42, 1) == [4, 0, 3, 2, 1, 5]


def test_shuffled_shares_move_between_hosts_from_epoch_to_epoch() -> None:
    shares = [frozenset(epoch_items(range(40), channel_of(1), epoch=epoch, host_count=2)) for epoch in range(3)]
    assert len(set(shares)) == 3


def test_epoch_items_of_a_host_that_is_none_is_our_fault() -> None:
    with pytest.raises(ValueError, match="host 2 of 2"):
        epoch_items([], channel_of(None), host_index=2, host_count=2)
