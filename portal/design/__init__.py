"""A sheet of every component in every state, for administrators and for whoever changes how pages look."""
