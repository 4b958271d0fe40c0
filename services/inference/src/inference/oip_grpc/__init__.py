"""The Open Inference Protocol over gRPC, for callers that speak nothing else; off by default.

A call costs about ten times what the fast lane needs: REST is the way to be fast. `messages` has
what goes over the wire, `server` the calls. Nothing else imports grpc, which is an extra.
"""


class GrpcMissing(Exception):
    """A port for gRPC is set, but its packages are not installed."""
