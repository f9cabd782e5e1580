"""How the registrar's database came to its present form; an append-only list, as the assistant's own."""

from __future__ import annotations

import apsw


def create_fleet(connection: apsw.Connection) -> None:
    """1: settings, claims, the allow-list, devices. Times are UNIX seconds."""
    connection.execute(
        """
        CREATE TABLE settings(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
        CREATE TABLE claims(
            id TEXT PRIMARY KEY,
            serial TEXT NOT NULL,
            name TEXT NOT NULL,
            member_of TEXT NOT NULL,
            state TEXT NOT NULL,
            key TEXT NOT NULL DEFAULT '',
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL
        ) STRICT;
        CREATE TABLE serials(serial TEXT PRIMARY KEY, name TEXT NOT NULL, member_of TEXT NOT NULL) STRICT;
        CREATE TABLE devices(
            name TEXT PRIMARY KEY,
            serial TEXT NOT NULL,
            key TEXT NOT NULL,
            public_key TEXT NOT NULL,
            state TEXT NOT NULL,
            claim TEXT NOT NULL DEFAULT '',
            note TEXT NOT NULL DEFAULT '',
            member_of TEXT NOT NULL DEFAULT '[]',
            certificate TEXT NOT NULL DEFAULT '',
            online INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            enrolled_at REAL,
            last_contact REAL,
            reported TEXT,
            desired TEXT
        ) STRICT;
        CREATE TABLE revoked_keys(key TEXT PRIMARY KEY, name TEXT NOT NULL, revoked_at REAL NOT NULL) STRICT;
        CREATE INDEX devices_by_serial ON devices(serial);
        CREATE INDEX devices_by_key ON devices(key);
        """
    )


def create_campaigns(connection: apsw.Connection) -> None:
    """2: changes that go through the fleet in waves, as JSON."""
    connection.execute(
        """
        CREATE TABLE campaigns(id TEXT PRIMARY KEY, created_at REAL NOT NULL, campaign BLOB NOT NULL) STRICT;
        CREATE INDEX campaigns_by_time ON campaigns(created_at);
        """
    )


MIGRATIONS = (create_fleet, create_campaigns)
