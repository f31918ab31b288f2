"""AWS's protocols on the wire, generic: everything a service needs between bytes and Python values.

One request passes, in this order:

    identify.identify(request)        which service and operation, and with whose key     tables, no model but REST's
    authentication.authenticate(...)  is the signature right                              only where keys are configured
    identify.resolve_operation(...)   botocore's model of the operation                   or UnknownOperationException
    protocols.parse_request(...)      parameters as Python values, and unknown members    or SerializationException
    validation.validate(...)          the model's constraints in AWS's wording            or ValidationException
      … the service's handler …       takes parameters, returns an output dict            or ServiceError
    protocols.serialise_output(...)   WireResponse
    protocols.serialise_error(...)    WireResponse

botocore's service models are the schema; no shape is copied by hand. Nothing here does I/O but for the reading of
those models, and nothing knows what an operation means.
"""
