package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB, clock func() time.Time) *store.Store {
		return open(t, store.Config{URL: "sqlite:" + storetest.File(t), Clock: clock})
	})
	t.Run("no statement walks a table that grows", checkPlans)
}

func open(t testing.TB, c store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "prose"), []byte(strings.Repeat("prose ", 1000)), 0o600))
	must(t, os.Symlink(filepath.Join(dir, "gone", "test.db"), filepath.Join(dir, "nowhere.db"))) // it stops also whom permissions do not bind
	for _, row := range []struct{ url, want string }{
		{"", `use "sqlite:PATH"`},
		{"mysql://root:secret@localhost/db", `use "sqlite:PATH"`},
		{"sqlite:", "names no file"},
		{"sqlite:/no/such/directory/test.db", "/no/such/directory/test.db: no such file or directory: make its directory"},
		{"sqlite:" + dir, "it is a directory: name a file in it"},
		{"sqlite:" + filepath.Join(dir, "prose"), "file is not a database (26): name another"},
		{"sqlite:" + filepath.Join(dir, "nowhere.db"), "must be able to write to the file, and to make others in its directory"},
		{"postgres://me:secret@localhost:not-a-port/db", "database.url"},
		{"postgres://me:secret@127.0.0.1:1/db", "connection refused: see that it runs and lets this user in, or name another in database.url"},
		{"postgres://127.0.0.1:1/db?password=secret&sslmode=odd", "database.url: failed to configure TLS (sslmode is invalid)"},
		{"postgres://me:secret@127.0.0.1:1/db?password=secret&pool_max_conns=some", "database.url: cannot parse pool_max_conns"},
		{"postgres://127.0.0.1:1/db?sslpassword=secret&sslmode=verify-full&sslrootcert=/none", "database.url: failed to configure TLS (unable to read CA file"},
		{"postgres://me:secret/more@127.0.0.1:1/db", "escape special characters in the password"},
		{"postgres://me:secret#more@127.0.0.1:1/db", "escape special characters in the password"},
		{"postgres://me:%secret@127.0.0.1:1/db", "escape special characters in the password"},
		{"postgres://me:12/secret@127.0.0.1:1/db", "escape special characters in the password"},
	} {
		_, err := store.Open(t.Context(), store.Config{URL: row.url})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: got %v, want an error with %q", row.url, err, row.want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "%se")) {
			t.Errorf("%q: the error tells the password: %v", row.url, err)
		}
	}
}

func TestPathsAreTakenAsTheyAre(t *testing.T) {
	for _, name := range []string{"with space.db", "100%25.db", "what?.db", "no#1.db", "ümlaut.db"} {
		path := filepath.Join(t.TempDir(), name)
		open(t, store.Config{URL: "sqlite:" + path})
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v, want a file that nobody else can read", name, info, err)
		}
	}
	t.Chdir(t.TempDir())
	open(t, store.Config{URL: "sqlite:relative.db"})
	if _, err := os.Stat("relative.db"); err != nil {
		t.Error(err)
	}
}

func TestSeveralOpenAtOnce(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	severalOpenAtOnce(t, url)
	s := open(t, store.Config{URL: url})
	if _, err := s.CountUnsettled(t.Context()); err != nil {
		t.Error(err)
	}
}

// severalOpenAtOnce has several processes find the same new database. Each migration is made once.
func severalOpenAtOnce(t *testing.T, url string) {
	var mu sync.Mutex
	made := map[string]int{}
	log := zerolog.New(writer(func(line []byte) {
		var event struct{ Version json.Number }
		must(t, json.Unmarshal(line, &event))
		mu.Lock()
		defer mu.Unlock()
		made[event.Version.String()]++
	}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), store.Config{URL: url, Log: log})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.CountUnsettled(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	versions, err := store.Versions()
	must(t, err)
	want := map[string]int{}
	for _, v := range versions {
		want[fmt.Sprint(v)] = 1
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("migrations made, by version (-want +got):\n%s", diff)
	}
}

// writer hands each line to a function.
type writer func(line []byte)

func (w writer) Write(line []byte) (int, error) {
	w(line)
	return len(line), nil
}
