package store

import (
	"encoding/json"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// ErrandWork is all that is held about an errand when it is looked at.
type ErrandWork struct {
	Errand     change.Errand
	Repository change.Repository
	State      json.RawMessage  // as SaveErrand wrote it last; nil: never
	Notes      []change.Note    // not dealt with yet, oldest first
	Issue      change.Number    // the issue that belongs to it; 0: none yet
	Commands   []change.Command // on that issue, not answered yet, oldest first
}

// ErrandSave is what a run of an errand leaves, all of it or nothing.
type ErrandSave struct {
	// Lease must still be held: ErrFenced otherwise. The zero Lease is not looked at.
	Lease Lease
	State any             // encoding/json writes it; nil leaves what is there
	Taken []string        // the identifiers of the notes that were dealt with
	Issue change.Number   // the issue that belongs to it from now on; 0 leaves what is there
	Debts []change.Debt   // as they stand now; each is one by its pull request and kind
	Raise []change.Raised // other errands that are to be looked at
	// Entries are appended to the ledger.
	Entries []ledger.Draft
}
