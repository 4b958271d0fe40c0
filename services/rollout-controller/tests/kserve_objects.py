"""What KServe and Kubernetes make of an InferenceService, in the shape a real cluster shows it."""

DIGEST = "isogloss.dev/digest"
NAMESPACE = "serving"
BEGAN, LATER = "2026-11-25T17:07:59Z", "2026-11-25T17:08:53Z"
RUNNING = {"running": {"startedAt": BEGAN}}


def labels(model="sentiment", colour="blue"):
    return {
        "isogloss.dev/model": model,
        "isogloss.dev/colour": colour,
        "app.kubernetes.io/managed-by": "isogloss-rollout-controller",
        "app": f"isvc.{model}-{colour}-predictor",
    }


def condition(kind, status, **more):
    return {"type": kind, "status": status, **more}


def a_deployment(digest, owner="u1", model="sentiment", colour="blue", **status):
    """A Deployment whose pods are all there, unless told otherwise."""
    conditions = [
        condition("Available", "True", reason="MinimumReplicasAvailable"),
        condition("Progressing", "True", reason="NewReplicaSetAvailable"),
    ]
    return {
        "metadata": {
            "name": f"{model}-{colour}-predictor",
            "labels": labels(model, colour),
            "ownerReferences": [{"kind": "InferenceService", "uid": owner}],
            "resourceVersion": "1",
        },
        "spec": {"template": {"metadata": {"annotations": {DIGEST: digest}}}},
        "status": {"conditions": conditions, **status},
    }


def unfinished(digest, **more):
    """A Deployment that waits for its first pods."""
    conditions = [
        condition("Available", "False", reason="MinimumReplicasUnavailable"),
        condition("Progressing", "True", reason="ReplicaSetUpdated"),
        *more.pop("conditions", ()),
    ]
    return a_deployment(digest, conditions=conditions, **more)


def a_pod(digest, name="sentiment-blue-predictor-5d4f-q5wfk", *, ready=True, **more):
    """A pod that answers, unless told otherwise: `main` and `init` are its containers' states."""
    main = more.pop("main", {"state": RUNNING, "lastState": {}, "restartCount": 0})
    init = more.pop("init", {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}})
    conditions = [
        condition("Ready", "True" if ready else "False", lastTransitionTime=more.pop("at", LATER)),
        *more.pop("conditions", ()),
    ]
    colour = more.pop("colour", "blue")
    return {
        "metadata": {
            "name": name,
            "labels": labels(colour=colour),
            "annotations": {DIGEST: digest},
            **more.pop("metadata", {}),
        },
        "spec": {
            "nodeName": "node-1",
            "initContainers": [{"name": "storage-initializer", "image": "inference:1"}],
            "containers": [{"name": "kserve-container", "image": "inference:1"}],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.244.0.29",
            "conditions": conditions,
            "initContainerStatuses": [{"name": "storage-initializer", "ready": True, **init}],
            "containerStatuses": [{"name": "kserve-container", "ready": ready, **main}],
            **more,
        },
    }


def ended(code=1, message="", **more):
    return {"exitCode": code, "reason": "Error", "message": message, "finishedAt": BEGAN, **more}


def crashed(restarts=2, **more):
    """A container's status while the kubelet waits before it starts it again."""
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting"}
    last = {"terminated": ended(**more)}
    return {"state": {"waiting": waiting}, "lastState": last, "restartCount": restarts}


def waiting(reason, message):
    return {"state": {"waiting": {"reason": reason, "message": message}}, "restartCount": 0}


class PlayedKServe:
    """Does at each `step` what KServe and Kubernetes would do in their own time."""

    def __init__(self, server):
        self._server = server

    def step(self):
        objects = self._server.objects
        root = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices/"
        wanted = {path.removeprefix(root): item for path, item in objects.items() if root in path}
        for name in ("sentiment-blue", "sentiment-green"):
            item = wanted.get(name)
            runs = item and item["metadata"]["annotations"]["serving.kserve.io/stop"] == "false"
            self._run(name, item) if runs else self._end(name)

    def _run(self, name, item):
        colour = name.rpartition("-")[2]
        digest = item["metadata"]["annotations"][DIGEST]
        deployment = a_deployment(digest, item["metadata"]["uid"], colour=colour)
        address = "10.244.0.1" if colour == "blue" else "10.244.0.2"
        pod = a_pod(digest, f"{name}-pod", colour=colour, podIP=address)
        held = self._server.objects.get(self._deployment(name))
        version = held["metadata"]["resourceVersion"] if held else "0"
        unchanged = held and held["spec"] == deployment["spec"]
        deployment["metadata"]["resourceVersion"] = version if unchanged else f"{version}1"
        self._server.objects[self._deployment(name)] = deployment
        self._server.objects[self._pod(name)] = pod

    def _end(self, name):
        self._server.objects.pop(self._deployment(name), None)
        self._server.objects.pop(self._pod(name), None)

    def _deployment(self, name):
        return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}-predictor"

    def _pod(self, name):
        return f"/api/v1/namespaces/{NAMESPACE}/pods/{name}-pod"
