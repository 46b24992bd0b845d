"""The part of the index that keeps conversations: their turns, their search, and which state remembers them.

`Index` is one of these, over the same connection and with the same promises: a method that writes is one transaction,
rows leave as values, every other thread needs an index of its own. What a turn's account says is not looked into.

What the model remembers of a conversation is a state like any other, a file with a row in `states`, of the role
"conversation". `conversation_states` says whose it is, and `conversation_state_chunks` which chunks' rows it holds.
When one of those chunks is gone (its document was edited, deleted, or removed with its folder), the state is *doomed*:
it still holds what the document said. It counts as a state that nothing uses, so that the next purge removes it, and it
is not served until then.
"""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from storage.columns import any_of, now, storable
from storage.errors import UnknownConversation
from storage.excerpt import excerpt
from storage.search_words import separated
from storage.values import Conversation, ConversationHit, StateKey, Turn

_CONVERSATION_COLUMNS = """conversations.id, conversations.title, conversations.created_at, conversations.changed_at,
    (SELECT count(*) FROM turns WHERE conversation_id = conversations.id), conversations.scope,
    conversations.branched_from"""

IS_DOOMED = """EXISTS (
    SELECT 1 FROM conversation_state_chunks AS part WHERE part.conversation_id = remembered.conversation_id
    AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.id = part.chunk_id))"""
"""Of a row of `conversation_states AS remembered`."""

_Row = tuple[Any, ...]


class Remembered(NamedTuple):
    """Which state remembers a conversation, and how many of its turns."""

    key: StateKey
    num_turns: int
    transcript: str
    is_doomed: bool


