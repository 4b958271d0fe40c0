"""`python -m training_jobs JOB ...`: runs one job and says how it ended.

Progress goes to stderr; the last line on stdout is the result as one JSON object.
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 something did not answer.
"""

import argparse
import importlib
import json
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from lifecycle.documents import DocumentRefused
from servicekit.callers import FileRefused
from servicekit.settings import load_settings
from training_jobs.last_word import leave_result, leave_words
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused, Unreachable
from training_jobs.settings import TrainingSettings

JOBS = {
    "check-data": "check a project's data against its dataset.yaml and prepare it",
    "export-data": "describe a project's prepared data as Croissant 1.1",
    "train": "train one model family on prepared data and log the run to MLflow",
    "offline-gate": "judge an artifact by its project's offline Gates, before it is registered",
    "register": "hand a run's model to the registry-proxy as a version",
    "evaluate": "measure a version for its offline Gates and post the signed Evidence",
    "accept": "accept some weeks of Production traffic as what later traffic is compared with",
    "report": "tell how a model did in a week, from what the drift-monitor knows",
}
REFUSED, UNREACHABLE = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job named first; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in JOBS:
        _overview().parse_args(given)  # prints help or what is wrong, and exits
    # Only the chosen job is imported: MLflow and the plots take seconds to load.
    job = importlib.import_module(f"training_jobs.{given[0].replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"python -m training_jobs {given[0]}",
        description=JOBS[given[0]],
        epilog=job.EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    job.add_arguments(parser)
    return _run(job, parser.parse_args(given[1:]))


def _overview() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training_jobs",
        description="One job a call; JOB --help names its arguments and gives an example.",
    )
    jobs = parser.add_subparsers(required=True, metavar="JOB")
    for name, text in JOBS.items():
        jobs.add_parser(name, help=text)
    return parser


def _run(job: ModuleType, arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_settings(TrainingSettings)
    try:
        result, code = job.run(arguments, settings)
    except (JobRefused, DocumentRefused, FileRefused) as refused:
        return _stopped(settings, f"refused: {refused}", REFUSED)
    except Unreachable as error:
        return _stopped(settings, f"unreachable: {error}", UNREACHABLE)
    except KeyboardInterrupt:
        return _stopped(settings, "interrupted; nothing was handed on, run it again", REFUSED)
    sys.stdout.write(json.dumps(result, allow_nan=False) + "\n")
    leave_result(settings.last_word_file, result)
    return int(code)


def _stopped(settings: TrainingSettings, text: str, code: int) -> int:
    tell(text)
    leave_words(settings.last_word_file, text)
    return code


if __name__ == "__main__":
    sys.exit(main())
