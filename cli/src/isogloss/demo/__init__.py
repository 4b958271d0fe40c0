"""The whole story on one machine: from labelled reviews to a rollback, with the real parts.

One module a group of steps, each doing what the commands do. What the closing table counts comes
from the load generator's result files and from the ledger, never from here.
"""
