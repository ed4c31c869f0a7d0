package store_test

import (
	"path/filepath"
	"testing"

	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// BenchmarkAppend writes one entry of a usual size to the ledger in a transaction of its own.
func BenchmarkAppend(b *testing.B) {
	s := open(b, store.Config{URL: "sqlite:" + filepath.Join(b.TempDir(), "test.db")})
	body := map[string]any{"category": "high-risk", "verdict": "waiting", "requirements": []string{"2 reviewers", "tech lead", "security review"}}
	for b.Loop() {
		err := s.Append(b.Context(), ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: 3}, Body: body})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
