"""The areas in order, and what of them joins the application. An area may use those before it, none behind it."""

from typing import Any

from portal.api import views as api
from portal.clients import views as clients
from portal.design import views as design
from portal.documents import tasks as documents_tasks
from portal.documents import views as documents
from portal.jobs import views as jobs
from portal.lists import views as lists
from portal.monitoring import tasks as monitoring_tasks
from portal.monitoring import views as monitoring
from portal.outbox import tasks as outbox_tasks
from portal.outbox import views as outbox
from portal.policies import tasks as policies_tasks
from portal.policies import views as policies
from portal.privacy import tasks as privacy_tasks
from portal.privacy import views as privacy
from portal.renewals import tasks as renewals_tasks
from portal.renewals import views as renewals
from portal.search import views as search
from portal.settings import views as settings
from portal.staff import tasks as staff_tasks
from portal.staff import views as staff
from portal.today import views as today
from portal.trail import views as trail
from portal.trash import tasks as trash_tasks
from portal.trash import views as trash
from portal.whatsapp_bot import tasks as whatsapp_bot_tasks
from portal.whatsapp_bot import views as whatsapp_bot

AREAS = (
    "settings", "staff", "jobs", "lists", "clients", "documents", "outbox", "policies", "renewals", "whatsapp_bot",
    "trash", "privacy", "search", "trail", "today", "design", "api", "monitoring",
)  # fmt: skip
_VIEWS = (
    settings, staff, jobs, lists, clients, documents, outbox, policies, renewals, whatsapp_bot, trash, privacy, search,
    trail, today, design, api, monitoring,
)  # fmt: skip
# Imported here and nowhere else: so every process knows every task by its name.
TASKS = (staff_tasks, documents_tasks, outbox_tasks, policies_tasks, renewals_tasks, whatsapp_bot_tasks, trash_tasks,
         privacy_tasks, monitoring_tasks)


def blueprints() -> list[Any]:
    """Every area's blueprint, in order.

    Raises RuntimeError when a blueprint is not called like its area: templates, URLs and endpoints share that one word.
    """
    found: list[Any] = [views.blueprint for views in _VIEWS]
    named = tuple(blueprint.name for blueprint in found)
    if named != AREAS:
        raise RuntimeError(f"the blueprints are called {named}, the areas {AREAS}")
    return found
