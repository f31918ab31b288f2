from __future__ import annotations

import pytest

from seatrial.engines.image_names import candidates, is_possible, nearest

KNOWN = ["decision-trees:latest", "debian:bookworm-slim", "localhost:5000/team/forest:2"]
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"


def test_candidates_of_an_ecr_name_end_with_the_name_alone() -> None:
    assert candidates(f"{ECR}decision-trees:latest") == (f"{ECR}decision-trees:latest", "decision-trees:latest")


def test_candidates_of_another_name_are_the_name() -> None:
    assert candidates("registry.example/a.dkr.ecr/b") == ("registry.example/a.dkr.ecr/b",)


def test_nearest_finds_misspelt_and_unqualified_names() -> None:
    assert nearest("decision-tree", KNOWN)[0] == "decision-trees:latest"
    assert nearest("forest", KNOWN)[0] == "localhost:5000/team/forest:2"
    assert nearest(f"{ECR}decisiontrees:latest", KNOWN)[0] == "decision-trees:latest"


def test_nearest_with_nothing_alike_names_what_there_is() -> None:
    assert nearest("zzz", KNOWN) == sorted(KNOWN)
    assert nearest("zzz", []) == []


@pytest.mark.parametrize(
    "name",
    [
        *KNOWN,
        *("a", "a.b_c__d--e/f", "[::1]:5000/x", "localhost/x:T_a.g-1", "Registry.example:443/x", f"{ECR}x"),
        *("sha256:" + "0" * 64, "0123456789ab", "x@sha256:" + "a" * 64, "x:1@sha256:" + "a" * 64, "a" * 255),
    ],
)
def test_is_possible_of_a_name_or_id_is_true(name: str) -> None:
    assert is_possible(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Bad Name!", "MyImage", "-x", "a:b:c", "x:", "x:bad tag", "x@sha256:1", "a//b", "a/", "/a", "x\n"),
        *("a/../debian", "../x", "a?b#c", "%2e%2e", "a...b", "x; rm -rf /", "ä", "a" * 256, "x:" + "t" * 129),
    ],
)
def test_is_possible_of_what_no_image_can_be_called_is_false(name: str) -> None:
    assert not is_possible(name)
