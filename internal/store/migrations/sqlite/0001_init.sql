-- Times are microseconds since 1970 in UTC, 0 where there is none. Identifiers are GitHub's numeric ids. Columns named body,
-- snapshot and decision hold the JSON form of the values in package change.

-- +goose Up

CREATE TABLE repositories (
    id             INTEGER PRIMARY KEY,
    owner          TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    default_branch TEXT    NOT NULL,
    owner_is_user  INTEGER NOT NULL,
    installation   INTEGER NOT NULL,
    gone           INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX repositories_installation ON repositories (installation);

CREATE TABLE installations (
    id            INTEGER PRIMARY KEY,
    blocked_until INTEGER NOT NULL
) STRICT;

-- Deliveries that were accepted, so that a redelivered one is recognised. What they carried is in the tables below.
CREATE TABLE deliveries (
    id           TEXT    PRIMARY KEY,
    event        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    repository   INTEGER NOT NULL,
    received_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_received_at ON deliveries (received_at);

CREATE TABLE pulls (
    repository   INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    -- What GitHub last told; state is empty as long as it told nothing.
    state        TEXT    NOT NULL DEFAULT '',
    head         TEXT    NOT NULL DEFAULT '',
    base         TEXT    NOT NULL DEFAULT '',
    updated_at   INTEGER NOT NULL DEFAULT 0,
    read_at      INTEGER NOT NULL DEFAULT 0,
    snapshot     TEXT    NOT NULL DEFAULT '',
    unsure       INTEGER NOT NULL DEFAULT 0,
    gone         INTEGER NOT NULL DEFAULT 0,
    -- Raised by intake, taken by a run, done when a run ended well.
    wanted       INTEGER NOT NULL DEFAULT 0,
    done         INTEGER NOT NULL DEFAULT 0,
    concerns     INTEGER NOT NULL DEFAULT 0,
    taken        INTEGER NOT NULL DEFAULT 0,
    run          INTEGER NOT NULL DEFAULT 0,
    failures     INTEGER NOT NULL DEFAULT 0,
    problem      TEXT    NOT NULL DEFAULT '',
    recheck_at   INTEGER NOT NULL DEFAULT 0,
    -- What was last decided.
    decision     TEXT    NOT NULL DEFAULT '',
    digest       TEXT    NOT NULL DEFAULT '',
    decided_head TEXT    NOT NULL DEFAULT '',
    decided_at   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, number)
) STRICT;
CREATE INDEX pulls_open_head ON pulls (repository, head) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_open_base ON pulls (repository, base) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_wanted ON pulls (repository, number) WHERE wanted <> done;

-- What deliveries told of a pull request and cannot be read again: pushes, label events, reviews and their dismissals.
CREATE TABLE facts (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    arrived    INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (repository, number, kind, id)
) STRICT;

CREATE TABLE checks (
    repository INTEGER NOT NULL,
    sha        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    app        TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    run_id     INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    pending    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    arrived    INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (repository, sha, name, app, status, run_id)
) STRICT;
CREATE TABLE checks_read (
    repository INTEGER NOT NULL,
    sha        TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (repository, sha)
) STRICT;

CREATE TABLE commands (
    comment    INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    done_at    INTEGER NOT NULL DEFAULT 0,
    outcome    TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX commands_waiting ON commands (repository, number) WHERE done_at = 0;

CREATE TABLE check_runs (
    repository  INTEGER NOT NULL,
    sha         TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    run_id      INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    conclusion  TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    external_id TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (repository, sha)
) STRICT;
CREATE INDEX check_runs_pull ON check_runs (repository, number);
CREATE INDEX check_runs_unfinished ON check_runs (created_at) WHERE status <> 'completed';

CREATE TABLE leases (
    name   TEXT    PRIMARY KEY,
    holder TEXT    NOT NULL,
    fence  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT;
CREATE TABLE fences (
    last INTEGER NOT NULL
) STRICT;
INSERT INTO fences (last) VALUES (0);

CREATE TABLE effects (
    key         TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,
    repository  INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    sha         TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    result      TEXT    NOT NULL,
    intended_at INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX effects_pull ON effects (repository, number);
CREATE INDEX effects_head ON effects (repository, sha);

CREATE TABLE identities (
    kind  TEXT    NOT NULL,
    scope TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    id    INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (kind, scope, name)
) STRICT;

CREATE TABLE ledger (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    sha        TEXT    NOT NULL,
    record     TEXT    NOT NULL,
    hash       TEXT    NOT NULL
) STRICT;
CREATE INDEX ledger_pull ON ledger (repository, number, seq);
CREATE TABLE ledger_head (
    last_seq INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_head (last_seq) VALUES (0);

-- Entries are only ever added at the end. The first trigger also stands in the way of INSERT OR REPLACE, which fires no other.
-- +goose StatementBegin
CREATE TRIGGER ledger_in_order BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: an entry follows the last one');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its entries are never updated');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its entries are never deleted');
END;
-- +goose StatementEnd
