"""``seatrial demo``: what it says when it is interrupted."""

from seatrial.cli.demo import Logbook, _what_is_left


def test_what_is_left_names_the_images_that_were_built() -> None:
    assert "docker" not in _what_is_left(Logbook())
    assert "'docker image rm a:demo b:demo'" in _what_is_left(Logbook(images=["a:demo", "b:demo"]))
