"""What a shadow costs users when it is hurt, and how true its share is."""

import math
import time

from bars import Bar, Report, tell
from stage import Stage, failed, sent

from kube import eventually
from sentiment import MODEL

REQUESTS, SHARE = 1000, 0.2


def measure_shadows(report: Report, stage: Stage) -> list[Bar]:
    """Hurt the mirrored Candidate in three ways; then mirror a part and count it."""
    return [*hurt(report, stage), *share(report, stage)]


def hurt(report: Report, stage: Stage) -> list[Bar]:
    """Delete, stop and kill the Candidate while copies go to it."""
    ways = {"deleted": delete, "stopped": stop, "its pods killed": kill}
    bars = []
    for name, way in ways.items():
        stage.reset()
        with stage.loaded(100) as load:
            stage.release.roll_out(MODEL, stage.second)
            stage.release.await_phase(MODEL, "SHADOWING")
            way(stage, f"{MODEL}-{colour(stage)}")
            time.sleep(8)
            abort(stage)
            counts = load.stop()
        lost = failed(counts)
        tell(f"shadow {name}: {lost} of {counts['requests']} failed")
        what = f"failed of {sent(counts)}: the shadow {name} while mirrored"
        bars.append(report.at_most(f"shadow-{name.split()[-1]}", what, 0, lost))
    return bars


def share(report: Report, stage: Stage) -> list[Bar]:
    """Mirror 20 % and compare what both versions counted, and whose ids they share."""
    stage.reset(mirrorPercent=round(SHARE * 100))
    release = stage.release
    with stage.loaded(50) as load:
        rollout = release.roll_out(MODEL, stage.second)
        identity = rollout["id"] if isinstance(rollout, dict) else rollout
        release.await_phase(MODEL, "SHADOWING")
        # What is not mirrored counts as missing, so the Gate would FAIL before all is counted.
        release.pause(MODEL, "measured")
        path = f"/v1/models/{MODEL}/pairings/{identity}"

        def enough() -> dict | None:
            status, pairs = release.call("drift-monitor", "GET", path)
            return pairs if status == 200 and pairs["eligible"] >= REQUESTS else None

        pairs = eventually(enough, 180, every=1)
        abort(stage)
        load.stop()
    mirrored, n = pairs["pairs"], pairs["eligible"]
    sigmas = abs(mirrored - n * SHARE) / math.sqrt(n * SHARE * (1 - SHARE))
    tell(f"mirrored {mirrored} of {n}")
    what = f"sigmas from {SHARE:.0%}: {mirrored} of {n} requests came under one id on both legs"
    return [report.at_most("mirror-sigmas", what, 3, sigmas)]


def colour(stage: Stage) -> str:
    """Return the colour of the second version."""
    colours = stage.release.status(MODEL)["colours"]
    return next(name for name, held in colours.items() if held["digest"] == stage.second)


def abort(stage: Stage) -> None:
    """Give the Rollout up."""
    stage.release.abort(MODEL, "measured")
    stage.release.await_phase(MODEL, "ABORTED", "ROLLED_BACK")


def delete(stage: Stage, name: str) -> None:
    """Delete the InferenceService."""
    stage.release.kubectl("delete", "inferenceservice", name)


def stop(stage: Stage, name: str) -> None:
    """Stop it as KServe does, which deletes its Deployment and Service."""
    annotation = "serving.kserve.io/stop=true"
    stage.release.kubectl("annotate", "inferenceservice", name, annotation, "--overwrite")


def kill(stage: Stage, name: str) -> None:
    """Kill its pods."""
    label = f"app=isvc.{name}-predictor"
    stage.release.kubectl("delete", "pods", "-l", label, "--grace-period=0", "--force")
