"""Everything between Flask and the areas' views: access, forms, pages, errors, protection of every request."""

from portal.web.access import (
    StaffMember,
    actor,
    asked_by_htmx,
    begin_session,
    current_user,
    end_session,
    is_program,
    known_device,
    may,
    open_to_temporary_password,
    public,
    remember_device,
    requires,
    safe_next,
    signed_by_sender,
    signed_in,
    user_or_none,
    wants_json,
)
from portal.web.forms import SubmittedForm, prefilled, submitted
from portal.web.limits import limited
from portal.web.pages import conflict_page, csv_download, flash, not_found, redirect_home, redirect_to, render
from portal.web.problems import problem
from portal.web.uploads import takes_files

__all__ = [
    "StaffMember",
    "SubmittedForm",
    "actor",
    "asked_by_htmx",
    "begin_session",
    "conflict_page",
    "csv_download",
    "current_user",
    "end_session",
    "flash",
    "is_program",
    "known_device",
    "limited",
    "may",
    "not_found",
    "open_to_temporary_password",
    "prefilled",
    "problem",
    "public",
    "redirect_home",
    "redirect_to",
    "remember_device",
    "render",
    "requires",
    "safe_next",
    "signed_by_sender",
    "signed_in",
    "submitted",
    "takes_files",
    "user_or_none",
    "wants_json",
]
