"""What the pages of jobs share: the blueprint, and the job that an address names."""

import re

from flask import Blueprint

from portal.jobs import queries
from portal.web import current_user, may, not_found

blueprint = Blueprint("jobs", __name__)
Row = queries.Row


def named_job(batch_id: str) -> Row:
    """The job of that id; 404 with a sentence when there is none."""
    job = queries.job(batch_id) if re.fullmatch(r"[0-9a-zA-Z_-]{1,64}", batch_id) else None
    if job is None:
        not_found("There is no such job. Jobs are kept for 90 days.")
    return job


def may_steer(job: Row) -> bool:
    """Whether the colleague who asks may pause, stop or repeat it: whoever started it, and who looks after all."""
    return bool(job["owner_id"] == current_user().user_id or may("jobs.manage"))
