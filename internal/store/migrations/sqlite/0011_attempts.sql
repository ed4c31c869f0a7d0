-- +goose Up

-- When it was last about to be sent, in microseconds since 1970; 0: it never was.
ALTER TABLE effects ADD COLUMN attempted_at INTEGER NOT NULL DEFAULT 0;
UPDATE effects SET attempted_at = intended_at WHERE state = 'intended';
-- Of thousands a handful have not ended.
CREATE INDEX effects_open ON effects (repository, number) WHERE state = 'intended';
