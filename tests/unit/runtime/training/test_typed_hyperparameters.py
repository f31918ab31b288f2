from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.core.errors import ContractError
from seatrial.runtime.training.typed_hyperparameters import convert_hyperparameters, is_supported_class, type_name


class Booster(enum.Enum):
    TREE = "gbtree"
    LINEAR = "gblinear"


@dataclass
class Inner:
    size: int
    rate: float = 0.5


class Opaque: ...


@dataclass
class Everything:
    count: int
    rate: float
    name: str
    is_on: bool = False
    maybe: int | None = None
    old_style: Optional[float] = None  # noqa: UP045 (users write it)
    optimizer: Literal["adam", "sgd"] = "adam"
    depth: Literal[1, 2] = 1
    booster: Booster = Booster.TREE
    layers: list[int] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    inner: Inner = field(default_factory=lambda: Inner(1))
    path: Path = Path()
    anything: Any = None


REQUIRED = {"count": "1", "rate": "0.5", "name": "x"}


def convert(**hyperparameters: str) -> Everything:
    return convert_hyperparameters(REQUIRED | hyperparameters, Everything, where="hyperparameters.json")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "10", 10),
        ("count", '"10"', 10),
        ("count", "-3", -3),
        ("count", "10.0", 10),
        ("rate", "1", 1.0),
        ("rate", "1e-3", 0.001),
        ("rate", '"0.25"', 0.25),
        ("name", "adam", "adam"),
        ("name", '"adam"', "adam"),
        ("name", "5", "5"),
        ("name", "true", "true"),
        ("name", "null", "null"),
        ("name", "", ""),
        ("name", '{"a": 1}', '{"a": 1}'),
        ("is_on", "true", True),
        ("is_on", "True", True),
        ("is_on", '"true"', True),
        ("is_on", "1", True),
        ("is_on", "0", False),
        ("is_on", "False", False),
        ("maybe", "null", None),
        ("maybe", "None", None),
        ("maybe", "7", 7),
        ("old_style", "0.5", 0.5),
        ("optimizer", "sgd", "sgd"),
        ("optimizer", '"sgd"', "sgd"),
        ("depth", "2", 2),
        ("booster", "gblinear", Booster.LINEAR),
        ("layers", "[64, 32]", [64, 32]),
        ("extra", '{"a": [1, null]}', {"a": [1, None]}),
        ("inner", '{"size": 3}', Inner(3)),
        ("path", "/opt/x", Path("/opt/x")),
        ("anything", "[1]", [1]),
        ("anything", "text", "text"),
    ],
)
def test_convert_of_a_fitting_text_gives_the_value(name: str, text: str, value: object) -> None:
    converted = getattr(convert(**{name: text}), name)

    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("count", "ten", "int"),
        ("count", "1.5", "int"),
        ("count", "true", "int"),
        ("count", "null", "int"),
        ("count", "", "int"),
        ("rate", "fast", "float"),
        ("is_on", "yes", "bool"),
        ("is_on", "2", "bool"),
        ("maybe", "x", "int or null"),
        ("optimizer", "rmsprop", "one of 'adam', 'sgd'"),
        ("depth", "3", "one of 1, 2"),
        ("booster", "TREE", "one of 'gbtree', 'gblinear'"),
        ("layers", "64,32", "list[int] as JSON"),
        ("extra", "[1]", "dict[str, Any] as JSON"),
        ("inner", '{"rate": 1}', "Inner as JSON"),
        ("path", "5", "Path"),
    ],
)
def test_convert_of_an_unfitting_text_names_value_and_type(name: str, text: str, expected: str) -> None:
    if name == "path":
        assert convert(path=text).path == Path("5")  # digits are a file name too
        return
    with pytest.raises(ContractError) as caught:
        convert(**{name: text})

    assert caught.value.code == "hyperparameters-invalid"
    assert f"'{name}' is {text!r}, expected {expected}" in str(caught.value.found)


