from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("mounts are Linux's", allow_module_level=True)

from seatrial.engines.launcher.rootfs import data_mount_points

MOUNT_INFO = r"""
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /proc rw - proc proc rw
23 22 0:21 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw
24 21 0:22 / /dev/shm rw - tmpfs tmpfs rw
25 21 0:23 / /run rw - tmpfs tmpfs rw
26 25 0:24 / /run/docker/netns/default rw - nsfs nsfs rw
27 21 254:1 / /home/my\040data rw - xfs /dev/vdb rw
28 21 0:30 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
29 21 0:31 / /net rw - autofs auto rw
30 21 254:2 / /home rw - ext4 /dev/vdc rw
""".strip()


def test_data_mount_points_leave_out_kernel_trees_and_other_containers() -> None:
    assert data_mount_points(MOUNT_INFO) == ["/home", "/home/my data", "/run"]
