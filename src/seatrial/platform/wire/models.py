"""botocore's service models, loaded when first asked for and kept.

Importing botocore takes about 0.1 s and reading SageMaker's model another 0.1 s, so this module imports neither until
a model is needed: the command line stays quick, and a platform can load them while it starts (``preload``).
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from seatrial.platform.wire.java_patterns import category_ranges

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.model import OperationModel, ServiceModel, Shape

_lock = threading.Lock()
_models: dict[str, ServiceModel] = {}


def service_model(service: str) -> ServiceModel:
    """The model of a service by botocore's name for it, such as ``sagemaker-runtime``.

    Raises:
        botocore.exceptions.UnknownServiceError: botocore has no such service; a fault of ours, the names come from
            ``identify.SERVICES``.
    """
    if (model := _models.get(service)) is not None:
        return model
    with _lock:
        if service not in _models:
            _models[service] = _load(service)
        return _models[service]


def preload(services: Iterable[str]) -> None:
    """Load the models of these services and the tables of patterns now, so that no first request waits for them."""
    category_ranges()
    for service in services:
        service_model(service)


def find_operation(service: str, operation: str) -> OperationModel | None:
    """The model of an operation; ``None`` when the service has none of that name."""
    model = service_model(service)
    return model.operation_model(operation) if operation in model.operation_names else None


def find_error_shape(service: str, code: str) -> Shape | None:
    """The declared shape of an error by the code that goes over the wire; ``None`` for an undeclared one."""
    return cast("Shape | None", service_model(service).shape_for_error_code(cast("Any", code)))  # its stub says int


def _load(service: str) -> ServiceModel:
    from botocore.loaders import Loader  # noqa: PLC0415 - slow, see the module's text
    from botocore.model import ServiceModel  # noqa: PLC0415

    loader: Loader = Loader(file_loader=cast("Any", _QuickFileLoader()))
    return ServiceModel(loader.load_service_model(service, "service-2"), service_name=service)


class _QuickFileLoader:
    """Reads botocore's JSON files with msgspec: 0.1 s for SageMaker's 2.6 MB where botocore's own needs 0.4 s."""

    def exists(self, file_path: str) -> bool:
        return any(Path(file_path + suffix).is_file() for suffix in (".json", ".json.gz"))

    def load_file(self, file_path: str) -> Any | None:
        plain, packed = Path(file_path + ".json"), Path(file_path + ".json.gz")
        if plain.is_file():
            return msgspec.json.decode(plain.read_bytes())
        if packed.is_file():
            return msgspec.json.decode(gzip.decompress(packed.read_bytes()))
        return None
