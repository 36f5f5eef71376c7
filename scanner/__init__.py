"""Cardtrail: finds cardholder data where it should not be, and who could read it, who did."""

__version__ = "0.1.0"
