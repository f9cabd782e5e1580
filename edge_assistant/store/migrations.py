"""How the database came to its present form: an append-only list of numbered steps.

A step that was released is never edited; append a new one. Every step runs in one transaction
together with its number, so a crash leaves the database before or after it, never between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw

from edge_assistant.errors import StoreError

Migration = Callable[[apsw.Connection], None]


def create_conversations(connection: apsw.Connection) -> None:
    """1: sessions and their turns. Times are UNIX seconds; `seq` orders turns as they began.

    `context_start` is the `seq` at which the model's view of the session starts.
    """
    connection.execute(
        """
        CREATE TABLE sessions(
            id TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            title TEXT NOT NULL,
            snapshot_key BLOB NOT NULL,
            context_start INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL
        ) STRICT;
        CREATE INDEX sessions_by_time ON sessions(principal, updated_at);
        CREATE TABLE turns(
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            session TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
            status TEXT NOT NULL,
            user_text TEXT NOT NULL,
            answer_text TEXT NOT NULL DEFAULT '',
            token_ids BLOB NOT NULL DEFAULT x'',
            model TEXT NOT NULL DEFAULT '',
            route TEXT,
            timings TEXT,
            usage TEXT,
            error_code TEXT,
            created_at REAL NOT NULL,
            finished_at REAL
        ) STRICT;
        CREATE INDEX turns_by_session ON turns(session, seq);
        CREATE INDEX turns_running ON turns(status) WHERE status = 'running';
        """
    )


def create_sign_ins(connection: apsw.Connection) -> None:
    """2: signed-in browsers; only a hash of the cookie is kept."""
    connection.execute(
        """
        CREATE TABLE sign_ins(
            token_hash BLOB PRIMARY KEY,
            principal TEXT NOT NULL,
            label TEXT NOT NULL DEFAULT '',
            created_at REAL NOT NULL,
            last_seen_at REAL NOT NULL,
            expires_at REAL NOT NULL
        ) STRICT;
        CREATE INDEX sign_ins_by_principal ON sign_ins(principal);
        """
    )


def add_sources(connection: apsw.Connection) -> None:
    """3: what each answer stands on, as JSON; NULL when on nothing but the model."""
    connection.execute("ALTER TABLE turns ADD COLUMN sources TEXT")


def create_people(connection: apsw.Connection) -> None:
    """4: people, their devices, pairings, the device's certificates, shared conversations.

    Only hashes of secrets are kept. `boot` and `ends_at`, `began` are times as `people.uptime` gives
    them. A code is cleared when it was guessed at too often, a token when it was used.
    """
    connection.execute(
        """
        CREATE TABLE users(
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK(role IN ('owner', 'member', 'guest')),
            created_at REAL NOT NULL
        ) STRICT;
        INSERT INTO users VALUES('owner', '', 'owner', unixepoch());
        INSERT INTO users SELECT DISTINCT principal, principal, 'member', unixepoch() FROM sign_ins
            WHERE principal <> 'owner';
        CREATE TABLE devices(
            id TEXT PRIMARY KEY,
            user TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK(kind IN ('browser', 'program')),
            name TEXT NOT NULL,
            scopes TEXT NOT NULL,
            token_hash BLOB NOT NULL UNIQUE,
            created_at REAL NOT NULL,
            last_seen_at REAL NOT NULL,
            expires_at REAL
        ) STRICT;
        INSERT INTO devices SELECT lower(hex(randomblob(8))), principal, 'browser', label, '[]', token_hash,
            created_at, last_seen_at, expires_at FROM sign_ins;
        DROP TABLE sign_ins;
        CREATE INDEX devices_by_user ON devices(user);
        CREATE TABLE pairings(
            id TEXT PRIMARY KEY,
            user TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
            token_hash BLOB UNIQUE,
            code_hash BLOB,
            tries INTEGER NOT NULL,
            boot TEXT NOT NULL,
            ends_at REAL NOT NULL,
            device TEXT NOT NULL
        ) STRICT;
        CREATE TABLE certificates(
            name TEXT PRIMARY KEY CHECK(name IN ('authority', 'device')),
            certificate BLOB NOT NULL,
            key BLOB NOT NULL
        ) STRICT;
        CREATE TABLE throttles(
            name TEXT PRIMARY KEY,
            failures INTEGER NOT NULL,
            boot TEXT NOT NULL,
            began REAL NOT NULL
        ) STRICT;
        ALTER TABLE sessions ADD COLUMN visibility TEXT NOT NULL DEFAULT 'private'
            CHECK(visibility IN ('private', 'household'));
        CREATE INDEX sessions_shared ON sessions(updated_at) WHERE visibility = 'household';
        """
    )


def create_index(connection: apsw.Connection) -> None:
    """5: what can be searched: items, their chunks, the words in them, and who made their vectors.

    An item is a document, a remembered fact or the like; `principal` is empty when the household
    shares it. `space` numbers each pair of source and principal and partitions the vectors. Vectors
    lie in tables of each embedder, `index_bits_N` and `index_vectors_N`, made when it is first used
    (memory/vectors.py). Deleting an item deletes its chunks, words and vectors by triggers.
    """
    connection.execute(
        """
        CREATE TABLE index_spaces(
            id INTEGER PRIMARY KEY,
            source TEXT NOT NULL,
            principal TEXT NOT NULL,
            UNIQUE(source, principal)
        ) STRICT;
        CREATE TABLE index_items(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            space INTEGER NOT NULL REFERENCES index_spaces(id),
            ref TEXT NOT NULL,
            collection TEXT NOT NULL DEFAULT '',
            type TEXT NOT NULL DEFAULT '',
            title TEXT NOT NULL DEFAULT '',
            metadata TEXT NOT NULL DEFAULT '{}',
            created_at REAL NOT NULL,
            UNIQUE(space, ref)
        ) STRICT;
        CREATE INDEX index_items_by_collection ON index_items(collection, type);
        CREATE INDEX index_items_by_time ON index_items(created_at);
        CREATE TABLE index_chunks(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            item INTEGER NOT NULL REFERENCES index_items(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            text TEXT NOT NULL,
            metadata TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
        CREATE INDEX index_chunks_by_item ON index_chunks(item, position);
        CREATE VIRTUAL TABLE index_words USING fts5(
            text, content='index_chunks', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
        );
        INSERT INTO index_words(index_words, rank) VALUES('secure-delete', 1);
        CREATE TRIGGER index_chunk_added AFTER INSERT ON index_chunks BEGIN
            INSERT INTO index_words(rowid, text) VALUES(new.id, new.text);
        END;
        CREATE TRIGGER index_chunk_removed AFTER DELETE ON index_chunks BEGIN
            INSERT INTO index_words(index_words, rowid, text) VALUES('delete', old.id, old.text);
        END;
        CREATE TABLE index_embedders(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            dimensions INTEGER NOT NULL,
            active INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL
        ) STRICT;
        """
    )


def index_turn_words(connection: apsw.Connection) -> None:
    """6: the words of conversations, to search for. They lie in `turns` only; the index goes with them."""
    connection.execute(
        """
        CREATE VIRTUAL TABLE turn_words USING fts5(
            user_text, answer_text, content='turns', content_rowid='seq',
            tokenize="unicode61 remove_diacritics 2"
        );
        INSERT INTO turn_words(turn_words, rank) VALUES('secure-delete', 1);
        INSERT INTO turn_words(turn_words) VALUES('rebuild');
        CREATE TRIGGER turn_words_insert AFTER INSERT ON turns BEGIN
            INSERT INTO turn_words(rowid, user_text, answer_text)
                VALUES(new.seq, new.user_text, new.answer_text);
        END;
        CREATE TRIGGER turn_words_delete AFTER DELETE ON turns BEGIN
            INSERT INTO turn_words(turn_words, rowid, user_text, answer_text)
                VALUES('delete', old.seq, old.user_text, old.answer_text);
        END;
        CREATE TRIGGER turn_words_update AFTER UPDATE OF user_text, answer_text ON turns BEGIN
            INSERT INTO turn_words(turn_words, rowid, user_text, answer_text)
                VALUES('delete', old.seq, old.user_text, old.answer_text);
            INSERT INTO turn_words(rowid, user_text, answer_text)
                VALUES(new.seq, new.user_text, new.answer_text);
        END;
        """
    )


def create_seen_commands(connection: apsw.Connection) -> None:
    """7: names of commands that were carried out, kept for a day. Hashes of what the sender gave."""
    connection.execute(
        """
        CREATE TABLE seen_commands(name TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX seen_commands_by_time ON seen_commands(at);
        """
    )


def create_timers_and_lists(connection: apsw.Connection) -> None:
    """8: timers, alarms and reminders; lists. Columns of `timers` as in `tools.timer.Timer`."""
    connection.execute(
        """
        CREATE TABLE timers(
            id TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            kind TEXT NOT NULL CHECK(kind IN ('timer', 'alarm', 'reminder')),
            label TEXT NOT NULL,
            seconds REAL NOT NULL,
            boot TEXT NOT NULL,
            due_up REAL NOT NULL,
            due_wall REAL NOT NULL,
            local TEXT NOT NULL,
            days TEXT NOT NULL,
            paused_left REAL,
            rang_at REAL,
            late REAL NOT NULL,
            created_at REAL NOT NULL
        ) STRICT;
        CREATE INDEX timers_by_principal ON timers(principal);
        CREATE TABLE lists(
            id INTEGER PRIMARY KEY,
            principal TEXT NOT NULL,
            name TEXT NOT NULL,
            key TEXT NOT NULL,
            UNIQUE(principal, key)
        ) STRICT;
        CREATE TABLE list_items(
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            list INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE,
            text TEXT NOT NULL,
            key TEXT NOT NULL,
            created_at REAL NOT NULL,
            UNIQUE(list, key)
        ) STRICT;
        """
    )


def create_facts(connection: apsw.Connection) -> None:
    """9: what was learnt of people, in their words, and where it is from. Times are UNIX seconds.

    `slot` names what can be true only once; `gist` is the same for two ways to say one thing.
    `replaced_by` is the fact that took this one's place, which can be undone; NULL while it holds.
    """
    connection.execute(
        """
        CREATE TABLE facts(
            id TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            shared INTEGER NOT NULL DEFAULT 0 CHECK(shared IN (0, 1)),
            text TEXT NOT NULL,
            slot TEXT NOT NULL DEFAULT '',
            gist TEXT NOT NULL,
            origin TEXT NOT NULL,
            confidence REAL NOT NULL,
            session TEXT NOT NULL DEFAULT '',
            turn TEXT NOT NULL DEFAULT '',
            source TEXT NOT NULL DEFAULT '',
            created_at REAL NOT NULL,
            said_at REAL NOT NULL,
            times INTEGER NOT NULL DEFAULT 1,
            replaced_by TEXT REFERENCES facts(id) ON DELETE CASCADE
        ) STRICT;
        CREATE INDEX facts_by_slot ON facts(principal, slot) WHERE replaced_by IS NULL;
        CREATE INDEX facts_by_gist ON facts(principal, gist) WHERE replaced_by IS NULL;
        CREATE INDEX facts_by_session ON facts(session);
        CREATE INDEX facts_replaced ON facts(replaced_by) WHERE replaced_by IS NOT NULL;
        """
    )


def create_audit(connection: apsw.Connection) -> None:
    """10: the audit log, to which rows can only be added; where backups lie; who wrote each turn.

    `audit_key` makes pseudonyms of people and things, so that the log names nobody.
    """
    connection.execute(
        """
        CREATE TABLE audit(
            seq INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            event TEXT NOT NULL,
            who TEXT NOT NULL,
            details TEXT NOT NULL,
            previous TEXT NOT NULL,
            hash TEXT NOT NULL
        ) STRICT;
        CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN
            SELECT raise(ABORT, 'entries of the audit log stay');
        END;
        CREATE TRIGGER audit_stays_so BEFORE UPDATE ON audit BEGIN
            SELECT raise(ABORT, 'entries of the audit log stay as they are');
        END;
        CREATE TABLE audit_key(key BLOB NOT NULL) STRICT;
        INSERT INTO audit_key VALUES(randomblob(32));
        CREATE TABLE backups(path TEXT PRIMARY KEY, made_at REAL NOT NULL) STRICT, WITHOUT ROWID;
        ALTER TABLE turns ADD COLUMN said_by TEXT NOT NULL DEFAULT '';
        UPDATE turns SET said_by = (SELECT principal FROM sessions WHERE sessions.id = turns.session);
        CREATE INDEX turns_by_person ON turns(said_by);
        """
    )


def create_outbox(connection: apsw.Connection) -> None:
    """11: what must arrive elsewhere; and whether a command that was seen was carried out to its end."""
    connection.execute(
        """
        CREATE TABLE outbox(
            id TEXT PRIMARY KEY,
            principal TEXT NOT NULL,
            topic TEXT NOT NULL,
            payload BLOB NOT NULL,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL
        ) STRICT;
        CREATE INDEX outbox_by_time ON outbox(created_at, id);
        ALTER TABLE seen_commands ADD COLUMN done INTEGER NOT NULL DEFAULT 1;
        """
    )


def create_documents(connection: apsw.Connection) -> None:
    """12: the library. Its text lies in the search index; here is what each document is and how it fares.

    `principal` is empty when the household shares it. The bytes of an upload stay until they are read.
    """
    connection.execute(
        """
        CREATE TABLE documents(
            id TEXT NOT NULL UNIQUE,
            principal TEXT NOT NULL,
            origin TEXT NOT NULL,
            name TEXT NOT NULL,
            title TEXT NOT NULL DEFAULT '',
            kind TEXT NOT NULL DEFAULT '',
            state TEXT NOT NULL,
            code TEXT NOT NULL DEFAULT '',
            message TEXT NOT NULL DEFAULT '',
            watched INTEGER NOT NULL DEFAULT 0,
            stamp TEXT NOT NULL DEFAULT '',
            pages INTEGER NOT NULL DEFAULT 0,
            chunks INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0,
            written_at REAL NOT NULL DEFAULT 0,
            added_at REAL NOT NULL,
            changed_at REAL NOT NULL,
            UNIQUE(principal, origin)
        ) STRICT;
        CREATE INDEX documents_waiting ON documents(watched, changed_at) WHERE state = 'waiting';
        CREATE INDEX documents_watched ON documents(origin, stamp) WHERE watched;
        CREATE TABLE document_bytes(
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            document TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
            data BLOB NOT NULL
        ) STRICT;
        CREATE INDEX document_bytes_by_document ON document_bytes(document);
        """
    )


def create_cloud(connection: apsw.Connection) -> None:
    """13: what the cloud cost in a month; letters for other receivers than the home, some of which wait."""
    connection.execute(
        """
        CREATE TABLE cloud_usage(month TEXT PRIMARY KEY, tokens INTEGER NOT NULL) STRICT;
        ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT 'home';
        ALTER TABLE outbox ADD COLUMN can_wait INTEGER NOT NULL DEFAULT 0;
        """
    )


def create_audit_segments(connection: apsw.Connection) -> None:
    """14: old entries of the audit log, packed. An entry may only go when a segment holds it."""
    connection.execute(
        """
        CREATE TABLE audit_segments(
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            previous TEXT NOT NULL,
            hash TEXT NOT NULL,
            packed BLOB NOT NULL
        ) STRICT;
        DROP TRIGGER audit_stays;
        CREATE TRIGGER audit_stays BEFORE DELETE ON audit
            WHEN old.seq > (SELECT coalesce(max(last), 0) FROM audit_segments) BEGIN
            SELECT raise(ABORT, 'entries of the audit log stay');
        END;
        CREATE TRIGGER audit_segments_stay BEFORE DELETE ON audit_segments BEGIN
            SELECT raise(ABORT, 'segments of the audit log stay');
        END;
        CREATE TRIGGER audit_segments_stay_so BEFORE UPDATE ON audit_segments
            WHEN new.packed <> x'' OR (old.first, old.last, old.previous, old.hash)
                <> (new.first, new.last, new.previous, new.hash) BEGIN
            SELECT raise(ABORT, 'segments of the audit log stay as they are');
        END;
        """
    )


def create_home(connection: apsw.Connection) -> None:
    """15: the house: what devices announced, ids that last, and names that people gave."""
    connection.execute(
        """
        CREATE TABLE home_announced(topic TEXT PRIMARY KEY, payload BLOB NOT NULL) STRICT;
        CREATE TABLE home_ids(key TEXT PRIMARY KEY, entity TEXT NOT NULL) STRICT;
        CREATE TABLE home_aliases(
            alias TEXT PRIMARY KEY,
            entity TEXT NOT NULL,
            principal TEXT NOT NULL
        ) STRICT;
        """
    )


MIGRATIONS: tuple[Migration, ...] = (
    create_conversations,
    create_sign_ins,
    add_sources,
    create_people,
    create_index,
    index_turn_words,
    create_seen_commands,
    create_timers_and_lists,
    create_facts,
    create_audit,
    create_outbox,
    create_documents,
    create_cloud,
    create_audit_segments,
    create_home,
)


def migrate(connection: apsw.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Apply the steps that are missing and return how many there were.

    Raises STORE_NEWER, touching nothing, when the database has steps this version doesn't know.
    """
    version = int(connection.pragma("user_version"))
    if version > len(migrations):
        raise StoreError(
            "STORE_NEWER",
            f"the database has form {version}, this version knows {len(migrations)}: "
            "install the newer Edge Assistant again, or restore a backup made before it",
        )
    for number, migration in enumerate(migrations[version:], start=version + 1):
        _apply(connection, number, migration)
    return len(migrations) - version


def _apply(connection: apsw.Connection, number: int, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        migration(connection)
        connection.pragma("user_version", number)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
