package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/changegate/changegate/internal/ledger"
)

// Broken says what does not hold in a bundle or a database. There may be more behind it.
type Broken struct {
	Seq int64 // the entry that does not hold; 0: it is not about one
	Why string
}

func (b *Broken) Error() string {
	if b.Seq == 0 {
		return b.Why
	}
	return fmt.Sprintf("entry %d does not hold: %s", b.Seq, b.Why)
}

func broken(seq int64, format string, args ...any) error {
	return &Broken{seq, fmt.Sprintf(format, args...)}
}

// Report is what a bundle was found to have.
type Report struct {
	Header     Header
	Checkpoint ledger.Checkpoint
	Entries    int64     // how many it has
	Oldest     time.Time // when its first entry was appended, by the server's clock; zero without entries
	Newest     time.Time // when its last one was
}

// VerifyOptions are what may be asked of a bundle besides that it holds.
type VerifyOptions struct {
	Keys []string                 // the public keys that it may be signed with; none: the one that it names
	Each func(ledger.Entry) error // is called for each entry, after it was found to hold, and must not keep it; an error ends it all
}

// Verify checks a bundle: that its checkpoint is signed with its key, that each entry is in the tree that the checkpoint is over, in its
// place, and that none is missing in the range, in the wrong order or there twice. In a bundle of one repository's entries
// it cannot be told that one is missing: nothing vouches for the range but that its entries are in it, nor, where there are none, for the repository.
// The error is a *Broken where the bundle does not hold. Memory grows by the digest of each exhibit only.
func Verify(r io.Reader, o VerifyOptions) (Report, error) {
	v := verifier{VerifyOptions: o, lines: newLines(r), known: digests{}}
	if err := v.header(); err != nil {
		return v.report, err
	}
	for {
		text, err := v.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return v.report, v.end()
		case err == nil && bytes.HasPrefix(text, entryPrefix):
			err = v.entry(text)
		case err == nil && bytes.HasPrefix(text, exhibitPrefix):
			err = v.exhibit(text)
		case err == nil:
			err = v.begin(text)
		}
		if err != nil {
			return v.report, err
		}
	}
}

// verifier is how far a bundle was read.
type verifier struct {
	VerifyOptions
	lines  *lines
	report Report
	last   int64 // the last entry; before the first one, the one before the range
	block  block // the last one
	inside int   // how many entries it has
	known  digests
	next   []string // the digests of exhibits since the last entry
}

func (v *verifier) header() error {
	text, err := v.lines.next()
	var wrong *Broken
	switch {
	case errors.Is(err, io.EOF):
		return broken(0, "this is no bundle: it is empty")
	case errors.As(err, &wrong):
		return broken(0, "this is no bundle: %s", wrong.Why)
	case err != nil:
		return err
	case bytes.HasSuffix(text, []byte("\r\n")), bytes.HasPrefix(text, []byte("\ufeff")):
		return broken(0, "this is not the bundle as it was written: its line ends were converted, or a byte order mark was put before it; take the file as it was exported")
	}
	h := &v.report.Header
	if err := parseLine(text, h); err != nil {
		return broken(0, "this is no bundle: its first line: %v", err)
	}
	if h.Bundle != format {
		return broken(0, "this is %q, and this program reads %q", h.Bundle, format)
	}
	if len(v.Keys) > 0 && !slices.Contains(v.Keys, h.Key) {
		return broken(0, "it is signed with the key %s, and should be with %s", h.Key, strings.Join(v.Keys, " or "))
	}
	c, err := ledger.OpenCheckpoint([]byte(h.Checkpoint), h.Key)
	if err != nil {
		return broken(0, "%v", err)
	}
	if h.From < 1 || h.From > h.To || h.To > c.Size {
		return broken(0, "its range is %d to %d, and its checkpoint is over %d entries", h.From, h.To, c.Size)
	}
	if h.Number < 0 || h.Number > 0 && h.Repository == 0 {
		return broken(0, "it is about pull request %d of repository %d, which there cannot be", h.Number, h.Repository)
	}
	if s := h.Since; s != nil && tlog.CheckTree(s.Proof, c.Size, c.Root, s.Size, s.Root) != nil {
		return broken(0, "it does not extend the tree over %d entries that it says it does", s.Size)
	}
	v.report.Checkpoint, v.last = c, h.From-1
	return nil
}

// whole says that every entry of the range must be there.
func (v *verifier) whole() bool { return v.report.Header.Repository == 0 }