def test_convert_with_several_problems_names_them_all_in_one_line() -> None:
    with pytest.raises(ContractError) as caught:
        convert_hyperparameters({"count": "ten", "rate": "fast"}, Everything, where="h.json")

    assert caught.value.sentence() == (
        "hyperparameters do not fit Everything; in h.json; found 'count' is 'ten', expected int; "
        "'rate' is 'fast', expected float; 'name' is missing, expected str"
    )


def test_convert_of_dashes_meets_underscores() -> None:
    assert convert(**{"is-on": "true"}).is_on is True


def test_convert_passes_over_what_sdks_and_the_tuner_add(capsys: pytest.CaptureFixture[str]) -> None:
    convert(_tuning_objective_metric="validation:rmse", sagemaker_program='"x.py"', sagemaker_other="1")

    assert capsys.readouterr().err == ""


def test_convert_of_unknown_names_says_in_one_line_what_was_perhaps_meant(capsys: pytest.CaptureFixture[str]) -> None:
    convert(optimiser="sgd", unrelated="1", is__on="true")

    assert capsys.readouterr().err == (
        "seatrial: warning: hyperparameters without a field in Everything are passed over: "
        "'optimiser' (did you mean 'optimizer'?), 'unrelated', 'is__on' (did you mean 'is_on'?)\n"
    )


def test_convert_without_a_field_for_the_misspelt_name_says_so_before_the_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ContractError, match="do not fit"):
        convert_hyperparameters({"cuont": "1", "rate": "1", "name": "x"}, Everything, where="h.json")

    assert "'cuont' (did you mean 'count'?)" in capsys.readouterr().err


def test_convert_when_the_class_refuses_its_values_says_why() -> None:
    @dataclass
    class Checked:
        low: int
        high: int

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    with pytest.raises(ContractError) as caught:
        convert_hyperparameters({"low": "2", "high": "1"}, Checked, where="h.json")

    assert caught.value.found == "low is above high"


def test_convert_to_a_struct_keeps_its_names_defaults_and_bounds() -> None:
    class Bounded(msgspec.Struct, rename="kebab"):
        batch_size: Annotated[int, msgspec.Meta(ge=1)]
        seed: int = 7

    assert convert_hyperparameters({"batch-size": "64"}, Bounded, where="h.json") == Bounded(64, 7)
    with pytest.raises(ContractError) as caught:
        convert_hyperparameters({"batch-size": "0"}, Bounded, where="h.json")
    assert caught.value.found == "'batch-size' is '0', expected int (expected `int` >= 1)"


def test_convert_to_a_type_that_no_text_can_give_is_refused() -> None:
    @dataclass
    class Wrong:
        thing: Opaque

    with pytest.raises(ContractError) as caught:
        convert_hyperparameters({"thing": "x"}, Wrong, where="h.json")

    assert caught.value.code == "hyperparameters-type-unsupported"
    assert "'thing'" in caught.value.what


@given(st.dictionaries(st.sampled_from([*Everything.__dataclass_fields__, "other"]), st.text(max_size=12)))
@example({"count": "\ud800", "layers": "[" * 5000, "rate": "9" * 5000, "name": "nan", "is_on": "\0"})
@example({"rate": "NaN", "count": "Infinity", "name": "x"})
def test_convert_of_any_texts_gives_an_instance_or_a_contract_error(hyperparameters: dict[str, str]) -> None:
    errors = []
    try:
        assert isinstance(convert_hyperparameters(hyperparameters, Everything, where="h.json"), Everything)
    except ContractError as error:
        errors.append(error)

    assert all(error.code == "hyperparameters-invalid" for error in errors)


def test_is_supported_class_is_true_of_dataclasses_and_structs_only() -> None:
    assert is_supported_class(Everything)
    assert is_supported_class(msgspec.defstruct("S", []))
    assert not any(is_supported_class(other) for other in (int, dict, Booster, Everything(1, 1.0, ""), None))


def test_type_name_of_an_annotated_type_is_that_of_the_type() -> None:
    assert type_name(Annotated[int, "x"]) == "int"
