//go:build unix

package backup

import (
	"io/fs"
	"os"
	"syscall"
)

// The system's, but in tests: only root can make files of others.
var (
	ownerOf = func(info fs.FileInfo) (uid, gid int) {
		stat := info.Sys().(*syscall.Stat_t)
		return int(stat.Uid), int(stat.Gid)
	}
	chown = (*os.File).Chown
)

// own gives a file the owner and the group of another, or the owner of a directory. It asks for nothing that the file has already.
func own(f *os.File, like fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	uid, gid := ownerOf(info)
	wantUID, wantGID := ownerOf(like)
	// The group of a new file is the system's choice, and need not be one that its owner may choose.
	if uid == wantUID && (gid == wantGID || like.IsDir()) {
		return nil
	}
	return chown(f, wantUID, wantGID)
}
