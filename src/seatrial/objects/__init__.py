"""Keep objects in buckets: a bucket is a folder of plain files, so that users can ``ls`` it and drop files in.

``keys`` says where in its bucket's folder the object of a key is; ``base`` states the rules of a store and ``files``
keeps them with ordinary files; ``records`` hold what a plain file cannot say, in the file's attribute (``xattrs``) or,
where there is none, beside it (``sidecar``); ``listing`` walks a bucket in the order of its keys; ``checksums`` are
those of S3.
"""
