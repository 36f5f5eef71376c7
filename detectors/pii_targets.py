"""The targets of the fast pass for personal data, and what several modules of it know."""

NAME = "pii"
EMAIL, PLUS, PHONE, IP4, IP6, PHONE_WORD, EMAIL_URL = range(7)
SHAPE, WORD = 100, 1000
"""``SHAPE + i`` is the shape of kind i, ``WORD + i`` one of its words"""
STRICT_PHONE = 0.87
"""probability of a telephone number by its punctuation alone"""
