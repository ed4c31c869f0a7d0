package audit

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/ledger"
)

// InForce is a policy that a branch was decided by, with where it came from.
type InForce struct {
	From   time.Time
	Until  time.Time // zero: it still is
	Source string    // its path, or what else it is
	Digest string    // SHA-256 of its text; empty where that could not be read
	// Owner is the source of the owner's policy that held beside it, OwnerDigest the SHA-256 of its text; empty: there was none.
	Owner, OwnerDigest string
	// Brought is the commit that brought its file to the branch, as the clone has it; nil where that is not known: the policy is in no file
	// of the repository, or the clone does not have the commit at which it was read.
	Brought *Landed

	branch, blob, read string
}

// policyInForce is the body of an entry of kind ledger.PolicyInForce.
type policyInForce struct {
	Branch string    `json:"branch"`
	Policy policyRef `json:"policy"`
	Floor  policyRef `json:"floor"`
	Commit string    `json:"commit"`
}

type policyRef struct {
	Source string `json:"source"`
	SHA    string `json:"sha"`
	Digest string `json:"digest"`
}

// inForce takes note that a policy came into force.
func (r *Record) inForce(e ledger.Entry, p policyInForce) {
	r.policies = append(r.policies, InForce{
		From: e.At, Source: p.Policy.Source, Digest: p.Policy.Digest, Owner: p.Floor.Source, OwnerDigest: p.Floor.Digest,
		branch: p.Branch, blob: p.Policy.SHA, read: p.Commit,
	})
}

// policies returns those of the branch, each until the next one, with the commits that brought them.
func (m *mapper) policies(ctx context.Context) (list []InForce, err error) {
	for _, p := range m.record.policies {
		if !slices.Contains(m.names, p.branch) {
			continue
		}
		if n := len(list); n > 0 {
			list[n-1].Until = p.From
		}
		if p.blob != "" && p.read != "" && m.git.has(ctx, p.read) {
			sha, err := m.git.brought(ctx, p.blob, p.read)
			if err != nil {
				return nil, err
			}
			if i, ok := m.index[sha]; ok {
				p.Brought = &m.landed[i]
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// brought returns the commit on the line of first parents up to another that brought a blob to it; empty if none did.
func (g Git) brought(ctx context.Context, blob, upTo string) (string, error) {
	out, err := g.run(ctx, nil, "log", "--first-parent", "-1", "--format=%H", "--find-object="+blob, upTo, "--")
	return strings.TrimSpace(string(out)), err
}
