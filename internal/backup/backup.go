// Package backup copies the database of a server to a file, and puts such a copy in its place again.
//
// A copy is what the database was at one moment, taken while servers work on it: of SQLite a database file, of PostgreSQL a dump in
// pg_dump's custom format. The one of SQLite is checked before it gets its name. A file is never overwritten, and appears whole or
// not at all.
//
// Restoring needs the servers to be stopped, and refuses to take the place of a database whose ledger has entries unless it is told to. A
// restored database knows that it was: what happened after the copy was made is missing in it, so that servers look on GitHub before they do
// anything that may have been done by then.
package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Copied is what is known of a copy.
type Copied struct {
	Kind    string // "SQLite" or "PostgreSQL"
	Entries int64  // of the ledger in it
	Bytes   int64
}

// InUse says that a database cannot be replaced because somebody uses it.
type InUse struct{ Why string }

func (e *InUse) Error() string {
	return "the database is in use (" + e.Why + "): stop every server that uses it first"
}

// NotEmpty says that a database would be overwritten whose ledger has entries.
type NotEmpty struct{ Entries int64 }

func (e *NotEmpty) Error() string {
	return fmt.Sprintf("the database that would be overwritten has a ledger of %d entries: back it up, then say that it may be overwritten", e.Entries)
}

// engine is what differs between the databases.
type engine interface {
	kind() string
	// save writes a copy to file, which is there and empty, and says how many entries its ledger has.
	save(ctx context.Context, file string) (entries int64, err error)
	// vacant returns nil if the database may be replaced: nobody uses it, and, unless force, its ledger has no entries. If it is not there
	// yet, it may.
	vacant(ctx context.Context, force bool) error
	// replace puts what is in file, which is a copy of this kind, in the place of the database.
	replace(ctx context.Context, file string) error
	// entries returns how many entries the ledger has.
	entries(ctx context.Context) (int64, error)
}

func open(url string) (engine, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return sqlite{path: rest}, nil
	case "postgres", "postgresql":
		return newPostgres(url)
	default:
		return nil, errors.New(`the database is of an unknown kind: use "sqlite:PATH" or "postgres://…"`)
	}
}

// Save copies the database at url (see store.Config) to a new file that only its owner can read. Servers may use the database meanwhile.
func Save(ctx context.Context, url, file string) (c Copied, err error) {
	e, err := open(url)
	if err != nil {
		return Copied{}, err
	}
	if _, err := os.Lstat(file); err == nil {
		return Copied{}, taken(file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Copied{}, err
	}
	// Under its name it is there whole or not at all. The directory is the same, so that the last step is a link.
	part, err := Part(file)
	if err != nil {
		return Copied{}, err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	c.Kind = e.kind()
	if c.Entries, err = e.save(ctx, part.Name()); err != nil {
		return Copied{}, fmt.Errorf("copy the %s database: %w", c.Kind, err)
	}
	if err := part.Sync(); err != nil { // whoever wrote it, it is this file
		return Copied{}, err
	}
	info, err := os.Stat(part.Name())
	if err != nil {
		return Copied{}, err
	}
	c.Bytes = info.Size()
	switch err := Claim(part.Name(), file); {
	case errors.Is(err, fs.ErrExist):
		return Copied{}, taken(file)
	case err != nil:
		return Copied{}, err
	}
	return c, syncDirectory(filepath.Dir(file))
}

func taken(file string) error {
	return fmt.Errorf("%s is there already, and a copy overwrites nothing: name another file", file)
}

// Part makes a file beside another one that is to be made, which gets its name once it is whole. Only its owner can read it.
func Part(file string) (*os.File, error) {
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-*")
	if told, ok := errors.AsType[*fs.PathError](err); ok { // nobody asked for a file of that name
		return nil, fmt.Errorf("make %s: %w: its directory must be there, and let you write to it", file, told.Err)
	}
	return part, err
}

// Claim gives a file that is whole the name that it was made for, in the same directory. Unlike a rename it never takes the place of a file that
// came meanwhile: the error is fs.ErrExist then. The name that the file had may be there still, for the caller to remove.
func Claim(part, file string) error {
	err := os.Link(part, file)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = claim(part, file) // not every file system knows links
	}
	return err
}

// claim gives a file another name, where links cannot. It is fs.ErrExist if that is taken. A crash in between leaves an empty file of that name,
// which is taken for nothing.
func claim(part, file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), os.Rename(part, file)); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// Restore puts the copy in file in the place of the database at url. With force it does so even if that one's ledger has entries, which
// are lost. The error is an *InUse or a *NotEmpty where nothing was done for that reason.
func Restore(ctx context.Context, url, file string, force bool) (c Copied, err error) {
	e, err := open(url)
	if err != nil {
		return Copied{}, err
	}
	kind, size, err := identify(file)
	switch {
	case err != nil:
		return Copied{}, err
	case kind == "":
		return Copied{}, fmt.Errorf("%s is no copy of a database: it is made by changegate setup backup", file)
	case kind != e.kind():
		return Copied{}, fmt.Errorf("%s is a copy of a %s database, and the configuration names a %s one", file, kind, e.kind())
	}
	if err := e.vacant(ctx, force); err != nil {
		return Copied{}, err
	}
	if err := e.replace(ctx, file); err != nil {
		return Copied{}, fmt.Errorf("restore the %s database: %w", kind, err)
	}
	entries, err := e.entries(ctx)
	return Copied{Kind: kind, Entries: entries, Bytes: size}, err
}

// asItWas adds, to the reason why a copy was not restored, that the database in its place was not changed.
func asItWas(err error) error { return fmt.Errorf("%w: the database is as it was", err) }

// doubtful is for how long a restored database is doubted: longer than a delivery of before the restore may come again, and what waits may
// be put off.
const doubtful = 7 * 24 * time.Hour

// doubt is the SQL, of either kind of database, that notes in a copy that it is restored now: nothing is known since the last entry of its
// ledger. The table is as the store's migrations make it, which a copy of an earlier version's database has yet to see.
func doubt(schema string, now time.Time) string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %[1]sdoubts (since BIGINT NOT NULL, until BIGINT NOT NULL);
		INSERT INTO %[1]sdoubts (since, until) SELECT coalesce(max(at), 1), %[2]d FROM %[1]sledger WHERE seq = (SELECT last_seq FROM %[1]sledger_head);`,
		schema, now.Add(doubtful).UnixMicro())
}

// identify says of which kind of database a file is a copy, by how it begins; empty: of none.
func identify(file string) (kind string, size int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	start := make([]byte, 16)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	switch start = start[:n]; {
	case bytes.Equal(start, []byte("SQLite format 3\x00")):
		kind = kindSQLite
	case bytes.HasPrefix(start, []byte("PGDMP")):
		kind = kindPostgres
	}
	return kind, info.Size(), nil
}

// syncDirectory makes a new name in a directory durable.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
