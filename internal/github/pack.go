package github

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// packedFrom is how long a body is at least that is worth packing.
const packedFrom = 1 << 10

// packer packs and unpacks the bodies that are held: GitHub's JSON becomes a tenth of itself, and most of what is held is never opened again
// but revalidated. It is safe for many goroutines.
type packer struct {
	in  sync.Pool // of *flate.Writer
	out sync.Pool // of io.ReadCloser that are flate.Resetter
}

func newPacker() *packer {
	return &packer{
		in: sync.Pool{New: func() any {
			w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
			if err != nil {
				panic(err) // there is such a level
			}
			return w
		}},
		out: sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }},
	}
}

func (p *packer) pack(body []byte) []byte {
	w := p.in.Get().(*flate.Writer)
	defer p.in.Put(w)
	var packed bytes.Buffer
	w.Reset(&packed)
	_, _ = w.Write(body) // a buffer takes all
	_ = w.Close()
	return bytes.Clone(packed.Bytes())
}

func (p *packer) unpack(packed []byte, size int) ([]byte, error) {
	r := p.out.Get().(io.ReadCloser)
	defer p.out.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(packed), nil); err != nil {
		return nil, err
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}
