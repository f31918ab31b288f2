"""What a user's script is given by AWS's training toolkit: the ``SM_*`` variables and its arguments.

The toolkit runs inside the image, and so does our runtime in its place. These functions say what it says (5.1.4,
recorded in ``tests/unit/contract/fixtures``), oddities included: names are upper-cased and keep their dashes, text is
written bare, ``None`` is empty, and everything else is compact JSON with sorted keys. Source: contract.md §1.4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.contract.environment import (
    JOB_NAME_HYPERPARAMETER,
    LOG_LEVEL_HYPERPARAMETER,
    REGION_HYPERPARAMETER,
    SUBMIT_DIRECTORY_HYPERPARAMETER,
    TOOLKIT_HYPERPARAMETERS,
    is_reserved_hyperparameter,
    user_hyperparameters,
)
from seatrial.contract.layout import OptMl
from seatrial.contract.training import DEFAULT_NETWORK_INTERFACE_NAME, decode_hyperparameter

DISTRIBUTION_HYPERPARAMETERS = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_torch_distributed_enabled",
)
"""Each, when true, asks for a launcher over several processes or hosts."""

_DISTRIBUTION_GROUPS_HYPERPARAMETER = "sagemaker_distribution_instance_groups"
_DEFAULT_LOG_LEVEL = 20
_DEFAULT_GROUP_NAME = "homogeneousCluster"
_DEFAULT_INSTANCE_TYPE = "local"


def script_arguments(hyperparameters: Mapping[str, object]) -> list[str]:
    """The arguments of a user's script: ``--name value``, ``-n value`` for one letter, sorted by name.

    Args:
        hyperparameters: The user's own, decoded. A mapping becomes ``k=v,k=v``, a boolean ``True`` or ``False``, and
            ``None`` the empty word.
    """
    arguments: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}" if name else "", _argument(value)]
    return arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptContext:
    """Everything that ``script_environment`` depends on."""

    hyperparameters: Mapping[str, str]
    """As in ``hyperparameters.json``, reserved names included."""
    input_data_config: Mapping[str, object]
    """As in ``inputdataconfig.json``, unknown keys included: scripts read them back from ``SM_INPUT_DATA_CONFIG``."""
    resource_config: Mapping[str, object]
    """As in ``resourceconfig.json``; ``current_host`` and ``hosts`` are there."""
    user_entry_point: str
    """The user's program, such as ``train.py``."""
    cpu_count: int
    gpu_count: int = 0
    neuron_core_count: int = 0
    opt_ml: OptMl = field(default_factory=OptMl)
    job_name: str | None = None
    region: str | None = None
    """Where the hyperparameter ``sagemaker_region`` says no other."""
    framework_module: str | None = None


def script_environment(context: ScriptContext) -> dict[str, str]:
    """The complete ``SM_*`` set of a user's script, and the three other variables that the toolkit writes."""
    training_env = _training_env(context)
    decoded = {name: decode_hyperparameter(value) for name, value in context.hyperparameters.items()}
    variables: dict[str, object] = {name: training_env[key] for name, key in _VARIABLES_OF_TRAINING_ENV.items()}
    variables["CHANNELS"] = sorted(context.input_data_config)
    variables["TRAINING_ENV"] = training_env
    variables["USER_ARGS"] = script_arguments(user_hyperparameters(context.hyperparameters))
    if training_env["topology"]:
        variables["TOPOLOGY"] = training_env["topology"]
    for name in context.input_data_config:
        variables[f"CHANNEL_{name}"] = str(context.opt_ml.channel_dir(name))
    for name, value in user_hyperparameters(context.hyperparameters).items():
        variables[f"HP_{name}"] = value
    return {
        **{f"SM_{name.upper()}": _variable(value) for name, value in variables.items()},
        "CURRENT_HOST": str(context.resource_config["current_host"]),
        "SAGEMAKER_JOB_NAME": str(decoded.get(JOB_NAME_HYPERPARAMETER, "")),
        "SAGEMAKER_REGION": str(decoded.get(REGION_HYPERPARAMETER) or context.region or ""),
    }


