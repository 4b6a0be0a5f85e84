"""The lineage: runs, executions, artifacts and events in one SQLite file, in the shape of ML Metadata.

A run is a context; an execution is one step of a run, run or reused; an artifact is a folder; an event links an
execution to an artifact it read or wrote. Times are seconds since 1970, UTC.
Only the standard library is imported, so that `segline status` answers at once.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.console.url_secrets import mask
from pipeline.errors import UserError
from pipeline.workspace import filesystem, store_file
from pipeline.workspace.schema import MIGRATIONS
from pipeline.workspace.store_file import read_json

VERSION = len(MIGRATIONS)
"""Value of SQLite's user_version after all migrations."""

Row = dict[str, Any]


class Store:
    """Open store. Every method is one transaction; several processes may use one file.

    Every method raises StoreError (store_file.py) where the file is damaged.
    """

    def __init__(self, path: Path, database: sqlite3.Connection | None = None) -> None:
        self._path = path
        if database is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            store_file.require_content(path)
        # Autocommit: a statement is a transaction, and `transaction` makes one of several.
        self._db = database or sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.row_factory = lambda cursor, row: dict(
            zip((column[0] for column in cursor.description), row, strict=True)
        )
        try:
            # WAL needs memory shared between processes, which those of other hosts do not have (sqlite.org/wal.html).
            journal = "TRUNCATE" if filesystem.mount_of(path.parent).is_network else "WAL"
            self._execute(f"PRAGMA journal_mode = {journal}")
            self._execute("PRAGMA synchronous = NORMAL")
            self._execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def reading(cls, path: Path) -> "Store":
        """Open a store to read it. One that may not be written is copied into memory, where changes are lost.

        Raises:
            StoreError: It is damaged.
            UserError: It is of a newer Segline.
        """
        return cls(path, None if store_file.is_writable(path) else store_file.in_memory(path))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin_run(self, run: str, recipe: str, command: str, code: str, state: str) -> None:
        """Record that a run has begun. A known run is left as it is.

        Args:
            run: Its name.
            recipe: The recipe's name.
            command: The command line.
            code: Version of Segline's own code.
            state: "running" where `segline run` drives the steps, "stepwise" where an orchestrator does.
        """
        self._execute(
            "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (run, recipe, command, code, state, time.time()),
        )

    def end_run(self, run: str, state: str) -> None:
        """Record how a run ended: done, failed, refused, interrupted or killed."""
        self._execute("UPDATE runs SET state = ?, finished = ? WHERE id = ?", (state, time.time(), run))

    def begin(self, run: str, step: str, reason: str, key: str, fingerprint: str) -> int:
        """Record that a step has begun and why. Return the execution's id."""
        cursor = self._execute(
            "INSERT INTO executions (run, step, state, reason, key, fingerprint, started) "
            "VALUES (?, ?, 'running', ?, ?, ?, ?)",
            (run, step, reason, key, fingerprint, time.time()),
        )
        return int(cursor.lastrowid or 0)

    def end(self, execution: int, state: str, error: str | None = None) -> None:
        """Record how an execution ended: done, reused, failed, refused, interrupted or killed."""
        self._execute(
            "UPDATE executions SET state = ?, error = ?, finished = ? WHERE id = ?",
            (state, error and mask(error), time.time(), execution),
        )

    def link(
        self,
        execution: int,
        direction: str,
        name: str,
        kind: str,
        uri: str,
        digest: str,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that an execution read ("input") or wrote ("output") an artifact, and its metrics."""
        with self.transaction():
            self._execute(
                "INSERT INTO artifacts (kind, uri, digest, created, properties) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (uri, digest) DO UPDATE SET state = 'live', "
                "properties = CASE excluded.properties WHEN '{}' THEN properties ELSE excluded.properties END",
                (kind, uri, digest, time.time(), json.dumps(properties or {})),
            )
            self._execute(
                "INSERT OR IGNORE INTO events SELECT ?, id, ?, ? FROM artifacts WHERE uri = ? AND digest = ?",
                (execution, direction, name, uri, digest),
            )

    def restore_run(self, run: Row) -> None:
        """Record a run that this store does not know, as `segline recover` reads it from its folder."""
        self._execute(
            "INSERT OR IGNORE INTO runs VALUES (:id, :recipe, :command, :code, 'recovered', :started, :finished)", run
        )

    def restore(
        self, run: str, step: str, state: str, key: str, fingerprint: str, moment: float, reason: str = "recovered"
    ) -> int:
        """Record an execution that ended at a moment, in seconds since 1970. Return its id."""
        cursor = self._execute(
            "INSERT INTO executions (run, step, state, reason, key, fingerprint, started, finished) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (run, step, state, reason, key, fingerprint, moment, moment),
        )
        return int(cursor.lastrowid or 0)

    def finish(
        self, execution: int, kind: str, uri: str, digest: str, properties: Mapping[str, Any] | None = None
    ) -> None:
        """Record in one transaction that an execution wrote an artifact, with its metrics, and succeeded."""
        with self.transaction():
            self.link(execution, "output", kind, kind, uri, digest, properties)
            self.end(execution, "done")

    def execution(self, number: int) -> Row | None:
        """Return the execution with this id, or None."""
        rows = self._all("SELECT * FROM executions WHERE id = ?", number)
        return rows[0] if rows else None

    def runs(self, limit: int) -> list[Row]:
        """Return the newest runs, newest first; -1: all."""
        return self._all("SELECT * FROM runs ORDER BY started DESC, rowid DESC LIMIT ?", limit)

    def running(self) -> list[Row]:
        """Return runs of `segline run` without a recorded end: they are running, or were killed."""
        return self._all("SELECT * FROM runs WHERE state = 'running'")

    def executing(self) -> list[Row]:
        """Return executions of any run without a recorded end."""
        return self._all("SELECT * FROM executions WHERE state = 'running'")

    def executions(self, run: str) -> list[Row]:
        """Return the executions of a run in the order they began."""
        return self._all("SELECT * FROM executions WHERE run = ? ORDER BY id", run)

    def made(self, recipe: str, since: float) -> set[str]:
        """Return the steps that runs of a recipe began at or after `since` and completed; reused ones are left out."""
        rows = self._all(
            "SELECT DISTINCT step FROM executions JOIN runs ON runs.id = run "
            "WHERE recipe = ? AND executions.state = 'done' AND executions.started >= ?",
            recipe,
            since,
        )
        return {row["step"] for row in rows}

    def last_fingerprint(self, step: str, recipe: str) -> Mapping[str, Any] | None:
        """Return the last fingerprint of a step with this recipe, else with any; None if it never succeeded."""
        rows = self._all(
            "SELECT fingerprint FROM executions JOIN runs ON runs.id = run "
            "WHERE step = ? AND executions.state IN ('done', 'reused') "
            "ORDER BY recipe = ? DESC, executions.id DESC LIMIT 1",
            step,
            recipe,
        )
        return read_json(rows[0]["fingerprint"]) if rows else None

    def artifact(self, uri: str) -> Row | None:
        """Return the newest artifact at this address, or None."""
        rows = self._all("SELECT * FROM artifacts WHERE uri = ? ORDER BY id DESC LIMIT 1", uri)
        return rows[0] if rows else None

    def producer(self, artifact: int) -> Row | None:
        """Return the execution that wrote an artifact, with its run's recipe, command and code; None for raw files."""
        rows = self._all(
            "SELECT executions.*, runs.recipe, runs.command, runs.code FROM events "
            "JOIN executions ON executions.id = execution JOIN runs ON runs.id = run "
            "WHERE artifact = ? AND direction = 'output' AND executions.state = 'done' ORDER BY execution LIMIT 1",
            artifact,
        )
        return rows[0] if rows else None

    def inputs(self, execution: int) -> list[Row]:
        """Return the artifacts that an execution read, each with the name of the input."""
        return self.linked(execution, "input")

    def linked(self, execution: int, direction: str) -> list[Row]:
        """Return the artifacts that an execution read ("input") or wrote ("output"), each with its name there."""
        return self._all(
            "SELECT artifacts.*, events.name FROM events JOIN artifacts ON artifacts.id = artifact "
            "WHERE execution = ? AND direction = ? ORDER BY artifacts.id",
            execution,
            direction,
        )

    def outputs(self, run: str) -> list[Row]:
        """Return the artifacts that a run made or reused in the order of its steps, with step and state."""
        return self._all(
            "SELECT artifacts.*, executions.step, executions.state AS how FROM executions "
            "JOIN events ON events.execution = executions.id AND direction = 'output' "
            "JOIN artifacts ON artifacts.id = artifact WHERE run = ? ORDER BY executions.id",
            run,
        )

    def live(self) -> list[Row]:
        """Return every artifact that was written and not removed, oldest first; no raw files."""
        return self._all(
            "SELECT * FROM artifacts WHERE state = 'live' "
            "AND id IN (SELECT artifact FROM events WHERE direction = 'output') ORDER BY id"
        )

    def remove(self, uri: str) -> None:
        """Record that the artifact at this address was removed."""
        self._execute("UPDATE artifacts SET state = 'removed' WHERE uri = ?", (uri,))

    def damage(self) -> list[str]:
        """Return the faults that SQLite reports of the file: pages, indices, dangling references."""
        faults = [row["integrity_check"] for row in self._all("PRAGMA integrity_check")]
        dangling = [
            f"a row of {row['table']} refers to a {row['parent']} row that does not exist"
            for row in self._all("PRAGMA foreign_key_check")
        ]
        return [line for line in faults if line != "ok"] + dangling

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Run one SQL statement, for modules with a table of their own (schedule/ledger.py)."""
        return self._all(query, *values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make one transaction of the block; inside another it belongs to that one."""
        if self._db.in_transaction:
            yield
            return
        self._execute("BEGIN IMMEDIATE")
        with self._db:
            yield

    def _all(self, query: str, *values: Any) -> list[Row]:
        cursor = self._execute(query, values)
        try:
            return cursor.fetchall()
        except sqlite3.DatabaseError as error:
            raise store_file.as_damage(self._path, error) from None

    def _execute(self, query: str, values: tuple[Any, ...] | Row = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise store_file.as_damage(self._path, error) from None

    def _migrate(self) -> None:
        version = self._version()
        if version > VERSION:
            raise UserError(
                f"{self._path} is of a newer Segline (schema {version}; this one knows {VERSION}). Update Segline."
            )
        if version == VERSION:
            return
        with self.transaction():
            for migration in MIGRATIONS[self._version() :]:  # another process may have been first
                for statement in migration.split(";"):
                    self._execute(statement)
            self._execute(f"PRAGMA user_version = {VERSION}")

    def _version(self) -> int:
        return int(self._all("PRAGMA user_version")[0]["user_version"])
