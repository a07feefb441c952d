"""Runs one task and sorts what came of it."""

import json
import logging
import time

from infrastructure import task_rules
from infrastructure.task_rules import Declaration, EndsWith, PermanentFailure, Postpone, TemporaryFailure, retry_delay
from infrastructure.task_store import Claimed, Outcome

logger = logging.getLogger("task_queue")
LONGEST_SENTENCE = 500


def execute(claimed: Claimed, declaration: Declaration) -> Outcome:
    """Calls the task's function and answers what is to be written; raises nothing that is an Exception."""
    token = task_rules.current.set(claimed.as_running())
    began = time.monotonic()
    try:
        outcome = _attempt(claimed, declaration)
    finally:
        task_rules.current.reset(token)
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            "task %s: %s in %.0f ms%s", outcome.state, claimed.name, (time.monotonic() - began) * 1000,
            f" ({outcome.error})" if outcome.error else "", extra=about(claimed),
        )  # fmt: skip
    return outcome


def about(claimed: Claimed) -> dict[str, object]:
    """What a line of the log says of a task beside its text: ids alone."""
    return {
        "task_id": claimed.task_id, "task": claimed.name, "attempt": claimed.attempt, "request_id": claimed.request_id,
    }  # fmt: skip


def _attempt(claimed: Claimed, declaration: Declaration) -> Outcome:
    try:
        answer = declaration.work(**claimed.payload)
    except Postpone as later:
        return Outcome(claimed, "queued", after=later.after, back=True)
    except PermanentFailure as failure:
        return Outcome(claimed, "dead", error=_plain(failure.sentence))
    except TemporaryFailure as failure:
        return _again(claimed, declaration, failure.sentence, failure.retry_after)
    except Exception as error:
        logger.exception("task failed unexpectedly: %s", claimed.name, extra=about(claimed))
        sentence = f"An unexpected error ({type(error).__name__}); the log tells more under task {claimed.task_id}."
        return _again(claimed, declaration, sentence, None)
    ending = answer if isinstance(answer, EndsWith) else None
    result = answer.result if isinstance(answer, EndsWith) else answer
    if result is not None and not _can_be_stored(result):
        logger.error("%s answers what cannot be stored as its result", claimed.name, extra=about(claimed))
        result = None
    return Outcome(claimed, "done", result=result, ending=ending)


def _again(claimed: Claimed, declaration: Declaration, sentence: str, retry_after: float | None) -> Outcome:
    if claimed.attempt >= declaration.attempts:
        return Outcome(claimed, "dead", error=_plain(sentence))
    delay = retry_delay(claimed.attempt) if retry_after is None else max(0.0, retry_after)
    return Outcome(claimed, "queued", error=_plain(sentence), after=delay)


def _can_be_stored(result: object) -> bool:
    """PostgreSQL refuses NaN, NUL and halves of characters in JSON, and with it every outcome of the same trip."""
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, default=str)
        text.encode()
    except (TypeError, ValueError):
        return False
    return isinstance(result, dict) and "\\u0000" not in text


def _plain(sentence: str) -> str:
    return sentence.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_SENTENCE]
