"""RecordIO records of a channel, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.contract.recordio import BinaryStream, read_records
from seatrial.core.errors import ContractError


def records_of(stream: BinaryStream, where: str) -> Iterator[bytes]:
    try:
        yield from read_records(stream)
    except ContractError as error:
        error.where = f"{where}, {error.where}"
        raise
