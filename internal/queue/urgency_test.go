package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// aJobIsRunWhenItIsUrgent crosses urgencies with what is there already, as the table of urgencies does.
func aJobIsRunWhenItIsUrgent(t *testing.T, s *store.Store) {
	type want struct {
		later, background bool // it is due in an hour, and not now; it is of a background run
		known, more       bool // as the insertion tells: when it is due; that there is more to be run now
	}
	key := pull(1)
	const none, waits, background, both = "no job", "one that waits", "one of a background run", "one of a background run that waits"
	q := newQueue(t, s)
	for _, row := range []struct {
		urgency string
		most    time.Duration // of a patient one
		want    map[string]want
	}{
		{"at once", 0, map[string]want{
			none: {known: true, more: true}, waits: {known: true, more: true}, background: {known: true}, both: {known: true, more: true},
		}},
		{"early", 0, map[string]want{
			none: {known: true, more: true}, waits: {known: true, more: true}, background: {background: true}, both: {background: true, more: true},
		}},
		{"patient", 2 * time.Hour, map[string]want{
			none: {later: true, known: true}, waits: {later: true, known: true}, background: {background: true}, both: {later: true, background: true},
		}},
		{"patient", time.Minute, map[string]want{
			none: {later: true, known: true}, waits: {known: true, more: true}, background: {background: true}, both: {background: true, more: true},
		}},
		{"when due", 0, map[string]want{
			none: {}, waits: {later: true}, background: {background: true}, both: {later: true, background: true},
		}},
		{"in background", 0, map[string]want{
			none: {background: true}, waits: {later: true}, background: {background: true}, both: {later: true, background: true},
		}},
	} {
		for there, want := range row.want {
			name := fmt.Sprintf("%s, at most %s, %s", row.urgency, row.most, there)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			must(queue.DeleteJobs(t.Context(), q))
			first := map[string]string{waits: "patient", both: "patient", background: "in background"}
			if u, ok := first[there]; ok {
				_, _, err := queue.InsertUrgent(t.Context(), q, key, u, time.Hour)
				must(err)
			}
			if there == both {
				must(s.Write(t.Context(), func(tx store.Tx) error {
					_, err := tx.Exec(t.Context(), `UPDATE river_job SET priority = 4`)
					return err
				}))
			}
			due, more, err := queue.InsertUrgent(t.Context(), q, key, row.urgency, row.most)
			must(err)
			job, err := queue.TheOnlyJob(t.Context(), q)
			must(err)
			inAnHour := func(at time.Time) bool { return time.Until(at) > time.Minute }
			if inAnHour(job.Due) != want.later || job.Background != want.background || due.IsZero() == want.known || more != want.more {
				t.Errorf("%s: want %+v, is told to be due at %s, more %t, the job is %+v", name, want, due, more, job)
			}
			if want.known && inAnHour(due) != want.later {
				t.Errorf("%s: is told to be due at %s, and is at %s", name, due, job.Due)
			}
		}
	}
}
