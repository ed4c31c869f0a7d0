CREATE TABLE awaited_checks (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    told       INTEGER NOT NULL, -- 0: nothing, or that it runs; 1: that it passed; 2: that it failed
    PRIMARY KEY (repository, number, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE branch_pushes (
    repository INTEGER NOT NULL,
    branch     TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    was        TEXT    NOT NULL, -- the commit before; empty: the branch was made
    sha        TEXT    NOT NULL, -- the commit after
    arrived    INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (repository, branch, at, was, sha)
) STRICT, WITHOUT ROWID;
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
INSERT INTO check_runs (repository, sha, number, run_id, status, conclusion, digest, external_id, created_at, updated_at) VALUES (7, 'h1', 1, 9, 'in_progress', '', '', 'create:h1', 1767603600000000, 1767603600000000);
CREATE TABLE "checks" (
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
INSERT INTO checks (repository, sha, name, app, status, run_id, id, pending, at, arrived, body) VALUES (7, 'h1', 'build', 'github-actions', 0, 5, 5, 0, 0, 1767603600000000, '{"name":"build","state":"success","app":"github-actions","run_id":5}');
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
CREATE TABLE debts (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    owner      INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (repository, number, kind)
) STRICT;
CREATE TABLE "deliveries" (
    id           TEXT    PRIMARY KEY,
    event        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    repository   INTEGER NOT NULL,
    received_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO deliveries (id, event, action, repository, received_at) VALUES ('one', 'pull_request', 'opened', 7, 1767603600000000);
INSERT INTO deliveries (id, event, action, repository, received_at) VALUES ('two', 'check_run', 'completed', 7, 1767603600000000);
CREATE TABLE delivery_log (
    looked_to INTEGER NOT NULL,
    top       INTEGER NOT NULL,
    cursor    TEXT    NOT NULL
) STRICT;
INSERT INTO delivery_log (looked_to, top, cursor) VALUES (0, 0, '');
CREATE TABLE doubts (
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
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
, attempted_at INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO effects (key, kind, repository, number, sha, body, state, result, intended_at, ended_at, attempted_at) VALUES ('create:h1', 'create check run', 7, 1, 'h1', '"it"', 'done', '"done"', 1767603600000000, 1767603600000000, 0);
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
INSERT INTO errand_notes (repository, kind, name, id, at, arrived, taken_at, body) VALUES (7, 'branch', 'main', 'n1', 1767603600000000, 1767603600000000, 0, '{"after":"c1"}');
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
INSERT INTO errands (repository, kind, name, wanted, done, run, failures, problem, recheck_at, raised_at, state, issue) VALUES (7, 'branch', 'main', 1, 0, 0, 0, '', 0, 1767603600000000, '{"tip":"c0"}', 4);
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
CREATE TABLE fences (
    last INTEGER NOT NULL
) STRICT;
INSERT INTO fences (last) VALUES (1);
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (1, 0, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (2, 1, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (3, 2, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (4, 3, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (5, 4, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (6, 5, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (7, 6, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (8, 7, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (9, 8, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (10, 9, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (11, 10, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (12, 11, 1, '2026-11-22 06:42:32');
INSERT INTO goose_db_version (id, version_id, is_applied, tstamp) VALUES (13, 12, 1, '2026-11-22 06:42:32');
CREATE TABLE identities (
    kind  TEXT    NOT NULL,
    scope TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    id    INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (kind, scope, name)
) STRICT;
INSERT INTO identities (kind, scope, name, id, at) VALUES ('team', 'acme', 'security', 12, 1767603600000000);
CREATE TABLE installations (
    id            INTEGER PRIMARY KEY,
    blocked_until INTEGER NOT NULL
, ended INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE leases (
    name   TEXT    PRIMARY KEY,
    holder TEXT    NOT NULL,
    fence  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT;
INSERT INTO leases (name, holder, fence, until) VALUES ('head:7:h1', 'somebody', 1, 1767603660000000);
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
INSERT INTO ledger (seq, at, kind, repository, number, sha, record, hash) VALUES (1, 1767603600000000, 'decision changed', 7, 1, 'h1', '{"at":"2026-01-05T09:00:00Z","body":{"says":"it''s yellow"},"kind":"decision changed","number":1,"repository":7,"seq":1,"sha":"h1"}', 'aNtAzugd0IE/Wnna/c4rUPYo/S3dP/70e+qX3gPW3VQ=');
INSERT INTO ledger (seq, at, kind, repository, number, sha, record, hash) VALUES (2, 1767603600000000, 'effect intended', 7, 1, 'h1', '{"at":"2026-01-05T09:00:00Z","body":{"detail":"it","effect":"create check run","key":"create:h1"},"kind":"effect intended","number":1,"repository":7,"seq":2,"sha":"h1"}', '//fXZVeT6np0AlpySboCvIVU13pV4vNmfnNigXM2wfs=');
INSERT INTO ledger (seq, at, kind, repository, number, sha, record, hash) VALUES (3, 1767603600000000, 'effect done', 7, 1, 'h1', '{"at":"2026-01-05T09:00:00Z","body":{"detail":"done","effect":"create check run","key":"create:h1"},"kind":"effect done","number":1,"repository":7,"seq":3,"sha":"h1"}', 'ELQ1PJ3wfuniPMPLtdHv1Ahw+kOBPDTLyZhR9AZpN50=');
CREATE TABLE ledger_checkpoints (
    size INTEGER NOT NULL,
    key  TEXT    NOT NULL,
    at   INTEGER NOT NULL,
    note TEXT    NOT NULL,
    PRIMARY KEY (size, key)
) STRICT;
CREATE TABLE ledger_exhibits (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT;
CREATE TABLE ledger_head (
    last_seq INTEGER NOT NULL
, tree_size INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO ledger_head (last_seq, tree_size) VALUES (3, 3);
CREATE TABLE ledger_tree (
    place INTEGER PRIMARY KEY,
    hash  TEXT    NOT NULL
) STRICT;
INSERT INTO ledger_tree (place, hash) VALUES (2, 'rhx3U0hDZSbHq8jYCggY5KChKX+uEWusHMVXvCrjHKk=');
CREATE TABLE missing_deliveries (
    id           TEXT    PRIMARY KEY,
    attempt      INTEGER NOT NULL,
    event        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    rank         INTEGER NOT NULL,
    delivered_at INTEGER NOT NULL,
    asked        INTEGER NOT NULL DEFAULT 0,
    due_at       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE policies_in_force (
    repository INTEGER NOT NULL,
    branch     TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    PRIMARY KEY (repository, branch)
) STRICT;
CREATE TABLE pull_decisions (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    decision   TEXT    NOT NULL, -- what was last decided
    PRIMARY KEY (repository, number)
) STRICT;
INSERT INTO pull_decisions (repository, number, decision) VALUES (7, 1, '{"pull":{"repository":7,"number":1},"head":"h1","policy":{"source":"","digest":""},"governed":true,"category":"uncategorized","verdict":"undecided","requirements":null,"matches":null}');
CREATE TABLE pull_snapshots (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    snapshot   TEXT    NOT NULL, -- what GitHub last told
    PRIMARY KEY (repository, number)
) STRICT;
INSERT INTO pull_snapshots (repository, number, snapshot) VALUES (7, 1, '{"number":1,"title":"It''s a title; with\nlines","body":"","author":{"id":1,"login":"alice","kind":"User"},"state":"open","head":{"repository":7,"owner":"acme","name":"topic","sha":"h1"},"base":{"repository":7,"owner":"acme","name":"main","sha":"b0"},"created_at":"2026-01-05T09:00:00Z","updated_at":"2026-01-05T09:00:00Z"}');
CREATE TABLE "pulls" (
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
INSERT INTO pulls (repository, number, state, head, base, updated_at, read_at, unsure, gone, wanted, done, concerns, taken, run, failures, problem, recheck_at, job_due, job_trace, digest, decided_head, decided_at) VALUES (7, 1, 'open', 'h1', 'main', 1767603600000000, 0, 0, 0, 1, 0, 1, 0, 0, 0, '', 0, 0, '', 'digest', 'h1', 1767603600000000);
CREATE TABLE repositories (
    id             INTEGER PRIMARY KEY,
    owner          TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    default_branch TEXT    NOT NULL,
    owner_is_user  INTEGER NOT NULL,
    installation   INTEGER NOT NULL,
    gone           INTEGER NOT NULL DEFAULT 0
, told_at INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO repositories (id, owner, name, default_branch, owner_is_user, installation, gone, told_at) VALUES (7, 'acme', 'shop', 'main', 0, 70, 0, 0);
CREATE TABLE river_job (
    id integer PRIMARY KEY, -- SQLite makes this autoincrementing automatically
    args blob NOT NULL DEFAULT (jsonb('{}')),
    attempt integer NOT NULL DEFAULT 0,
    attempted_at timestamp,
    attempted_by blob, -- json
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    errors blob, -- json
    finalized_at timestamp,
    kind text NOT NULL,
    metadata blob NOT NULL DEFAULT (jsonb('{}')),
    priority integer NOT NULL DEFAULT 1,
    queue text NOT NULL DEFAULT 'default',
    state text NOT NULL DEFAULT 'available',
    scheduled_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    tags blob NOT NULL DEFAULT (jsonb('[]')),
    unique_key blob,
    unique_states integer, max_attempts integer NOT NULL DEFAULT 25,
    CONSTRAINT finalized_or_finalized_at_null CHECK (
        (finalized_at IS NULL AND state NOT IN ('cancelled', 'completed', 'discarded')) OR
        (finalized_at IS NOT NULL AND state IN ('cancelled', 'completed', 'discarded'))
    ),
    CONSTRAINT priority_in_range CHECK (priority >= 1 AND priority <= 4),
    CONSTRAINT queue_length CHECK (length(queue) > 0 AND length(queue) < 128),
    CONSTRAINT kind_length CHECK (length(kind) > 0 AND length(kind) < 128),
    CONSTRAINT state_valid CHECK (state IN ('available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled'))
);
CREATE TABLE river_leader (
    elected_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    leader_id text NOT NULL,
    name text PRIMARY KEY NOT NULL DEFAULT 'default' CHECK (name = 'default'),
    CONSTRAINT name_length CHECK (length(name) > 0 AND length(name) < 128),
    CONSTRAINT leader_id_length CHECK (length(leader_id) > 0 AND length(leader_id) < 128)
);
CREATE TABLE river_migration (
    line text NOT NULL,
    version integer NOT NULL,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT line_length CHECK (length(line) > 0 AND length(line) < 128),
    CONSTRAINT version_gte_1 CHECK (version >= 1),
    PRIMARY KEY (line, version)
);
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 1, '2026-11-22 06:42:32');
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 2, '2026-11-22 06:42:32');
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 3, '2026-11-22 06:42:32');
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 4, '2026-11-22 06:42:32');
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 5, '2026-11-22 06:42:32');
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 6, '2026-11-22 06:42:32');
INSERT INTO river_migration (line, version, created_at) VALUES ('main', 7, '2026-11-22 06:42:32');
CREATE TABLE river_notification (
    id integer PRIMARY KEY AUTOINCREMENT,
    created_at timestamp NOT NULL DEFAULT (datetime('now', 'subsec')),
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT topic_length CHECK (length(topic) > 0 AND length(topic) < 128)
);
CREATE TABLE river_queue (
    name text PRIMARY KEY NOT NULL,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    metadata blob NOT NULL DEFAULT (jsonb('{}')),
    paused_at timestamp,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX check_runs_pull ON check_runs (repository, number);
CREATE INDEX check_runs_unfinished ON check_runs (created_at) WHERE status <> 'completed';
CREATE INDEX commands_waiting ON commands (repository, number) WHERE done_at = 0;
CREATE INDEX debts_owner ON debts (owner);
CREATE INDEX deliveries_received_at ON deliveries (received_at);
CREATE INDEX effects_head ON effects (repository, sha);
CREATE INDEX effects_open ON effects (repository, number) WHERE state = 'intended';
CREATE INDEX effects_pull ON effects (repository, number);
CREATE INDEX errand_notes_taken ON errand_notes (taken_at) WHERE taken_at > 0;
CREATE INDEX errands_issue ON errands (repository, issue) WHERE issue <> 0;
CREATE INDEX errands_recheck ON errands (recheck_at) WHERE recheck_at > 0;
CREATE INDEX errands_wanted ON errands (repository, kind, name) WHERE wanted <> done;
CREATE TRIGGER ledger_exhibits_no_delete BEFORE DELETE ON ledger_exhibits BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its exhibits are never deleted');
END;
CREATE TRIGGER ledger_exhibits_no_update BEFORE UPDATE ON ledger_exhibits BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its exhibits are never updated');
END;
CREATE TRIGGER ledger_in_order BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: an entry follows the last one');
END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its entries are never deleted');
END;
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its entries are never updated');
END;
CREATE INDEX ledger_pull ON ledger (repository, number, seq);
CREATE TRIGGER ledger_tree_in_order BEFORE INSERT ON ledger_tree
WHEN NEW.place <= (SELECT max(place) FROM ledger_tree) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: a node of its tree follows the last one');
END;
CREATE TRIGGER ledger_tree_no_delete BEFORE DELETE ON ledger_tree BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the nodes of its tree are never deleted');
END;
CREATE TRIGGER ledger_tree_no_update BEFORE UPDATE ON ledger_tree BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the nodes of its tree are never updated');
END;
CREATE INDEX pulls_open ON pulls (repository, number) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_open_base ON pulls (repository, base) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_open_head ON pulls (repository, head) WHERE state = 'open' AND gone = 0;
CREATE INDEX pulls_wanted ON pulls (repository, number) WHERE wanted <> done;
CREATE INDEX repositories_installation ON repositories (installation);
CREATE INDEX river_job_kind ON river_job (kind);
CREATE INDEX river_job_prioritized_fetching_index ON river_job (state, queue, priority, scheduled_at, id);
CREATE INDEX river_job_state_and_finalized_at_index ON river_job (state, finalized_at) WHERE finalized_at IS NOT NULL;
CREATE UNIQUE INDEX river_job_unique_idx ON river_job (unique_key)
    WHERE unique_key IS NOT NULL
        AND unique_states IS NOT NULL
        AND CASE state
            WHEN 'available' THEN unique_states & (1 << 0)
            WHEN 'cancelled' THEN unique_states & (1 << 1)
            WHEN 'completed' THEN unique_states & (1 << 2)
            WHEN 'discarded' THEN unique_states & (1 << 3)
            WHEN 'pending'   THEN unique_states & (1 << 4)
            WHEN 'retryable' THEN unique_states & (1 << 5)
            WHEN 'running'   THEN unique_states & (1 << 6)
            WHEN 'scheduled' THEN unique_states & (1 << 7)
            ELSE 0
        END >= 1;
CREATE INDEX river_notification_created_at_idx ON river_notification (created_at);
CREATE INDEX river_notification_topic_id_idx ON river_notification (topic, id);
