"""What people write to the bot in English, Hindi, Gujarati and Marathi, and what they mean by it."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

from portal.formats import ascii_digits

Sort = Literal[
    "greeting", "menu", "stop", "stop promotions", "start", "number", "policies", "due", "document", "staff", "text",
    "nothing",
]  # fmt: skip
LONGEST_LOOKED_AT = 200

# Each word with the language it shows; "" where several languages share it.
GREETINGS: dict[str, str] = {
    "hi": "", "hii": "", "hiii": "", "hello": "", "helo": "", "hallo": "", "hey": "", "good morning": "en",
    "good afternoon": "en", "good evening": "en", "namaste": "", "namaskar": "", "namasthe": "", "namaskaram": "",
    "kem cho": "gu", "kemcho": "gu", "ram ram": "", "jai shri krishna": "",
    "हाय": "", "हाई": "hi", "हैलो": "hi", "हेलो": "hi", "हॅलो": "mr", "हलो": "", "नमस्ते": "hi", "नमस्कार": "", "राम राम": "",
    "प्रणाम": "hi", "सुप्रभात": "", "नमस्कार मंडळी": "mr", "कसे आहात": "mr", "कैसे हो": "hi",
    "હાય": "gu", "હેલો": "gu", "હલો": "gu", "નમસ્તે": "gu", "નમસ્કાર": "gu", "કેમ છો": "gu", "જય શ્રી કૃષ્ણ": "gu",
    "રામ રામ": "gu",
}  # fmt: skip
MENUS: dict[str, str] = {
    "menu": "", "help": "", "options": "", "main menu": "", "मेनू": "", "मेन्यू": "", "मेनु": "", "मदद": "hi", "मदत": "mr",
    "મેનુ": "gu", "મેનૂ": "gu", "મેન્યુ": "gu", "મદદ": "gu",
}  # fmt: skip
# Twilio's list of SMS words, and ours. Meta requires that a stop is honoured in whatever words it comes.
STOPS: dict[str, str] = {
    "stop": "", "stopall": "", "stop all": "", "unsubscribe": "", "end": "", "quit": "", "revoke": "", "optout": "",
    "opt out": "", "cancel": "", "स्टॉप": "", "बंद": "", "बंद करो": "hi", "बंद करें": "hi", "रोको": "hi",
    "रोकें": "hi", "बंद करा": "mr", "थांबा": "mr", "थांबवा": "mr", "સ્ટોપ": "gu", "બંધ": "gu", "બંધ કરો": "gu", "રોકો": "gu",
}  # fmt: skip
# Ends promotions alone; the button under WhatsApp's own promotions says the last of them.
PROMOTION_STOPS: dict[str, str] = {"stop promo": "", "stop promos": "", "stop promotion": "", "stop promotions": ""}
STARTS: dict[str, str] = {
    "start": "", "unstop": "", "subscribe": "", "शुरू": "hi", "शुरू करो": "hi", "शुरू करें": "hi", "सुरू": "mr", "सुरू करा": "mr",
    "स्टार्ट": "", "ચાલુ": "gu", "ચાલુ કરો": "gu", "શરૂ": "gu", "શરૂ કરો": "gu", "સ્ટાર્ટ": "gu",
}  # fmt: skip
WISHES: dict[Sort, tuple[str, ...]] = {
    "policies": ("policy", "policies", "my policies", "पॉलिसी", "पॉलिसियाँ", "मेरी पॉलिसी", "मेरी पॉलिसियाँ", "माझी पॉलिसी",
                 "माझ्या पॉलिसी", "પૉલિસી", "પોલિસી", "મારી પૉલિસી", "મારી પોલિસી", "મારી પૉલિસીઓ"),
    "due": ("renewal", "renewals", "renew", "due", "नवीनीकरण", "रिन्यू", "नूतनीकरण", "રિન્યૂ", "રિન્યુ", "રિન્યુઅલ"),
    "document": ("document", "documents", "pdf", "copy", "send", "send a document", "दस्तावेज", "दस्तावेज़", "कागदपत्र",
                 "कागदपत्रे", "દસ્તાવેજ", "પીડીએફ", "पीडीएफ"),
    "staff": ("talk", "talk to us", "call", "call me", "agent", "human", "बात", "बात करनी है", "कॉल करो", "बोलायचे आहे",
              "बोला", "વાત", "વાત કરવી છે", "ફોન કરો"),
}  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """What somebody meant: the sort of wish, the number if it was one, and the language the words showed, if any."""

    sort: Sort
    number: int = 0
    language: str = ""


def meaning(text: str) -> Meaning:
    """What somebody meant by a message. Capitals, punctuation, emoji and repeated letters at the end do not count."""
    said = plain(text)
    if not said:
        return Meaning("nothing")
    script = language_of(said)
    if said.isdecimal() and len(said) <= 3:
        return Meaning("number", number=int(said))
    found = _KNOWN.get(said) or _KNOWN.get(_shortened(said))
    if found is None:
        return Meaning("text", language=script)
    return Meaning(found[0], language=found[1] or script)


def plain(text: str) -> str:
    """The text in small letters with Latin digits, and nothing but letters, their signs, digits and single spaces."""
    normal = ascii_digits(unicodedata.normalize("NFC", text[:LONGEST_LOOKED_AT])).casefold()
    kept = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in normal)
    return " ".join("".join(kept).split())


def _shortened(said: str) -> str:
    """Without repeated letters at the end: "helloooo" is "hello", "hiiii" is "hi"."""
    last = said[-1]
    stem = said.rstrip(last)
    return stem + last if len(said) - len(stem) > 1 else said


def language_of(text: str) -> str:
    """The language that the script shows: "gu" for Gujarati, "hi" for Devanagari (which Marathi shares), else ""."""
    for letter in text:
        if "\u0a80" <= letter <= "\u0aff":
            return "gu"
        if "\u0900" <= letter <= "\u097f":
            return "hi"
    return ""


# How a list tells until when a policy runs, and that it has ended.
UNTIL = {"en": "until {}", "hi": "{} तक", "gu": "{} સુધી", "mr": "{} पर्यंत"}
ENDED = {"en": "ended {}", "hi": "{} को समाप्त", "gu": "{}ના રોજ પૂરી", "mr": "{} रोजी संपली"}
AND_MORE = {"en": "and {} more", "hi": "और {}", "gu": "અને બીજી {}", "mr": "आणि आणखी {}"}
STEPS = {
    "start": "Not begun",
    "which client": "Asked which client",
    "menu": "At the menu",
    "policies": "Looking at policies",
    "documents": "Choosing a document",
    "ask policy": "Asked for a policy number",
    "ask digits": "Asked for the last digits",
    "staff": "Left to colleagues",
}


def _every_word() -> dict[str, tuple[Sort, str]]:
    """All words as `plain` leaves what people type; where a word could mean two things, the stricter meaning."""
    found: dict[str, tuple[Sort, str]] = {}
    for wish, phrases in WISHES.items():
        found |= {plain(phrase): (wish, "") for phrase in phrases}
    greeting: Sort = "greeting"
    for sort, table in ((greeting, GREETINGS), ("menu", MENUS), ("start", STARTS),
                        ("stop promotions", PROMOTION_STOPS), ("stop", STOPS)):  # fmt: skip
        found |= {plain(phrase): (sort, language) for phrase, language in table.items()}
    return found


_KNOWN = _every_word()
