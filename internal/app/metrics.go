package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// ledgerSize collects how long the ledger is, when it is asked for.
type ledgerSize struct {
	store *store.Store
	log   zerolog.Logger
}

var ledgerEntries = prometheus.NewDesc("changegate_ledger_entries",
	"Entries of the ledger. It never falls, but when another database is put in the place of this one.", nil, nil)

// ledgerTime is how long the database may take to answer, so that the other metrics come even if it does not.
const ledgerTime = 2 * time.Second

func (l ledgerSize) Describe(out chan<- *prometheus.Desc) { out <- ledgerEntries }

func (l ledgerSize) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerTime)
	defer cancel()
	var tree ledger.Tree
	err := l.store.ReadLedger(ctx, func(tx ledger.Tx) (err error) {
		tree, err = ledger.Head(ctx, tx)
		return err
	})
	if err != nil {
		l.log.Warn().Err(err).Msg("the size of the ledger cannot be read, the metrics go without")
		return
	}
	out <- prometheus.MustNewConstMetric(ledgerEntries, prometheus.GaugeValue, float64(tree.Size))
}

// unusableSecrets is a gauge of the files with secrets that were replaced by what cannot be used.
func unusableSecrets(secrets *config.Secrets) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "changegate_secret_files_unusable",
		Help: "Files with secrets that cannot be used as they are now. What they held before stays in use until the server ends.",
	}, func() float64 { return float64(secrets.Unusable()) })
}
