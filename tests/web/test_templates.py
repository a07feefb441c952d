"""Templates mean what they mean to Jinja, however fast their macros are called."""

import jinja2
import pytest
from flask import Flask
from flask.templating import Environment

from portal.web.templates import RowEnvironment

MACROS = """
{% macro field(name, label="", wide=false) %}<{{ name }} {{ label }}{{ " wide" if wide }}>
{{ caller() if caller }}{% endmacro %}
{% macro all(first) %}{{ first }}{{ varargs }}{{ kwargs }}{% endmacro %}
"""
FIELD = "{% from 'm' import field, all %}"
CASES = {
    "named and left out": FIELD + "{{ field('a') }}{{ field('b', wide=true) }}{{ field(name='c', label='<x>') }}",
    "with a body": FIELD + "{% call field('a', 'b') %}<b>{{ 1 + 1 }}</b>{% endcall %}",
    "of a module, in a loop": "{% import 'm' as m %}{% for each in 'xy' %}{{ m.field(each, loop.index) }}{% endfor %}",
    "more than it names": FIELD + "{{ all(1, 2, 3, four='<4>') }}",
    "in a block": "{% block main %}" + FIELD + "{% set label = '&' %}{{ field('a', label) }}{% endblock %}",
    "a function": "{{ shout('a') }}{{ told() }}{% for each in [1] %}{{ told() }}{% endfor %}",
    "nothing there": FIELD + "{{ field('a', unknown) }}",
}


@jinja2.pass_context
def told(context):
    return sorted(name for name in context.get_all() if name in ("shout", "loop", "each", "given"))


def made(kind, text):
    environment = kind(Flask(__name__), loader=jinja2.DictLoader({"m": MACROS, "page": text}), autoescape=True)
    environment.globals.update(shout=str.upper, told=told)
    return environment.get_template("page").render(given=1)


@pytest.mark.parametrize("case", CASES)
def test_a_macro_answers_as_jinja_alone_would_let_it(case):
    expected = made(Environment, CASES[case])
    assert expected.strip()
    assert made(RowEnvironment, CASES[case]) == expected


def test_a_macro_that_is_called_wrongly_says_so():
    with pytest.raises(TypeError, match="takes no keyword argument 'wrong'"):
        made(RowEnvironment, FIELD + "{{ field('a', wrong=1) }}")
