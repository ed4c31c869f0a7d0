-- +goose Up

-- What is looked at besides pull requests, with what each remembers. Whether it is ours is said by its repository's row.
CREATE TABLE errands (
    repository INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    -- Raised by intake and by runs, done when a run ended well.
    wanted     INTEGER NOT NULL DEFAULT 0,
    done       INTEGER NOT NULL DEFAULT 0,
    run        INTEGER NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    problem    TEXT    NOT NULL DEFAULT '',
    recheck_at INTEGER NOT NULL DEFAULT 0,
    raised_at  INTEGER NOT NULL,
    -- As its runs left it.
    state      TEXT    NOT NULL DEFAULT '',
    issue      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, kind, name)
) STRICT;
CREATE INDEX errands_wanted ON errands (repository, kind, name) WHERE wanted <> done;
CREATE INDEX errands_recheck ON errands (recheck_at) WHERE recheck_at > 0;
CREATE INDEX errands_issue ON errands (repository, issue) WHERE issue <> 0;

-- What was left for an errand. One that was dealt with is known by its id as long as it may be left again.
CREATE TABLE errand_notes (
    repository INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    arrived    INTEGER NOT NULL,
    taken_at   INTEGER NOT NULL DEFAULT 0,
    body       TEXT    NOT NULL,
    PRIMARY KEY (repository, kind, name, id)
) STRICT;
CREATE INDEX errand_notes_taken ON errand_notes (taken_at) WHERE taken_at > 0;

-- What the declarers of emergencies owe.
CREATE TABLE debts (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    owner      INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (repository, number, kind)
) STRICT;
CREATE INDEX debts_owner ON debts (owner);
