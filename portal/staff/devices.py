"""What a browser calls itself, in two words a colleague recognises."""

BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
            ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "Mac"),
           ("CrOS", "Chromebook"), ("Linux", "Linux"))


def describe(user_agent: str | None) -> str:
    """"Firefox on Windows"; "Unknown device" where nothing is recognised."""
    text = user_agent or ""
    browser = next((name for sign, name in BROWSERS if sign in text), "")
    system = next((name for sign, name in SYSTEMS if sign in text), "")
    return " on ".join(part for part in (browser, system) if part) or "Unknown device"
