from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from seatrial.platform.logs.store import LogStore

WRITER = """
import itertools, os, sys
from pathlib import Path
from seatrial.platform.logs.store import LogStore

writer = LogStore(Path(sys.argv[1]), segment_bytes=10_000, max_segments=10_000).open_stream("group", "job/algo-1-1")
for index in itertools.count():
    writer.write(f"line {index} " + "x" * (index % 300))
    os.write(1, b"%d\\n" % index)
"""


def test_log_of_a_process_that_is_killed_has_every_line_it_wrote(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(2_000)]
        writer.kill()
        told += writer.stdout.readlines()
    last_index = int(told[-1])

    store = LogStore(tmp_path)
    with store.open_stream("group", "job/algo-1-1") as again:
        again.write("after")
    page = store.events("group", "job/algo-1-1", start_from_head=True)
    messages = [line.message for line in page.events]
    while (page := store.events("group", "job/algo-1-1", token=page.forward_token)).events:
        messages += [line.message for line in page.events]

    assert messages.pop() == "after"
    assert messages == [f"line {index} " + "x" * (index % 300) for index in range(len(messages))]
    assert len(messages) > last_index >= 1_999
