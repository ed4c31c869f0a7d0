-- Times are microseconds since 1970 in UTC, 0 where there is none. Identifiers are GitHub's numeric ids. Columns named body,
-- snapshot and decision hold the JSON form of the values in package change.

-- +goose Up

CREATE TABLE repositories (
    id             bigint PRIMARY KEY,
    owner          text    NOT NULL,
    name           text    NOT NULL,
    default_branch text    NOT NULL,
    owner_is_user  bigint NOT NULL,
    installation   bigint NOT NULL,
    gone           bigint NOT NULL DEFAULT 0
);
CREATE INDEX repositories_installation ON repositories (installation);

CREATE TABLE installations (
    id            bigint PRIMARY KEY,
    blocked_until bigint NOT NULL
);

-- Deliveries that were accepted, so that a redelivered one is recognised. What they carried is in the tables below.
CREATE TABLE deliveries (
    id           text    PRIMARY KEY,
    event        text    NOT NULL,
    action       text    NOT NULL,
    repository   bigint NOT NULL,
    received_at  bigint NOT NULL
);
CREATE INDEX deliveries_received_at ON deliveries (received_at);

CREATE TABLE pulls (
    repository   bigint NOT NULL,
    number       bigint NOT NULL,
    -- What GitHub last told; state is empty as long as it told nothing.
    state        text    NOT NULL DEFAULT '',
    head         text    NOT NULL DEFAULT '',
    base         text    NOT NULL DEFAULT '',
    updated_at   bigint NOT NULL DEFAULT 0,
    read_at      bigint NOT NULL DEFAULT 0,
    snapshot     text    NOT NULL DEFAULT '',
    unsure       bigint NOT NULL DEFAULT 0,
    gone         bigint NOT NULL DEFAULT 0,
    -- Raised by intake, taken by a run, done when a run ended well.
    wanted       bigint NOT NULL DEFAULT 0,
    done         bigint NOT NULL DEFAULT 0,
    concerns     bigint NOT NULL DEFAULT 0,
    taken        bigint NOT NULL DEFAULT 0,
    run          bigint NOT NULL DEFAULT 0,
    failures     bigint NOT NULL DEFAULT 0,
    problem      text    NOT NULL DEFAULT '',
    recheck_at   bigint NOT NULL DEFAULT 0,
    -- What was last decided.
    decision     text    NOT NULL DEFAULT '',
    digest       text    NOT NULL DEFAULT '',
    decided_head text    NOT NULL DEFAULT '',
    decided_at   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, number)
);
CREATE INDEX pulls_open_head ON pulls (repository, head) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_open_base ON pulls (repository, base) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_wanted ON pulls (repository, number) WHERE wanted <> done;

-- What deliveries told of a pull request and cannot be read again: pushes, label events, reviews and their dismissals.
CREATE TABLE facts (
    repository bigint NOT NULL,
    number     bigint NOT NULL,
    kind       text    NOT NULL,
    id         text    NOT NULL,
    at         bigint NOT NULL,
    arrived    bigint NOT NULL,
    body       text    NOT NULL,
    PRIMARY KEY (repository, number, kind, id)
);

CREATE TABLE checks (
    repository bigint NOT NULL,
    sha        text    NOT NULL,
    name       text    NOT NULL,
    app        text    NOT NULL,
    status     bigint NOT NULL,
    run_id     bigint NOT NULL,
    id         bigint NOT NULL,
    pending    bigint NOT NULL,
    at         bigint NOT NULL,
    arrived    bigint NOT NULL,
    body       text    NOT NULL,
    PRIMARY KEY (repository, sha, name, app, status, run_id)
);
CREATE TABLE checks_read (
    repository bigint NOT NULL,
    sha        text    NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (repository, sha)
);

CREATE TABLE commands (
    comment    bigint PRIMARY KEY,
    repository bigint NOT NULL,
    number     bigint NOT NULL,
    at         bigint NOT NULL,
    body       text    NOT NULL,
    done_at    bigint NOT NULL DEFAULT 0,
    outcome    text    NOT NULL DEFAULT ''
);
CREATE INDEX commands_waiting ON commands (repository, number) WHERE done_at = 0;

CREATE TABLE check_runs (
    repository  bigint NOT NULL,
    sha         text    NOT NULL,
    number      bigint NOT NULL,
    run_id      bigint NOT NULL,
    status      text    NOT NULL,
    conclusion  text    NOT NULL,
    digest      text    NOT NULL,
    external_id text    NOT NULL,
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    PRIMARY KEY (repository, sha)
);
CREATE INDEX check_runs_pull ON check_runs (repository, number);
CREATE INDEX check_runs_unfinished ON check_runs (created_at) WHERE status <> 'completed';

CREATE TABLE leases (
    name   text    PRIMARY KEY,
    holder text    NOT NULL,
    fence  bigint NOT NULL,
    until  bigint NOT NULL
);
CREATE TABLE fences (
    last bigint NOT NULL
);
INSERT INTO fences (last) VALUES (0);

CREATE TABLE effects (
    key         text    PRIMARY KEY,
    kind        text    NOT NULL,
    repository  bigint NOT NULL,
    number      bigint NOT NULL,
    sha         text    NOT NULL,
    body        text    NOT NULL,
    state       text    NOT NULL,
    result      text    NOT NULL,
    intended_at bigint NOT NULL,
    ended_at    bigint NOT NULL
);
CREATE INDEX effects_pull ON effects (repository, number);
CREATE INDEX effects_head ON effects (repository, sha);

CREATE TABLE identities (
    kind  text    NOT NULL,
    scope text    NOT NULL,
    name  text    NOT NULL,
    id    bigint NOT NULL,
    at    bigint NOT NULL,
    PRIMARY KEY (kind, scope, name)
);

CREATE TABLE ledger (
    seq        bigint PRIMARY KEY,
    at         bigint NOT NULL,
    kind       text    NOT NULL,
    repository bigint NOT NULL,
    number     bigint NOT NULL,
    sha        text    NOT NULL,
    record     text    NOT NULL,
    hash       text    NOT NULL
);
CREATE INDEX ledger_pull ON ledger (repository, number, seq);
CREATE TABLE ledger_head (
    last_seq bigint NOT NULL
);
INSERT INTO ledger_head (last_seq) VALUES (0);

CREATE TABLE replicas (
    id      text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- Entries are only ever added at the end.
-- +goose StatementBegin
CREATE FUNCTION ledger_in_order() RETURNS trigger AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM ledger) THEN
        RAISE EXCEPTION 'the ledger is append-only: an entry follows the last one';
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
CREATE TRIGGER ledger_in_order BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_in_order();
-- +goose StatementBegin
CREATE FUNCTION ledger_is_append_only() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: its entries are never updated or deleted';
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
