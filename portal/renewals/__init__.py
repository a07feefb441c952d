"""The renewal desk: which terms fall due, how far each renewal is, and the reminders their clients get."""
