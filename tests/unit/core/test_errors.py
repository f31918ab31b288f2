from __future__ import annotations

from seatrial.core.errors import ContractError, SeatrialError


def test_sentence_with_every_field_tells_them_in_order() -> None:
    error = ContractError("slug", "it broke", where="a.json", found="x", expected="y", fix="mend it")

    assert error.sentence() == "it broke; in a.json; found x; expected y; mend it"
    assert str(error) == "it broke"
    assert isinstance(error, SeatrialError)
    assert error.code == "slug"


def test_sentence_without_fields_is_what_is_wrong() -> None:
    assert ContractError("slug", "it broke").sentence() == "it broke"
