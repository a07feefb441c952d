"""Bulk work and what failed for good: jobs with their progress, dead letters, pausing kinds of tasks."""
