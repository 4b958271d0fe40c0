"""Logs of one process: one JSON object a line on stderr, ours and the libraries' alike.

There is no access log: request counts and latencies are metrics, and a line per request would be
the dearest part of a prediction and a place where texts leak.
"""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_CHATTY = ("httpx", "httpcore")  # they log every request at INFO
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.asgi")


def configure_logs(service: str, level: str = "info") -> None:
    """Send structlog and the standard library's logging to stderr as JSON lines.

    Args:
        service: name written into every line.
        level: least level that is written (debug, info, warning, error).
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_service(service),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    _route_standard_logging(_json_formatter(shared), level)


def _name_service(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event.pop("color_message", None)  # uvicorn's copy of the event with terminal colours
        return event

    return add


def _json_formatter(shared: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared[:4], structlog.stdlib.ExtraAdder(), *shared[4:]],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )


def _route_standard_logging(formatter: logging.Formatter, level: str) -> None:
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [stream]
    root.setLevel(level.upper())
    for name in _UVICORN:
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
