"""What the operations of each service mean. A handler takes checked parameters and returns an output, both as dicts.

Beside the handlers of a service stands ``MEMBERS``: which request members each acts on (``members``).
"""
