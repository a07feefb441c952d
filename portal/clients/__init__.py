"""The people and firms the agency insures, and the members of their families and staffs."""
