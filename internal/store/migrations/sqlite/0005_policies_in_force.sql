-- +goose Up

-- Which policy each branch was last decided by, so that the ledger tells whenever that is another.
CREATE TABLE policies_in_force (
    repository INTEGER NOT NULL,
    branch     TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    PRIMARY KEY (repository, branch)
) STRICT;
