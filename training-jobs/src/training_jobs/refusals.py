"""The two ways a job ends without its result; each message says what to do next."""


class JobRefused(Exception):
    """The job was asked for something that must not or cannot be done (exit code 1)."""


class Unreachable(Exception):
    """Something the job needs did not answer (exit code 3)."""
