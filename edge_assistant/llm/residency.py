"""Which conversations' KV is in the context: least recently used ones leave, encrypted, for the disk.

Cells are counted conservatively: a running answer counts with all it may still generate, so that a
decode call never finds the context full.
"""

from __future__ import annotations

import msgspec

from edge_assistant.llm.engine import LlamaEngine, common_prefix
from edge_assistant.llm.prefix import PrefixTable
from edge_assistant.llm.snapshots import Snapshot, SnapshotStore
from edge_assistant.llm.template import Layout

PREFIX_SEQUENCES = 2
_LEAST_SAVED_TOKENS = 32
"""Below this, reading the prompt again beats a file on the card."""

_IDLE_SHARE = 8
"""Idle conversations but the newest hold at most 1/8 of the cells.

llama.cpp's attention passes over every cell up to the last one in use, also those of others: 6,000 idle
ones slow an answer down by a fifth, while a conversation is back from disk in a few percent of the time
that reading it would take (docs/benchmarks.md).
"""


class Resident(msgspec.Struct, eq=False):
    """One sequence in use and the tokens whose KV it holds."""

    sequence: int
    conversation: str | None
    key: bytes | None
    tokens: list[int] = []
    shared: int = 0
    """Leading tokens whose cells belong to a public prefix."""
    reserved: int = 0
    """Tokens the running answer may reach; 0 when idle."""
    changed: bool = False
    """Whether the KV is newer than the snapshot on disk."""
    used: int = 0

    @property
    def cells(self) -> int:
        """KV cells this sequence holds or may come to hold, beyond the shared prefix."""
        return max(len(self.tokens), self.reserved) - self.shared


