"""Amazon S3's REST interface over an object store.

``app`` takes a request from address (``addresses``) over route (``routes``) to answer (``responses``, ``errors``);
``bodies`` takes bodies in and checks them; ``buckets``, ``objects``, ``copies``, ``listings``, ``multipart`` and
``tagging`` hold the operations; ``chunked``, ``xml``, ``ranges`` and ``conditions`` are pure.
"""

from seatrial.platform.services.s3.app import ACCOUNT_ID, S3Service

__all__ = ["ACCOUNT_ID", "S3Service"]
