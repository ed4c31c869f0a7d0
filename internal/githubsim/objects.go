package githubsim

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

// The modes of a tree's entries, as Git writes them.
const (
	modeFile      = "100644"
	modeSymlink   = "120000"
	modeSubmodule = "160000"
	modeTree      = "40000"
)

var errNoObject = errors.New("no such object")

// entry is one entry of a Git tree.
type entry struct {
	name, mode, sha string
}

// leaf is a file of a whole tree: anything that is not a tree itself.
type leaf struct {
	mode, sha string
}

// signature is an author or committer.
type signature struct {
	name, email string
	at          time.Time
}

func (s signature) String() string {
	return fmt.Sprintf("%s <%s> %d +0000", s.name, s.email, s.at.Unix())
}

// commit is a parsed commit object.
type commit struct {
	sha, tree         string
	parents           []string
	author, committer signature
	message           string
	// signed says that the simulated GitHub verified the signature. It is not part of the object, but a signed object carries
	// a signature, so that an unsigned copy of it has another name.
	signed bool
}

// store is a Git object database on disk in Git's own format, with what was written or read kept in memory: objects never change,
// so only what Git's binary wrote has to be read back.
type store struct {
	dir     string // the bare repository
	blobs   map[string][]byte
	trees   map[string][]entry
	commits map[string]*commit
	flats   map[string]map[string]leaf // by tree
	diffs   map[[2]string]*diff        // by trees
	merges  map[[3]string]string       // by base, ours and theirs: the tree, or "" for a conflict
	ranges  map[[2]string][]*commit
	bases   map[[2]string]string
	packer  *zlib.Writer
	gitRuns int // how often Git's binary was run
}

func newStore(dir string) (*store, error) {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	const config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/main\n"), 0o644); err != nil {
		return nil, err
	}
	packer, err := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed)
	if err != nil {
		return nil, err
	}
	return &store{
		dir:     dir,
		blobs:   map[string][]byte{},
		trees:   map[string][]entry{},
		commits: map[string]*commit{},
		flats:   map[string]map[string]leaf{},
		diffs:   map[[2]string]*diff{},
		merges:  map[[3]string]string{},
		ranges:  map[[2]string][]*commit{},
		bases:   map[[2]string]string{},
		packer:  packer,
	}, nil
}

func (st *store) path(sha string) string { return filepath.Join(st.dir, "objects", sha[:2], sha[2:]) }

