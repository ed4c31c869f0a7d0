-- +goose Up

-- What GitHub's log of deliveries lists and never reached us, until it does or is too old to be had.
CREATE TABLE missing_deliveries (
    id           TEXT    PRIMARY KEY,
    attempt      INTEGER NOT NULL,
    event        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    rank         INTEGER NOT NULL,
    delivered_at INTEGER NOT NULL,
    asked        INTEGER NOT NULL DEFAULT 0,
    due_at       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How far that log was read: up to looked_to all of it; from top down to cursor, of what is newer.
CREATE TABLE delivery_log (
    looked_to INTEGER NOT NULL,
    top       INTEGER NOT NULL,
    cursor    TEXT    NOT NULL
) STRICT;
INSERT INTO delivery_log (looked_to, top, cursor) VALUES (0, 0, '');
