-- +goose Up

-- When what is known of a repository was so on GitHub, in microseconds since 1970; 0: that is not known.
ALTER TABLE repositories ADD COLUMN told_at BIGINT NOT NULL DEFAULT 0;
