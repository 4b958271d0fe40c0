"""A small Kubernetes API server on loopback: objects with versions, token and access reviews.

It answers as the real one does where our code depends on it; the same suites run on a cluster.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubernetes.aio.client import ApiClient, Configuration

from servicekit.kubernetes_api import KubernetesApi


class ApiServer:
    """Objects by path, and who may what; `down` makes it answer 503 to everything."""

    def __init__(self):
        self.objects = {}
        self.tokens = {}
        self.grants = set()
        self.asked = []
        self.down = False
        self.refusing = None
        self.aware_of_audiences = True
        self._version = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def open(self, timeout_seconds=5.0):
        """Return a client as our services use it."""
        host = f"http://127.0.0.1:{self._http.server_port}"
        configuration = Configuration(host=host)
        configuration.retries = None
        return KubernetesApi(ApiClient(configuration), "tests", timeout_seconds)

    def issue(self, token, account, audience, pod=None):
        """Make a token for an account, bound to a pod (name, uid) or to none."""
        self.tokens[token] = (account, audience, pod)

    def grant(self, account, namespace, role):
        self.grants.add((account, namespace, role))

    def put(self, path, **members):
        """Write an object as somebody with kubectl does."""
        self._version += 1
        name = path.rsplit("/", 1)[-1]
        metadata = {"name": name, "resourceVersion": str(self._version)}
        self.objects[path] = {"metadata": metadata, **members}

    def answer(self, method, path, body):
        with self._lock:
            self.asked.append((method, path))
            if self.down:
                return 503, _status("the server is currently unable to handle the request")
            if self.refusing:
                return 403, _status(self.refusing)
            if path.endswith("/tokenreviews"):
                if not body["spec"]["token"]:
                    return 400, _status("token is required for TokenReview in authentication")
                return 201, {**body, "status": self._token_status(body["spec"])}
            if path.endswith("/subjectaccessreviews"):
                return 201, {**body, "status": {"allowed": self._allows(body["spec"])}}
            return getattr(self, f"_{method.lower()}")(path, body)

    def _token_status(self, spec):
        account, audience, pod = self.tokens.get(spec["token"], (None, None, None))
        if account is None or (self.aware_of_audiences and audience not in spec["audiences"]):
            return {"user": {}, "error": "[invalid bearer token]"}
        user = {"username": account, "uid": "u1", "groups": ["system:serviceaccounts"]}
        if pod:
            bound = zip(("pod-name", "pod-uid"), pod, strict=True)
            user["extra"] = {f"authentication.kubernetes.io/{k}": [v] for k, v in bound}
        status = {"authenticated": True, "user": user}
        return {**status, "audiences": [audience]} if self.aware_of_audiences else status

    def _allows(self, spec):
        wish = spec["resourceAttributes"]
        kind = (wish["verb"], wish["group"], wish["resource"])
        granted = (spec["user"], wish["namespace"], wish["name"]) in self.grants
        return kind == ("act", "isogloss.dev", "callers") and granted

    def _get(self, path, _body):
        if path not in self.objects:
            return 404, _status(f"{path} not found")
        return 200, self.objects[path]

    def _post(self, path, body):
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            return 409, _status(f"{path} already exists")
        self.put(path, **{k: v for k, v in body.items() if k != "metadata"})
        self.objects[path]["metadata"] |= body["metadata"]
        return 201, self.objects[path]

    def _patch(self, path, body):
        if path not in self.objects:
            return 404, _status(f"{path} not found")
        held = self.objects[path]
        expected = body.get("metadata", {}).get("resourceVersion")
        if expected and expected != held["metadata"]["resourceVersion"]:
            return 409, _status("the object has been modified")
        self._version += 1
        merged = _merge(held, body)
        merged["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = merged
        return 200, merged

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one piece: two would wait for each other's acknowledgement

            def _respond(self):
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                status, document = server.answer(self.command, self.path.split("?")[0], body)
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = _respond  # noqa: N815 - http.server's names

            def log_message(self, *_arguments):
                pass

        return Handler


def _merge(held, patch):
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(held) if isinstance(held, dict) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = _merge(kept.get(key), value)
    return kept


def _status(message):
    return {"kind": "Status", "status": "Failure", "message": message}
