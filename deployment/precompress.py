"""Packs the static files once, so that nginx need not do it for each browser (gzip_static)."""
from __future__ import annotations

import gzip
import os
from pathlib import Path

from deployment.plan import Plan
from deployment.report import Report

PACKED = (".css", ".js", ".svg", ".txt", ".webmanifest")
WORTH_IT = 512   # bytes; smaller ones fit into one packet either way


def pack_static_files(plan: Plan, report: Report) -> None:
    """Writes name.gz beside each static file, as old as the file itself: one that is out of date is packed anew."""
    stale = [path for path in sorted((plan.root / "static").rglob("*"))
             if path.suffix in PACKED and path.stat().st_size >= WORTH_IT and not _is_packed(path)]
    orphans = [path for path in (plan.root / "static").rglob("*.gz") if not path.with_suffix("").exists()]
    if not stale and not orphans:
        report.already("Packed static files")
        return
    if report.dry_run:
        report.would(f"pack {len(stale)} static files")
        return
    for path in orphans:
        path.unlink()
    for path in stale:
        _pack(path)
    report.done(f"Packed {len(stale)} static files")


def _is_packed(path: Path) -> bool:
    packed = path.with_name(f"{path.name}.gz")
    return packed.exists() and packed.stat().st_mtime_ns == path.stat().st_mtime_ns


def _pack(path: Path) -> None:
    packed, half = path.with_name(f"{path.name}.gz"), path.with_name(f".{path.name}.half")
    half.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    moment = path.stat().st_mtime_ns
    os.utime(half, ns=(moment, moment))
    half.chmod(0o644)
    half.replace(packed)
