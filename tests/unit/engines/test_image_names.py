from __future__ import annotations

from seatrial.engines.image_names import candidates, nearest

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
