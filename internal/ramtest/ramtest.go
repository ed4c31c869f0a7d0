// Package ramtest keeps the temporary files of tests in memory where a machine has room for them there. What a test writes need not
// outlive the machine, and most of what the tests of a database wait for is the disk. Processes that are killed lose nothing by it.
package ramtest

import (
	"os"
	"testing"
)

// room is how many bytes must be free.
const room = 2 << 30

// Use has this process, and those that it starts, make their temporary files in memory from now on. It is for TestMain, before the
// tests run. It does nothing where TMPDIR says where they are to be, or the machine has no such place.
func Use() {
	if os.Getenv("TMPDIR") != "" || free(dir) < room {
		return
	}
	os.Setenv("TMPDIR", dir)
}

// Main is what TestMain does in a package that uses memory.
func Main(m *testing.M) {
	Use()
	m.Run()
}
