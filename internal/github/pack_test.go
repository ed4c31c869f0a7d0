package github

import (
	"bytes"
	"sync"
	"testing"
)

func TestPackedAnswersAreWhatTheyWere(t *testing.T) {
	p := newPacker()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for _, size := range []int{0, 1, packedFrom - 1, packedFrom, 100_000} {
				body := bytes.Repeat([]byte{'a' + byte(n), '{', '"'}, size)[:size]
				a := &answer{body: body, etag: "x"}
				held := a.packed(p)
				if size >= packedFrom && held.size() >= a.size()/4 {
					t.Errorf("%d bytes are held as %d", a.size(), held.size())
				}
				again := *held.packed(p)
				for range 2 {
					if got, err := again.text(); err != nil || !bytes.Equal(got, body) {
						t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
					}
				}
			}
		})
	}
	wg.Wait()
	broken := answer{packer: p, body: []byte{1, 2, 3}, unpacked: 10}
	if _, err := broken.text(); err == nil {
		t.Error("what was never packed came back as something")
	}
}
