-- +goose Up

-- Which policy each branch was last decided by, so that the ledger tells whenever that is another.
CREATE TABLE policies_in_force (
    repository bigint NOT NULL,
    branch     text   NOT NULL,
    digest     text   NOT NULL,
    PRIMARY KEY (repository, branch)
);
