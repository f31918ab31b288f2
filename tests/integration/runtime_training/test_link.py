"""What the hosts of a job tell each other, over real sockets on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from seatrial.core.errors import ContractError, SeatrialError, UserCodeError
from seatrial.runtime.training.hosts import Cluster
from seatrial.runtime.training.launchers.link import Ended, Ending, LeaderLink, WorkerLink
from seatrial.runtime.training.stopping import JobStopping, Stopping

LEADER = "127.0.0.1"
WORKER = "algo-2"
DEADLINE_SECONDS = 20.0


def cluster(current_host: str, *hosts: str) -> Cluster:
    return Cluster(hosts=(LEADER, *(hosts or (WORKER,))), current_host=current_host, network_interface_name="lo")


def free_port() -> int:
    with socket.create_server((LEADER, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def check_until_it_raises(link: LeaderLink) -> None:
    for _ in range(int(DEADLINE_SECONDS / 0.05)):
        link.check()
        Stopping().wait(0.05)


def wait_for_end(link: WorkerLink) -> Ended:
    stopping = Stopping()
    for _ in range(int(DEADLINE_SECONDS / 0.05)):
        if (ended := link.ended()) is not None:
            return ended
        stopping.wait(0.05)
    raise AssertionError("the leader has not ended")


def test_leader_that_ends_well_is_done_for_its_workers() -> None:
    port, seen = free_port(), list[Ended]()

    def work() -> None:
        with WorkerLink(cluster(WORKER), Stopping(), port=port) as link:  # before the leader listens
            link.ready()
            seen.append(wait_for_end(link))

    thread = in_background(work)
    with LeaderLink(cluster(LEADER), port=port) as link:
        link.wait_for_workers(Stopping(), seconds=DEADLINE_SECONDS)
        link.check()
    thread.join()

    assert seen == [Ended(Ending.DONE)]


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (
            ContractError("x", "the data is bad", found="a line\nend"),
            Ended(Ending.FAILED, "the data is bad; found a line end"),
        ),
        (JobStopping(), Ended(Ending.DONE)),
    ],
)
def test_leader_that_fails_tells_its_workers_why(error: Exception, ended: Ended) -> None:
    port, seen = free_port(), list[Ended]()

    def work() -> None:
        with WorkerLink(cluster(WORKER), Stopping(), port=port) as link:
            link.ready()
            seen.append(wait_for_end(link))

    thread = in_background(work)
    with suppress(type(error)), LeaderLink(cluster(LEADER), port=port) as link:
        link.wait_for_workers(Stopping(), seconds=DEADLINE_SECONDS)
        raise error
    thread.join()

    assert seen == [ended]


@pytest.mark.parametrize(
    ("last_words", "code"), [(b"failed no memory\n", "host-failed"), (b"", "host-lost"), (b"x" * 9000, "host-lost")]
)
def test_worker_that_ends_before_the_job_fails_the_leader(last_words: bytes, code: str) -> None:
    port = free_port()
    with LeaderLink(cluster(LEADER), port=port) as link:
        with socket.create_connection((LEADER, port)) as worker:
            worker.sendall(f"ready {WORKER}\n".encode())
            link.wait_for_workers(Stopping(), seconds=DEADLINE_SECONDS)
            worker.sendall(last_words)

        with pytest.raises(UserCodeError) as raised:
            check_until_it_raises(link)

    assert raised.value.code == code
    assert WORKER in raised.value.sentence()


@pytest.mark.parametrize("hello", [b"", b"GET / HTTP/1.1\r\n\r\n", b"ready algo-9\n", b"\xff" * 5000, b"done\n"])
def test_a_stranger_is_turned_away_and_the_worker_still_heard(hello: bytes) -> None:
    port = free_port()
    with (
        LeaderLink(cluster(LEADER), port=port) as link,
        socket.create_connection((LEADER, port)) as stranger,
        socket.create_connection((LEADER, port)) as worker,
    ):
        stranger.sendall(hello)
        worker.sendall(f"ready {WORKER}\n".encode())
        link.wait_for_workers(Stopping(), seconds=DEADLINE_SECONDS)
        link.check()


def test_leader_without_its_workers_fails_and_names_them() -> None:
    with (
        pytest.raises(SeatrialError) as raised,
        LeaderLink(cluster(LEADER, "algo-2", "algo-3"), port=free_port()) as link,
    ):
        link.wait_for_workers(Stopping(), seconds=0.2)

    assert raised.value.code == "hosts-not-ready"
    assert "'algo-2', 'algo-3'" in str(raised.value.found)


def test_worker_without_its_leader_fails() -> None:
    with pytest.raises(ContractError) as raised:
        WorkerLink(cluster(WORKER), Stopping(), port=free_port(), seconds=0.2)

    assert raised.value.code == "leader-not-reached"


def test_a_stop_ends_the_wait_of_both() -> None:
    stopping = Stopping()
    stopping.set()
    with pytest.raises(JobStopping):
        WorkerLink(cluster(WORKER), stopping, port=free_port())
    with pytest.raises(JobStopping), LeaderLink(cluster(LEADER), port=free_port()) as link:
        link.wait_for_workers(stopping)


def test_leader_whose_port_is_taken_says_so() -> None:
    with socket.create_server((LEADER, 0)) as server, pytest.raises(ContractError) as raised:
        LeaderLink(cluster(LEADER), port=server.getsockname()[1])

    assert raised.value.code == "leader-port-taken"
