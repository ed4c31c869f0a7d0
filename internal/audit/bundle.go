// Package audit is what an auditor does with the ledger: takes entries out of it with the proof that they are in it (Export), checks such a
// bundle with nothing else at hand (Verify), checks a whole database (Check), and maps the commits of a Git branch to what the ledger knows of
// them (Reconcile). Published checkpoints are what a database is held to by those who cannot trust its holder.
//
// A bundle is a text of lines, each a JSON object that is written in one form only, to the byte:
//
//	{"bundle":"changegate audit 1","checkpoint":"…","entries":3,"from":18,"key":"…","repository":0,"to":20}
//	{"first":17,"hashes":["…", …],"proof":["…", …]}
//	{"entry":{"at":"…","body":…,"kind":"…","number":3,"repository":7,"seq":18,"sha":"…"}}
//	…
//
// The first is the header. What an entry rests on, unless an earlier one in the bundle does too, is in lines of its own right before it, in the
// order in which it names their digests, which are the SHA-256 of the text after the colon:
//
//	{"exhibit":…}
//
// The tree's leaves are taken sixteen at a time: a block's line has the hashes of its leaves and the proof that
// together they are in the tree of the checkpoint, and before it come no entries of a later block and after it none of an earlier one. An
// entry's line has its record as it was stored, which must hash to its leaf. So what was altered is named: the one entry, or, where hashes
// were altered along with it, its block.
package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/changegate/changegate/internal/ledger"
)

// format is the name and version of the form of a bundle.
const format = "changegate audit 1"

const (
	blockLevel = 4               // of the tree's nodes that are blocks
	blockSize  = 1 << blockLevel // leaves of a block; the last one may have fewer
)

// maxLine is how long a line may be, so that a bundle of whatever content is read in bounded memory.
const maxLine = 32 << 20

// Header is what a bundle says of itself. Its members are in the order in which they are written.
type Header struct {
	Bundle     string `json:"bundle"`     // format
	Checkpoint string `json:"checkpoint"` // the text of one over at least To entries
	Entries    int64  `json:"entries"`    // how many there are
	From       int64  `json:"from"`       // the first sequence number of the range
	Key        string `json:"key"`        // the public key that the checkpoint is signed with
	// Number is the pull request that the entries are about, deployments that it ships with or is taken off by included, but for those about a policy
	// that was in force meanwhile; 0: all of Repository.
	Number     int    `json:"number,omitempty"`
	Repository int64  `json:"repository"` // only entries about this one are in it; 0: all of the range
	Since      *Since `json:"since,omitempty"`
	To         int64  `json:"to"` // the last sequence number of the range
}

// Since is an earlier tree with the proof that the one of the checkpoint begins with all that it was over, as it was then.
type Since struct {
	Proof tlog.TreeProof `json:"proof"`
	Root  tlog.Hash      `json:"root"`
	Size  int64          `json:"size"`
}

// block is a block's line.
type block struct {
	First  int64            `json:"first"`  // the sequence number of its first leaf
	Hashes []tlog.Hash      `json:"hashes"` // of all its leaves
	Proof  tlog.RecordProof `json:"proof"`  // that it is in the tree whose leaves are the blocks
}

// The frames of lines with texts that are taken as they are.
var entryPrefix, exhibitPrefix, suffix = []byte(`{"entry":`), []byte(`{"exhibit":`), []byte("}\n")

// line writes a value as a line.
func line(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// parseLine reads what line wrote, and nothing else.
func parseLine(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	again, err := line(v)
	if err == nil && !bytes.Equal(text, again) {
		err = errors.New("it is not in the one form that it is written in")
	}
	return err
}

// digests is a set of the digests of exhibits.
type digests map[string]bool

// fresh returns those of an entry's exhibits that are not in the set, each once, in order.
func (d digests) fresh(e ledger.Entry) (list []string) {
	own := digests{}
	for _, x := range e.Exhibits {
		if !d[x] && !own[x] {
			own[x], list = true, append(list, x)
		}
	}
	return list
}

func (d digests) add(list []string) {
	for _, x := range list {
		d[x] = true
	}
}

// blockOf is which block an entry is in, counted from 0.
func blockOf(seq int64) int64 { return (seq - 1) / blockSize }

// blocks is how many blocks there are.
func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize }

// leavesOf is how many leaves a block has in a tree over size entries.
func leavesOf(index, size int64) int { return int(min(blockSize, size-index*blockSize)) }

// prove says that a block is in the tree of a checkpoint. A tree over the roots of the blocks has the same root as one over all entries,
// because RFC 6962 divides a tree at powers of two.
func (b block) prove(t ledger.Tree) error {
	return tlog.CheckRecord(b.Proof, blocks(t.Size), t.Root, blockOf(b.First), rootOf(b.Hashes))
}

// rootOf is the Merkle tree hash of RFC 6962 over at least one leaf.
func rootOf(leaves []tlog.Hash) tlog.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	half := 1
	for 2*half < len(leaves) {
		half *= 2
	}
	return tlog.NodeHash(rootOf(leaves[:half]), rootOf(leaves[half:]))
}

// lines reads lines of bounded length.
type lines struct {
	in   *bufio.Reader
	buf  []byte
	Line int // the number of the last one
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, 1<<20)} }

// next returns the next line with its end, valid until the one after it is read; io.EOF after the last one. What is wrong with the line itself is a
// *Broken; what kept it from being read is not.
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	l.Line++
	for {
		part, err := l.in.ReadSlice('\n')
		if err == nil && len(l.buf) == 0 {
			return part, nil
		}
		l.buf = append(l.buf, part...)
		switch {
		case err == nil:
			return l.buf, nil
		case errors.Is(err, io.EOF) && len(l.buf) > 0:
			return nil, broken(0, "line %d is cut off", l.Line)
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("line %d could not be read: %w", l.Line, err)
		case len(l.buf) > maxLine:
			return nil, broken(0, "line %d is longer than %d MB", l.Line, maxLine>>20)
		}
	}
}
