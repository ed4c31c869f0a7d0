package pages

import (
	"crypto/rand"
	"net/http"
	"sync"
)

// flash is what the next page shows once: what GitHub refused, and the words that would be lost by it.
type flash struct {
	Message string
	Refused bool
	Draft   string
	Field   string // the action whose form the draft is from
}

// flashes keeps flashes until they are shown, by a number that the browser carries: so they cannot be put into a link.
type flashes struct {
	mu   sync.Mutex
	kept map[string]flash
}

const (
	flashCookie = "flash"
	maxFlashes  = 1000
)

func (f *flashes) set(w http.ResponseWriter, what flash) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil || len(f.kept) >= maxFlashes { // nobody came for them
		f.kept = map[string]flash{}
	}
	id := rand.Text()
	f.kept[id] = what
	setCookie(w, flashCookie, id)
}

// take returns the flash that waits for whoever asks, once.
func (f *flashes) take(r *http.Request) flash {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return flash{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	what := f.kept[c.Value]
	delete(f.kept, c.Value)
	return what
}

func setCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
