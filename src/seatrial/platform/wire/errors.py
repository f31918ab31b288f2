"""Errors as AWS words them, for any service. What only one service says stands with that service.

A ``ServiceError`` is an answer to a client and not an error of ours: it is outside the tree of ``core.errors``, and
``protocols.serialise_error`` is the one place that turns it into bytes. Source of every text: §6.3, or the
comment beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any


class ServiceError(Exception):
    """An operation ends with an error that the client sees.

    Args:
        code: AWS's code as it goes over the wire, such as ``ValidationException``.
        message: AWS's text.
        status: HTTP status; ``None`` takes the one that the service's model declares for the code, else 400.
        is_sender_fault: ``Type`` of the query protocol, ``Sender`` or ``Receiver``.
        members: Further members of a declared error shape, by their names (``OriginalStatusCode`` of ModelError).
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        *,
        is_sender_fault: bool = True,
        members: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.is_sender_fault = is_sender_fault
        self.members = members


_VALIDATION_CODES: Mapping[str, str] = MappingProxyType(
    {
        "sagemaker-runtime": "ValidationError",  # declared in its model
        "sts": "ValidationError",
        "iam": "ValidationError",
        "cloudwatch": "ValidationError",
        "logs": "InvalidParameterException",  # declared; observed with the text "1 validation error detected: …"
        "ecr": "InvalidParameterException",
    }
)


def validation_error(message: str, *, service: str = "sagemaker") -> ServiceError:
    """A refusal of what was sent, with the code that the service uses for it."""
    return ServiceError(_VALIDATION_CODES.get(service, "ValidationException"), message, 400)


def serialization_error(message: str, *, where: str = "") -> ServiceError:
    """A body that cannot be read. AWS does not say where; we do, in parentheses after its own text."""
    return ServiceError("SerializationException", f"{message} (at '{where}')" if where else message, 400)


def unknown_operation(operation: str | None, *, service: str, protocol: str, version: str = "") -> ServiceError:
    """AWS itself has no such operation.

    The codes are AWS's: ``InvalidAction`` of the query protocol, with its text; elsewhere
    ``UnknownOperationException``, which AWS sends without a text. Status 404 for REST, else 400.
    """
    if protocol == "query":
        what = f"Could not find operation {operation} for version {version or 'NO_VERSION_SPECIFIED'}"
        return ServiceError("InvalidAction", what, 400)
    named = f"operation {operation}" if operation else "operation with this method and path"
    status = 404 if protocol.startswith("rest") else 400
    return ServiceError("UnknownOperationException", f"{service} has no {named}", status)


def unsupported_operation(
    operation: str, *, service: str, protocol: str, implemented: Iterable[str] = ()
) -> ServiceError:
    """AWS has the operation and Seatrial does not: the same codes as for an unknown one, and a text that says which.

    Args:
        operation: Which.
        service: botocore's name.
        protocol: Of the request.
        implemented: The operations of the service that there are.
    """
    code = "InvalidAction" if protocol == "query" else "UnknownOperationException"
    others = ", ".join(sorted(implemented)) or "nothing yet"
    what = f"Seatrial does not implement {service} {operation}; of {service} it has {others}"
    return ServiceError(code, what, 404 if protocol.startswith("rest") else 400)


def not_emulated(member: str, value: str | None = None, *, service: str = "sagemaker", why: str = "") -> ServiceError:
    """The refusal of what AWS takes and Seatrial does not emulate: never a silent downgrade.

    Args:
        member: Where it stands in the request, or the operation's name.
        value: For a member of which other values are emulated.
        service: For the error's code.
        why: What there is instead.
    """
    what = member if value is None else f"{value} for {member}"
    because = f": {why}" if why else ""
    return validation_error(
        f"Seatrial does not emulate {what} yet, and refuses it instead of leaving it out{because}.", service=service
    )


def unsupported_service(service: str) -> ServiceError:
    """A service that this platform does not have and has no upstream for."""
    what = f"Seatrial does not emulate the service '{service}'; pass --upstream URL to send its requests elsewhere"
    return ServiceError("UnknownOperationException", what, 400)


def access_denied(message: str) -> ServiceError:
    """HTTP 400 in JSON services; the query protocol and S3 answer 403, which their models or callers say."""
    return ServiceError("AccessDeniedException", message, 400)


def throttled() -> ServiceError:
    return ServiceError("ThrottlingException", "Rate exceeded", 400)


def internal_failure(request_id: str) -> ServiceError:
    """A fault of ours. The text leads to the platform's log and holds nothing of the traceback."""
    what = f"The request processing has failed because of an unknown error; look for {request_id} in the platform's log"
    return ServiceError("InternalFailure", what, 500, is_sender_fault=False)


def unknown_members(unknown: Sequence[str], *, operation: str, service: str = "sagemaker") -> ServiceError:
    """Members that the model does not know. AWS drops them without a word; a typing error is said here.

    Args:
        unknown: Paths as ``protocols.Parsed.unknown`` has them.
        operation: The operation's name.
        service: For the error's code.
    """
    listed = ", ".join(f"'{path}'" for path in unknown)
    noun = "member" if len(unknown) == 1 else "members"
    return validation_error(
        f"{operation} has no {noun} {listed}; check the spelling, or update botocore", service=service
    )
