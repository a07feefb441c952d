"""What the inspection found of one service, as a line for people and for deploy_multiuser.py."""
from __future__ import annotations

Finding = dict[str, str]


def finding(name: str, state: str, text: str, cure: str = "") -> Finding:
    return {"name": name, "state": state, "text": text, "cure": cure}


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
