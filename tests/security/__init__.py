"""Abuse cases that no area's own tests cover, and the table of docs/security.md."""
