"""Takes out of free text what points at a person: e-mail addresses, card numbers and phone numbers.

Rather one number too many than one too few: an order number may go as a phone number, a date stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

EMAIL, CARD, PHONE = "[e-mail]", "[card]", "[phone]"
CARD_DIGITS = range(13, 20)
"""Lengths of card numbers (ISO/IEC 7812)."""
PHONE_DIGITS = range(7, 16)
"""Lengths of phone numbers: from a local one to the longest of E.164."""

# Bounded repeats: a hostile text must not make the search quadratic.
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_NUMBER = re.compile(r"(?:\+|\()?\d(?:[\s().\-–/]{0,3}\d){6,}")
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}")


def scrub(text: str) -> str:
    """``text`` with e-mail addresses, card numbers that pass Luhn's check and phone numbers replaced by their names."""
    return _NUMBER.sub(_number, _EMAIL.sub(EMAIL, text))


def passes_luhn(digits: str) -> bool:
    """Whether the last digit checks the others by Luhn's formula (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def _number(found: re.Match[str]) -> str:
    groups = re.findall(r"\d+", found.group())
    if any(passes_luhn(digits) for digits in _card_lengths(groups)):
        return CARD
    is_phone = sum(map(len, groups)) in PHONE_DIGITS and not _DATE.fullmatch(found.group())
    return PHONE if is_phone else found.group()


def _card_lengths(groups: list[str]) -> Iterator[str]:
    """Neighbouring groups of digits that together are as long as a card number: an expiry date may stand beside it."""
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            digits += group
            if len(digits) in CARD_DIGITS:
                yield digits
            if len(digits) >= CARD_DIGITS.stop:
                break
