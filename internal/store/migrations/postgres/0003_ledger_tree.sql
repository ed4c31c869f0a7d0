-- +goose Up

-- The inner nodes of the Merkle tree over the ledger, under their places in the order in which they become complete. The leaves are the
-- hashes of the entries.
CREATE TABLE ledger_tree (
    place bigint PRIMARY KEY,
    hash  text   NOT NULL
);

-- How many entries the tree is laid over. It is behind last_seq where an earlier version appended; whoever appends next catches up.
ALTER TABLE ledger_head ADD COLUMN tree_size bigint NOT NULL DEFAULT 0;

-- What was signed of the tree, with which key.
CREATE TABLE ledger_checkpoints (
    size bigint NOT NULL,
    key  text   NOT NULL,
    at   bigint NOT NULL,
    note text   NOT NULL,
    PRIMARY KEY (size, key)
);

-- What entries rest on, as canonical JSON under its SHA-256 in hexadecimal, each once however many entries name it.
CREATE TABLE ledger_exhibits (
    digest text PRIMARY KEY,
    text   text NOT NULL
);

CREATE TRIGGER ledger_tree_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_tree
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_exhibits_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_exhibits
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
