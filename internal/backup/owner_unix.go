//go:build unix

package backup

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives a file the owner and the group of another, or the owner of a directory. It asks for nothing that the file has already.
func own(f *os.File, like fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	is, want := info.Sys().(*syscall.Stat_t), like.Sys().(*syscall.Stat_t)
	// The group of a new file is the system's choice, and need not be one that its owner may choose.
	if is.Uid == want.Uid && (is.Gid == want.Gid || like.IsDir()) {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
