"""The pages of the staff area: signing in and out, one's own account, and the users page of administrators."""

from portal.staff.views import account, clerk, clerk_page, sign_in, tokens, two_step, users
from portal.staff.views.sign_in import blueprint, load_program, load_user

__all__ = ["account", "blueprint", "clerk", "clerk_page", "load_program", "load_user", "sign_in", "tokens", "two_step",
           "users"]
