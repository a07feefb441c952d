"""What benchmarks/pages.py measures the portal's pages against: the least that could show the same rows.

One Flask view with psycopg_pool as it comes and a minimal template, without session, sign-in or form tokens; and a view
that answers nothing. gunicorn serves it with the portal's own configuration.
"""

import functools

import flask
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from config import settings

ROWS = """
    select policy_id, policy_number, client_id, client_name, member_name, insurer_short, product_name, asset, line,
           policy_from, policy_to, due_on, gross_premium, status, state
      from policy_list where deleted_at is null order by policy_from desc, policy_id desc limit 25
"""
TABLE = """<!doctype html><title>Policies</title><table>{% for row in rows %}<tr>
<td><a href="/policies/{{ row.policy_id }}">{{ row.policy_number }}</a></td><td>{{ row.client_name }}</td>
<td>{{ row.insurer_short }}</td><td>{{ row.product_name }}</td><td>{{ row.policy_from }}</td>
<td>{{ row.policy_to }}</td><td>{{ row.gross_premium }}</td><td>{{ row.status }}</td></tr>{% endfor %}</table>"""
application = flask.Flask(__name__)
_table = application.jinja_env.from_string(TABLE)


@functools.cache
def _pool() -> ConnectionPool:
    """Opened by the first request, which comes after the fork."""
    return ConnectionPool(settings().database_url or "", min_size=15, max_size=15, kwargs={"row_factory": dict_row},
                          open=True)


@application.get("/health")
@application.get("/empty")
def answer_nothing() -> str:
    """The price of a request to Flask."""
    return ""


@application.get("/page")
def show_rows() -> str:
    """Twenty-five policies."""
    with _pool().connection() as connection:
        rows = connection.execute(ROWS).fetchall()
    return flask.render_template(_table, rows=rows)