class Residency:
    """Hands out sequences with as much of a prompt's KV as is known."""

    def __init__(
        self, engine: LlamaEngine, *, sequences: int, snapshots: SnapshotStore | None = None
    ) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self.prefixes = PrefixTable(engine, range(PREFIX_SEQUENCES))
        self._free = list(range(PREFIX_SEQUENCES, sequences))
        self._residents: list[Resident] = []
        self._clock = 0

    def acquire(
        self, conversation: str | None, key: bytes | None, layout: Layout, *, reserve: int
    ) -> Resident | None:
        """Return a busy resident that holds the longest known start of `layout`, short of one token.

        `reserve` is the most tokens it may come to hold. None when there is no room now.
        """
        resident = self._find(conversation)
        if resident is not None and resident.reserved:
            return None
        known = self.prefixes.find(layout.tokens, layout.public)
        if not self._make_room(reserve - known, keep=resident):
            return None
        if resident is None:
            resident = self._open(conversation, key)
            if resident is None:
                return None
        resident.key = key
        resident.reserved = reserve
        self._rewind(resident, layout)
        return resident

    def learn(self, resident: Resident, layout: Layout) -> None:
        """Keep the public prefix of `layout` for others, when `resident` holds exactly that."""
        if len(resident.tokens) != layout.public:
            return
        if self.prefixes.learn(layout.tokens, layout.public, resident.sequence):
            for other in self._residents:
                other.shared = self.prefixes.find(other.tokens, other.shared)
            resident.shared = layout.public

    def release(self, resident: Resident) -> None:
        """Give a resident back; it stays in the context, and the oldest idle ones may have to leave it."""
        resident.reserved = 0
        self._touch(resident)
        if resident.conversation is None or not resident.tokens:
            self._close(resident)
            return
        self._trim(resident)

    def discard(self, resident: Resident) -> None:
        """Give a resident back whose KV can't be trusted any more."""
        self._close(resident)

    def evict_one(self, keep: Resident | None = None) -> bool:
        """Move the least recently used idle conversation but `keep` to disk; False when there is none."""
        idle = [r for r in self._residents if not r.reserved and r is not keep]
        if not idle:
            return False
        oldest = min(idle, key=lambda r: r.used)
        self._save(oldest)
        self._close(oldest)
        return True

    def forget(self, conversation: str) -> None:
        """Drop a conversation's KV from memory and disk; a running answer's is dropped by its end."""
        resident = self._find(conversation)
        if resident is not None:
            resident.conversation = resident.key = None
            if not resident.reserved:
                self._close(resident)
        if self._snapshots is not None:
            self._snapshots.forget(conversation)

    def save_all(self) -> None:
        """Write every conversation's KV to disk, for the next start."""
        for resident in sorted(self._residents, key=lambda r: r.used):
            self._save(resident)

    def _find(self, conversation: str | None) -> Resident | None:
        if conversation is None:
            return None
        return next((r for r in self._residents if r.conversation == conversation), None)

    def _make_room(self, cells: int, keep: Resident | None) -> bool:
        while cells > self._free_cells(keep):
            if self.evict_one(keep):
                continue
            if not self.prefixes.cells:
                return False
            self._drop_prefixes()
        return True

    def _free_cells(self, keep: Resident | None) -> int:
        return (
            self._engine.cells - self.prefixes.cells - sum(r.cells for r in self._residents if r is not keep)
        )

    def _trim(self, newest: Resident) -> None:
        """Move idle conversations beyond their share of the cells to disk; those without a key stay."""
        if self._snapshots is None:
            return
        idle = [r for r in self._residents if not r.reserved and r is not newest and r.key is not None]
        held = 0
        for resident in sorted(idle, key=lambda r: r.used, reverse=True):
            held += resident.cells
            if held > self._engine.cells // _IDLE_SHARE:
                self._save(resident)
                self._close(resident)

    def _drop_prefixes(self) -> None:
        self.prefixes.clear()
        for resident in self._residents:
            resident.shared = 0

    def _open(self, conversation: str | None, key: bytes | None) -> Resident | None:
        if not self._free and not self.evict_one():
            return None
        resident = Resident(self._free.pop(), conversation, key)
        self._residents.append(resident)
        return resident

    def _rewind(self, resident: Resident, layout: Layout) -> None:
        """Make the resident hold a prefix of the layout, at least one token short of it."""
        if not resident.tokens:
            self._fill(resident, layout)
        keep = min(common_prefix(resident.tokens, layout.tokens), len(layout.tokens) - 1)
        if keep < self.prefixes.find(layout.tokens, layout.public) or not self._truncate(resident, keep):
            self._engine.clear(resident.sequence)
            resident.tokens = []
            self._share(resident, layout)

    def _truncate(self, resident: Resident, keep: int) -> bool:
        if keep == len(resident.tokens):
            return True
        if not self._engine.truncate(resident.sequence, keep):
            return False
        resident.tokens = resident.tokens[:keep]
        resident.shared = min(resident.shared, keep)
        return True

    def _fill(self, resident: Resident, layout: Layout) -> None:
        """Give an empty sequence what disk or a public prefix knows of the layout."""
        snapshot = self._load(resident)
        if snapshot is not None:
            known = self.prefixes.find(layout.tokens, layout.public)
            worth = common_prefix(snapshot.tokens, layout.tokens) > known
            if worth and self._engine.load_sequence(resident.sequence, snapshot.state):
                resident.tokens = snapshot.tokens
                resident.changed = False
                return
        self._share(resident, layout)

    def _share(self, resident: Resident, layout: Layout) -> None:
        shared = 0
        if layout.public < len(layout.tokens):
            shared = self.prefixes.share(layout.tokens, layout.public, resident.sequence)
        resident.tokens = layout.tokens[:shared]
        resident.shared = shared

    def _load(self, resident: Resident) -> Snapshot | None:
        if self._snapshots is None or resident.conversation is None or resident.key is None:
            return None
        return self._snapshots.load(resident.conversation, resident.key)

    def _save(self, resident: Resident) -> None:
        if self._snapshots is None or resident.conversation is None or resident.key is None:
            return
        if resident.changed and len(resident.tokens) >= _LEAST_SAVED_TOKENS:
            state = self._engine.save_sequence(resident.sequence)
            self._snapshots.save(resident.conversation, resident.key, Snapshot(resident.tokens, state))
            resident.changed = False

    def _close(self, resident: Resident) -> None:
        self._engine.clear(resident.sequence)
        self._residents.remove(resident)
        self._free.append(resident.sequence)

    def _touch(self, resident: Resident) -> None:
        self._clock += 1
        resident.used = self._clock
