"""Privacy: what is sealed, who read what, export and erasure."""
