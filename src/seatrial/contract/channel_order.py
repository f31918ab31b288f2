"""Which part of a channel a host gets in an epoch, and in which order. Source: contract.md §1.5.

AWS documents what is shuffled and dealt out, not how. Ours, on every machine and in every version:

- *Order*: the items as listed. With ``ShuffleConfig`` they are sorted by the SHA-256 of the text
  ``<seed>:<epoch>:<position>``, positions counted from 0 as listed, so every epoch has an order of its own.
- *Shares*: of ``ShardedByS3Key``, host number h of n (in the order of ``hosts_of_channel``) gets the items h, h + n,
  h + 2n, … of that order. With ``ShuffleConfig`` an item therefore moves from host to host between epochs, as the
  service says that it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from seatrial.contract.s3_channel import S3Channel
from seatrial.contract.training import S3DistributionType

Item = TypeVar("Item")


def epoch_items(
    items: Sequence[Item], channel: S3Channel, *, epoch: int = 0, host_index: int = 0, host_count: int = 1
) -> Sequence[Item]:
    """What one host gets of a channel's items in one epoch, in order.

    Args:
        items: All of the channel: objects in listing order, entries or lines of a manifest in the file's order.
        channel: Says how they are dealt out and shuffled.
        epoch: Counted from 0; File and FastFile mode have only this one.
        host_index: The host's position among those that get the channel, from 0.
        host_count: How many hosts get the channel.
    """
    if not 0 <= host_index < host_count:
        raise ValueError(f"host {host_index} of {host_count}")
    if channel.shuffle_seed is not None:
        items = [items[position] for position in shuffled_positions(len(items), channel.shuffle_seed, epoch)]
    if channel.distribution is S3DistributionType.SHARDED_BY_S3_KEY:
        return items[host_index::host_count]
    return items


def shuffled_positions(count: int, seed: int, epoch: int) -> list[int]:
    """The order of an epoch, as positions in the listing."""

    def rank(position: int) -> bytes:
        return hashlib.sha256(f"{seed}:{epoch}:{position}".encode()).digest()

    return sorted(range(count), key=rank)
