"""The part of the index that keeps conversations: their turns, their search, and which state remembers them.

`Index` is one of these, over the same connection and with the same promises: a method that writes is one transaction,
rows leave as values, every other thread needs an index of its own. What a turn's account says is not looked into, but
for what it quotes of documents (`sources`, their `path`, `quote` and `heading`): that goes with its document, while
questions and answers are the user's own, and stay.

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
from typing import Any, NamedTuple, cast

from storage.columns import any_of, now, path_out, storable
from storage.errors import UnknownConversation
from storage.excerpt import excerpt
from storage.search_words import separated
from storage.values import Conversation, ConversationHit, Rates, StateKey, Turn

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


class TurnFrom(NamedTuple):
    """A turn that was answered from some document, and whether it quotes it."""

    conversation_id: int
    ordinal: int
    quotes: bool


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

    def _compact_turns(self) -> bool:
        """Clears deleted turns from their search table, and the log; milliseconds, as conversations are small.

        False: the log is not cleared, because somebody reads.
        """
        with self._writing() as db:
            db.execute("INSERT INTO turns_fts(turns_fts) VALUES ('optimize')")
        ((is_busy, _, _),) = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return not is_busy

    def forget_quotes(self) -> int:
        """Takes out of the turns' accounts what they quote of documents that are not listed any more; returns of how
        many turns. Costs reading all accounts: 30 ms for 1,000 turns."""
        if not self._quoting_turns():
            return 0
        with self._writing() as db:
            quoting = self._quoting_turns()
            db.executemany(
                "UPDATE turns SET account = ? WHERE id = ?",
                [(json.dumps(account, separators=(",", ":")), turn_id) for turn_id, account in quoting],
            )
        return len(quoting)

    def _quoting_turns(self) -> list[tuple[int, dict[str, Any]]]:
        """Turns that quote documents that are gone, with their accounts as they are without those quotes."""
        turns = self._rows("SELECT id, account FROM turns WHERE instr(account, '\"sources\"')")
        listed = {path_out(row[0]) for row in self._rows("SELECT path FROM documents")} if turns else ()
        found: list[tuple[int, dict[str, Any]]] = []
        for turn_id, text in turns:
            account = _json_object(text)
            gone = [source for source in _sources(account) if Path(source["path"]) not in listed]
            if sum(map(_forget_quote, gone)):
                found.append((turn_id, account))
        return found

    def turns_from(self, place: Path) -> list[TurnFrom]:
        """The turns that were answered from a document, or from those in a folder."""
        found: list[TurnFrom] = []
        for conversation_id, ordinal, text in self._rows("SELECT conversation_id, ordinal, account FROM turns"):
            sources = [each for each in _sources(_json_object(text)) if Path(each["path"]).is_relative_to(place)]
            if sources:
                found.append(TurnFrom(conversation_id, ordinal, bool(sum(map(_forget_quote, sources)))))
        return found

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

    # --- how fast models are

    def rates(self, fingerprint: str, device: str) -> Rates | None:
        """What was measured of a model on a device; None before anything was."""
        rows = self._rows(
            "SELECT prefill_ms_per_token, prefill_ms_per_cell, read_bytes_per_s, merge_bytes_per_s"
            " FROM machine_rates WHERE fingerprint = ? AND device = ?",
            fingerprint,
            device,
        )
        return Rates(*rows[0]) if rows else None

    def put_rates(self, fingerprint: str, device: str, rates: Rates) -> None:
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO machine_rates VALUES (?, ?, ?, ?, ?, ?)",
                (
                    fingerprint,
                    device,
                    rates.prefill_ms_per_token,
                    rates.prefill_ms_per_cell,
                    rates.read_bytes_per_s,
                    rates.merge_bytes_per_s,
                ),
            )

    def model_speeds(self) -> dict[str, float]:
        """Tokens of a prompt per second of each model that was asked, on its slowest device."""
        sql = """SELECT fingerprint, 1000 / max(prefill_ms_per_token) FROM machine_rates
            WHERE prefill_ms_per_token > 0 GROUP BY fingerprint"""
        return dict(self._rows(sql))


def _json_object(text: str) -> dict[str, Any]:
    """Empty for what is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _sources(account: dict[str, Any]) -> list[dict[str, Any]]:
    listed = account.get("sources")
    sources = cast("list[Any]", listed) if isinstance(listed, list) else []
    objects = [cast("dict[str, Any]", source) for source in sources if isinstance(source, dict)]
    return [source for source in objects if isinstance(source.get("path"), str)]


def _forget_quote(source: dict[str, Any]) -> bool:
    """Whether there was anything to forget."""
    had_any = bool(source.get("quote") or source.get("heading"))
    if had_any:
        source |= {"quote": None, "heading": None}
    return had_any


def _num_chunks_there(db: sqlite3.Connection, chunk_ids: Collection[int]) -> int:
    sql = "SELECT count(*) FROM chunks WHERE id IN (SELECT value FROM json_each(?))"
    return db.execute(sql, (json.dumps(list(chunk_ids)),)).fetchone()[0]


def _conversation(row: _Row) -> Conversation:
    return Conversation(row[0], row[1], row[2], row[3], row[4], _scope_out(row[5]), row[6])


def _scope_out(text: str) -> tuple[Path, ...]:
    """A scope with flipped bytes is none: one conversation that cannot be read must not hide the others."""
    try:
        return tuple(map(Path, json.loads(text)))
    except (ValueError, TypeError):
        return ()


def _scope_in(scope: Iterable[Path]) -> str:
    """ASCII: a path with bytes that are no characters has them as escapes."""
    return json.dumps([str(path) for path in scope])
