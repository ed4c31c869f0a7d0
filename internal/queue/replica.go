package queue

import (
	"crypto/rand"
	"fmt"
	"os"
)

// replicaPrefix begins the names of all replicas, and of no other holder of leases.
const replicaPrefix = "changegate/"

// newReplica returns a name that no other process has, and none had before: the prefix, where it runs, and chance.
func newReplica() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s%.40s/%d/%.12s", replicaPrefix, host, os.Getpid(), rand.Text())
}

// Replica names this process among all that share the database. The leases of a holder that is named so, or so with a space and more behind
// it, end when the process is found to be gone.
func (q *Queue) Replica() string { return q.replica }

// Processes returns how many processes share the database now, this one included. One that was killed is counted for some seconds more, and
// one that starts may see only itself for a second.
func (q *Queue) Processes() int { return q.engine.processes() }
