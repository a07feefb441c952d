"""The last hour as lines: what the page draws from the samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Figures = Mapping[str, Any]
WIDTH, HEIGHT = 600, 100   # units of the drawing
MEGABYTE = 1024**2


@dataclass(frozen=True)
class Chart:
    """One line: the points as SVG wants them, and the same as (moment, value) for the table behind it."""

    key: str
    title: str
    unit: str
    line: str
    highest: float
    latest: float | None
    values: list[tuple[datetime, float | None]]


KINDS: tuple[tuple[str, str, str, Callable[[Figures], float | None]], ...] = (
    ("requests", "Requests", "a minute", lambda figures: figures["per_minute"]),
    ("p95", "95 of 100 requests took up to", "ms",
     lambda figures: None if figures["p95"] is None else figures["p95"] * 1000),
    ("queued", "Tasks waiting", "", lambda figures: figures["queued"]),
    ("memory", "Memory of the portal", "MB", lambda figures: round(figures["memory_bytes"] / MEGABYTE)),
)


def of(samples: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The charts of samples that come the newest first; none of fewer than two."""
    if len(samples) < 2:
        return []
    return [_drawn(kind, list(reversed(samples))) for kind in KINDS]


def _drawn(kind: tuple[str, str, str, Callable[[Figures], float | None]], samples: list[Mapping[str, Any]]) -> Chart:
    key, title, unit, pick = kind
    values = [(sample["sampled_at"], pick(sample["figures"])) for sample in samples]
    known = [(moment, value) for moment, value in values if value is not None]
    begin, end = samples[0]["sampled_at"], samples[-1]["sampled_at"]
    length = max((end - begin).total_seconds(), 1.0)
    highest = max((value for _, value in known), default=0.0)
    points = [f"{(moment - begin).total_seconds() / length * WIDTH:.1f},{HEIGHT - value / (highest or 1) * HEIGHT:.1f}"
              for moment, value in known]
    return Chart(key, title, unit, " ".join(points), highest, known[-1][1] if known else None, values)