_VARIABLES_OF_TRAINING_ENV = {
    "HOSTS": "hosts",
    "NETWORK_INTERFACE_NAME": "network_interface_name",
    "HPS": "hyperparameters",
    "USER_ENTRY_POINT": "user_entry_point",
    "FRAMEWORK_PARAMS": "additional_framework_parameters",
    "RESOURCE_CONFIG": "resource_config",
    "INPUT_DATA_CONFIG": "input_data_config",
    "OUTPUT_DATA_DIR": "output_data_dir",
    "CURRENT_HOST": "current_host",
    "CURRENT_INSTANCE_TYPE": "current_instance_type",
    "CURRENT_INSTANCE_GROUP": "current_instance_group",
    "CURRENT_INSTANCE_GROUP_HOSTS": "current_instance_group_hosts",
    "INSTANCE_GROUPS": "instance_groups",
    "INSTANCE_GROUPS_DICT": "instance_groups_dict",
    "DISTRIBUTION_INSTANCE_GROUPS": "distribution_instance_groups",
    "IS_HETERO": "is_hetero",
    "MODULE_NAME": "module_name",
    "LOG_LEVEL": "log_level",
    "FRAMEWORK_MODULE": "framework_module",
    "INPUT_DIR": "input_dir",
    "INPUT_CONFIG_DIR": "input_config_dir",
    "OUTPUT_DIR": "output_dir",
    "NUM_CPUS": "num_cpus",
    "NUM_GPUS": "num_gpus",
    "NUM_NEURONS": "num_neurons",
    "MODEL_DIR": "model_dir",
    "MODULE_DIR": "module_dir",
    "OUTPUT_INTERMEDIATE_DIR": "output_intermediate_dir",
}
"""``SM_`` variable -> the key of ``SM_TRAINING_ENV`` that holds the same value."""


def _training_env(context: ScriptContext) -> dict[str, object]:
    """``SM_TRAINING_ENV``: one object with everything the toolkit knows of the job."""
    decoded = {name: decode_hyperparameter(value) for name, value in context.hyperparameters.items()}
    return {
        **_directories(context.opt_ml),
        **_cluster(context.resource_config, decoded),
        "additional_framework_parameters": {
            name: value
            for name, value in decoded.items()
            if is_reserved_hyperparameter(name) and name not in TOOLKIT_HYPERPARAMETERS
        },
        "channel_input_dirs": {name: str(context.opt_ml.channel_dir(name)) for name in context.input_data_config},
        "framework_module": context.framework_module,
        "hyperparameters": user_hyperparameters(context.hyperparameters),
        "input_data_config": dict(context.input_data_config),
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": context.job_name,
        "log_level": decoded.get(LOG_LEVEL_HYPERPARAMETER, _DEFAULT_LOG_LEVEL),
        "module_dir": str(decoded.get(SUBMIT_DIRECTORY_HYPERPARAMETER, context.opt_ml.code_dir)),
        "module_name": context.user_entry_point.removesuffix(".py"),
        "num_cpus": context.cpu_count,
        "num_gpus": context.gpu_count,
        "num_neurons": context.neuron_core_count,
        "user_entry_point": context.user_entry_point,
    }


def _directories(opt_ml: OptMl) -> dict[str, object]:
    return {
        "input_config_dir": str(opt_ml.input_config_dir),
        "input_dir": str(opt_ml.input_dir),
        "model_dir": str(opt_ml.model_dir),
        "output_data_dir": str(opt_ml.output_data_dir),
        "output_dir": str(opt_ml.output_dir),
        "output_intermediate_dir": str(opt_ml.output_intermediate_dir),
    }


def _cluster(resource_config: Mapping[str, object], decoded: Mapping[str, object]) -> dict[str, object]:
    """What follows from ``resourceconfig.json``: this host, its group, and who leads."""
    hosts = _texts(resource_config["hosts"])
    group_name = resource_config.get("current_group_name", _DEFAULT_GROUP_NAME)
    groups = {str(group["instance_group_name"]): group for group in _objects(resource_config.get("instance_groups"))}
    distribution_groups = _distribution_groups(decoded, str(group_name))
    distribution_hosts = (
        [host for name, group in groups.items() if name in distribution_groups for host in _texts(group["hosts"])]
        if groups
        else hosts
    )
    master = next(iter([*distribution_hosts, *hosts]), resource_config["current_host"])
    return {
        "current_host": resource_config["current_host"],
        "current_instance_group": group_name,
        "current_instance_group_hosts": _texts(groups.get(str(group_name), {}).get("hosts")),
        "current_instance_type": resource_config.get("current_instance_type", _DEFAULT_INSTANCE_TYPE),
        "distribution_hosts": distribution_hosts,
        "distribution_instance_groups": distribution_groups,
        "hosts": hosts,
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": resource_config["current_host"] == master,
        "master_hostname": master,
        "network_interface_name": resource_config.get("network_interface_name", DEFAULT_NETWORK_INTERFACE_NAME),
        "resource_config": dict(resource_config),
        "topology": resource_config.get("topology", []),
    }


def _distribution_groups(decoded: Mapping[str, object], group_name: str) -> list[str]:
    if _DISTRIBUTION_GROUPS_HYPERPARAMETER in decoded:
        return _texts(decoded[_DISTRIBUTION_GROUPS_HYPERPARAMETER])
    return [group_name] if any(decoded.get(name) for name in DISTRIBUTION_HYPERPARAMETERS) else []


def _argument(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)


def _variable(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


def _objects(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, Sequence) else []
