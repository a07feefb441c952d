"""Compiled templates are kept between two starts, and never an old one used."""

import stat

import jinja2
import pytest
from flask import Flask

from portal.web.templates import RowEnvironment, keep_compiled


def environment(folder, texts):
    made = RowEnvironment(Flask(__name__), loader=jinja2.DictLoader(texts))
    keep_compiled(made, folder)
    return made


@pytest.fixture
def kept(tmp_path):
    """A folder in which one template is kept."""
    folder = tmp_path / "data" / "compiled"
    assert environment(folder, {"a.html": "first"}).get_template("a.html").render() == "first"
    return folder


def test_a_second_start_compiles_nothing(kept, monkeypatch):
    monkeypatch.setattr(RowEnvironment, "compile", lambda *_: pytest.fail("compiled again"))
    assert environment(kept, {"a.html": "first"}).get_template("a.html").render() == "first"


def test_a_template_that_was_changed_is_compiled_again(kept):
    assert environment(kept, {"a.html": "second"}).get_template("a.html").render() == "second"


def test_what_is_kept_cannot_be_read_or_written_by_others(kept):
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_a_file_that_is_broken_is_made_again(kept):
    for file in kept.iterdir():
        file.write_bytes(file.read_bytes()[:20])
    assert environment(kept, {"a.html": "first"}).get_template("a.html").render() == "first"


def test_without_a_folder_to_write_to_the_portal_starts_all_the_same(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert environment(tmp_path / "file" / "compiled", {"a.html": "x"}).get_template("a.html").render() == "x"
