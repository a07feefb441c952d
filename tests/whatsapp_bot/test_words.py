"""What people write, in four languages and any spelling, and what they mean by it."""

import pytest

from portal.whatsapp_bot.words import meaning


@pytest.mark.parametrize(
    ("text", "sort", "language"),
    [
        ("HI", "greeting", ""), ("hi", "greeting", ""), (" Hi!! 🙏 ", "greeting", ""), ("hiiiii", "greeting", ""),
        ("Helloooo", "greeting", ""), ("hello.", "greeting", ""), ("HEY", "greeting", ""), ("Namaste", "greeting", ""),
        ("नमस्ते", "greeting", "hi"), ("नमस्ते जी 🙏", "text", "hi"), ("हैलो", "greeting", "hi"),
        ("प्रणाम", "greeting", "hi"),
        ("नमस्कार", "greeting", "hi"), ("हॅलो", "greeting", "mr"),
        ("કેમ છો?", "greeting", "gu"), ("નમસ્તે", "greeting", "gu"),
        ("kem cho", "greeting", "gu"), ("menu", "menu", ""), ("मेन्यू", "menu", "hi"), ("મેનુ", "menu", "gu"),
        ("STOP", "stop", ""), ("stop.", "stop", ""), ("Stop All", "stop", ""), ("UNSUBSCRIBE", "stop", ""),
        ("STOP PROMO", "stop promotions", ""), ("Stop promotions.", "stop promotions", ""),
        ("बंद करो", "stop", "hi"), ("थांबवा", "stop", "mr"), ("બંધ કરો", "stop", "gu"), ("START", "start", ""),
        ("शुरू करें", "start", "hi"), ("સુરૂ", "text", "gu"), ("चालू", "text", "hi"),
        ("my policies", "policies", ""), ("पॉलिसी", "policies", "hi"), ("દસ્તાવેજ", "document", "gu"),
        ("renewal", "due", ""), ("call me", "staff", ""),
        ("please stop calling my father", "text", ""), ("hi there what about my claim", "text", ""),
        ("", "nothing", ""),
        ("🙏🙏", "nothing", ""), ("...", "nothing", ""),
    ],
)  # fmt: skip
def test_a_word_means_the_same_in_every_spelling(text, sort, language):
    found = meaning(text)
    assert (found.sort, found.language) == (sort, language)


@pytest.mark.parametrize(("text", "number"), [("1", 1), (" 2 ", 2), ("३", 3), ("૪", 4), ("1.", 1), ("10", 10)])
def test_a_number_is_read_in_any_digits(text, number):
    assert (meaning(text).sort, meaning(text).number) == ("number", number)


@pytest.mark.parametrize("text", ["9" * 500, "हा" * 4000, "\u202e1\u202c", "a\x00b", "1" * 40])
def test_whatever_is_written_has_some_meaning(text):
    assert meaning(text).sort in ("text", "number", "nothing")
