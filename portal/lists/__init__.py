"""What all lists of the portal have in common: saved views, chosen columns, rows ticked for one action."""
