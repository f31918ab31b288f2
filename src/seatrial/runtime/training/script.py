"""Script mode: run the user's program as AWS's training toolkit does, told step by step in ``run_script``.

What the toolkit has and this has not: copying ``/opt/ml/output/intermediate`` to S3 while the job runs, and the
launchers of AWS's framework images other than torchrun and MPI (each said in one line of the log).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.contract import environment as env
from seatrial.contract import json_text
from seatrial.contract.layout import OptMl
from seatrial.contract.script_environment import (
    DISTRIBUTION_HYPERPARAMETERS,
    ScriptContext,
    script_arguments,
    script_environment,
)
from seatrial.contract.training import (
    ResourceConfig,
    decode_hyperparameter,
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
    render_input_data_config,
    render_resource_config,
)
from seatrial.runtime.algorithm import PROGRAM_DIR
from seatrial.runtime.training import hardware, script_source
from seatrial.runtime.training.child import run_child
from seatrial.runtime.training.hosts import LOCAL_MODE, launch_cluster, wait_for_names
from seatrial.runtime.training.launchers.choice import LAUNCHER_HYPERPARAMETERS, choose_launcher
from seatrial.runtime.training.launchers.launch import ERROR_CLASS, SHARED_VARIABLES, Launch, run_launched
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.script_source import EntryPointKind
from seatrial.runtime.training.stopping import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    hyperparameters: Mapping[str, str]
    input_data_config: Mapping[str, object]
    resource_config: Mapping[str, object]
    cluster: ResourceConfig


def run_script(entry_point: str, opt_ml: OptMl, environment: Mapping[str, str], stopping: Stopping) -> None:
    """Run a user's program to its end.

    Raises:
        ScriptFailure: the program, or the installation of what it needs, failed.
        ContractError: the source, the program or a configuration file is missing or broken.
        JobStopping: SIGTERM came before the program was started.
    """
    inputs = _read_inputs(opt_ml)
    _say_what_is_not_done(inputs.hyperparameters, environment)
    submit_directory = inputs.hyperparameters.get(env.SUBMIT_DIRECTORY_HYPERPARAMETER)
    script_source.prepare_source(
        str(decode_hyperparameter(submit_directory)) if submit_directory else str(opt_ml.code_dir), opt_ml.code_dir
    )
    kind = script_source.check_entry_point(entry_point, opt_ml.code_dir, elsewhere=(Path.cwd(), PROGRAM_DIR))
    if kind is EntryPointKind.COMMAND:
        script_source.make_executable(opt_ml.code_dir / entry_point)
    settings = choose_launcher(inputs.hyperparameters, (opt_ml.code_dir, Path.cwd(), PROGRAM_DIR))
    cluster = launch_cluster(inputs.cluster, inputs.hyperparameters) if settings else None
    _install(kind, opt_ml, environment, stopping)
    if environment.get(LOCAL_MODE, "").lower() != "true":
        wait_for_names(inputs.cluster.hosts, stopping)
    arguments = script_arguments(env.user_hyperparameters(inputs.hyperparameters))
    command = script_source.launch_command(kind, entry_point, arguments)
    variables = _script_variables(entry_point, inputs, opt_ml, environment)
    if settings is not None and cluster is not None:
        run_launched(
            Launch(
                settings=settings,
                cluster=cluster,
                command=tuple(command),
                python_arguments=(entry_point, *arguments) if kind is EntryPointKind.PYTHON else None,
                cwd=opt_ml.code_dir,
                environment={**environment, **variables},
                shared_variables=(*variables, *SHARED_VARIABLES),
                stopping=stopping,
            )
        )
    else:
        announce(f"running in {opt_ml.code_dir}: {' '.join(command)}")
        run_child(
            command,
            cwd=opt_ml.code_dir,
            environment={**environment, **variables},
            stopping=stopping,
            error_class=ERROR_CLASS,
        )
    opt_ml.output_dir.mkdir(parents=True, exist_ok=True)
    opt_ml.success_file.touch()


def _read_inputs(opt_ml: OptMl) -> _Inputs:
    """Read every file twice: as classes, which checks it, and as it stands, which is what scripts are shown."""
    cluster = read_resource_config(opt_ml)
    resource_files = (opt_ml.resource_config_file, opt_ml.misspelt_resource_config_file)
    resource_body = next(
        (path.read_bytes() for path in resource_files if path.is_file()), render_resource_config(cluster)
    )
    channels = read_input_data_config(opt_ml)
    channels_file = opt_ml.input_data_config_file
    channels_body = channels_file.read_bytes() if channels_file.is_file() else render_input_data_config(channels)
    return _Inputs(
        hyperparameters=read_hyperparameters(opt_ml),
        input_data_config=json_text.parse_object(channels_body, where=str(channels_file)),
        resource_config={
            "hosts": list(cluster.hosts),
            **json_text.parse_object(resource_body, where=str(opt_ml.resource_config_file)),
        },
        cluster=cluster,
    )


def _say_what_is_not_done(hyperparameters: Mapping[str, str], environment: Mapping[str, str]) -> None:
    for name in DISTRIBUTION_HYPERPARAMETERS:
        if name not in LAUNCHER_HYPERPARAMETERS and decode_hyperparameter(hyperparameters.get(name, "")):
            announce(f"warning: hyperparameter '{name}' starts no launcher here; the script runs as one process a host")
    if env.S3_OUTPUT_HYPERPARAMETER in hyperparameters:
        announce("warning: /opt/ml/output/intermediate is not copied to S3 while the job runs")
    if module := environment.get(env.FRAMEWORK_MODULE):
        announce(f"warning: {env.FRAMEWORK_MODULE}={module} is not run; the script is run by itself")


def _install(kind: EntryPointKind, opt_ml: OptMl, environment: Mapping[str, str], stopping: Stopping) -> None:
    command = script_source.install_command(kind, opt_ml.code_dir)
    if command is None:
        return
    announce(f"installing in {opt_ml.code_dir}: {' '.join(command)}")
    is_package = kind is EntryPointKind.PACKAGE
    run_child(
        command,
        cwd=opt_ml.code_dir,
        environment={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", **environment},
        stopping=stopping,
        error_class="InstallModuleError" if is_package else "InstallRequirementsError",
    )


def _script_variables(
    entry_point: str, inputs: _Inputs, opt_ml: OptMl, environment: Mapping[str, str]
) -> dict[str, str]:
    context = ScriptContext(
        hyperparameters=inputs.hyperparameters,
        input_data_config=inputs.input_data_config,
        resource_config=inputs.resource_config,
        user_entry_point=entry_point,
        cpu_count=hardware.count_cpus(),
        gpu_count=hardware.count_gpus(),
        neuron_core_count=hardware.count_neuron_cores(),
        opt_ml=opt_ml,
        job_name=environment.get(env.TRAINING_JOB_NAME),
        region=environment.get(env.AWS_REGION) or environment.get("AWS_DEFAULT_REGION"),
        framework_module=environment.get(env.FRAMEWORK_MODULE),
    )
    variables = script_environment(context)
    refused = [name for name, value in variables.items() if not _fits_environment(name, value)]
    for name in refused:
        announce(f"warning: {name!r} is left out: an environment variable holds no '=' in its name and no NUL")
    return {
        **{name: value for name, value in variables.items() if name not in refused},
        "PYTHONPATH": script_source.python_path(opt_ml.code_dir, environment.get("PYTHONPATH")),
    }


def _fits_environment(name: str, value: str) -> bool:
    try:
        os.fsencode(name + value)
    except UnicodeEncodeError:
        return False
    return "=" not in name and "\0" not in name + value
