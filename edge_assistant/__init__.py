"""A private assistant that runs on a small device."""

__version__ = "0.1.0"
