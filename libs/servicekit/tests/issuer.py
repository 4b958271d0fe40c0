"""An OpenID Connect issuer on this machine: its two documents over HTTP, and tokens it signs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

ALGORITHMS = {"RS256": "rsa", "ES256": "ec"}
KEYS = {"rsa": RSAKey.generate_key(2048), "ec": ECKey.generate_key("P-256")}


class Issuer:
    """Answers on a free loopback port from `start` to `stop`; counts how often keys are read."""

    def __init__(self):
        self.keys = KEYS
        self.shown = ["rsa", "ec"]
        self.extra = []
        self.reads = 0
        self.broken = False

    def start(self):
        issuer = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, page):
        if self.broken:
            page.send_error(500)
            return
        if page.path == "/.well-known/openid-configuration":
            document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        else:
            self.reads += 1
            document = {"keys": [self.public(kid) for kid in self.shown] + self.extra}
        page.send_response(200)
        page.end_headers()
        page.wfile.write(json.dumps(document).encode())

    def public(self, kid):
        return {**self.keys[kid].as_dict(private=False), "kid": kid, "use": "sig"}

    def claims(self, **changes):
        now = int(time.time())
        fields = {"iss": self.url, "aud": "isogloss", "sub": "ada", "iat": now, "exp": now + 600}
        held = {**fields, "groups": ["gate"], **changes}
        return {claim: value for claim, value in held.items() if value is not None}

    def token(self, algorithm="RS256", key=None, header=None, **claims):
        """Sign a token; a claim or header member of None is left out."""
        kid = ALGORITHMS.get(algorithm, "rsa")
        members = {"alg": algorithm, "kid": kid, **(header or {})}
        members = {name: value for name, value in members.items() if value is not None}
        signer = key or self.keys[kid]
        return jwt.encode(members, self.claims(**claims), signer, algorithms=[algorithm])
