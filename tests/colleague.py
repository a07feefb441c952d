"""A colleague at a browser without JavaScript, over real HTTP: signs in, opens forms, changes fields, submits."""

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import lxml.html
import requests


@dataclass(frozen=True)
class Form:
    """One form of a page: where it goes, and what it would send if nothing were changed."""

    action: str
    fields: dict[str, str]


def largest_form(page: str) -> Form:
    """The form of the page with the most fields, as a browser would send it: the one the page is about."""
    forms = [form for form in lxml.html.fromstring(page).forms if form.method == "POST"]
    assert forms, "no form on the page"
    form = max(forms, key=lambda form: len(form.fields))
    fields = dict(form.form_values())
    for area in form.iter("textarea"):
        # A browser drops the first line end and sends the others as CR LF.
        fields[area.name] = (area.value or "").removeprefix("\n").replace("\n", "\r\n")
    return Form(form.get("action", ""), fields)


class Colleague:
    """One signed-in browser."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.url, self.email = url, email
        self._http = requests.Session()
        # A kept connection may be closed by the server at the very moment it is used again; a browser then quietly
        # asks once more, this library does not.
        self._http.headers["Connection"] = "close"
        self._http.headers["Referer"] = f"{url}/"   # as browsers do; over HTTPS a form is refused without it
        form = largest_form(self.get("/login").text)
        answer = self.send(form, email=email, password=password)
        assert answer.status_code == 303, f"{email} cannot sign in: {answer.status_code}"

    def cookies(self) -> dict[str, str]:
        """What this browser holds."""
        return {cookie.name: cookie.value or "" for cookie in self._http.cookies}

    def get(self, path: str) -> requests.Response:
        """A page; redirects are not followed."""
        return self._http.get(urljoin(self.url, path), allow_redirects=False, timeout=90)

    def send(self, form: Form, *, to: str = "", **changed: str) -> requests.Response:
        """Submits `form` with some fields changed; `to` where the form itself names no address."""
        fields = {**form.fields, **changed}
        target = urljoin(self.url, form.action or to or "/login")
        return self._http.post(target, data=fields, allow_redirects=False, timeout=90)

    def fill_in(self, path: str, **changed: str) -> requests.Response:
        """Opens the form at `path`, changes some fields and submits it; a page without a form is the answer itself."""
        page = self.get(path)
        if page.status_code != 200:
            return page
        return self.send(largest_form(page.text), to=path, **changed)


def path_of(answer: requests.Response) -> str:
    """Where a redirect leads."""
    return urlsplit(answer.headers["Location"]).path
