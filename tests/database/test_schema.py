"""What the data layer relies on in the schema, held for every table and view that will ever be added."""

import re

import psycopg
import pytest

from database_pool import default_pool, migrate


@pytest.fixture(scope="module")
def relations(database):
    return default_pool().catalogue().relations


def test_every_number_with_decimals_survives_json(relations):
    # PostgREST sends JSON numbers, which clients read as doubles: exact up to 15 digits. The scale puts the paise back.
    odd = []
    for relation in relations.values():
        for column, sort in relation.columns.items():
            digits = re.fullmatch(r"numeric\((\d+),(\d+)\)", sort)
            if sort.startswith("numeric") and (digits is None or int(digits[1]) > 15):
                odd.append(f"{relation.name}.{column}: {sort}")
    assert odd == []


def test_no_number_is_a_float(relations):
    floats = [
        (r.name, c) for r in relations.values() for c, sort in r.columns.items() if sort in ("real", "double precision")
    ]
    assert floats == []


def test_every_moment_has_a_time_zone(relations):
    naive = [(r.name, c) for r in relations.values() for c, s in r.columns.items() if s.startswith("timestamp without")]
    assert naive == []


def test_every_table_and_view_has_a_key_to_order_pages_by(relations):
    assert [r.name for r in relations.values() if not r.key or not set(r.key) <= set(r.columns)] == []


def test_columns_are_not_named_like_filters(relations):
    # "line_in" as a column would shadow the filter `in` on a column "line".
    shadowing = []
    for relation in relations.values():
        for column in relation.columns:
            base, _, operator = column.rpartition("_")
            if base in relation.columns and operator in (
                "eq",
                "neq",
                "gt",
                "gte",
                "lt",
                "lte",
                "like",
                "ilike",
                "in",
                "is",
                "fts",
            ):
                shadowing.append(f"{relation.name}.{column}")
    assert shadowing == []


def test_every_versioned_table_counts_its_versions(database, relations):
    versioned = {r.name for r in relations.values() if r.kind == "table" and "version" in r.columns}
    with psycopg.connect(database.database_url) as sql:
        counting = sql.execute(
            "select tgrelid::regclass::text from pg_trigger where tgname = 'count_version'"
        ).fetchall()
    assert {name for (name,) in counting} == versioned


def test_migrating_again_changes_nothing(database):
    assert migrate() == []
