package store_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/store"
)

// walks finds in SQLite's plan a step through all of a table that grows, or all pull requests of a repository, closed ones included.
var walks = regexp.MustCompile(`^SCAN (p|c|r|d|e|pulls|checks|check_runs|deliveries|facts|commands|effects|errands|errand_notes|branch_pushes|debts|ledger|river_job)$|` +
	`^SEARCH (p|pulls) USING PRIMARY KEY \(repository=\?\)$`)

// mayWalk are the statements that may, by how they begin.
var mayWalk = []string{
	`DELETE FROM checks WHERE arrived < `, `DELETE FROM branch_pushes WHERE arrived < `, `DELETE FROM errands WHERE raised_at < `, // once in a while, to forget what is over
	`UPDATE pulls SET gone = `, `UPDATE pulls SET unsure = 1 WHERE repository = `, // when a repository comes or goes, or its branches are renamed
	`UPDATE effects SET attempted_at = intended_at`,     // once, in a migration
	`SELECT seq, record, hash FROM ledger ORDER BY seq`, // to verify all of it
	// Tests of what is refused, and of what happens when a table is tampered with.
	`DELETE FROM ledger`, `UPDATE ledger SET `, `UPDATE pulls SET wanted = 99`,
}

// checkPlans looks at how SQLite would go about each statement that was prepared so far. A plan depends on the schema alone: nothing is
// analysed.
func checkPlans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open(t, store.Config{URL: "sqlite:" + path}).Close()
	db := openSQL(t, "sqlite", path)
	looked := 0
	for _, query := range store.Prepared() {
		text := strings.Join(strings.Fields(query), " ")
		verb, _, _ := strings.Cut(text, " ")
		if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) {
			continue // River's begin with a comment; the others define something
		}
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, 20)...)
		if err != nil {
			continue // of a table that a migration did away with
		}
		looked++
		for rows.Next() {
			var id, parent, unused int
			var step string
			must(t, rows.Scan(&id, &parent, &unused, &step))
			may := slices.ContainsFunc(mayWalk, func(begins string) bool { return strings.HasPrefix(text, begins) })
			if walks.MatchString(step) && !may {
				t.Errorf("%s: %s", step, text)
			}
		}
		must(t, rows.Close())
	}
	if looked < 50 {
		t.Errorf("only %d statements were looked at", looked)
	}
}
