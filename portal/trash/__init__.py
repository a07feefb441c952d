"""The trash: what was deleted, brought back or erased for good."""
