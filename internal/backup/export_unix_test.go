//go:build unix

package backup

import (
	"io/fs"
	"os"
)

// Own has files belong to whom owner says until the test ends, and change makes another the owner of one.
func Own(t interface{ Cleanup(func()) }, owner func(fs.FileInfo) (uid, gid int), change func(f *os.File, uid, gid int) error) {
	wasOwner, wasChange := ownerOf, chown
	t.Cleanup(func() { ownerOf, chown = wasOwner, wasChange })
	ownerOf, chown = owner, change
}
