package notary

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
)

// publications counts how publishing went, by where.
type publications struct{ count *prometheus.CounterVec }

func newPublications(metrics prometheus.Registerer) (publications, error) {
	p := publications{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "changegate_ledger_publications_total",
		Help: "Attempts to publish a checkpoint of the ledger by place (file, github) and outcome (done, failed).",
	}, []string{"place", "outcome"})}
	return p, metrics.Register(p.count)
}

// counted returns a sink whose uses are counted.
func (p publications) counted(place string, s audit.Sink) audit.Sink {
	// An alert on an increase sees the first only if there was none before.
	return countedSink{s, p.count.WithLabelValues(place, "done"), p.count.WithLabelValues(place, "failed")}
}

type countedSink struct {
	audit.Sink
	done, failed prometheus.Counter
}

// Publish implements audit.Sink.
func (s countedSink) Publish(ctx context.Context, c ledger.Checkpoint) error {
	err := s.Sink.Publish(ctx, c)
	if err != nil {
		s.failed.Inc()
		return err
	}
	s.done.Inc()
	return nil
}

// Published implements audit.Sink. Where nothing can be read, nothing is published.
func (s countedSink) Published(ctx context.Context) ([][]byte, error) {
	texts, err := s.Sink.Published(ctx)
	if err != nil {
		s.failed.Inc()
	}
	return texts, err
}

// noticeName is what the check runs with checkpoints are called. They are no change's.
const noticeName = "Change policy ledger"

// checkRunSink publishes checkpoints as check runs on the newest commit of a repository's default branch: who holds the database cannot take
// them away, and GitHub shows when they were posted.
type checkRunSink struct {
	github *github.GitHub
	known  func(context.Context) ([]change.Repository, error)
	name   string // owner/name
}

// repository returns the one that is meant. It must be one that the App is installed on.
func (s checkRunSink) repository(ctx context.Context) (change.Repository, error) {
	repos, err := s.known(ctx)
	if err != nil {
		return change.Repository{}, err
	}
	for _, r := range repos {
		if strings.EqualFold(r.String(), s.name) {
			return r, nil
		}
	}
	return change.Repository{}, fmt.Errorf("ledger.publish_repository: %s is not known: install the App on it", s.name)
}

// Publish implements audit.Sink.
func (s checkRunSink) Publish(ctx context.Context, c ledger.Checkpoint) error {
	published, err := s.Published(ctx)
	if err != nil {
		return err
	}
	if n := len(published); n > 0 && string(published[n-1]) == string(c.Note) {
		return nil
	}
	repo, err := s.repository(ctx)
	if err != nil {
		return err
	}
	session := s.github.Installation(repo.Installation).Begin()
	tip, err := session.Tip(github.InBackground(ctx), repo, repo.DefaultBranch, session.Began())
	if err != nil {
		return err
	}
	title := fmt.Sprintf("%d entries", c.Size)
	return session.PostNotice(github.InBackground(ctx), repo, tip, noticeName, title, codeFence+string(c.Note)+codeFence)
}

// codeFence goes before and after a checkpoint, so that it is shown as it is. No line of a checkpoint begins with one.
const codeFence = "```\n"

// Published implements audit.Sink.
func (s checkRunSink) Published(ctx context.Context) (texts [][]byte, err error) {
	repo, err := s.repository(ctx)
	if err != nil {
		return nil, err
	}
	session := s.github.Installation(repo.Installation).Begin()
	summaries, err := session.Notices(github.InBackground(ctx), repo, repo.DefaultBranch, noticeName, session.Began())
	if err != nil {
		return nil, err
	}
	for _, summary := range summaries {
		_, text, _ := strings.Cut(strings.ReplaceAll(summary, "\r\n", "\n")+"\n", codeFence)
		text, _, _ = strings.Cut(text, codeFence)
		texts = append(texts, []byte(text))
	}
	return texts, nil
}
