-- +goose Up

-- What is looked at besides pull requests, with what each remembers. Whether it is ours is said by its repository's row.
CREATE TABLE errands (
    repository bigint NOT NULL,
    kind       text   NOT NULL,
    name       text   NOT NULL,
    -- Raised by intake and by runs, done when a run ended well.
    wanted     bigint NOT NULL DEFAULT 0,
    done       bigint NOT NULL DEFAULT 0,
    run        bigint NOT NULL DEFAULT 0,
    failures   bigint NOT NULL DEFAULT 0,
    problem    text   NOT NULL DEFAULT '',
    recheck_at bigint NOT NULL DEFAULT 0,
    raised_at  bigint NOT NULL,
    -- As its runs left it.
    state      text   NOT NULL DEFAULT '',
    issue      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, kind, name)
);
CREATE INDEX errands_wanted ON errands (repository, kind, name) WHERE wanted <> done;
CREATE INDEX errands_recheck ON errands (recheck_at) WHERE recheck_at > 0;
CREATE INDEX errands_issue ON errands (repository, issue) WHERE issue <> 0;

-- What was left for an errand. One that was dealt with is known by its id as long as it may be left again.
CREATE TABLE errand_notes (
    repository bigint NOT NULL,
    kind       text   NOT NULL,
    name       text   NOT NULL,
    id         text   NOT NULL,
    at         bigint NOT NULL,
    arrived    bigint NOT NULL,
    taken_at   bigint NOT NULL DEFAULT 0,
    body       text   NOT NULL,
    PRIMARY KEY (repository, kind, name, id)
);
CREATE INDEX errand_notes_taken ON errand_notes (taken_at) WHERE taken_at > 0;

-- What the declarers of emergencies owe.
CREATE TABLE debts (
    repository bigint NOT NULL,
    number     bigint NOT NULL,
    kind       text   NOT NULL,
    owner      bigint NOT NULL,
    due_at     bigint NOT NULL,
    settled_at bigint NOT NULL,
    PRIMARY KEY (repository, number, kind)
);
CREATE INDEX debts_owner ON debts (owner);
