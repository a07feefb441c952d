"""What goes to Meta, judged by Meta's own description, and what its answers mean to us."""

from dataclasses import replace
from typing import Any

import pytest

import config
from portal.gateways import http
from portal.gateways.http import Answer, NotReached, OutcomeUnknown
from portal.gateways.interface import Accepted, Attachment, Kind, Outgoing, SendFailed, Template
from portal.gateways.whatsapp_meta import Meta
from tests.conftest import portal_settings
from tests.servers import prism

TEXT = Outgoing("7.1", "+919820012345", text="नमस्ते, your policy is ready.")
PDF = Attachment("नेहा policy.pdf", "application/pdf", content=b"%PDF-1.7 policy")
APPROVED = Template("renewal_reminder", "hi", {"1": "नेहा", "2": "31/12/2026"})
FORMS = {
    "text": TEXT,
    "document": replace(TEXT, attachments=(PDF,)),
    "template": replace(TEXT, template=APPROVED),
    "template without variables": replace(TEXT, template=Template("hello", "en", {})),
    "template with a document": replace(TEXT, template=APPROVED, attachments=(PDF,)),
}


def settings_for(data_dir, url="http://127.0.0.1:1"):
    return portal_settings(
        data_dir, WHATSAPP_TOKEN="t" * 40, WHATSAPP_PHONE_ID="106540352242922", VERIFY_TOKEN="v",
        WHATSAPP_APP_SECRET="s", WHATSAPP_API_BASE_URL=url, WHATSAPP_API_VERSION="v23.0")  # fmt: skip


@pytest.fixture(scope="module")
def described(data_dir):
    """The gateway on Prism, which knows Meta's description."""
    description = prism.meta_description()
    if (reason := prism.missing()) or description is None:
        pytest.skip(reason or "Meta's description is not on this machine")
    server = prism.Prism(description)
    server.start()
    chosen = settings_for(data_dir, server.url)
    config.use_settings(chosen)
    yield Meta(chosen)
    config.use_settings(None)
    server.remove()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_metas_own_description_accepts_what_we_send(described, form):
    assert described.send(FORMS[form]).provider_id


@pytest.mark.slow
def test_metas_own_description_refuses_what_is_wrong(described):
    with pytest.raises(SendFailed) as refused:
        described._asked("messages", content={"messaging_product": "letter", "to": "9198", "type": "text"})
    assert refused.value.verdict.kind == Kind.PERMANENT


class Wire:
    """Stands at the one door: notes what is asked and answers what the test wrote down."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[Any] = []

    def __call__(self, method: str, url: str, **request: Any) -> Answer:
        self.asked.append((url, request))
        answer = self.answers.pop(0) if self.answers else (200, b'{"messages": [{"id": "wamid.1"}], "id": "media-1"}')
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = answer
        return Answer(status, headers[0] if headers else {}, body)


@pytest.fixture
def wire(monkeypatch):
    found = Wire()
    monkeypatch.setattr(http, "ask", found)
    return found


@pytest.fixture
def gateway(data_dir):
    return Meta(settings_for(data_dir))


def test_a_text_carries_our_own_id(gateway, wire):
    assert gateway.send(TEXT) == Accepted("wamid.1")
    url, request = wire.asked[0]
    assert url == "http://127.0.0.1:1/v23.0/106540352242922/messages"
    assert request["headers"] == {"Authorization": "Bearer " + "t" * 40}
    assert request["content"]["to"] == "919820012345" and request["content"]["biz_opaque_callback_data"] == "7.1"


def test_a_document_is_uploaded_first_and_named(gateway, wire):
    gateway.send(FORMS["document"])
    (upload, sent) = wire.asked
    assert upload[0].endswith("/media") and upload[1]["files"]["file"] == (PDF.file_name, PDF.content, PDF.media_type)
    assert sent[1]["content"]["document"] == {"id": "media-1", "filename": PDF.file_name, "caption": TEXT.text}


def error(code, status=400):
    return (status, b'{"error": {"message": "x", "code": %d}}' % code)


ANSWERS = {
    "outside the window": (error(131047), Kind.TEMPLATE, "131047"),
    "pair limit, as 400": (error(131056), Kind.RETRY, "131056"),
    "pair limit, as 429": (error(131056, 429), Kind.RETRY, "131056"),
    "token expired": (error(190, 401), Kind.CHANNEL, "190"),
    "not on WhatsApp": (error(131026), Kind.SUPPRESS, "131026"),
    "their error": (error(131000, 500), Kind.UNCLEAR, "131000"),
    "our mistake": (error(100), Kind.PERMANENT, "100"),
    "a proxy's page": ((502, b"<html>"), Kind.UNCLEAR, "502"),
    "a page for an answer": ((200, b"<html>"), Kind.UNCLEAR, "not JSON"),
    "an answer without an id": ((200, b"{}"), Kind.UNCLEAR, "no id"),
    "no connection": (NotReached("x"), Kind.RETRY, "no connection"),
    "no answer": (OutcomeUnknown("x"), Kind.UNCLEAR, "no answer"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_kind_of_answer_is_sorted(gateway, wire, name):
    answer, kind, code = ANSWERS[name]
    wire.answers = [answer]
    with pytest.raises(SendFailed) as failure:
        gateway.send(TEXT)
    assert (failure.value.verdict.kind, failure.value.code) == (kind, code)


@pytest.mark.parametrize("answer", [OutcomeUnknown("x"), (500, b"x"), (200, b"{}")])
def test_an_upload_that_failed_leaves_nothing_open_and_may_be_repeated(gateway, wire, answer):
    wire.answers = [answer]
    with pytest.raises(SendFailed) as failure:
        gateway.send(FORMS["document"])
    assert failure.value.verdict.kind == Kind.RETRY and len(wire.asked) == 1