func hashObject(kind string, body []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, len(body))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// write stores an object as a loose one. It is written once; the file appears whole, because nobody knows its name before.
func (st *store) write(kind string, body []byte) (string, error) {
	sha := hashObject(kind, body)
	path := st.path(sha)
	if _, err := os.Stat(path); err == nil {
		return sha, nil
	}
	var packed bytes.Buffer
	st.packer.Reset(&packed)
	fmt.Fprintf(st.packer, "%s %d\x00", kind, len(body))
	st.packer.Write(body)
	if err := st.packer.Close(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return sha, os.WriteFile(path, packed.Bytes(), 0o444)
}

func (st *store) read(sha string) (kind string, body []byte, err error) {
	if !isSHA(sha) {
		return "", nil, errNoObject
	}
	f, err := os.Open(st.path(sha))
	if err != nil {
		return "", nil, errNoObject
	}
	defer f.Close()
	z, err := zlib.NewReader(f)
	if err != nil {
		return "", nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return "", nil, err
	}
	head, body, _ := bytes.Cut(data, []byte{0})
	kind, _, _ = strings.Cut(string(head), " ")
	return kind, body, nil
}

func isSHA(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

func (st *store) writeBlob(content []byte) (string, error) {
	sha, err := st.write("blob", content)
	if err == nil {
		st.blobs[sha] = content
	}
	return sha, err
}

func (st *store) blob(sha string) ([]byte, error) {
	if b, ok := st.blobs[sha]; ok {
		return b, nil
	}
	kind, body, err := st.read(sha)
	if err != nil {
		return nil, err
	}
	if kind != "blob" {
		return nil, errNoObject
	}
	st.blobs[sha] = body
	return body, nil
}

func (st *store) tree(sha string) ([]entry, error) {
	if t, ok := st.trees[sha]; ok {
		return t, nil
	}
	kind, body, err := st.read(sha)
	if err != nil {
		return nil, err
	}
	if kind != "tree" {
		return nil, errNoObject
	}
	var entries []entry
	for len(body) > 0 {
		head, rest, ok := bytes.Cut(body, []byte{0})
		if !ok || len(rest) < sha1.Size {
			return nil, fmt.Errorf("tree %s is damaged", sha)
		}
		mode, name, _ := strings.Cut(string(head), " ")
		entries = append(entries, entry{name, mode, hex.EncodeToString(rest[:sha1.Size])})
		body = rest[sha1.Size:]
	}
	st.trees[sha] = entries
	return entries, nil
}

// flat returns all files of a tree by path. The map is shared: callers must not change it.
func (st *store) flat(tree string) (map[string]leaf, error) {
	if f, ok := st.flats[tree]; ok {
		return f, nil
	}
	files := map[string]leaf{}
	if err := st.walk(tree, "", files); err != nil {
		return nil, err
	}
	st.flats[tree] = files
	return files, nil
}

func (st *store) walk(tree, prefix string, into map[string]leaf) error {
	entries, err := st.tree(tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.mode == modeTree {
			if err := st.walk(e.sha, prefix+e.name+"/", into); err != nil {
				return err
			}
			continue
		}
		into[prefix+e.name] = leaf{e.mode, e.sha}
	}
	return nil
}

// writeTree stores the tree that holds exactly these files.
func (st *store) writeTree(files map[string]leaf) (string, error) {
	paths := slices.Sorted(maps.Keys(files))
	sha, err := st.writeSubtree(files, paths, "")
	if err == nil {
		st.flats[sha] = files
	}
	return sha, err
}

func (st *store) writeSubtree(files map[string]leaf, paths []string, prefix string) (string, error) {
	var entries []entry
	for i := 0; i < len(paths); {
		name, _, isDir := strings.Cut(paths[i][len(prefix):], "/")
		if !isDir {
			f := files[paths[i]]
			entries = append(entries, entry{name, f.mode, f.sha})
			i++
			continue
		}
		sub := prefix + name + "/"
		j := i
		for j < len(paths) && strings.HasPrefix(paths[j], sub) {
			j++
		}
		sha, err := st.writeSubtree(files, paths[i:j], sub)
		if err != nil {
			return "", err
		}
		entries = append(entries, entry{name, modeTree, sha})
		i = j
	}
	// Git orders a directory as if its name ended in a slash.
	key := func(e entry) string {
		if e.mode == modeTree {
			return e.name + "/"
		}
		return e.name
	}
	sort.Slice(entries, func(i, j int) bool { return key(entries[i]) < key(entries[j]) })
	var body bytes.Buffer
	for i, e := range entries {
		if i > 0 && e.name == entries[i-1].name {
			return "", fmt.Errorf("%s%s cannot be a file and a directory", prefix, e.name)
		}
		raw, err := hex.DecodeString(e.sha)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&body, "%s %s\x00", e.mode, e.name)
		body.Write(raw)
	}
	sha := hashObject("tree", body.Bytes())
	if _, ok := st.trees[sha]; ok {
		return sha, nil
	}
	st.trees[sha] = entries
	return st.write("tree", body.Bytes())
}

func (st *store) writeCommit(c commit) (*commit, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s\ncommitter %s\n", c.author, c.committer)
	if c.signed {
		b.WriteString("gpgsig " + strings.ReplaceAll(simulatedSignature, "\n", "\n ") + "\n")
	}
	b.WriteString("\n" + c.message)
	if old, ok := st.commits[hashObject("commit", b.Bytes())]; ok {
		return old, nil
	}
	sha, err := st.write("commit", b.Bytes())
	if err != nil {
		return nil, err
	}
	c.sha = sha
	st.commits[sha] = &c
	return &c, nil
}

const simulatedSignature = "-----BEGIN PGP SIGNATURE-----\n\nsimulated\n-----END PGP SIGNATURE-----"

// commit returns a commit that was made through this package, which all are.
func (st *store) commit(sha string) (*commit, error) {
	if c, ok := st.commits[sha]; ok {
		return c, nil
	}
	return nil, errNoObject
}
