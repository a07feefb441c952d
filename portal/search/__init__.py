"""One field that finds clients, members, policies and vehicles."""
