"""The set-up's look at Clerk: the instance answers, and its keys are those of the settings."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deployment import services
from tests import clerk
from tests.conftest import portal_settings


@pytest.fixture
def instance():
    """instance(body, status=200) is the address of a server that publishes `body` as its keys."""
    servers = []

    def publish(body, status=200):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.path == "/.well-known/jwks.json" and self.headers["User-Agent"] == "insurance-portal"
                self.send_response(status if known else 404)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield publish
    for server in servers:
        server.shutdown()
        server.server_close()


def found(tmp_path, host, **more):
    key = base64.b64encode(f"{host}$".encode()).decode().rstrip("=")
    settings = portal_settings(tmp_path, **{
        "CLERK_SECRET_KEY": "sk_test_1", "CLERK_PUBLISHABLE_KEY": f"pk_test_{key}",
        "CLERK_FRONTEND_API": f"http://{host}", **more})  # fmt: skip
    return services.clerk(settings)


@pytest.mark.parametrize("more", [{}, {"CLERK_JWT_KEY": clerk.PEM}])
def test_an_instance_with_its_keys_is_right(tmp_path, instance, more):
    assert found(tmp_path, instance(json.dumps(clerk.jwks()).encode()), **more)["state"] == "right"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}', b"[]"])
def test_an_answer_without_keys_is_told(tmp_path, instance, body):
    said = found(tmp_path, instance(body))
    assert (said["state"], "no keys at" in said["text"]) == ("failed", True)


def test_a_key_of_another_instance_is_told(tmp_path, instance):
    said = found(tmp_path, instance(json.dumps(clerk.jwks(key=clerk.STRANGERS)).encode()), CLERK_JWT_KEY=clerk.PEM)
    assert said["text"] == "CLERK_JWT_KEY is not a key of this instance"


def test_an_instance_that_is_not_there_is_told(tmp_path):
    assert "cannot be reached" in found(tmp_path, "127.0.0.1:9")["text"]
