"""Cardtrail: finds cardholder data where it should not be, and says who could read it and who did."""

__version__ = "0.1.0"
