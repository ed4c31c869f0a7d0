-- +goose Up

-- What is written at each event and each run is apart from what is long: a row is written whole, however little of it changes.
CREATE TABLE pull_snapshots (
    repository bigint NOT NULL,
    number     bigint NOT NULL,
    snapshot   text   NOT NULL, -- what GitHub last told
    PRIMARY KEY (repository, number)
);
INSERT INTO pull_snapshots SELECT repository, number, snapshot FROM pulls WHERE snapshot <> '';
ALTER TABLE pulls DROP COLUMN snapshot;

CREATE TABLE pull_decisions (
    repository bigint NOT NULL,
    number     bigint NOT NULL,
    decision   text   NOT NULL, -- what was last decided
    PRIMARY KEY (repository, number)
);
INSERT INTO pull_decisions SELECT repository, number, decision FROM pulls WHERE decision <> '';
ALTER TABLE pulls DROP COLUMN decision;

-- From when the job of a pull request that was raised waits for nothing but a worker, in microseconds since 1970, and under which trace it was
-- inserted; 0: that is not known. The end of its run forgets them.
ALTER TABLE pulls ADD COLUMN job_due bigint NOT NULL DEFAULT 0;
ALTER TABLE pulls ADD COLUMN job_trace text NOT NULL DEFAULT '';

-- A repository has a hundred closed pull requests for each open one.
CREATE INDEX pulls_open ON pulls (repository, number) WHERE state = 'open' AND gone = 0;
CREATE INDEX checks_pending ON checks (repository, sha) WHERE pending = 1;
