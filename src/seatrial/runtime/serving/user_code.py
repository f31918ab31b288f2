"""Import the user's module and load the model: what happens before the first request.

Whatever the user's code raises here ends ``serve``: the traceback goes to the log, the reason into the error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from seatrial.contract.serving import execution_parameters_from, render_execution_parameters
from seatrial.core.errors import InternalError, SeatrialError, UserCodeError
from seatrial.runtime import algorithm
from seatrial.runtime.serving.context import Context
from seatrial.runtime.serving.hooks import Hook, Hooks, read_hooks
from seatrial.runtime.serving.locate import HandlerFile
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.user_traceback import keep_user_frames, summarise

logger = logging.getLogger("seatrial.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """The user's hooks and what ``model_fn`` returned."""

    hooks: Hooks
    model: Any
    execution_parameters: bytes
    """The body of the answer to ``GET /execution-parameters``."""


def import_hooks(handler: HandlerFile) -> Hooks:
    """Import the user's file; its directory comes first on ``sys.path`` and on ``PYTHONPATH``, as in AWS's toolkit.

    Raises:
        UserCodeError: the import failed; its traceback has been logged.
        ContractError: the hooks in it cannot work.
    """
    try:
        module = _import(handler)
    except (SeatrialError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a module may end in sys.exit()
        raise _import_failed(handler.path, error) from error
    return read_hooks(module, handler.path)


def _import(handler: HandlerFile) -> ModuleType:
    if handler.module is not None:
        return algorithm.import_name(handler.module, handler.directories)
    directory = str(handler.path.parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [directory, os.environ.get("PYTHONPATH")]))
    return algorithm.import_file(handler.path)


def system_properties(settings: Settings) -> dict[str, object]:
    """``context.system_properties`` as Multi Model Server fills it."""
    return {
        "model_dir": str(settings.opt_ml.model_dir),
        "gpu_id": None,
        "batch_size": 1,
        "server_name": "Seatrial",
        "server_version": "1",
    }


def load_model(hooks: Hooks, settings: Settings) -> LoadedModel:
    """Run ``pre_model_fn``, ``model_fn``, ``model_warmup_fn`` and ``execution_parameters``, none of them async.

    No event loop runs meanwhile, so that the hooks may start their own.

    Raises:
        UserCodeError: a hook raised; its traceback has been logged.
        ContractError: ``execution_parameters`` returned what cannot be sent.
    """
    loading = load_model_in_loop(hooks, settings)
    try:
        loading.send(None)
    except StopIteration as end:  # without async hooks the coroutine never waits
        return end.value  # type: ignore[no-any-return]
    finally:
        loading.close()
    raise InternalError("async-hook-outside-loop", "an async hook was run without an event loop")


async def load_model_in_loop(hooks: Hooks, settings: Settings) -> LoadedModel:
    """Like ``load_model``, in the running loop, where what an async ``model_fn`` opened stays usable."""
    context = Context((), system_properties(settings))
    model_dir = str(settings.opt_ml.model_dir)

    async def call(hook: Hook | None, *arguments: Any) -> Any:  # noqa: ANN401 (whatever the user returns)
        if hook is None:
            return None
        if hook.takes_context:
            arguments = (*arguments, context)
        try:
            result = hook.function(*arguments)
            return await result if hook.is_async else result
        except (SeatrialError, KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as error:
            raise _load_failed(hooks.file, hook.name, error) from error

    await call(hooks.pre_model_fn, model_dir)
    model = await call(hooks.model_fn, model_dir)
    await call(hooks.model_warmup_fn, model_dir, model)
    parameters = settings.execution_parameters
    if hooks.execution_parameters is not None:
        parameters = execution_parameters_from(await call(hooks.execution_parameters))
    return LoadedModel(hooks=hooks, model=model, execution_parameters=render_execution_parameters(parameters))


def _import_failed(file: Path, error: BaseException) -> UserCodeError:
    keep_user_frames(error)
    logger.error("the handler cannot be imported", exc_info=error)
    return UserCodeError(
        "handler-import-failed",
        "the handler cannot be imported",
        where=str(file),
        found=summarise(error),
        fix=_fix_for(error),
    )


def _load_failed(file: Path, hook_name: str, error: BaseException) -> UserCodeError:
    keep_user_frames(error)
    logger.error("%s failed", hook_name, exc_info=error)
    return UserCodeError(
        "model-load-failed",
        f"the model cannot be loaded: {hook_name} failed",
        where=str(file),
        found=summarise(error),
        fix=_fix_for(error),
    )


def _fix_for(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError):
        return "install it in the image, or name it in code/requirements.txt of the model archive"
    return None
