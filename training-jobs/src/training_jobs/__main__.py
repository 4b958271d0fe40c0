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

from lifecycle.documents import DocumentRefused
from servicekit.callers import FileRefused
from servicekit.settings import load_settings
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused, Unreachable
from training_jobs.settings import TrainingSettings

JOBS = {
    "check-data": "check a project's data against its dataset.yaml and prepare it",
    "train": "train one model family on prepared data and log the run to MLflow",
    "register": "hand a run's model to the registry-proxy as a version",
    "evaluate": "measure a version for its offline Gates and post the signed Evidence",
}
DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job named first; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    job = next((word for word in given if word in JOBS), None)
    # Only the chosen job is imported: MLflow and the plots take seconds to load.
    module = importlib.import_module(f"training_jobs.{job.replace('-', '_')}") if job else None
    parsed = _parser(job, module).parse_args(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result, code = parsed.run(parsed, load_settings(TrainingSettings))
    except (JobRefused, DocumentRefused, FileRefused) as refused:
        tell(f"refused: {refused}")
        return REFUSED
    except Unreachable as error:
        tell(f"unreachable: {error}")
        return UNREACHABLE
    except KeyboardInterrupt:
        tell(f"{parsed.job} was interrupted; run it again")
        return REFUSED
    sys.stdout.write(json.dumps(result, allow_nan=False) + "\n")
    return int(code)


def _parser(chosen: str | None, module: object) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training_jobs", description=__doc__)
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    for job, text in JOBS.items():
        job_parser = jobs.add_parser(
            job,
            help=text,
            description=text,
            epilog=getattr(module, "EXAMPLE", None) if job == chosen else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if job == chosen:
            module.add_arguments(job_parser)  # type: ignore[attr-defined]
            job_parser.set_defaults(run=module.run)  # type: ignore[attr-defined]
    return parser


if __name__ == "__main__":
    sys.exit(main())
