// Package scenario_test has the stories, in testdata, told on SQLite. Package storytest says what a story is.
package scenario_test

import (
	"testing"

	"github.com/changegate/changegate/internal/scenario/storytest"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

func TestMain(m *testing.M) { storytest.Main(m) }

func TestStories(t *testing.T) {
	storytest.Tell(t, "testdata", func(testing.TB) worldtest.Database { return nil })
}