class ConversationIndex(ABC):
    """See the module."""

    @abstractmethod
    def _rows(self, sql: str, *parameters: str | bytes | int | None) -> list[_Row]: ...

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sqlite3.Connection]: ...

    # Conversations

    def start_conversation(self, title: str, scope: Iterable[Path] = ()) -> Conversation:
        """A new conversation without turns."""
        kept, paths, moment = storable(title), tuple(scope), now()
        with self._writing() as db:
            cursor = db.execute(
                "INSERT INTO conversations(title, created_at, changed_at, scope) VALUES (?, ?, ?, ?)",
                (kept, moment, moment, _scope_in(paths)),
            )
            assert cursor.lastrowid is not None, "an INSERT has a rowid"
            return Conversation(cursor.lastrowid, kept, moment, moment, 0, paths)

    def conversations(self) -> list[Conversation]:
        """All of them, those that changed last first."""
        sql = f"SELECT {_CONVERSATION_COLUMNS} FROM conversations ORDER BY changed_at DESC, id DESC"  # noqa: S608
        return [_conversation(row) for row in self._rows(sql)]

    def conversation(self, conversation_id: int) -> Conversation | None:
        sql = f"SELECT {_CONVERSATION_COLUMNS} FROM conversations WHERE id = ?"  # noqa: S608
        rows = self._rows(sql, conversation_id)
        return _conversation(rows[0]) if rows else None

    def rename_conversation(self, conversation_id: int, title: str) -> None:
        """One that is gone stays gone."""
        with self._writing() as db:
            db.execute("UPDATE conversations SET title = ? WHERE id = ?", (storable(title), conversation_id))

    def set_scope(self, conversation_id: int, scope: Iterable[Path]) -> None:
        """From which files and folders its next questions are answered; none: from all."""
        with self._writing() as db:
            db.execute("UPDATE conversations SET scope = ? WHERE id = ?", (_scope_in(scope), conversation_id))

    def copy_conversation(self, conversation_id: int, num_turns: int, title: str) -> Conversation:
        """A new conversation with the first turns of another one; UnknownConversation when that is gone."""
        with self._writing() as db:
            cursor = db.execute(
                """INSERT INTO conversations(title, created_at, changed_at, scope, branched_from)
                SELECT ?, ?2, ?2, scope, id FROM conversations WHERE id = ?3""",
                (storable(title), now(), conversation_id),
            )
            copy_id = cursor.lastrowid
            if not cursor.rowcount:
                raise UnknownConversation(f"There is no conversation {conversation_id} any more.")
            db.execute(
                """INSERT INTO turns(
                    conversation_id, ordinal, question, answer, account, asked_at, question_words, answer_words)
                SELECT ?, ordinal, question, answer, account, asked_at, question_words, answer_words
                FROM turns WHERE conversation_id = ? AND ordinal < ? ORDER BY ordinal""",
                (copy_id, conversation_id, num_turns),
            )
        assert copy_id is not None, "an INSERT has a rowid"
        copy = self.conversation(copy_id)
        assert copy is not None, "it was written a moment ago"
        return copy

    def delete_conversation(self, conversation_id: int) -> tuple[StateKey, ...]:
        """Forgets it, and clears its text; returns the states that nothing uses any more, as `remove_folder` does."""
        with self._writing() as db:
            db.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
        self._compact_turns()
        return tuple(self.unlinked_states())

    @abstractmethod
    def unlinked_states(self, unused_since: int | None = None) -> list[StateKey]: ...

    # Turns

    def turns(self, conversation_id: int) -> list[Turn]:
        """In their order."""
        rows = self._rows(
            """SELECT conversation_id, ordinal, question, answer, account, asked_at
            FROM turns WHERE conversation_id = ? ORDER BY ordinal""",
            conversation_id,
        )
        return [Turn(*row) for row in rows]

    def put_turn(self, turn: Turn) -> None:
        """The turn takes its place in its conversation; the one that had it, and all that followed, are forgotten.

        A turn of a conversation that is gone is not kept.
        """
        with self._writing() as db:
            db.execute(
                "DELETE FROM turns WHERE conversation_id = ? AND ordinal >= ?", (turn.conversation_id, turn.ordinal)
            )
            question, answer = storable(turn.question), storable(turn.answer)
            db.execute(
                """INSERT INTO turns(
                    conversation_id, ordinal, question, answer, account, asked_at, question_words, answer_words)
                SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM conversations WHERE id = ?1""",
                (
                    turn.conversation_id,
                    turn.ordinal,
                    question,
                    answer,
                    turn.account,
                    turn.asked_at,
                    separated(question),
                    separated(answer),
                ),
            )
            db.execute("UPDATE conversations SET changed_at = ? WHERE id = ?", (now(), turn.conversation_id))

    def _compact_turns(self) -> None:
        """Clears deleted turns from their search table, and the log; milliseconds, as conversations are small."""
        with self._writing() as db:
            db.execute("INSERT INTO turns_fts(turns_fts) VALUES ('optimize')")
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def questions(self, limit: int) -> list[str]:
        """What was asked last, in all conversations, the last first; each once."""
        rows = self._rows(
            "SELECT question FROM turns GROUP BY question ORDER BY max(asked_at) DESC, max(id) DESC LIMIT ?", limit
        )
        return [row[0] for row in rows]

    def search_conversations(self, terms: Sequence[str], limit: int) -> list[ConversationHit]:
        """Conversations with any of the words: first those whose title has all of them, then by their best turn."""
        best: dict[int, ConversationHit] = {}
        folded = [term.casefold() for term in terms]
        for conversation in self.conversations() if folded else ():
            if all(term in conversation.title.casefold() for term in folded):
                best[conversation.id] = ConversationHit(conversation, 0, conversation.title)
        for hit in self._best_turns(terms, limit):
            best.setdefault(hit.conversation.id, hit)
        return list(best.values())[: max(limit, 0)]

    def _best_turns(self, terms: Sequence[str], limit: int) -> list[ConversationHit]:
        """One turn per conversation, the best first."""
        query = any_of(terms)
        if not query or limit < 1:
            return []
        # The texts of the best only are read: "the" is in every turn. The columns beside min() are of its row.
        rows = self._rows(
            f"""WITH found AS (
                SELECT rowid AS id, rank AS badness FROM turns_fts WHERE turns_fts MATCH ?1),
            best AS (
                SELECT turns.id, turns.conversation_id, min(found.badness) AS badness
                FROM found JOIN turns ON turns.id = found.id
                GROUP BY turns.conversation_id ORDER BY badness, turns.id DESC LIMIT ?2)
            SELECT {_CONVERSATION_COLUMNS}, turns.ordinal, turns.question, turns.answer
            FROM best JOIN turns ON turns.id = best.id JOIN conversations ON conversations.id = best.conversation_id
            ORDER BY best.badness, turns.id DESC""",  # noqa: S608
            query,
            limit,
        )
        return [ConversationHit(_conversation(row[:-3]), row[-3], excerpt(row[-2:], terms)) for row in rows]

    # What the model remembers

    def remembered(self, conversation_id: int) -> Remembered | None:
        """The state that was kept of a conversation, doomed or not."""
        rows = self._rows(
            f"""SELECT fingerprint, digest, num_turns, transcript, {IS_DOOMED}
            FROM conversation_states AS remembered WHERE conversation_id = ?""",  # noqa: S608
            conversation_id,
        )
        if not rows:
            return None
        fingerprint, digest, num_turns, transcript, is_doomed = rows[0]
        return Remembered(StateKey(fingerprint, digest), num_turns, transcript, bool(is_doomed))

    def remember(
        self,
        conversation_id: int,
        key: StateKey,
        num_tokens: int,
        num_bytes: int,
        num_turns: int,
        transcript: str,
        chunk_ids: Collection[int],
    ) -> str:
        """Notes that a state remembers the conversation, in place of the one before; its file is there.

        Returns why not, or nothing: the conversation or one of the chunks was removed meanwhile.
        """
        with self._writing() as db:
            if not db.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation_id,)).fetchone():
                return "the conversation was deleted"
            if _num_chunks_there(db, chunk_ids) < len(set(chunk_ids)):
                return "a document that it holds was changed or removed"
            moment = now()
            db.execute(
                """INSERT INTO states(fingerprint, digest, role, num_tokens, num_bytes, created_at, last_used_at)
                VALUES (?1, ?2, 'conversation', ?3, ?4, ?5, ?5)
                ON CONFLICT(fingerprint, digest) DO UPDATE SET
                    num_bytes = excluded.num_bytes, last_used_at = excluded.last_used_at""",
                (key.fingerprint, key.digest, num_tokens, num_bytes, moment),
            )
            db.execute("DELETE FROM conversation_states WHERE conversation_id = ?", (conversation_id,))
            db.execute(
                """INSERT INTO conversation_states(conversation_id, fingerprint, digest, num_turns, transcript)
                VALUES (?, ?, ?, ?, ?)""",
                (conversation_id, key.fingerprint, key.digest, num_turns, transcript),
            )
            db.executemany(
                "INSERT INTO conversation_state_chunks(conversation_id, chunk_id) VALUES (?, ?)",
                [(conversation_id, chunk_id) for chunk_id in set(chunk_ids)],
            )
        return ""

    def forget_remembered(self, conversation_id: int) -> None:
        """The conversation is without state; whether anything else uses that state, `unlinked_states` tells."""
        with self._writing() as db:
            db.execute("DELETE FROM conversation_states WHERE conversation_id = ?", (conversation_id,))

    def remembered_conversations(self) -> list[tuple[int, int]]:
        """Conversations with a state, and the size of its file; those that changed longest ago first."""
        rows = self._rows(
            """SELECT conversations.id, states.num_bytes
            FROM conversation_states JOIN conversations ON conversations.id = conversation_states.conversation_id
            JOIN states USING (fingerprint, digest) ORDER BY conversations.changed_at, conversations.id"""
        )
        return [(conversation_id, num_bytes) for conversation_id, num_bytes in rows]

    # How fast this machine is

    def model_speed(self, fingerprint: str) -> float | None:
        """Tokens per second of exact computing that were seen last."""
        rows = self._rows("SELECT prefill_tokens_per_s FROM model_speeds WHERE fingerprint = ?", fingerprint)
        return rows[0][0] if rows else None

    def put_model_speed(self, fingerprint: str, prefill_tokens_per_s: float) -> None:
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO model_speeds VALUES (?, ?)", (fingerprint, prefill_tokens_per_s))


def _num_chunks_there(db: sqlite3.Connection, chunk_ids: Collection[int]) -> int:
    sql = "SELECT count(*) FROM chunks WHERE id IN (SELECT value FROM json_each(?))"
    return db.execute(sql, (json.dumps(list(chunk_ids)),)).fetchone()[0]


def _conversation(row: _Row) -> Conversation:
    scope = tuple(map(Path, json.loads(row[5])))
    return Conversation(row[0], row[1], row[2], row[3], row[4], scope, row[6])


def _scope_in(scope: Iterable[Path]) -> str:
    """ASCII: a path with bytes that are no characters has them as escapes."""
    return json.dumps([str(path) for path in scope])
