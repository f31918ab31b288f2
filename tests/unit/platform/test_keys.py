"""The file of keys, and which keys a listener takes."""

from __future__ import annotations

import contextlib
import datetime
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.errors import ConfigError
from seatrial.platform.keys import Keyring, make_keys_file, read_keys
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.wire.signing import SecretKey

ENDS_AT = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)


def test_make_keys_file_makes_one_random_key_for_its_owner_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_keys_file(tmp_path / name)
    ((first_id, first),), ((second_id, second),) = (read_keys(tmp_path / name).items() for name in ("a", "b"))

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert first_id != second_id
    assert first.secret_access_key != second.secret_access_key
    assert len(first_id) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_make_keys_file_leaves_one_that_is_there(tmp_path: Path) -> None:
    make_keys_file(tmp_path / "keys")
    before = (tmp_path / "keys").read_text()
    make_keys_file(tmp_path / "keys")

    assert (tmp_path / "keys").read_text() == before


def test_read_keys_gives_every_section(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        "[default]\naws_access_key_id = one\naws_secret_access_key = a%b=c\n"
        "[other]\naws_access_key_id=two\naws_secret_access_key=second\naws_session_token=token\n"
    )

    found = read_keys(file)

    assert list(found) == ["one", "two"]
    assert found["one"] == SecretKey(secret_access_key="a%b=c")  # noqa: S106
    assert found["two"] == SecretKey(secret_access_key="second", session_token="token")  # noqa: S106


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "aws_access_key_id = one\n",
        "[a]\naws_access_key_id = one\n",
        "[a]\naws_access_key_id = one two\naws_secret_access_key = hidden\n",
        "[a]\naws_secret_access_key = hidden\n",
        "[a]\nhidden\n",
        "[a]\naws_secret_access_key = hidden\n[a]\n",
    ],
)
def test_read_keys_of_what_are_none_is_refused_without_showing_them(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)

    with pytest.raises(ConfigError) as refused:
        read_keys(file)

    assert refused.value.code == "keys-unusable"
    assert "hidden" not in refused.value.sentence()


@given(st.binary(max_size=200))
def test_read_keys_of_any_bytes_gives_keys_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert read_keys(file)


def test_keyring_finds_configured_keys_and_the_session_of_the_token_alone() -> None:
    sessions = Sessions(b"secret")
    one, other = (sessions.issue("Role", "name", ENDS_AT) for _ in range(2))
    configured = SecretKey(secret_access_key="secret")  # noqa: S106
    keyring = Keyring(sessions=sessions, configured={"id": configured})

    for token in (None, "forged", one.token):
        assert keyring.finder(token)("id") == configured
        assert keyring.finder(token)(other.access_key_id) is None
    found = keyring.finder(one.token)(one.access_key_id)
    assert found == SecretKey(secret_access_key=one.secret_access_key, session_token=one.token, expires_at=ENDS_AT)
    assert keyring.finder(None)(one.access_key_id) is None
    assert Keyring(sessions=Sessions(b"another")).finder(one.token)(one.access_key_id) is None
