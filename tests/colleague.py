"""A colleague at a browser without JavaScript, over real HTTP: signs in, opens forms, changes fields, submits."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


class Form:
    """One form of a page: where it goes, what it would send if nothing were changed, and its buttons."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []


class _FormReader(HTMLParser):
    """Collects the forms of a page as a browser would fill them."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select = self._textarea = ""
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", "")) if given.get("method", "").lower() == "post" else None
            if self._open is not None:
                self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "input":
            self._input(given)
        elif tag == "button" and given.get("type", "submit") == "submit":
            self._open.buttons.append((given.get("name", ""), given.get("value", "")))
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self._select and ("selected" in given or self._select not in self._open.fields):
            self._open.fields[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._textarea, self._text = given.get("name", ""), []

    def _input(self, given: dict[str, str]) -> None:
        name, sort = given.get("name", ""), given.get("type", "text")
        if self._open is None or not name or sort in ("submit", "button", "file"):
            return
        if sort not in ("checkbox", "radio") or "checked" in given:
            self._open.fields[name] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._open is not None:
            # A browser drops the first line end of a textarea and sends the others as CR LF.
            self._open.fields[self._textarea] = "".join(self._text).removeprefix("\n")
            self._textarea = ""
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._open = None


def largest_form(page: str) -> Form:
    """The form of the page with the most fields: the one the page is about."""
    reader = _FormReader()
    reader.feed(page)
    assert reader.forms, "no form on the page"
    return max(reader.forms, key=lambda form: len(form.fields))


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
