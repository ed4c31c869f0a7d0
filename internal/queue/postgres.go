package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/changegate/changegate/internal/store"
)

// A replica records every heartbeat that it is alive, and counts as gone when it has not for longer than goneAfter. What it was working on
// is taken over within the sum of the two.
const (
	heartbeat = time.Second
	goneAfter = 3 * time.Second
)

// clocksAgree is how far a replica's clock may be from the database's. Two replicas may be twice as far apart, and each still waits as long as it has
// to for what the other sent; see effect.MayActFor.
const clocksAgree = 2 * time.Second

// postgresEngine is River on PostgreSQL, where any number of processes run jobs. River itself announces new ones.
type postgresEngine struct {
	*riverEngine[pgx.Tx]
	store   *store.Store
	config  Config
	replica string
	alive   atomic.Int64 // how many replicas there were at the last heartbeat
	// Only free uses these, once at a time.
	beaten time.Time // when this replica last said that it is alive; zero: not yet
	off    bool      // it has said that its clock is not the database's, and it still is not

	quit context.CancelFunc // ends beat
	done chan struct{}      // closed when beat has ended
}

func newPostgresEngine(e *riverEngine[pgx.Tx], c Config, replica string) *postgresEngine {
	return &postgresEngine{riverEngine: e, store: c.Store, config: c, replica: replica, done: make(chan struct{})}
}

func (e *postgresEngine) wake() {}

func (e *postgresEngine) processes() int { return max(1, int(e.alive.Load())) }

// free records that this replica is alive, and takes from those that are gone what they had. A replica that was itself silent for that long
// judges no other: the database may have been out of reach for all of them.
func (e *postgresEngine) free(ctx context.Context, s *store.Store) error {
	late := !e.beaten.IsZero() && time.Since(e.beaten) > goneAfter
	var alive int64
	var off time.Duration
	err := s.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO replicas (id, seen_at) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen_at = now()`, e.replica)
		if err == nil && !late {
			err = takeFromTheGone(ctx, tx)
		}
		if err != nil {
			return err
		}
		var database int64
		before := e.config.Clock()
		err = tx.Query(ctx, `SELECT count(*), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM replicas`, nil,
			func(scan func(...any) error) error { return scan(&alive, &database) })
		off = ahead(before, time.UnixMicro(database), e.config.Clock())
		return err
	})
	if err == nil {
		e.beaten = time.Now()
		e.alive.Store(alive)
		e.compareClocks(off)
	}
	return err
}

// ahead returns how far our clock is ahead of the database's, which told its time between two times of ours: less than zero if it is behind.
func ahead(before, database, after time.Time) time.Duration {
	switch {
	case database.Before(before):
		return before.Sub(database)
	case database.After(after):
		return after.Sub(database)
	default:
		return 0
	}
}

// compareClocks warns of a clock that does not agree with the database's, once until it does again.
func (e *postgresEngine) compareClocks(ahead time.Duration) {
	off := ahead.Abs() > clocksAgree
	if off && !e.off {
		e.config.Log.Warn().Dur("ahead", ahead).
			Msg("this machine's clock is not the database's: set both by NTP, or what was sent to GitHub without an answer may be sent again too soon")
	}
	e.off = off
}

// takeFromTheGone makes the running jobs of replicas that are gone available, and ends their leases.
func takeFromTheGone(ctx context.Context, tx store.Tx) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM replicas WHERE seen_at < now() - interval '%d seconds'`, int(goneAfter.Seconds()))); err != nil {
		return err
	}
	// A job gets another id: otherwise a replica that was only asleep would complete, by the old id, what another runs by now.
	_, err := tx.Exec(ctx, `UPDATE river_job SET id = nextval(pg_get_serial_sequence('river_job', 'id')), state = 'available' WHERE state = 'running'
		AND NOT EXISTS (SELECT 1 FROM replicas WHERE id = attempted_by[array_upper(attempted_by, 1)])`)
	if err != nil {
		return err
	}
	// If the replica led River's housekeeping, the next one takes over its timers and sweeps.
	if _, err := tx.Exec(ctx, `DELETE FROM river_leader WHERE leader_id NOT IN (SELECT id FROM replicas)`); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM leases WHERE holder LIKE $1 AND split_part(holder, ' ', 1) NOT IN (SELECT id FROM replicas)`, replicaPrefix+"%")
	return err
}

func (e *postgresEngine) start(ctx context.Context) error {
	if err := e.riverEngine.start(ctx); err != nil {
		return err
	}
	ctx, e.quit = context.WithCancel(ctx)
	go e.beat(ctx)
	return nil
}

// beat records that this replica is alive until it stops.
func (e *postgresEngine) beat(ctx context.Context) {
	defer close(e.done)
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			limit, cancel := context.WithTimeout(ctx, goneAfter)
			if err := e.free(limit, e.store); err != nil && ctx.Err() == nil {
				e.config.Log.Warn().Err(err).Msg("this replica could not say that it is alive")
			}
			cancel()
		}
	}
}

// stop takes this replica off the list once its last job has ended. If ctx ends first, the replica only stops saying that it is alive, and the others
// take over what it has.
func (e *postgresEngine) stop(ctx context.Context) error {
	err := e.riverEngine.stop(ctx)
	e.quit()
	<-e.done
	if err != nil {
		return err
	}
	return e.store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM replicas WHERE id = $1`, e.replica)
		return err
	})
}
