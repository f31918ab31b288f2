from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas
import pytest

from seatrial.core.errors import ContractError
from seatrial.runtime.serving.hooks import Hooks, read_hooks

FILE = Path("/opt/ml/model/code/inference.py")


def hooks_of(source: str) -> Hooks:
    module = ModuleType("inference")
    exec(source, module.__dict__)  # noqa: S102
    return read_hooks(module, FILE)


MODEL = "def model_fn(model_dir): ...\n"
PREDICT = "def predict_fn(data, model): ...\n"


def test_read_hooks_of_model_fn_and_predict_fn_is_enough() -> None:
    hooks = hooks_of(MODEL + PREDICT)
    assert [hook.name for hook in hooks.serving] == ["predict_fn"]
    assert not hooks.model_fn.takes_context


@pytest.mark.parametrize(
    "signature",
    ["(model_dir, context)", "(model_dir, context=None)", "(model_dir, anything)", "(a, b, /)", "(a, b, *c)"],
)
def test_read_hooks_passes_context_as_one_more_parameter_whatever_its_name(signature: str) -> None:
    assert hooks_of(f"def model_fn{signature}: ...\n{PREDICT}").model_fn.takes_context


@pytest.mark.parametrize("signature", ["(model_dir)", "(*anything)", "(model_dir, **options)", "(d, *, device='cpu')"])
def test_read_hooks_passes_no_context_where_none_is_asked_for(signature: str) -> None:
    assert not hooks_of(f"def model_fn{signature}: ...\n{PREDICT}").model_fn.takes_context


def test_read_hooks_sees_async_functions_and_async_callables() -> None:
    source = """
class Predictor:
    async def __call__(self, data, model): ...
async def model_fn(model_dir): ...
predict_fn = Predictor()
"""
    hooks = hooks_of(source)
    assert hooks.model_fn.is_async
    assert hooks.predict_fn is not None
    assert hooks.predict_fn.is_async


def test_read_hooks_takes_a_partial() -> None:
    module = ModuleType("inference")
    module.model_fn = functools.partial(lambda kind, model_dir: kind, "tree")  # type: ignore[attr-defined]
    module.predict_fn = max  # type: ignore[attr-defined]
    assert not read_hooks(module, FILE).model_fn.takes_context


@pytest.mark.parametrize(
    ("source", "code", "expected"),
    [
        ("", "hook-missing", "def model_fn(model_dir)"),
        (MODEL, "hook-missing", "def predict_fn(data, model)"),
        (MODEL + "def input_fn(body, content_type): ...", "hook-missing", "def predict_fn(data, model)"),
        (
            MODEL + PREDICT + "def transform_fn(m, b, c, a): ...",
            "hook-conflict",
            "transform_fn(model, body, content_type, accept)",
        ),
        ("def model_fn(): ...\n" + PREDICT, "hook-signature", "model_fn(model_dir) or model_fn(model_dir, context)"),
        (MODEL + "def predict_fn(data): ...", "hook-signature", "predict_fn(data, model)"),
        (MODEL + "def predict_fn(a, b, c, d): ...", "hook-signature", "predict_fn(data, model, context)"),
        (MODEL + "def predict_fn(data, model, *, strict): ...", "hook-signature", "predict_fn(data, model)"),
        (MODEL + "predict_fn = 3", "hook-signature", "predict_fn(data, model)"),
        (MODEL + PREDICT + "def execution_parameters(a, b): ...", "hook-signature", "execution_parameters()"),
    ],
)
def test_read_hooks_that_cannot_work_names_file_and_expected_signature(source: str, code: str, expected: Any) -> None:
    with pytest.raises(ContractError) as caught:
        hooks_of(source)
    assert caught.value.code == code
    assert caught.value.where == str(FILE)
    assert expected in (caught.value.expected or "")


@pytest.mark.parametrize(
    ("imports", "annotation", "expected"),
    [
        ("import pandas as pd", "pd.DataFrame", True),
        ("import pandas as pd", "'pd.DataFrame'", True),
        ("from pandas import DataFrame as Table", "'Table'", True),
        ("from __future__ import annotations\nimport pandas", "pandas.DataFrame", True),
        ("from __future__ import annotations", "pd.DataFrame", True),  # under TYPE_CHECKING only
        ("import numpy as np", "np.ndarray", False),
        ("from __future__ import annotations", "pl.DataFrame", False),
        ("class DataFrame: ...", "DataFrame", False),
        ("class DataFrame: ...", "'DataFrame'", False),
    ],
)
def test_read_hooks_sees_the_wish_for_a_dataframe_in_the_annotation(
    imports: str, annotation: str, expected: Any
) -> None:
    source = f"{imports}\n{MODEL}def predict_fn(data: {annotation}, model): ...\n"
    assert hooks_of(source).wants_dataframe is expected


def test_read_hooks_without_annotation_wants_no_dataframe() -> None:
    def predict_fn(data: Any, model: Any) -> pandas.DataFrame: ...

    module = ModuleType("inference")
    module.model_fn = lambda model_dir: None  # type: ignore[attr-defined]
    module.predict_fn = predict_fn  # type: ignore[attr-defined]
    assert not read_hooks(module, FILE).wants_dataframe
