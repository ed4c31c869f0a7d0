package app

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/changegate/changegate/internal/server"
	"github.com/changegate/changegate/internal/store"
)

// A database that another program has locked makes nobody wait who asks for it: SQLite itself waits for ten seconds, whatever it is told meanwhile.
func TestALockedDatabaseIsSaidInTime(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "locked.db")
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
	must(err)
	defer s.Close()
	db, err := sql.Open("sqlite", file)
	must(err)
	defer db.Close()
	other, err := db.Conn(t.Context())
	must(err)
	defer other.Close()
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(err)

	w, err := server.New(server.Config{
		Address: "127.0.0.1:0", Hook: http.NotFoundHandler(), Metrics: prometheus.NewRegistry(), ProbeFor: 100 * time.Millisecond,
		Ready: []server.Probe{{Name: "store", Check: newWritable(s, "test").check}},
	})
	must(err)
	ready := func() bool {
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return answer.Code == http.StatusOK
	}
	for range 2 { // the second waits for the first, which is still waiting
		asked := time.Now()
		if ready() {
			t.Error("it can be written")
		}
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("it took %s to say so", took)
		}
	}
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	must(err)
	for end := time.Now().Add(time.Minute); !ready(); {
		if time.Now().After(end) {
			t.Fatal("it can be written, and is not said to be")
		}
	}
}
