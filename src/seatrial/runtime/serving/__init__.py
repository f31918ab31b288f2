"""What ``serve`` does: load the user's model, answer ``/ping`` and ``/invocations``, keep the workers alive."""
