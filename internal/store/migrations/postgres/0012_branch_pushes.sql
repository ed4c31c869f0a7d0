-- +goose Up

-- The pushes to branches that deliveries told of lately: who brought what a pull request is opened with.
CREATE TABLE branch_pushes (
    repository bigint  NOT NULL,
    branch     text    NOT NULL,
    at         bigint  NOT NULL,
    was        text    NOT NULL, -- the commit before; empty: the branch was made
    sha        text    NOT NULL, -- the commit after
    arrived    bigint  NOT NULL,
    body       text    NOT NULL,
    PRIMARY KEY (repository, branch, at, was, sha)
);
