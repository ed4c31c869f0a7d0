//go:build linux

package deploy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/pgtest"
)

// image is the file system of the image, made by the Dockerfile's own step in a directory that holds what .dockerignore lets through.
type image struct {
	root       string
	entrypoint string
	privileged bool // it can be made the root directory, and what runs in it can be another user
}

func build(t *testing.T) image {
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // for the user that the image runs as
	must(t, os.Chmod(dir, 0o755))
	source, root := filepath.Join(dir, "src"), filepath.Join(dir, "image")
	copyContext(t, source)
	cmd := exec.Command(filepath.Join(source, "deploy/image/root.sh"), root, "v1.2.3-test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("root.sh: %v\n%s", err, out)
	}
	return image{root: root, entrypoint: "/usr/local/bin/changegate", privileged: os.Getuid() == 0}
}

// copyContext copies what a container engine would send: the file names what is let through, and of that what is not.
func copyContext(t *testing.T, to string) {
	t.Helper()
	text, err := os.ReadFile("../.dockerignore")
	must(t, err)
	var in []string
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "!"):
			found, err := filepath.Glob("../" + line[1:])
			must(t, err)
			if len(found) == 0 {
				t.Errorf(".dockerignore lets %s through, which is not there", line[1:])
			}
			in = append(in, found...)
		case line != "*" && line != "**/testdata" && line != "**/*_test.go":
			t.Errorf("this test does not know what %q of .dockerignore means", line)
		}
	}
	for _, path := range in {
		must(t, filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return fs.SkipDir
			case d.IsDir() || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			at := filepath.Join(to, strings.TrimPrefix(name, ".."))
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				return err
			}
			return os.WriteFile(at, text, info.Mode().Perm())
		}))
	}
}

// command is a command in the image: nothing but the image's files, and the image's user, where the test may arrange that.
func (i image) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, i.entrypoint, args...)
	cmd.Dir, cmd.Env = "/data", append([]string{"HOME=/data"}, env...)
	if i.privileged {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: user, Gid: user}}
		return cmd
	}
	cmd.Path, cmd.Dir = i.root+i.entrypoint, i.root+"/data"
	return cmd
}

// user is whom the Dockerfile says.
const user = 65532

// TestImage carries out what the Dockerfile does, without a container engine, and runs what came out of it.
func TestImage(t *testing.T) {
	img := build(t)
	if img.privileged {
		must(t, os.Chown(img.root+"/data", user, user)) // as the Dockerfile does
	}
	program := img.root + img.entrypoint

	t.Run("the program is static, and all there is", func(t *testing.T) {
		file, err := elf.Open(program)
		must(t, err)
		defer file.Close()
		for _, p := range file.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("it is linked dynamically: %v", p.Type)
			}
		}
		var files []string
		size := int64(0)
		must(t, filepath.WalkDir(img.root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			size += info.Size()
			files = append(files, strings.TrimPrefix(name, img.root))
			return nil
		}))
		if got := strings.Join(files, " "); got != "/etc/group /etc/passwd /etc/ssl/certs/ca-certificates.crt /usr/local/bin/changegate" {
			t.Errorf("the image holds %s", got)
		}
		if size > 64<<20 {
			t.Errorf("the image has %d MB", size>>20)
		}
	})
	t.Run("it knows its version", func(t *testing.T) {
		out, err := img.command(t.Context(), nil, "version").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "changegate v1.2.3-test ") {
			t.Errorf("%s, %v", out, err)
		}
	})
	t.Run("a wrong configuration is refused, all of it at once", func(t *testing.T) {
		env := []string{"CHANGEGATE_SERVER_ADDRESS=8080", "GITHUB_APP_WEBHOOK_SECRET=hush"}
		out, err := img.command(t.Context(), env, "serve").CombinedOutput()
		if err == nil || strings.Contains(string(out), "hush") {
			t.Errorf("%s, %v", out, err)
		}
		for _, want := range []string{"github.app.integration_id: is missing", "github.app.private_key: is missing", "server.address: is not HOST:PORT"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%q is not in:\n%s", want, out)
			}
		}
	})
	t.Run("it backs up and restores PostgreSQL, by the commands that are written down", func(t *testing.T) { img.backsUp(t) })
	t.Run("it serves, is asked whether it is ready, and ends", func(t *testing.T) { img.serve(t) })
}

