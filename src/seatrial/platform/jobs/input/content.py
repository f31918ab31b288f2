"""What a channel holds: the objects below a prefix, those of a manifest, or the lines of an augmented manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from seatrial.contract.channel_order import epoch_items
from seatrial.contract.channel_paths import channel_files, check_whole_prefix
from seatrial.contract.manifests import AttributeValue, parse_augmented_manifest, parse_manifest
from seatrial.contract.s3_channel import S3Channel, S3DataType
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import InputMode
from seatrial.core.errors import ConfigError, ContractError, SeatrialError
from seatrial.objects.errors import ObjectStoreError
from seatrial.platform.jobs.input.source import ObjectSource

Item = tuple[AttributeValue, ...]
"""What is shuffled and dealt out as one: one object, or the attributes of one line of an augmented manifest."""

MANIFEST_MAX_BYTES = 1 << 30
"""A manifest is read into memory; AWS publishes no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelContent:
    """A channel as it was when the job began; objects that come later are not of it."""

    channel: S3Channel
    root: S3Uri
    """The prefix that paths are relative to."""
    items: Sequence[Item]

    def of_host(self, *, epoch: int = 0, host_index: int = 0, host_count: int = 1) -> Sequence[Item]:
        """A host's items in an epoch, in order; arguments as ``contract.channel_order.epoch_items``."""
        return epoch_items(self.items, self.channel, epoch=epoch, host_index=host_index, host_count=host_count)

    def files(self, *, host_index: int = 0, host_count: int = 1) -> Mapping[str, str]:
        """A host's files in File or FastFile mode: relative path → key in the bucket of ``root``.

        Raises:
            ConfigError: ``data-download-failed``; a key gives no path, or two keys need one.
        """
        keys = [value.key for item in self.items for value in item if isinstance(value, S3Uri)]
        with download_errors():
            if self.channel.input_mode is InputMode.FAST_FILE:
                check_whole_prefix(keys, self.root.key)
            channel_files(keys, self.root.key)  # what clashes is told to every host alike
            mine = self.of_host(host_index=host_index, host_count=host_count)
            return channel_files(
                (value.key for item in mine for value in item if isinstance(value, S3Uri)), self.root.key
            )


def read_content(channel: S3Channel, source: ObjectSource) -> ChannelContent:
    """Find out what a channel holds; reads its manifest.

    Raises:
        ConfigError: ``data-download-failed``; a manifest that is broken or not there, or a store that does not answer.
    """
    with download_errors():
        if channel.s3_data_type is S3DataType.S3_PREFIX:
            return ChannelContent(channel=channel, root=channel.s3_uri, items=_below(channel.s3_uri, source))
        where = str(channel.s3_uri)
        body = _read_manifest(channel.s3_uri, source)
        if channel.s3_data_type is S3DataType.MANIFEST_FILE:
            manifest = parse_manifest(body, where=where)
            bucket = manifest.prefix.bucket
            items = [(S3Uri(bucket, manifest.key(entry)),) for entry in manifest.entries]
            return ChannelContent(channel=channel, root=manifest.prefix, items=items)
        lines = list(parse_augmented_manifest(body, channel.attribute_names, where=where))
        if not lines:
            raise ContractError("channel-manifest-broken", "the augmented manifest has no lines", where=where)
        return ChannelContent(channel=channel, root=channel.s3_uri, items=lines)


@contextmanager
def download_errors() -> Iterator[None]:
    """What keeps a channel from its container, as the service words it (contract.md §1.5)."""
    try:
        yield
    except (ContractError, ObjectStoreError) as error:
        raise download_failed(error) from error


def download_failed(error: Exception) -> ConfigError:
    said = error.sentence() if isinstance(error, SeatrialError) else str(error)
    return ConfigError("data-download-failed", f"Data download failed:{said}")


def _below(uri: S3Uri, source: ObjectSource) -> list[Item]:
    """Objects without "folder" objects, whose keys end in a slash: they are no data of any mode."""
    return [(S3Uri(uri.bucket, key),) for key in source.list_keys(uri.bucket, uri.key) if not key.endswith("/")]


def _read_manifest(uri: S3Uri, source: ObjectSource) -> bytes:
    with source.open(uri.bucket, uri.key) as stream:
        if stream.size_bytes > MANIFEST_MAX_BYTES:
            raise ContractError(
                "channel-manifest-broken",
                "the manifest is too large to be read",
                where=str(uri),
                found=f"{stream.size_bytes:,} bytes",
                expected=f"at most {MANIFEST_MAX_BYTES:,} bytes",
                fix="cut it into several channels",
            )
        return stream.read()
