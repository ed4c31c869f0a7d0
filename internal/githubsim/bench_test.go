package githubsim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
)

// bench is a repository with a pull request of twelve files, and a token for it.
func bench(b *testing.B) (*githubsim.Sim, githubsim.Pull, func(path string) int) {
	b.Helper()
	sim := must2(githubsim.New(githubsim.Config{}))
	b.Cleanup(func() { sim.Close() })
	files := map[string]string{}
	for n := range 12 {
		files[fmt.Sprintf("pkg/file%d.go", n)] = "package pkg\n"
	}
	for _, err := range []error{sim.AddUser("alice"), sim.AddRepository("alice", "app", githubsim.RepoOptions{})} {
		if err != nil {
			b.Fatal(err)
		}
	}
	app := must2(sim.RegisterApp(githubsim.AppOptions{Slug: "gate", Permissions: permissions, Key: must2(key())}))
	id := must2(app.Install("alice"))
	pr := must2(sim.As("alice").OpenPull("alice/app", githubsim.PullOptions{Title: "x", Files: files}))
	token := githubsim.Token(sim, id)
	return sim, pr, func(path string) int {
		req := httptest.NewRequest("GET", "/api/v3"+path, nil)
		req.Header.Set("Authorization", "token "+token)
		rec := httptest.NewRecorder()
		sim.ServeHTTP(rec, req)
		io.Copy(io.Discard, rec.Body)
		return rec.Code
	}
}

func BenchmarkWarmCompare(b *testing.B) {
	_, pr, get := bench(b)
	for b.Loop() {
		if code := get("/repos/alice/app/compare/main..." + pr.Head); code != http.StatusOK {
			b.Fatal(code)
		}
	}
}

func BenchmarkGetPull(b *testing.B) {
	_, pr, get := bench(b)
	for b.Loop() {
		if code := get(fmt.Sprint("/repos/alice/app/pulls/", pr.Number)); code != http.StatusOK {
			b.Fatal(code)
		}
	}
}

func BenchmarkOpenPull(b *testing.B) {
	sim, _, _ := bench(b)
	files := map[string]string{}
	for n := range 12 {
		files[fmt.Sprintf("pkg/other%d.go", n)] = "package pkg\n"
	}
	for b.Loop() {
		if _, err := sim.As("alice").OpenPull("alice/app", githubsim.PullOptions{Title: "x", Files: files}); err != nil {
			b.Fatal(err)
		}
	}
}
