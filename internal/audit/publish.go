package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/ledger"
)

// Sink is a place where checkpoints are published that the holder of the database cannot rewrite: what was published there is what the
// database is held to.
type Sink interface {
	// Publish adds a checkpoint. It is durable when this returns nil. One that is the last one there already is not added again.
	Publish(ctx context.Context, c ledger.Checkpoint) error
	// Published returns the texts of checkpoints that were published, oldest first: all, or as many of the newest as can be read at a
	// small cost. Whoever reads them checks their signatures.
	Published(ctx context.Context) ([][]byte, error)
}

// FileSink publishes to a file that only grows; on a medium or another machine where the server may append, and no more. The file has the
// texts of the checkpoints with an empty line between them. A file that is missing cannot be told from one whose medium is not mounted, so that it
// is made by Begin only.
type FileSink struct{ Path string }

// Begin makes the file, empty, if it is not there. It is durable when this returns nil.
func (s FileSink) Begin() error {
	f, err := os.OpenFile(s.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.Path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Publish implements Sink.
func (s FileSink) Publish(ctx context.Context, c ledger.Checkpoint) error {
	if err := s.publish(ctx, c); err != nil {
		return fmt.Errorf("publish a checkpoint to %s: %w", s.Path, err)
	}
	return nil
}

func (s FileSink) publish(ctx context.Context, c ledger.Checkpoint) (err error) {
	published, err := s.Published(ctx)
	if err != nil {
		return err
	}
	text := c.Note
	if n := len(published); n > 0 {
		if bytes.Equal(published[n-1], c.Note) {
			return nil
		}
		text = append([]byte("\n"), text...)
	}
	f, err := os.OpenFile(s.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		// Half a checkpoint would be in the way of all later ones. Where the file can only be appended to it stays, and is complained of.
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return f.Sync()
}

// newestTexts is how many of the newest checkpoints Published returns at most.
const newestTexts = 250

// Published implements Sink. That there is no file is an error. However many come after it, the one over the most entries is returned: who may add to
// the file and change nothing in it cannot have it forgotten by adding earlier ones again.
func (s FileSink) Published(context.Context) ([][]byte, error) {
	text, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: mount what it is on, or, if the place is new, make an empty file there that the server can write to", err)
	}
	if err != nil {
		return nil, err
	}
	texts, err := SplitCheckpoints(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	before := max(0, len(texts)-newestTexts)
	longest := 0
	for i, text := range texts {
		if claimedSize(text) > claimedSize(texts[longest]) {
			longest = i
		}
	}
	if longest < before {
		return append([][]byte{texts[longest]}, texts[before:]...), nil
	}
	return texts[before:], nil
}

// claimedSize is over how many entries the text of a checkpoint says that it is; 0 if it does not say.
func claimedSize(text []byte) int64 {
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	size, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseInt(string(size), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// SplitCheckpoints divides what has checkpoints one after the other, with an empty line between them.
func SplitCheckpoints(text []byte) (texts [][]byte, err error) {
	for len(text) > 0 {
		end := 0
		if body := bytes.Index(text, []byte("\n\n")); body > 0 {
			if signature := bytes.Index(text[body+2:], []byte("\n")); signature >= 0 {
				end = body + 2 + signature + 1
			}
		}
		if end == 0 {
			return nil, notWhole(text, len(texts)+1)
		}
		texts = append(texts, text[:end])
		text = text[end:]
		if len(text) > 0 && text[0] != '\n' {
			return nil, fmt.Errorf("no empty line follows checkpoint %d: put one between two", len(texts))
		}
		text = bytes.TrimPrefix(text, []byte("\n"))
	}
	return texts, nil
}

// notWhole says why no whole checkpoint is at the beginning of a text: the one of that number in its file.
func notWhole(text []byte, number int) error {
	lines := bytes.SplitN(text, []byte("\n"), 3)
	if len(lines) < 2 {
		return fmt.Errorf("checkpoint %d is cut off, or is none", number)
	}
	size, isWindows := bytes.CutSuffix(lines[1], []byte("\r"))
	switch _, err := strconv.ParseUint(string(size), 10, 64); {
	case err != nil:
		return fmt.Errorf("there is no checkpoint where number %d should be: it begins with the key's name, and below that is a number of entries", number)
	case isWindows:
		return fmt.Errorf("checkpoint %d has the line ends of Windows, and is signed without: keep it as it was printed", number)
	}
	return fmt.Errorf("checkpoint %d is cut off", number)
}

// OpenCheckpoints reads checkpoints, each of which must be signed with one of the public keys.
func OpenCheckpoints(texts [][]byte, keys ...string) ([]ledger.Checkpoint, error) {
	var list []ledger.Checkpoint
	for i, text := range texts {
		c, err := openWithOne(text, keys)
		if err != nil {
			return nil, broken(0, "checkpoint %d: %v", i+1, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func openWithOne(text []byte, keys []string) (c ledger.Checkpoint, err error) {
	for _, key := range keys {
		if c, err = ledger.OpenCheckpoint(text, key); err == nil {
			return c, nil
		}
	}
	switch len(keys) {
	case 0:
		err = errors.New("no key is known that it could be signed with: the ledger itself was never signed, or what signed it was taken away. Name the key that you have from elsewhere")
	case 1:
	default:
		err = fmt.Errorf("it is signed with none of the keys %s", strings.Join(keys, ", "))
	}
	return c, err
}

// clock is how a time is shown in what is found.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
