"""Keys become paths and paths become the same keys again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.objects import keys
from seatrial.objects.errors import KeyTooLongError, ObjectStoreError
from seatrial.objects.keys import Role

HOSTILE = ["", ".", "..", "%~", "%~f", "%~da", "%~l", "%~%25", "a\0b", "\0", "%00", "%25", "a" * 255, "é" * 200]
characters = st.sampled_from("a.%~fdl025\0é🙂")
segments = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(characters, max_size=400),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=300),
)
roles = st.sampled_from(Role)


@given(segments, roles)
def test_decode_every_form_gives_the_segment(segment: str, role: Role) -> None:
    for form in keys.forms(segment, role):
        assert keys.decode(form, role) == segment


@given(segments, roles)
def test_forms_are_names_that_stay_in_the_folder(segment: str, role: Role) -> None:
    for form in keys.forms(segment, role):
        for name in form:
            assert name not in ("", ".", "..")
            assert "/" not in name
            assert "\0" not in name
            assert len(name.encode()) <= keys.NAME_MAX_BYTES


@given(segments, segments, roles, roles)
def test_marked_forms_of_two_segments_or_roles_never_meet(one: str, other: str, role: Role, second: Role) -> None:
    if (one, role) != (other, second):
        first, then = keys.marked_form(one, role), keys.marked_form(other, second)
        assert first != then
        # A file's form must not be the beginning of another's path either.
        assert role is Role.DIRECTORY or then[: len(first)] != first


@given(st.lists(st.text(st.sampled_from("a%~fdl02é"), min_size=1, max_size=6), min_size=1, max_size=3), roles)
def test_decode_takes_nothing_that_encoding_does_not_give(names: list[str], role: Role) -> None:
    form = tuple(names)
    segment = keys.decode(form, role)
    assert segment is None or form in keys.forms(segment, role)


@pytest.mark.parametrize("unit", ["/", "./", "../", "\0/", "%~/", "a/", "é/", "\0", "%"])
def test_longest_keys_fit_into_a_path_of_linux(unit: str) -> None:
    key = unit * (keys.KEY_MAX_BYTES // len(unit.encode()))
    *directories, last = key.split("/")
    path = [name for segment in directories for name in keys.marked_form(segment, Role.DIRECTORY)]
    path += keys.marked_form(last, Role.FILE)
    assert len("/".join(path).encode()) < 3_600


def test_plain_segments_are_stored_as_themselves() -> None:
    assert keys.forms("train.csv", Role.FILE)[0] == ("train.csv",)
    assert keys.forms("~", Role.FILE)[0] == ("~",)
    assert keys.forms("...", Role.DIRECTORY)[0] == ("...",)


@pytest.mark.parametrize("segment", ["", ".", "..", "%~a", "a\0", "é" * 128])
def test_other_segments_have_only_a_marked_form(segment: str) -> None:
    assert keys.forms(segment, Role.FILE) == (keys.marked_form(segment, Role.FILE),)


def test_check_key_over_1024_bytes_says_how_long_it_is() -> None:
    keys.check_key("é" * 512)
    with pytest.raises(KeyTooLongError) as caught:
        keys.check_key("é" * 512 + "a")
    assert caught.value.size_bytes == 1025


@pytest.mark.parametrize("key", ["", "\udcff"])
def test_check_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ObjectStoreError):
        keys.check_key(key)
