"""The reference pages name everything that the code has."""

from __future__ import annotations

import re

import contract_tables
import pytest
from source_tree import DOCS, environment_variables

from seatrial.contract import limits, statuses
from seatrial.contract.script_environment import ScriptContext, script_environment

VARIABLES_PAGE = DOCS / "reference" / "environment-variables.md"


def _documented_variables() -> set[str]:
    return set(re.findall(r"`([A-Z][A-Z0-9_]+(?:<NAME>)?)`", VARIABLES_PAGE.read_text(encoding="utf-8")))


def test_every_environment_variable_in_the_code_is_documented() -> None:
    documented = _documented_variables()

    assert {name: place for name, place in environment_variables().items() if name not in documented} == {}


def test_every_variable_of_a_script_is_documented() -> None:
    script = ScriptContext(
        hyperparameters={"alpha": "1"},
        input_data_config={"training": {}},
        resource_config={"current_host": "algo-1", "hosts": ["algo-1"], "topology": [{"hostName": "algo-1"}]},
        user_entry_point="train.py",
        cpu_count=1,
    )
    named = {re.sub(r"^(SM_CHANNEL|SM_HP)_.+", r"\1_<NAME>", name) for name in script_environment(script)}

    assert named - _documented_variables() == set()


@pytest.mark.parametrize("name", contract_tables.documented_constants(limits))
def test_limit_has_a_docstring_that_cites_its_source(name: str) -> None:
    docstring = contract_tables.documented_constants(limits)[name]

    assert docstring is not None
    assert "§" in docstring


def test_table_of_limits_has_every_limit() -> None:
    table = contract_tables.table_of_limits()

    assert [name for name in contract_tables.documented_constants(limits) if f"`{name}`" not in table] == []


def test_diagram_of_endpoint_states_has_every_transition() -> None:
    diagram = contract_tables.state_diagram(statuses.ENDPOINT_TRANSITIONS, statuses.EndpointStatus.CREATING)

    assert diagram.count("-->") == 1 + sum(
        max(1, len(followers)) for followers in statuses.ENDPOINT_TRANSITIONS.values()
    )
    assert "Failed --> Deleting" in diagram
    assert "Deleting --> [*]" in diagram


def test_diagram_of_training_states_has_every_transition_once_or_from_the_box() -> None:
    diagram = contract_tables.diagram_of_training_states()

    drawn = {tuple(line.split(" --> ")) for line in map(str.strip, diagram.splitlines()) if "-->" in line}
    for state, followers in statuses.TRAINING_TRANSITIONS.items():
        in_progress = statuses.PRIMARY_OF[state] is statuses.TrainingJobStatus.IN_PROGRESS
        for follower in followers:
            from_box = in_progress and ("Active", follower.value) in drawn
            assert ((state.value, follower.value) in drawn) != from_box
    assert ("Failed", "[*]") in drawn


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PING_TIMEOUT_SECONDS", 2.0, "2 s"),
        ("MAX_RUNTIME_DEFAULT_SECONDS", 86_400, "86,400 s"),
        ("INVOCATION_MAX_BODY_BYTES", 26_214_400, "26,214,400 bytes (25 MiB)"),
        ("SERVING_PORT", 8080, "`8080`"),
    ],
)
def test_render_value_shows_the_unit_of_the_name(name: str, value: float, expected: str) -> None:
    assert contract_tables.render_value(name, value) == expected


def test_every_section_of_the_contract_that_the_code_cites_is_explained() -> None:
    page = (DOCS / "reference" / "contract-notes.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| (§[\d.]*\d) \|", page, flags=re.MULTILINE))
    cited = {
        section
        for path in (DOCS.parent / "src").rglob("*.py")
        for section in re.findall(r"§\d+(?:\.\d+)?", path.read_text(encoding="utf-8"))
    }

    assert cited - explained == set()
