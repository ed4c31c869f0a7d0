package queue

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/changegate/changegate/internal/store"
)

// A replica says that it is alive every heartbeat, and counts as gone after three that did not come.
const (
	heartbeat = 5 * time.Second
	goneAfter = 15 * time.Second
)

// postgresEngine is River on PostgreSQL, where any number of processes run jobs. River itself announces new ones.
type postgresEngine struct {
	*riverEngine[pgx.Tx]
	store   *store.Store
	config  Config
	replica string

	once sync.Once
	quit chan struct{}
	done chan struct{}
}

func newPostgresEngine(e *riverEngine[pgx.Tx], c Config, replica string) *postgresEngine {
	return &postgresEngine{riverEngine: e, store: c.Store, config: c, replica: replica, quit: make(chan struct{}), done: make(chan struct{})}
}

// newReplica returns a name that no other process has.
func newReplica() string { return "changegate-" + rand.Text() }

func (e *postgresEngine) wake() {}

// free says that this replica is alive and makes the running jobs of replicas that are gone available.
func (e *postgresEngine) free(ctx context.Context, s *store.Store) error {
	return s.Write(ctx, func(tx store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO replicas (id, seen_at) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen_at = now()`, e.replica); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM replicas WHERE seen_at < now() - interval '%d seconds'`, int(goneAfter.Seconds()))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE river_job SET state = 'available' WHERE state = 'running'
			AND NOT EXISTS (SELECT 1 FROM replicas WHERE id = attempted_by[array_upper(attempted_by, 1)])`)
		return err
	})
}

func (e *postgresEngine) start(ctx context.Context) error {
	if err := e.riverEngine.start(ctx); err != nil {
		return err
	}
	go e.beat(ctx)
	return nil
}

// beat says that this replica is alive until it stops.
func (e *postgresEngine) beat(ctx context.Context) {
	defer close(e.done)
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-e.quit:
			return
		case <-ticker.C:
			if err := e.free(ctx, e.store); err != nil {
				e.config.Log.Warn().Err(err).Msg("this replica could not say that it is alive")
			}
		}
	}
}

// stop leaves the list of replicas after the last job ended.
func (e *postgresEngine) stop(ctx context.Context) error {
	if err := e.riverEngine.stop(ctx); err != nil {
		return err
	}
	e.once.Do(func() { close(e.quit) })
	<-e.done
	return e.store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM replicas WHERE id = $1`, e.replica)
		return err
	})
}
