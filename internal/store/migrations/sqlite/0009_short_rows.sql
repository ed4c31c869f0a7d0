-- +goose Up

-- What is written at each event and each run is apart from what is long: a row is written whole, however little of it changes.
CREATE TABLE pull_snapshots (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    snapshot   TEXT    NOT NULL, -- what GitHub last told
    PRIMARY KEY (repository, number)
) STRICT;
INSERT INTO pull_snapshots SELECT repository, number, snapshot FROM pulls WHERE snapshot <> '';

CREATE TABLE pull_decisions (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    decision   TEXT    NOT NULL, -- what was last decided
    PRIMARY KEY (repository, number)
) STRICT;
INSERT INTO pull_decisions SELECT repository, number, decision FROM pulls WHERE decision <> '';

-- The tables whose rows are short keep them in the order of their keys, without a second tree beside.
CREATE TABLE short_pulls (
    repository   INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    -- What GitHub last told, but for the snapshot; state is empty as long as it told nothing.
    state        TEXT    NOT NULL DEFAULT '',
    head         TEXT    NOT NULL DEFAULT '',
    base         TEXT    NOT NULL DEFAULT '',
    updated_at   INTEGER NOT NULL DEFAULT 0,
    read_at      INTEGER NOT NULL DEFAULT 0,
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
    -- From when the job of one that was raised waits for nothing but a worker, in microseconds since 1970, and under which trace it was
    -- inserted; 0: that is not known. The end of its run forgets them.
    job_due      INTEGER NOT NULL DEFAULT 0,
    job_trace    TEXT    NOT NULL DEFAULT '',
    -- What was last decided, but for the decision.
    digest       TEXT    NOT NULL DEFAULT '',
    decided_head TEXT    NOT NULL DEFAULT '',
    decided_at   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, number)
) STRICT, WITHOUT ROWID;
INSERT INTO short_pulls (repository, number, state, head, base, updated_at, read_at, unsure, gone, wanted, done, concerns, taken, run, failures, problem,
        recheck_at, digest, decided_head, decided_at)
    SELECT repository, number, state, head, base, updated_at, read_at, unsure, gone, wanted, done, concerns, taken, run, failures, problem,
        recheck_at, digest, decided_head, decided_at FROM pulls;
DROP TABLE pulls;
ALTER TABLE short_pulls RENAME TO pulls;
CREATE INDEX pulls_open_head ON pulls (repository, head) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_open_base ON pulls (repository, base) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_wanted ON pulls (repository, number) WHERE wanted <> done;

CREATE TABLE short_deliveries (
    id           TEXT    PRIMARY KEY,
    event        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    repository   INTEGER NOT NULL,
    received_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO short_deliveries SELECT id, event, action, repository, received_at FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE short_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_received_at ON deliveries (received_at);

CREATE TABLE short_checks (
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
) STRICT, WITHOUT ROWID;
INSERT INTO short_checks SELECT repository, sha, name, app, status, run_id, id, pending, at, arrived, body FROM checks;
DROP TABLE checks;
ALTER TABLE short_checks RENAME TO checks;

-- A repository has a hundred closed pull requests for each open one.
CREATE INDEX pulls_open ON pulls (repository, number) WHERE state = 'open' AND gone = 0;
CREATE INDEX checks_pending ON checks (repository, sha) WHERE pending = 1;
