"""The tables of the store, as the migrations that bring a file from each version to the next.

In the shape of ML Metadata (github.com/google/ml-metadata, metadata_store.proto): runs and recipes are contexts,
executions, artifacts and events mean the same, and the views `contexts`, `associations` and `attributions` stand
for its tables of these names.
"""

BEGINNING = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, recipe TEXT NOT NULL, command TEXT NOT NULL, code TEXT NOT NULL,
    state TEXT NOT NULL, started REAL NOT NULL, finished REAL
);
CREATE TABLE executions (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs(id), step TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, error TEXT,
    started REAL NOT NULL, finished REAL
);
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, uri TEXT NOT NULL, digest TEXT NOT NULL, created REAL NOT NULL,
    UNIQUE (uri, digest)
);
CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions(id), artifact INTEGER NOT NULL REFERENCES artifacts(id),
    direction TEXT NOT NULL CHECK (direction IN ('input', 'output')), name TEXT NOT NULL,
    PRIMARY KEY (execution, artifact, direction, name)
);
CREATE INDEX executions_by_run ON executions (run);
CREATE INDEX executions_by_step ON executions (step, key);
CREATE INDEX events_by_artifact ON events (artifact, direction);
"""
SCHEDULES = """
CREATE TABLE schedules (
    name TEXT PRIMARY KEY, cron TEXT NOT NULL, timezone TEXT NOT NULL, settled REAL NOT NULL
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, schedule TEXT NOT NULL, slot REAL NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    run TEXT, code INTEGER, host TEXT NOT NULL, started REAL NOT NULL, finished REAL, again REAL
);
CREATE INDEX attempts_by_slot ON attempts (schedule, slot);
"""
LIVES = """
ALTER TABLE artifacts ADD COLUMN state TEXT NOT NULL DEFAULT 'live';
ALTER TABLE artifacts ADD COLUMN properties TEXT NOT NULL DEFAULT '{}';
CREATE VIEW contexts AS
    SELECT 'run' AS type, id AS name, started AS created FROM runs
    UNION ALL SELECT 'recipe', recipe, min(started) FROM runs GROUP BY recipe;
CREATE VIEW associations AS
    SELECT 'run' AS type, run AS context, id AS execution FROM executions
    UNION ALL SELECT 'recipe', recipe, executions.id FROM executions JOIN runs ON runs.id = run;
CREATE VIEW attributions AS
    SELECT DISTINCT type, context, artifact FROM associations JOIN events USING (execution)
    WHERE direction = 'output';
"""
"""An artifact is live, or removed (by `segline gc`): what is known of it stays. `properties` are JSON: its figures."""

SPANS = """
ALTER TABLE attempts ADD COLUMN until TEXT;
UPDATE attempts SET until = 'evaluate'
    WHERE run IS NOT NULL AND run NOT IN (SELECT run FROM executions WHERE step = 'export');
"""
"""`until` is the last step of an attempt by `segline backfill`, at first always evaluate; NULL: it did all of them."""

MIGRATIONS = (BEGINNING, SCHEDULES, LIVES, SPANS)
"""What brings a store from each version to the next, from an empty file on."""
