"""Overlays read from their layers."""

from pathlib import Path, PurePosixPath

import pytest

from seatrial.core.layers import find_in_layers, is_merged


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path]:
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for path in ("upper/both", "lower/both", "lower/below", "upper/above", "upper/empty", "lower/empty"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("upper/both/a", "upper/above/a", "lower/both/a", "lower/both/b", "lower/below/a", "lower/empty/a"):
        (tmp_path / path).write_text(path)
    return upper, lower


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("both/a", "upper/both/a"),
        ("both/b", "lower/both/b"),
        ("below/a", "lower/below/a"),
        ("above/a", "upper/above/a"),
        ("below", "lower/below"),
        ("above", "upper/above"),
        ("both", "upper/both"),
        ("empty", "lower/empty"),
        ("nowhere", "lower/nowhere"),
    ],
)
def test_find_takes_the_uppermost_layer_that_has_it(
    tmp_path: Path, layers: tuple[Path, Path], name: str, found: str
) -> None:
    assert find_in_layers(layers, PurePosixPath(name)) == tmp_path / found


@pytest.mark.parametrize(("name", "expected"), [("both", True), ("empty", False), ("above", False), ("both/a", False)])
def test_is_merged_is_a_directory_with_entries_in_several_layers(
    layers: tuple[Path, Path],
    name: str,
    expected: bool,
) -> None:
    assert is_merged(layers, PurePosixPath(name)) is expected
