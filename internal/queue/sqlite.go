package queue

import (
	"context"
	"database/sql"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/changegate/changegate/internal/store"
)

// sqliteEngine is River on SQLite, where this process is the only one that runs jobs.
type sqliteEngine struct {
	*riverEngine[*sql.Tx]
	driver *localDriver
}

func (e *sqliteEngine) wake() { e.driver.listener.wake() }

func (e *sqliteEngine) processes() int { return 1 }

// free makes all running jobs available and ends all replicas' leases: the process that had them is gone. If, against all advice, there is
// a second process, runs that overlap are told apart by their numbers, and writers by the fences of their leases. The leader of River's
// housekeeping is gone too.
func (e *sqliteEngine) free(ctx context.Context, s *store.Store) error {
	return s.Write(ctx, func(tx store.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE river_job SET state = 'available' WHERE state = 'running'`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM river_leader`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM leases WHERE holder LIKE $1`, replicaPrefix+"%")
		return err
	})
}

// localDriver is River's driver for SQLite, except that new jobs are announced within the process; River itself polls a table every 50 ms.
type localDriver struct {
	*riversqlite.Driver
	listener *listener
}

func newLocalDriver(db *sql.DB) *localDriver {
	return &localDriver{Driver: riversqlite.New(db), listener: &listener{woken: make(chan struct{}, 1)}}
}

// GetListener returns the listener that wake reaches.
func (d *localDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.listener
}

// SupportsListenNotify says that nothing need be written for listeners.
func (d *localDriver) SupportsListenNotify() bool { return false }

// listener passes wakings to River in the form of notifications, one for each queue that does not wait to be polled.
type listener struct {
	woken chan struct{} // has room for one: several wakings are as good as one
	rest  []string      // queues that the last waking is yet to reach; only WaitForNotification, which River calls in turn, uses it
}

func (l *listener) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if len(l.rest) == 0 {
		select {
		case <-l.woken:
			l.rest = []string{runQueue, errandQueue, announcementQueue}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	next := l.rest[0]
	l.rest = l.rest[1:]
	return &riverdriver.Notification{Topic: "river_insert", Payload: `{"queue":"` + next + `"}`}, nil
}

func (l *listener) Connect(context.Context) error          { return nil }
func (l *listener) Close(context.Context) error            { return nil }
func (l *listener) Listen(context.Context, string) error   { return nil }
func (l *listener) Unlisten(context.Context, string) error { return nil }
func (l *listener) Ping(context.Context) error             { return nil }
func (l *listener) Schema() string                         { return "" }
func (l *listener) SetAfterConnectExec(string)             {}
