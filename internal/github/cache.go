package github

import (
	"container/list"
	"context"
	"strings"
	"sync"
)

// lru holds values up to a total cost in bytes and forgets the one that was used longest ago. A value that alone would take more
// than a quarter is not held. It is safe for many goroutines; values must not be changed once they are put.
type lru[V any] struct {
	mu     sync.Mutex
	limit  int64
	used   int64
	order  *list.List // of *lruItem[V], most recently used first
	lookup map[string]*list.Element
}

type lruItem[V any] struct {
	key   string
	value V
	cost  int64
}

// lruOverhead is what an item costs beyond its key and value.
const lruOverhead = 160

func newLRU[V any](limit int64) *lru[V] {
	return &lru[V]{limit: limit, order: list.New(), lookup: map[string]*list.Element{}}
}

func (c *lru[V]) get(key string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.lookup[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*lruItem[V]).value, true
}

func (c *lru[V]) put(key string, v V, size int) {
	cost := int64(size+len(key)) + lruOverhead
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.lookup[key]; ok {
		c.drop(el)
	}
	if cost > c.limit/4 {
		return
	}
	c.lookup[key] = c.order.PushFront(&lruItem[V]{key, v, cost})
	c.used += cost
	for c.used > c.limit {
		c.drop(c.order.Back())
	}
}

// remove forgets a key.
func (c *lru[V]) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.lookup[key]; ok {
		c.drop(el)
	}
}

// dropPrefix forgets all whose key starts with prefix.
func (c *lru[V]) dropPrefix(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, el := range c.lookup {
		if strings.HasPrefix(key, prefix) {
			c.drop(el)
		}
	}
}

func (c *lru[V]) drop(el *list.Element) {
	item := c.order.Remove(el).(*lruItem[V])
	delete(c.lookup, item.key)
	c.used -= item.cost
}

func (c *lru[V]) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// keyedLock lets one goroutine at a time work on a key, so that what many want to know at once is asked once.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	ch   chan struct{} // holds a token while nobody has the key
	want int
}

func newKeyedLock() *keyedLock { return &keyedLock{held: map[string]*turn{}} }

// lock waits for the key or for the end of ctx. The caller unlocks with the returned function.
func (l *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	l.mu.Lock()
	t := l.held[key]
	if t == nil {
		t = &turn{ch: make(chan struct{}, 1)}
		t.ch <- struct{}{}
		l.held[key] = t
	}
	t.want++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t.want--; t.want == 0 {
			delete(l.held, key)
		}
	}
	select {
	case <-t.ch:
		return func() { t.ch <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
