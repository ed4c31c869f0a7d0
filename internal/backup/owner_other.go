//go:build !unix

package backup

import (
	"io/fs"
	"os"
)

// own does nothing: here a new file has the rights that its directory passes on.
func own(*os.File, fs.FileInfo) error { return nil }
