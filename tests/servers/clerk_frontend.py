"""Clerk's Frontend API as far as a sign-in page sees it: a stand-in for its scripts, with a real session behind them.

Clerk's own form is not tested here; what the portal's page does with `window.Clerk` is. Who presses its button
is signed in at Clerk, and tokens of that session are signed by the tests' key.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests import clerk

SCRIPT = """
const api = new URL(document.currentScript.src).origin
const ask = (path) => fetch(api + path, { method: "POST" }).then((answer) => answer.json())
window.Clerk = {
  session: null,
  async load(options) {
    if (!options.ui.ClerkUI) throw new Error("Clerk was not loaded with Ui components")
    const { session } = await ask("/session")
    this.session = session && { status: "active", getToken: () => ask("/token").then(({ token }) => token) }
  },
  mountSignIn(node, options) {
    const button = document.createElement("button")
    button.style.cssText = "padding: 1rem"
    button.textContent = "Continue as Asha"
    button.onclick = () => ask("/sign-in").then(() => location.replace(options.forceRedirectUrl))
    node.append(button)
  },
  addListener() {},
  openUserProfile() {},
  async signOut(options) { await ask("/sign-out"); location.assign(options.redirectUrl) },
}
"""


class ClerkFrontend:
    """Answers on this machine. `asked` are the paths in their order."""

    def __init__(self, origin: str = "") -> None:
        self.origin = origin
        self.person = "user_asha"
        self.session = 0
        self.signed_in = False
        self.asked: list[str] = []
        frontend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/jwks.json":
                    self._answer("application/json", json.dumps(clerk.jwks()))
                elif self.path.startswith("/npm/@clerk/ui@1/"):
                    self._answer("text/javascript", "window.__internal_ClerkUICtor = class {}")
                elif self.path.startswith("/npm/@clerk/clerk-js@6/"):
                    self._answer("text/javascript", SCRIPT)
                else:
                    self.send_error(404)

            def do_POST(self) -> None:
                self._answer("application/json", json.dumps(frontend.answer(self.path)))

            def _answer(self, kind: str, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Cross-Origin-Resource-Policy", "cross-origin")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> dict[str, object]:
        """What Clerk does for a call of its script."""
        self.asked.append(path)
        if path == "/sign-in":
            self.session, self.signed_in = self.session + 1, True
        elif path == "/sign-out":
            self.signed_in = False
        elif path == "/token":
            return {"token": clerk.token(user=self.person, session=f"sess_{self.session}", iss=self.url,
                                         azp=self.origin)}  # fmt: skip
        return {"session": self.signed_in}

    def remove(self) -> None:
        self._server.shutdown()
        self._server.server_close()
