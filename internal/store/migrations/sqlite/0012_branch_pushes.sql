-- +goose Up

-- The pushes to branches that deliveries told of lately: who brought what a pull request is opened with.
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
