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
    """Mirror 20 %; count what came under its user's id on both legs, of all that users sent."""
    stage.reset(mirrorPercent=round(SHARE * 100))
    rollout = stage.release.roll_out(MODEL, stage.second)
    stage.release.await_phase(MODEL, "SHADOWING")
    stage.release.pause(MODEL, "measured")
    with stage.loaded(50) as load:
        eventually(lambda: load.counts().get("requests", 0) >= REQUESTS, 180, every=1)
        sent_here = load.stop()["requests"]
    mirrored = settled_pairs(stage, rollout["id"] if isinstance(rollout, dict) else rollout)
    abort(stage)
    sigma = math.sqrt(sent_here * SHARE * (1 - SHARE))
    tell(f"mirrored {mirrored} of {sent_here}")
    what = f"{mirrored} of {sent_here} requests came under one id on both legs"
    off = abs(mirrored - sent_here * SHARE) / sigma
    return [report.at_most("mirror-sigmas", f"sigmas from {SHARE:.0%}: {what}", 3, off)]


def settled_pairs(stage: Stage, rollout: str) -> int:
    """Return how many pairs there are when no more come."""
    seen: list[int] = []

    def settled() -> bool:
        path = f"/v1/models/{MODEL}/pairings/{rollout}"
        status, page = stage.release.call("drift-monitor", "GET", path)
        seen.append(page["pairs"] if status == 200 else 0)
        return len(seen) > 1 and seen[-1] == seen[-2] > 0

    eventually(settled, 60, every=3)
    return seen[-1]


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
