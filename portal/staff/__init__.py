"""Colleagues: signing in, their sessions and passwords, and what each role may do."""
