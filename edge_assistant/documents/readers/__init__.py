"""Readers of hostile documents: each turns the bytes of an open file into `About` and blocks.

They run in a process that has no network, opens no file and is limited in memory and time
(`documents.sandbox`), so nothing here writes anything or follows a link.
"""
