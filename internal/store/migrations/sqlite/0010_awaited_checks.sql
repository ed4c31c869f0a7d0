-- +goose Up

-- The checks that the last decision on an open pull request waits for, and how each was told to stand since.
CREATE TABLE awaited_checks (
    repository INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    told       INTEGER NOT NULL, -- 0: nothing, or that it runs; 1: that it passed; 2: that it failed
    PRIMARY KEY (repository, number, name)
) STRICT, WITHOUT ROWID;
-- Which checks are pending is looked up no longer.
DROP INDEX checks_pending;
