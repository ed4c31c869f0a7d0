// Package ledger is the evidence of what changegate did and why: an append-only table of entries in one total order.
//
// An entry is evidence by its record: the bytes that are stored, hashed and, later, proven. A record is the canonical JSON (see
// Canonical) of one object with the members at, body, kind, number, repository, seq and sha, and exhibits where there are any; it says
// everything about the entry, by digest also what it rests on (see Draft.Exhibits), so that the columns beside it are only an index, and
// nothing about an entry can be altered without altering its hash. The hash is the leaf hash of RFC 6962 over the record: the leaf of a
// Merkle tree that is laid over the entries as they are appended. What the tree comes to is signed, as a checkpoint; where one is kept
// elsewhere, nothing that it is over can be altered, taken out or put in without its being found.
//
// Entries are appended in the caller's transaction, together with the change of state that they tell of: either both are durable
// or neither is. Sequence numbers run from 1 without gaps; appends wait for one another until the transaction ends, so an entry is
// appended late in a transaction. The database refuses to update or delete an entry.
package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	json2 "github.com/go-json-experiment/json" // several times as fast where much is read
	"golang.org/x/mod/sumdb/tlog"
)

// Kind says what an entry tells of. Kinds are never renamed, because records are never rewritten; a reader must accept kinds that
// it does not know.
type Kind string

// The kinds of entry.
const (
	DecisionChanged    Kind = "decision changed"
	ApprovalCounted    Kind = "approval counted"
	ApprovalVoided     Kind = "approval voided"
	LabelOfConsequence Kind = "label of consequence" // set or taken off, with or without the authority for it
	RecordEdited       Kind = "record edited"        // the change record in the description, after an approval
	PullEnded          Kind = "pull request ended"   // merged or closed, with the decision that stood
	GroupDecided       Kind = "merge group decided"
	EffectIntended     Kind = "effect intended"
	EffectDone         Kind = "effect done"
	EffectFailed       Kind = "effect failed"
	ExceptionFound     Kind = "exception found" // something landed that was not decided so
	ExceptionExplained Kind = "exception explained"
	ExceptionLost      Kind = "exception lost"     // its issue was deleted or moved before it was explained
	ExceptionNamed     Kind = "exception named"    // who did it as well, as became known after it was found
	ProtectionChanged  Kind = "protection changed" // whether our check is required on a branch
	DeploymentMoved    Kind = "deployment moved"   // queued, let through, verified, rolled back, …

	PolicyInForce Kind = "policy in force" // a branch is decided by another policy than before

	ServerStarted Kind = "server started" // with a Started as its body

	EmergencyWithdrawn   Kind = "emergency withdrawn"   // before anything went past the process
	RetrospectiveClosed  Kind = "retrospective closed"  // with all that it must say, or once more without
	RetrospectiveOverdue Kind = "retrospective overdue" // it was not written in time
	RetrospectiveLost    Kind = "retrospective lost"    // its issue was deleted or moved, or GitHub refused to open one
)

// Started is the body of an entry about a server's start: what it was that appended the entries after it.
type Started struct {
	Version       string `json:"version"`       // of the program
	Configuration string `json:"configuration"` // a digest of it that tells two apart and nothing of what is in it
	Replica       string `json:"replica"`       // which process it is, where there are several
	Key           string `json:"key"`           // the public key that it signs checkpoints with
}

// Subject is what an entry is about; its zero members say that the entry is not about one.
type Subject struct {
	Repository int64  `json:"repository"` // GitHub's numeric id
	Number     int    `json:"number"`     // the pull request's number
	SHA        string `json:"sha"`        // the head commit
}

// Draft is an entry before it has its place and time.
type Draft struct {
	Kind    Kind
	Subject Subject
	Body    any // anything that encoding/json can write
	// Exhibits are what the entry rests on: the facts of a decision, a policy's text. Each is anything that encoding/json can write, and
	// kept once, under its digest, however many entries rest on it. A large one is best a Sealed.
	Exhibits []any
}

// Entry is one entry as it is stored.
type Entry struct {
	Seq     int64
	At      time.Time // when it was appended, by the server's clock, in microseconds
	Kind    Kind
	Subject Subject
	Body    json.RawMessage
	// Exhibits are the digests of what the entry rests on, in the order of the draft; see Digest and Exhibit.
	Exhibits []string
	Record   []byte    // the bytes that are evidence
	Hash     tlog.Hash // tlog.RecordHash(Record)
}

// record is the form of Entry.Record. Adding members keeps old records readable; a member's name or meaning never changes.
type record struct {
	Seq  int64           `json:"seq"`
	At   time.Time       `json:"at"`
	Kind Kind            `json:"kind"`
	Body json.RawMessage `json:"body"`
	// Added after there were records without it.
	Exhibits []string `json:"exhibits,omitempty"`
	Subject
}

// Tx is the part of a database transaction that the ledger needs. Placeholders are $1, $2 and so on.
type Tx interface {
	// Exec runs a statement and returns the number of rows that it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs a query and calls each for every row, in order, until it returns an error.
	Query(ctx context.Context, query string, args []any, each func(scan func(dest ...any) error) error) error
}