// begin reads a block's line.
func (v *verifier) begin(text []byte) error {
	if err := v.ended(); err != nil {
		return err
	}
	var b block
	if err := parseLine(text, &b); err != nil {
		return broken(0, "line %d: %v", v.lines.Line, err)
	}
	h, t := v.report.Header, v.report.Checkpoint.Tree
	switch next := blockOf(v.last + 1); {
	case b.First < 1 || b.First > h.To || b.First != blockOf(b.First)*blockSize+1:
		return broken(0, "line %d: no block begins with entry %d", v.lines.Line, b.First)
	case v.whole() && blockOf(b.First) > next:
		return broken(v.last+1, "it is missing")
	case blockOf(b.First) < next || b.First == v.block.First:
		return broken(0, "line %d: the hashes from entry %d are there again, or out of order", v.lines.Line, b.First)
	case len(b.Hashes) != leavesOf(blockOf(b.First), t.Size):
		return broken(0, "line %d: there are %d hashes, and %d entries from %d", v.lines.Line, len(b.Hashes), leavesOf(blockOf(b.First), t.Size), b.First)
	}
	if b.prove(t) != nil {
		return broken(0, "entries %d to %d do not hold: their hashes are not those of the checkpoint's tree", b.First, b.First+int64(len(b.Hashes))-1)
	}
	v.block, v.inside = b, 0
	return nil
}

// ended says whether the last block may end here.
func (v *verifier) ended() error {
	switch {
	case len(v.next) > 0:
		return broken(0, "line %d: an exhibit comes before it, and no entry that rests on that", v.lines.Line)
	case v.block.First == 0: // there is none yet
	case v.inside == 0:
		return broken(0, "line %d: the hashes from entry %d are followed by no entry", v.lines.Line, v.block.First)
	}
	return nil
}

// entry reads an entry's line.
func (v *verifier) entry(text []byte) error {
	h := v.report.Header
	if !bytes.HasSuffix(text, suffix) {
		return broken(v.last+1, "line %d does not end as an entry does", v.lines.Line)
	}
	record := text[len(entryPrefix) : len(text)-len(suffix)]
	e, unread := ledger.Parse(record)
	hash, seq := e.Hash, v.last+1
	switch {
	case unread != nil:
		hash = tlog.RecordHash(record)
	case !v.whole():
		seq = e.Seq // which one it is, only it says itself; that it is in its place is found below
	}
	place := seq - v.block.First
	switch {
	case seq <= v.last:
		return broken(seq, "it is there again, or out of order")
	case seq > h.To:
		return broken(seq, "it is outside of the range, which ends with %d", h.To)
	case place < 0 || place >= int64(len(v.block.Hashes)):
		return broken(seq, "its hash is not before it")
	case v.block.Hashes[place] != hash:
		return v.misplaced(seq, e, hash)
	case unread != nil:
		return broken(seq, "%v", unread)
	case e.Seq != seq:
		return broken(seq, "it says that it is entry %d", e.Seq)
	case !v.whole() && e.Subject.Repository != h.Repository:
		return broken(seq, "it is about repository %d, and all are to be about %d", e.Subject.Repository, h.Repository)
	case !h.isAbout(e):
		return broken(seq, "it is about pull request %d, and all are to be about %d", e.Subject.Number, h.Number)
	case !slices.Equal(v.known.fresh(e), v.next):
		return broken(seq, "what it rests on was altered, or is not what comes before it")
	}
	v.known.add(v.next)
	v.next = nil
	if v.report.Entries == 0 {
		v.report.Oldest = e.At
	}
	v.report.Entries++
	v.report.Newest, v.last, v.inside = e.At, seq, v.inside+1
	if v.Each == nil {
		return nil
	}
	return v.Each(e)
}

// exhibit reads an exhibit's line.
func (v *verifier) exhibit(text []byte) error {
	if !bytes.HasSuffix(text, suffix) {
		return broken(0, "line %d does not end as an exhibit does", v.lines.Line)
	}
	v.next = append(v.next, ledger.Digest(text[len(exhibitPrefix):len(text)-len(suffix)]))
	return nil
}

// misplaced says why a record is not the one that is expected.
func (v *verifier) misplaced(seq int64, e ledger.Entry, hash tlog.Hash) error {
	for i, h := range v.block.Hashes {
		if h != hash {
			continue
		}
		if other := v.block.First + int64(i); other > seq {
			return broken(seq, "it is missing, or after entry %d", other)
		}
		return broken(seq, "in its place is entry %d again", v.block.First+int64(i))
	}
	if e.Seq != 0 && e.Seq != seq {
		return broken(seq, "in its place is what says that it is entry %d", e.Seq)
	}
	return broken(seq, "it was altered: its record hashes to %s, and the checkpoint is over %s", hash, v.block.Hashes[seq-v.block.First])
}

func (v *verifier) end() error {
	if err := v.ended(); err != nil {
		return err
	}
	h := v.report.Header
	if v.whole() && v.last < h.To {
		return broken(v.last+1, "it is missing")
	}
	if v.report.Entries != h.Entries {
		return broken(0, "there are %d entries after its first line, and that says %d", v.report.Entries, h.Entries)
	}
	return nil
}
