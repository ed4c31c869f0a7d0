-- +goose Up

-- An installation that was deleted never comes back: whoever installs the App again makes another.
ALTER TABLE installations ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
