"""Jobs: lay out ``/opt/ml``, run the container, collect what it left."""
