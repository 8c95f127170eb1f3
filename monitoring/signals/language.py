"""The language of a text by a simple rule, without a model: its letters tell the script, its small words the language.

1. Where at least half of the letters belong to a script other than Latin, the answer is that script.
2. Otherwise the language whose function words (below) occur most often; a tie or none at all is ``unknown``.

The rule needs a sentence: a product's name is often ``unknown``. It is meant for shares over many texts, which move
when a language comes or goes, not for routing a single one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

UNKNOWN = "unknown"
MAX_CHARACTERS = 500
"""Only the beginning of a text is read: a text of a million characters must cost no more than a page."""
SMALL_WORDS = {
    "en": "the and is was of to it in that this for with not but have are my you very i they would had so",
    "de": "der die das und ist war nicht ich es ein eine mit für auf den von zu sehr auch aber sie wir hat",
    "fr": "le la les et est une un des je pas que qui pour avec dans très ce il elle sont mais nous plus",
    "es": "el la los las y es una un de que no muy para con por pero lo me mi este está son como más",
    "it": "il la lo gli e è una un di che non molto per con ma sono questo mi della anche come più ho",
    "pt": "o a os as e é uma um de que não muito para com mas eu este isso foi do da em como mais",
    "nl": "de het een en is was niet ik van zijn met voor op maar ook heel dit dat er wij zeer goed te",
}
SCRIPTS = ("CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "DEVANAGARI", "THAI")
_WORDS = re.compile(r"[^\W\d_]+")
_LANGUAGES: dict[str, list[str]] = {}
for _language, _words in SMALL_WORDS.items():
    for _word in _words.split():
        _LANGUAGES.setdefault(_word, []).append(_language)


def language_of(text: str) -> str:
    """``en``, ``de`` ..., a script in small letters such as ``cyrillic``, or ``unknown``."""
    words = _WORDS.findall(text[:MAX_CHARACTERS].lower())
    script = _script("".join(words))
    if script:
        return script
    found = Counter(language for word in words for language in _LANGUAGES.get(word, ()))
    best = found.most_common(2)
    if not best or (len(best) == 2 and best[0][1] == best[1][1]):
        return UNKNOWN
    return best[0][0]


def _script(letters: str) -> str | None:
    """The script other than Latin that at least half of the letters belong to."""
    if letters.isascii():
        return None
    found = Counter(unicodedata.name(letter, "").split(" ")[0].split("-")[0] for letter in letters)
    name, count = found.most_common(1)[0]
    return name.lower() if name in SCRIPTS and 2 * count >= len(letters) else None
