package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/changegate/changegate/internal/store"
)

// engine is River on one of the databases.
type engine interface {
	insert(ctx context.Context, tx store.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	// retry makes a job that waits available now.
	retry(ctx context.Context, tx store.Tx, id int64) error
	// note writes an origin into a job's metadata; what the origin leaves out stays as it is there.
	note(ctx context.Context, tx store.Tx, id int64, o origin) error
	// complete ends a job. Its context is one that a worker was given.
	complete(ctx context.Context, tx store.Tx, job *rivertype.JobRow) error
	every(args river.JobArgs, interval time.Duration)
	// free makes the running jobs of processes that are gone available, and ends their leases.
	free(ctx context.Context, s *store.Store) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// wake makes River look at once for what was committed.
	wake()
	// processes returns how many share the database, as far as is known.
	processes() int
}

func newEngine(c Config, workers *river.Workers, replica string) (engine, error) {
	switch native := c.Store.Native().(type) {
	case *sql.DB:
		driver := newLocalDriver(native)
		turns := newTurns(c, `datetime('now', 'subsec')`)
		e, err := newRiverEngine[*sql.Tx](fairDriver[*sql.Tx]{driver, turns}, c, workers, replica)
		if err != nil {
			return nil, err
		}
		return &sqliteEngine{riverEngine: e, driver: driver}, nil
	case *pgxpool.Pool:
		e, err := newRiverEngine[pgx.Tx](fairDriver[pgx.Tx]{riverpgxv5.New(native), newTurns(c, `now()`)}, c, workers, replica)
		if err != nil {
			return nil, err
		}
		return newPostgresEngine(e, c, replica), nil
	default:
		return nil, fmt.Errorf("there is no driver of River for %T", native)
	}
}

// riverEngine is what is the same on every database; T is the driver's transaction.
type riverEngine[T any] struct {
	client *river.Client[T]
	driver riverdriver.Driver[T]
}

func newRiverEngine[T any](driver riverdriver.Driver[T], c Config, workers *river.Workers, replica string) (*riverEngine[T], error) {
	client, err := river.NewClient(driver, &river.Config{
		ID: replica,
		Queues: map[string]river.QueueConfig{
			runQueue:          {MaxWorkers: c.Workers},
			errandQueue:       {MaxWorkers: 4},
			announcementQueue: {MaxWorkers: 2},
			timerQueue:        {MaxWorkers: 2},
			sweepQueue:        {MaxWorkers: 4},
		},
		Workers: workers,
		// River looks for a job when one was inserted; it polls for those that another process inserted.
		FetchCooldown:               time.Millisecond,
		FetchPollInterval:           250 * time.Millisecond,
		JobTimeout:                  RunTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		SoftStopTimeout:             stopTimeout,
		RetryPolicy:                 soon{},
		MaxAttempts:                 maxAttempts,
		CompletedJobRetentionPeriod: 10 * time.Minute, // the ledger is what remembers
		Logger:                      riverLog(c.Log),
	})
	if err != nil {
		return nil, err
	}
	return &riverEngine[T]{client, driver}, nil
}

// soon is how long River waits before it repeats a job whose failure was outside our hands.
type soon struct{}

func (soon) NextRetry(*rivertype.JobRow) time.Time { return time.Now().Add(2 * time.Second) }

func (e *riverEngine[T]) native(tx store.Tx) T { return tx.Native().(T) }

func (e *riverEngine[T]) insert(ctx context.Context, tx store.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	return e.client.InsertManyTx(ctx, e.native(tx), params)
}

func (e *riverEngine[T]) retry(ctx context.Context, tx store.Tx, id int64) error {
	_, err := e.client.JobRetryTx(ctx, e.native(tx), id)
	return err
}

func (e *riverEngine[T]) note(ctx context.Context, tx store.Tx, id int64, o origin) error {
	_, err := e.driver.UnwrapExecutor(e.native(tx)).JobUpdate(ctx, &riverdriver.JobUpdateParams{ID: id, MetadataDoMerge: true, Metadata: o.metadata()})
	return err
}

// anyArgs stands for arguments that nobody looks at.
type anyArgs struct{}

func (anyArgs) Kind() string { return "any" }

func (e *riverEngine[T]) complete(ctx context.Context, tx store.Tx, job *rivertype.JobRow) error {
	_, err := river.JobCompleteTx[riverdriver.Driver[T]](ctx, e.native(tx), &river.Job[anyArgs]{JobRow: job})
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil // somebody deleted its row
	}
	return err
}

func (e *riverEngine[T]) every(args river.JobArgs, interval time.Duration) {
	e.client.PeriodicJobs().Add(river.NewPeriodicJob(river.PeriodicInterval(interval),
		func() (river.JobArgs, *river.InsertOpts) { return args, nil }, &river.PeriodicJobOpts{RunOnStart: true}))
}

func (e *riverEngine[T]) start(ctx context.Context) error { return e.client.Start(ctx) }
func (e *riverEngine[T]) stop(ctx context.Context) error  { return e.client.Stop(ctx) }
