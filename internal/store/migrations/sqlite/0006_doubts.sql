-- +goose Up

-- Since when things may have happened that this database does not know of, because it was restored from a copy, and until when that matters.
-- Whoever restores a copy that has no such table makes it.
CREATE TABLE IF NOT EXISTS doubts (
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
