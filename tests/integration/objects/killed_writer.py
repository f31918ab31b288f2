"""Run one operation of a store again and again, killed with SIGKILL before each of its calls of the system in turn.

    python killed_writer.py DIRECTORY put|create|complete|delete|copy|tags attributes|sidecars

The last word says where records are: in extended attributes, or in side-cars as where there are none.
Prints the number of points it was killed at. After each it checks, as a process that begins anew, that the object is
whole: old content with the old attributes, or new content with the new ones.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.objects.base import PART_MIN_BYTES, Attributes, WantedPart
from seatrial.objects.files import FileStore

CALLS = ("open", "write", "fsync", "rename", "unlink", "mkdir", "rmdir", "close", "copy_file_range", "pread")
CALLS += ("setxattr", "removexattr") if sys.platform == "linux" else ()
OLD, NEW = b"old content", b"the new content"
KEY = "dir/k"


def say(kind: str) -> Attributes:
    return Attributes(headers={"content-type": f"x/{kind}"}, user_metadata={"is": kind}, tags={"tag": kind})


def put(store: FileStore, content: bytes, kind: str) -> None:
    with store.receive(["CRC32"]) as incoming:
        incoming.write(content)
        store.put("b", KEY, incoming, attributes=say(kind))


def seen(store: FileStore) -> tuple[bytes, dict[str, str], dict[str, str]] | None:
    listed = [info for info in store.list_all("b") if info.key == KEY]
    if not listed:
        return None
    with store.open("b", KEY) as file:
        assert file.info == listed[0]
        content = os.pread(file.fileno(), file.info.size_bytes + 1, 0)
        return content, file.info.attributes.user_metadata, file.info.attributes.tags


def refuse_attributes() -> None:
    """From now on this is a file system without extended attributes."""

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    for name in ("setxattr", "getxattr", "removexattr"):
        setattr(os, name, refuse)


def prepare(operation: str, store: FileStore) -> Callable[[], Any]:
    store.create_bucket("b")
    if operation != "create":
        put(store, OLD, "old")
    if operation in ("put", "create"):
        return lambda: put(store, NEW, "new")
    if operation == "delete":
        return lambda: store.delete("b", KEY)
    if operation == "tags":
        return lambda: store.set_tags("b", KEY, {"tag": "new"})
    if operation == "copy":
        store.put_bytes("b", "source", NEW)
        source = store.open("b", "source")
        return lambda: store.copy(source, "b", KEY, attributes=say("new"))
    upload_id = store.create_upload("b", KEY, attributes=say("new"))
    upload = store.describe_upload("b", KEY, upload_id)
    parts = []
    for number, body in ((1, bytes(PART_MIN_BYTES)), (2, NEW)):
        with store.receive() as incoming:
            incoming.write(body)
            parts.append(WantedPart(number=number, etag=store.put_part(upload, number, incoming).etag))
    return lambda: store.complete_upload(upload, parts)


def kill_before_call(number: int) -> None:
    """Kill this process before the call of the system with this number."""
    count = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def main(directory: Path, operation: str) -> int:
    new_content = (bytes(PART_MIN_BYTES) if operation == "complete" else b"") + NEW
    new = None if operation == "delete" else (new_content, {"is": "new"}, {"tag": "new"})
    old = None if operation == "create" else (OLD, {"is": "old"}, {"tag": "old"})
    if operation == "tags":
        new = OLD, {"is": "old"}, {"tag": "new"}
    outcomes = []
    for number in range(1, 1000):
        root = directory / str(number)
        run = prepare(operation, FileStore(root))
        child = os.fork()
        if child == 0:
            kill_before_call(number)
            run()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        after = seen(FileStore(root))
        assert after in (old, new), (number, after)
        outcomes.append(after == new)
        put(FileStore(root), OLD, "again")  # nothing that was left is in the way
        assert seen(FileStore(root)) == (OLD, {"is": "again"}, {"tag": "again"})
        shutil.rmtree(root)
        if status == 0:
            assert after == new
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    # Once it has happened it stays: no later point shows the old object again.
    assert outcomes == sorted(outcomes), outcomes
    return len(outcomes) - 1


if __name__ == "__main__":
    if sys.argv[3] == "sidecars":
        refuse_attributes()
    print(main(Path(sys.argv[1]), sys.argv[2]))
