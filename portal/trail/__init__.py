"""The trail: who changed what and when, over everything and for one record."""