// backsUp carries out the commands for the container "backup", in which the program is beside PostgreSQL's own, with one database in the place of
// another.
func (i image) backsUp(t *testing.T) {
	written := regexp.MustCompile(`docker compose run --rm backup ((backup|restore) [^` + "`" + `\n]*/backups/[A-Za-z.]+)`)
	commands := map[string][]string{}
	for _, path := range []string{"compose.yaml", "../docs/operations.md"} {
		text := read(t, path)
		if path != "compose.yaml" {
			text = strings.Join(strings.Fields(text), " ")
		}
		for _, m := range written.FindAllStringSubmatch(text, -1) {
			commands[m[2]] = append(commands[m[2]], m[1])
		}
	}
	if len(commands["backup"]) != 2 || len(commands["restore"]) != 1 {
		t.Fatalf("there are %q", commands)
	}
	server, dir := pgtest.Start(t), t.TempDir()
	live, other := server.Database(t), server.Database(t)
	s, err := store.Open(t.Context(), store.Config{URL: live})
	must(t, err)
	must(t, s.Append(t.Context(), ledger.Draft{Kind: ledger.ServerStarted, Body: ledger.Started{}}))
	must(t, s.Close())
	run := func(database, command string) {
		t.Helper()
		args := append([]string{"setup"}, strings.Fields(strings.ReplaceAll(command, "/backups/", dir+"/"))...)
		cmd := exec.CommandContext(t.Context(), i.root+i.entrypoint, args...)
		cmd.Env = append(os.Environ(), "CHANGEGATE_DATABASE_URL="+database) // all that the container is told
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "with a ledger of 1 entry") {
			t.Errorf("%s: %s, %v", command, out, err)
		}
	}
	for _, command := range commands["backup"] {
		run(live, command)
	}
	run(other, commands["restore"][0])
}

// serve runs the server on SQLite and a GitHub that is not there.
func (i image) serve(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := free.Addr().String()
	must(t, free.Close())
	env := []string{
		"GITHUB_APP_INTEGRATION_ID=1", "GITHUB_APP_WEBHOOK_SECRET=hush", "GITHUB_WEB_URL=http://127.0.0.1:1", "GITHUB_V3_API_URL=http://127.0.0.1:1/api/v3",
		"GITHUB_APP_PRIVATE_KEY=" + string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"CHANGEGATE_SERVER_ADDRESS=" + address, "CHANGEGATE_DATABASE_URL=sqlite:changegate.db",
	}
	if out, err := i.command(t.Context(), env, "serve", "--probe").CombinedOutput(); err == nil {
		t.Errorf("nothing runs, and is ready: %s", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var said bytes.Buffer
	server := i.command(ctx, env, "serve")
	server.Stderr = &said
	must(t, server.Start())
	for {
		out, err := i.command(ctx, env, "serve", "--probe").CombinedOutput()
		if err == nil {
			if strings.TrimSpace(string(out)) != `{"ready":true}` {
				t.Errorf("it says %s", out)
			}
			break
		}
		if ctx.Err() != nil {
			_ = server.Wait()
			t.Fatalf("it does not become ready: %s\n%s", out, said.String())
		}
	}
	must(t, server.Process.Signal(syscall.SIGTERM))
	if err := server.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, said.String())
	}
	if _, err := os.Stat(i.root + "/data/changegate.db"); err != nil {
		t.Error(err)
	}
}

// TestDockerfile holds the Dockerfile to what TestImage does in its stead, and to the module.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	must(t, err)
	for _, want := range []string{
		`RUN deploy/image/root.sh /image "$VERSION" && chown 65532:65532 /image/data`,
		"FROM scratch\nCOPY --from=build /image/ /\n" + fmt.Sprintf("USER %d:%[1]d\nWORKDIR /data\n", user),
		`ENTRYPOINT ["/usr/local/bin/changegate"]` + "\n" + `CMD ["serve"]` + "\n",
		`CMD ["/usr/local/bin/changegate", "serve", "--probe"]`,
		"COPY --from=build /image/usr/local/bin/changegate /usr/local/bin/changegate\n" + fmt.Sprintf("USER %d:%[1]d\n", user),
		`ENTRYPOINT ["/usr/local/bin/changegate", "setup"]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no\n%s", want)
		}
	}
	module, err := os.ReadFile("../go.mod")
	must(t, err)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	if want := "FROM golang:" + string(language) + "-bookworm AS build\n"; !strings.Contains(string(text), want) {
		t.Errorf("the module is of Go %s, and there is no %s", language, want)
	}
}
