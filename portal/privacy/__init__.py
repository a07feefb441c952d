"""Privacy: keys of what is sealed, who read what, and a person's rights to export and erasure."""
