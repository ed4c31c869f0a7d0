package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// TestAuditScripts runs what an auditor does. The scripts have commands of their own:
//
//	ledger KEY DATABASE N…   make the database and its key if they are not there, and append N entries, each an hour after the one before,
//	                         of which every third is about repository 8 (acme/other) and the others about 7 (acme/shop); "sign" for an N
//	                         signs a checkpoint
//	public KEY NAME          set the variable NAME to the public key
//	landed DATABASE JSON…    append the end of pull request 12 in repository 7, or of another, as in "13 JSON", a decision on it, an
//	                         exception or a policy there
//	tamper DATABASE SQL…     change the database as its triggers forbid
func TestAuditScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/audit",
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars,
				"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
				"GIT_COMMITTER_EMAIL=a@example.com", "GIT_AUTHOR_DATE=2026-01-05T09:00:00Z", "GIT_COMMITTER_DATE=2026-01-05T09:00:00Z")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ledger": scriptLedger, "public": scriptPublic, "landed": scriptLanded, "tamper": scriptTamper, "status": status,
		},
	})
}

// withStore does something to a database at the time of its last entry.
func withStore(ts *testscript.TestScript, path string, do func(ctx context.Context, s *store.Store, now *time.Time) error) {
	ctx := context.Background()
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	s, err := store.Open(ctx, store.Config{URL: "sqlite:" + ts.MkAbs(path), Clock: func() time.Time { return now }})
	ts.Check(err)
	defer s.Close()
	ts.Check(s.ReadLedger(ctx, func(tx ledger.Tx) error {
		n, err := ledger.Len(ctx, tx)
		now = now.Add(time.Duration(n) * time.Hour)
		return err
	}))
	ts.Check(do(ctx, s, &now))
}

func scriptLedger(ts *testscript.TestScript, _ bool, args []string) {
	withStore(ts, args[1], func(ctx context.Context, s *store.Store, now *time.Time) error {
		key, _, err := ledger.LoadKey(ts.MkAbs(args[0]), "gate.example.com/changegate")
		if err != nil {
			return err
		}
		for id, name := range map[change.RepositoryID]string{7: "shop", 8: "other"} {
			if err := s.SaveRepository(ctx, change.Repository{ID: id, Owner: "acme", Name: name}); err != nil {
				return err
			}
		}
		for _, arg := range args[2:] {
			if arg == "sign" {
				if _, err := s.Checkpoint(ctx, key); err != nil {
					return err
				}
				continue
			}
			n, err := strconv.Atoi(arg)
			if err != nil {
				return err
			}
			for range n {
				d := ledger.Draft{Kind: ledger.EffectDone, Subject: ledger.Subject{Repository: 7}, Body: "a body"}
				if now.Sub(time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC))/time.Hour%3 == 1 {
					d.Subject.Repository = 8
				}
				if err := s.Append(ctx, d); err != nil {
					return err
				}
				*now = now.Add(time.Hour)
			}
		}
		return nil
	})
}

func scriptPublic(ts *testscript.TestScript, _ bool, args []string) {
	key, err := readKey(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv(args[1], key.Public())
}

func scriptLanded(ts *testscript.TestScript, _ bool, args []string) {
	withStore(ts, args[0], func(ctx context.Context, s *store.Store, _ *time.Time) error {
		for _, arg := range args[1:] {
			// $(FILE) stands for what is in the file.
			for _, file := range []string{"merged", "direct", "policy", "brought"} {
				if name := "(" + file + ")"; strings.Contains(arg, name) {
					arg = strings.ReplaceAll(arg, name, strings.TrimSpace(ts.ReadFile(file)))
				}
			}
			number := 12
			if before, after, ok := strings.Cut(arg, " {"); ok && before != "" {
				n, err := strconv.Atoi(before)
				if err != nil {
					return err
				}
				number, arg = n, "{"+after
			}
			kind := ledger.PullEnded
			for member, other := range map[string]ledger.Kind{`"key"`: ledger.ExceptionFound, `"opinions"`: ledger.DecisionChanged, `"policy"`: ledger.PolicyInForce} {
				if strings.Contains(arg, member) {
					kind = other
				}
			}
			if kind == ledger.PolicyInForce {
				number = 0
			}
			d := ledger.Draft{Kind: kind, Subject: ledger.Subject{Repository: 7, Number: number}, Body: rawBody(arg)}
			if err := s.Append(ctx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// rawBody is a body as JSON text.
type rawBody string

func (b rawBody) MarshalJSON() ([]byte, error) { return []byte(b), nil }

func scriptTamper(ts *testscript.TestScript, _ bool, args []string) {
	withStore(ts, args[0], func(ctx context.Context, s *store.Store, _ *time.Time) error {
		queries := args[1:]
		for _, trigger := range []string{"ledger_no_update", "ledger_no_delete"} {
			queries = append([]string{fmt.Sprintf("DROP TRIGGER IF EXISTS %s", trigger)}, queries...)
		}
		return s.Write(ctx, func(tx store.Tx) error {
			for _, q := range queries {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
