"""Updates: releases that the operator signed, brought here, tried, and taken back when they do harm.

Imports tuf, securesystemslib and urllib3 where they are needed: a device that looks for no update loads none.
"""
