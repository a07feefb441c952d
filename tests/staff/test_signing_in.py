from tests.cast import sign_in


def test_every_member_of_the_cast_reaches_the_account_page(app):
    for who in ("administrator", "manager", "staff", "accounts", "reader"):
        browser = sign_in(app, who)
        assert browser.get("/account").status_code == 200