// Append adds entries in the order given and returns them as they are stored. It must be called in a transaction; if that
// is rolled back the entries' sequence numbers are free again.
func Append(ctx context.Context, tx Tx, at time.Time, drafts ...Draft) ([]Entry, error) {
	if len(drafts) == 0 {
		return nil, nil
	}
	entries, err := appendTo(ctx, tx, at, drafts)
	if err != nil {
		return nil, fmt.Errorf("append %q to the ledger: %w", drafts[0].Kind, err)
	}
	return entries, nil
}

func appendTo(ctx context.Context, tx Tx, at time.Time, drafts []Draft) ([]Entry, error) {
	// Updating the one row of ledger_head takes its lock until the transaction ends, which is what keeps the numbers gapless
	// where several transactions write at the same time.
	n := int64(len(drafts))
	last, size, err := lengths(ctx, tx, `UPDATE ledger_head SET last_seq = last_seq + $1, tree_size = tree_size + $1 RETURNING last_seq, tree_size`, n)
	if err != nil {
		return nil, err
	}
	at = at.UTC().Truncate(time.Microsecond)
	entries, leaves := make([]Entry, n), make([]tlog.Hash, n)
	for i, d := range drafts {
		exhibits, err := keepExhibits(ctx, tx, d.Exhibits)
		if err != nil {
			return nil, err
		}
		e, err := d.seal(last-n+1+int64(i), at, exhibits)
		if err != nil {
			return nil, err
		}
		_, err = tx.Exec(ctx, `INSERT INTO ledger (seq, at, kind, repository, number, sha, record, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			e.Seq, e.At.UnixMicro(), string(e.Kind), e.Subject.Repository, e.Subject.Number, e.Subject.SHA, string(e.Record), e.Hash.String())
		if err != nil {
			return nil, err
		}
		entries[i], leaves[i] = e, e.Hash
	}
	if size < last {
		// An earlier version, which may run beside this one while it is replaced, appended entries and knew no tree.
		return entries, grow(ctx, tx, size-n, last)
	}
	return entries, extend(ctx, tx, size-n, leaves)
}

// seal gives a draft its place and time, and with them its record and hash.
func (d Draft) seal(seq int64, at time.Time, exhibits []string) (Entry, error) {
	body, err := Canonical(d.Body)
	if err != nil {
		return Entry{}, fmt.Errorf("body: %w", err)
	}
	text, err := Canonical(record{Seq: seq, At: at, Kind: d.Kind, Subject: d.Subject, Body: body, Exhibits: exhibits})
	if err != nil {
		return Entry{}, err
	}
	return Entry{Seq: seq, At: at, Kind: d.Kind, Subject: d.Subject, Body: body, Exhibits: exhibits, Record: text, Hash: tlog.RecordHash(text)}, nil
}

// Parse makes an entry of a record, and its hash. The entry keeps the record, and its body may be part of it.
func Parse(text []byte) (Entry, error) {
	var r record
	if err := json2.Unmarshal(text, &r); err != nil {
		return Entry{}, fmt.Errorf("read a ledger record: %w", err)
	}
	return Entry{
		Seq: r.Seq, At: r.At, Kind: r.Kind, Subject: r.Subject, Body: r.Body, Exhibits: r.Exhibits, Record: text, Hash: tlog.RecordHash(text),
	}, nil
}

// Read makes an entry of a stored record. It is an error if the record is not one or its hash is not the one given.
func Read(text []byte, hash string) (Entry, error) {
	e, err := Parse(text)
	if err != nil {
		return Entry{}, err
	}
	if e.Hash.String() != hash {
		return Entry{}, fmt.Errorf("ledger entry %d was altered: its record hashes to %s and not to %s", e.Seq, e.Hash, hash)
	}
	return e, nil
}

// Page asks for a part of the ledger.
type Page struct {
	From       int64 // the first sequence number; 0 or 1: from the beginning
	Limit      int   // at most so many entries; 0: 100
	Repository int64 // only entries about this repository; 0: all
	Number     int   // only entries about this pull request of Repository; 0: all
}

// List returns entries in order. It is an error if one of them was altered since it was appended.
func List(ctx context.Context, tx Tx, p Page) ([]Entry, error) {
	if p.Limit <= 0 {
		p.Limit = 100
	}
	query, args := `SELECT record, hash FROM ledger WHERE seq >= $1`, []any{p.From}
	if p.Repository != 0 {
		query, args = query+` AND repository = $2`, append(args, p.Repository)
		if p.Number != 0 {
			query, args = query+` AND number = $3`, append(args, p.Number)
		}
	}
	args = append(args, p.Limit)
	query += fmt.Sprintf(` ORDER BY seq LIMIT $%d`, len(args))
	var entries []Entry
	err := tx.Query(ctx, query, args, func(scan func(...any) error) error {
		var text, hash string
		if err := scan(&text, &hash); err != nil {
			return err
		}
		e, err := Read([]byte(text), hash)
		if err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the ledger from %d: %w", p.From, err)
	}
	return entries, nil
}

// Len returns the number of entries, which is the last one's sequence number.
func Len(ctx context.Context, tx Tx) (int64, error) {
	var n int64
	err := tx.Query(ctx, `SELECT last_seq FROM ledger_head`, nil, func(scan func(...any) error) error { return scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("length of the ledger: %w", err)
	}
	return n, nil
}
