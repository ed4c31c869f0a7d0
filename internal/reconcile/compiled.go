package reconcile

import (
	"crypto/sha256"
	"sync"

	"github.com/changegate/changegate/internal/policy"
)

// maxCompiled is how many policies are kept compiled. Repositories of one owner mostly share their text.
const maxCompiled = 500

// compiled keeps policies by the digest of their text, so that a file is parsed once and not at every decision. It is safe for many
// goroutines.
type compiled struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]parsed
}

type parsed struct {
	policy *policy.Policy
	err    error
}

func newCompiled() *compiled { return &compiled{known: map[[sha256.Size]byte]parsed{}} }

func (c *compiled) parse(text string) (*policy.Policy, error) {
	digest := sha256.Sum256([]byte(text))
	c.mu.Lock()
	p, ok := c.known[digest]
	c.mu.Unlock()
	if ok {
		return p.policy, p.err
	}
	p.policy, p.err = policy.Parse(PolicyPath, []byte(text))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCompiled {
		clear(c.known) // rare; what is still in use is parsed again
	}
	c.known[digest] = p
	return p.policy, p.err
}
