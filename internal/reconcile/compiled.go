package reconcile

import (
	"crypto/sha256"
	"sync"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/policy"
)

// maxCompiled is how many policies are kept compiled. Repositories of one owner mostly share their text.
const maxCompiled = 500

// compiled keeps policies by their text and the owner's policy beside them, so that a file is parsed once and not at every decision. It is
// safe for many goroutines.
type compiled struct {
	mu    sync.Mutex
	known map[compiledKey]parsed
}

type compiledKey struct {
	source string
	floor  change.PolicyRef // zero: none
	digest [sha256.Size]byte
}

type parsed struct {
	policy *policy.Policy
	err    error
}

func newCompiled() *compiled { return &compiled{known: map[compiledKey]parsed{}} }

// parse returns the policy in a file, beside its owner's if that is not nil.
func (c *compiled) parse(floor *policy.Policy, source string, file github.PolicyFile) (*policy.Policy, error) {
	key := compiledKey{source: source, digest: sha256.Sum256([]byte(file.Text))}
	if floor != nil {
		key.floor = floor.Ref
	}
	c.mu.Lock()
	p, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return p.policy, p.err
	}
	if p.policy, p.err = policy.ParseBeside(floor, source, []byte(file.Text)); p.err == nil {
		p.policy.Ref.SHA = file.Blob // the name of the very text
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCompiled {
		clear(c.known) // rare; what is still in use is parsed again
	}
	c.known[key] = p
	return p.policy, p.err
}
