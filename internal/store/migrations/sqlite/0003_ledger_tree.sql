-- +goose Up

-- The inner nodes of the Merkle tree over the ledger, under their places in the order in which they become complete. The leaves are the
-- hashes of the entries.
CREATE TABLE ledger_tree (
    place INTEGER PRIMARY KEY,
    hash  TEXT    NOT NULL
) STRICT;

-- How many entries the tree is laid over. It is behind last_seq where an earlier version appended; whoever appends next catches up.
ALTER TABLE ledger_head ADD COLUMN tree_size INTEGER NOT NULL DEFAULT 0;

-- What was signed of the tree, with which key.
CREATE TABLE ledger_checkpoints (
    size INTEGER NOT NULL,
    key  TEXT    NOT NULL,
    at   INTEGER NOT NULL,
    note TEXT    NOT NULL,
    PRIMARY KEY (size, key)
) STRICT;

-- What entries rest on, as canonical JSON under its SHA-256 in hexadecimal, each once however many entries name it.
CREATE TABLE ledger_exhibits (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT;

-- As in the ledger itself, the first trigger also stands in the way of INSERT OR REPLACE.
-- +goose StatementBegin
CREATE TRIGGER ledger_tree_in_order BEFORE INSERT ON ledger_tree
WHEN NEW.place <= (SELECT max(place) FROM ledger_tree) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: a node of its tree follows the last one');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_tree_no_update BEFORE UPDATE ON ledger_tree BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the nodes of its tree are never updated');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_tree_no_delete BEFORE DELETE ON ledger_tree BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the nodes of its tree are never deleted');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_exhibits_no_update BEFORE UPDATE ON ledger_exhibits BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its exhibits are never updated');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_exhibits_no_delete BEFORE DELETE ON ledger_exhibits BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: its exhibits are never deleted');
END;
-- +goose StatementEnd
