"""Whether the portal is well: health, figures, alerts, backups."""
