-- +goose Up

-- What GitHub's log of deliveries lists and never reached us, until it does or is too old to be had.
CREATE TABLE missing_deliveries (
    id           text   PRIMARY KEY,
    attempt      bigint NOT NULL,
    event        text   NOT NULL,
    action       text   NOT NULL,
    rank         bigint NOT NULL,
    delivered_at bigint NOT NULL,
    asked        bigint NOT NULL DEFAULT 0,
    due_at       bigint NOT NULL DEFAULT 0
);

-- How far that log was read: up to looked_to all of it; from top down to cursor, of what is newer.
CREATE TABLE delivery_log (
    looked_to bigint NOT NULL,
    top       bigint NOT NULL,
    cursor    text   NOT NULL
);
INSERT INTO delivery_log (looked_to, top, cursor) VALUES (0, 0, '');
