"""The Open Inference Protocol over gRPC, for callers that speak nothing else; off by default.

A call costs some five times what the same costs over REST, which is the way to be fast. `messages`
has what goes over the wire, `server` the calls. Nothing else imports grpc, which is an extra.
"""


class GrpcMissing(Exception):
    """A port for gRPC is set, but its packages are not installed."""
