package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/fence"
)

func TestWriteAsksItsFenceWhenNothingIsLeftToWaitFor(t *testing.T) {
	f := newFake(t)
	const comment = "POST /repos/acme/shop/issues/1/comments"
	f.json(comment, 201, m{"id": 9})
	var may error
	ctx := fence.With(t.Context(), func(context.Context) error { return may })
	lost := errors.New("another has taken over")
	f.token = func(w http.ResponseWriter, _ *http.Request) {
		may = lost // while the write waits for its token
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":"ghs_1","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	}
	c := f.client()
	_, err := c.Comment(ctx, shop, 1, "hello")
	var unavailable *Unavailable
	if !errors.Is(err, lost) || errors.As(err, &unavailable) {
		t.Errorf("the write that came too late failed with %v", err)
	}
	s := c.Begin()
	if _, err := s.Tip(ctx, shop, "main", s.Began()); err != nil {
		t.Errorf("a read asks nobody, and failed with %v", err)
	}
	if calls := f.took(); !slices.Equal(calls, []string{tipCall}) {
		t.Errorf("GitHub was called: %q", calls)
	}
	may = nil
	if _, err := c.Comment(ctx, shop, 1, "hello"); err != nil {
		t.Error(err)
	}
	if calls := f.took(); !slices.Equal(calls, []string{comment}) {
		t.Errorf("GitHub was called: %q", calls)
	}
}
