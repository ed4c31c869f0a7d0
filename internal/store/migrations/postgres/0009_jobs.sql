-- +goose Up

-- From when the job of a pull request that was raised waits for nothing but a worker, in microseconds since 1970, and under which trace it was
-- inserted; 0: that is not known. The end of its run forgets them.
ALTER TABLE pulls ADD COLUMN job_due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pulls ADD COLUMN job_trace TEXT NOT NULL DEFAULT '';
