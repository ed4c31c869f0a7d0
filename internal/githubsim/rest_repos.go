package githubsim

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func repoRoutes() []route {
	return []route{
		{"GET", "/repos/{owner}/{repo}", reads("metadata"), func(c *call) (any, error) { return c.repoJSON(c.repo), nil }},
		{"GET", "/repos/{owner}/{repo}/branches", reads("contents"), listBranches},
		{"GET", "/repos/{owner}/{repo}/branches/{branch}", reads("contents"), getBranch},
		{"GET", "/repos/{owner}/{repo}/branches/{branch}/protection", reads("administration"), getProtection},
		{"GET", "/repos/{owner}/{repo}/rules/branches/{branch}", reads("metadata"), branchRules},
		{"GET", "/repos/{owner}/{repo}/contents/{path}", reads("contents"), getContents},
		{"GET", "/repos/{owner}/{repo}/git/trees/{tree_sha}", reads("contents"), getTree},
		{"GET", "/repos/{owner}/{repo}/git/blobs/{file_sha}", reads("contents"), getBlob},
		{"GET", "/repos/{owner}/{repo}/git/ref/{ref}", reads("contents"), getRef},
		{"GET", "/repos/{owner}/{repo}/commits", reads("contents"), listCommits},
		{"GET", "/repos/{owner}/{repo}/commits/{ref}", reads("contents"), getCommit},
		{"GET", "/repos/{owner}/{repo}/compare/{basehead}", reads("contents"), compare},
		{"GET", "/repos/{owner}/{repo}/activity", reads("contents"), listActivity},
		{"GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", reads("metadata"), getPermission},
	}
}

func (c *call) shortBranch(name string) obj {
	sha := c.repo.branches[name]
	return obj{"name": name, "protected": c.repo.protection(name) != nil,
		"commit": obj{"sha": sha, "url": c.repoAPI(c.repo) + "/commits/" + sha}}
}

func listBranches(c *call) (any, error) {
	names := sortedKeys(c.repo.branches)
	if want := c.query("protected"); want != "" {
		names = slices.DeleteFunc(names, func(n string) bool { return (c.repo.protection(n) != nil) != (want == "true") })
	}
	return each(paginate(c, names), c.shortBranch), nil
}

func getBranch(c *call) (any, error) {
	name := c.path("branch")
	sha := c.repo.branches[name]
	if sha == "" {
		return nil, errNoBranch
	}
	o := c.shortBranch(name)
	api := c.repoAPI(c.repo) + "/branches/" + name
	o["commit"] = c.commitJSON(c.repo, c.repo.st.commits[sha])
	o["_links"] = obj{"self": api, "html": c.htmlURL("/%s/tree/%s", c.repo.fullName(), name)}
	o["protection_url"] = api + "/protection"
	// The summary is of the classic protection; what a ruleset asks for stands in the branch's rules.
	summary := obj{"enforcement_level": "off", "contexts": []string{}, "checks": []obj{}}
	pr := c.repo.protection(name)
	classic := pr != nil && !pr.Ruleset
	if classic {
		summary = obj{"enforcement_level": pr.level(len(pr.RequiredChecks) > 0), "contexts": pr.contexts(), "checks": pr.checkList()}
	}
	o["protection"] = obj{"enabled": classic, "required_status_checks": summary}
	return o, nil
}

var errNoBranch = &apiError{status: http.StatusNotFound, message: "Branch not found"}

// branchRules lists what rulesets ask of a branch, which need not exist.
func branchRules(c *call) (any, error) {
	rules := []obj{}
	if pr := c.repo.protection(c.path("branch")); pr != nil && pr.Ruleset {
		rules = each(pr.rules(), func(rule obj) obj { return detailed(c.repo, pr, rule) })
	}
	return paginate(c, rules), nil
}

func getProtection(c *call) (any, error) {
	name := c.path("branch")
	if c.repo.branches[name] == "" {
		return nil, errNoBranch
	}
	pr := c.repo.protection(name)
	if pr == nil || pr.Ruleset {
		return nil, &apiError{status: http.StatusNotFound, message: "Branch not protected"}
	}
	return c.protectionJSON(c.repo, name, pr), nil
}

func (c *call) entryJSON(path, ref string, e entry) obj {
	kinds := map[string]string{modeTree: "dir", modeSymlink: "symlink", modeSubmodule: "submodule"}
	kind := kinds[e.mode]
	if kind == "" {
		kind = "file"
	}
	self := c.repoAPI(c.repo) + "/contents/" + escapePath(path) + "?ref=" + ref
	git := c.repoAPI(c.repo) + "/git/blobs/" + e.sha
	html := c.htmlURL("/%s/blob/%s/%s", c.repo.fullName(), ref, escapePath(path))
	download := any(c.htmlURL("/%s/raw/%s/%s", c.repo.fullName(), ref, escapePath(path)))
	size := 0
	switch kind {
	case "dir":
		git, download = c.repoAPI(c.repo)+"/git/trees/"+e.sha, nil
	case "submodule":
		git, download = c.repoAPI(c.repo)+"/git/trees/"+e.sha, nil
	default:
		if b, err := c.repo.st.blob(e.sha); err == nil {
			size = len(b)
		}
	}
	return obj{"type": kind, "size": size, "name": e.name, "path": path, "sha": e.sha, "url": self, "git_url": git, "html_url": html,
		"download_url": download, "_links": obj{"self": self, "git": git, "html": html}}
}

func (c *call) commitAt(ref string) (*commit, error) {
	if len(c.repo.branches) == 0 {
		return nil, errEmpty
	}
	at, err := c.repo.resolve(ref)
	if err != nil {
		return nil, &apiError{status: http.StatusNotFound, message: "No commit found for the ref " + ref}
	}
	return at, nil
}

// wantsRaw says whether a caller asks for a file as it is: application/vnd.github.raw+json, or the older names of it.
func wantsRaw(accept string) bool {
	return strings.Contains(accept, "application/vnd.github") && strings.Contains(accept, "raw")
}

// inlineContent is up to which size a file's content comes with it.
const inlineContent = 1 << 20

func getContents(c *call) (any, error) {
	if len(c.repo.branches) == 0 {
		return nil, &apiError{status: http.StatusNotFound, message: "This repository is empty."}
	}
	ref := c.query("ref")
	at, err := c.commitAt(ref)
	if err != nil {
		return nil, err
	}
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	path := strings.Trim(c.path("path"), "/")
	found, err := c.entryAt(at, path)
	if err != nil {
		return nil, err
	}
	switch found.mode {
	case modeTree:
		return c.directoryContents(path, ref, found)
	case modeSubmodule:
		o := c.entryJSON(path, ref, found)
		o["submodule_git_url"] = nil
		return o, nil
	}
	return c.fileContents(path, ref, found)
}

// entryAt finds what is at a path in a commit.
func (c *call) entryAt(at *commit, path string) (entry, error) {
	found := entry{mode: modeTree, sha: at.tree}
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' }) {
		if found.mode != modeTree {
			return found, errNotFound
		}
		entries, err := c.repo.st.tree(found.sha)
		if err != nil {
			return found, err
		}
		n := slices.IndexFunc(entries, func(e entry) bool { return e.name == part })
		if n < 0 {
			return found, errNotFound
		}
		found = entries[n]
	}
	return found, nil
}

func (c *call) directoryContents(path, ref string, directory entry) (any, error) {
	entries, err := c.repo.st.tree(directory.sha)
	if err != nil {
		return nil, err
	}
	list := each(entries, func(e entry) obj {
		o := c.entryJSON(strings.TrimPrefix(path+"/"+e.name, "/"), ref, e)
		if o["type"] == "submodule" { // a directory's listing shows a submodule as a file
			o["type"] = "file"
		}
		return o
	})
	if strings.Contains(c.r.Header.Get("Accept"), "application/vnd.github.object") {
		o := c.entryJSON(path, ref, directory)
		o["entries"] = list
		return o, nil
	}
	return list, nil
}

func (c *call) fileContents(path, ref string, file entry) (any, error) {
	content, err := c.repo.st.blob(file.sha)
	if err != nil {
		return nil, err
	}
	o := c.entryJSON(path, ref, file)
	switch {
	case wantsRaw(c.r.Header.Get("Accept")):
		return raw{"application/vnd.github.raw; charset=utf-8", content}, nil
	case file.mode == modeSymlink:
		o["target"] = string(content)
	case len(content) > inlineContent:
		o["content"], o["encoding"] = "", "none"
	default:
		o["content"], o["encoding"] = wrap64(content), "base64"
	}
	return o, nil
}

// wrap64 encodes as GitHub does, in lines of sixty characters.
func wrap64(b []byte) string {
	flat := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(flat) > 0 {
		n := min(60, len(flat))
		out.WriteString(flat[:n] + "\n")
		flat = flat[n:]
	}
	return out.String()
}

// maxTreeEntries is how many entries GitHub lists of a tree before it cuts it off.
const maxTreeEntries = 100_000

func getTree(c *call) (any, error) {
	if len(c.repo.branches) == 0 {
		return nil, errEmpty
	}
	sha := c.path("tree_sha")
	if at, err := c.repo.resolve(sha); err == nil {
		sha = at.tree
	}
	entries := []obj{}
	truncated := false
	limit := cmp.Or(c.treeLimit, maxTreeEntries)
	recursive := c.query("recursive") != "" // any value of the parameter counts, "0" and "false" too
	var walk func(tree, prefix string) error
	walk = func(tree, prefix string) error {
		list, err := c.repo.st.tree(tree)
		if err != nil {
			return err
		}
		for _, e := range list {
			if len(entries) >= limit {
				truncated = true
				return nil
			}
			entries = append(entries, c.treeEntryJSON(prefix+e.name, e))
			if e.mode == modeTree && recursive {
				if err := walk(e.sha, prefix+e.name+"/"); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(sha, ""); err != nil {
		return nil, err
	}
	return obj{"sha": sha, "url": c.repoAPI(c.repo) + "/git/trees/" + sha, "tree": entries, "truncated": truncated}, nil
}

// treeEntryJSON shows an entry as a tree lists it.
func (c *call) treeEntryJSON(path string, e entry) obj {
	o := obj{"path": path, "mode": e.mode, "type": "blob", "sha": e.sha, "url": c.repoAPI(c.repo) + "/git/blobs/" + e.sha}
	switch e.mode {
	case modeTree:
		o["mode"], o["type"], o["url"] = "040000", "tree", c.repoAPI(c.repo)+"/git/trees/"+e.sha
	case modeSubmodule:
		o["type"] = "commit"
		delete(o, "url")
	default:
		if b, err := c.repo.st.blob(e.sha); err == nil {
			o["size"] = len(b)
		}
	}
	return o
}

func getBlob(c *call) (any, error) {
	sha := c.path("file_sha")
	b, err := c.repo.st.blob(sha)
	if err != nil {
		return nil, err
	}
	if wantsRaw(c.r.Header.Get("Accept")) {
		return raw{"application/vnd.github.raw; charset=utf-8", b}, nil
	}
	return obj{"sha": sha, "node_id": node("Blob", sha), "size": len(b), "url": c.repoAPI(c.repo) + "/git/blobs/" + sha,
		"content": wrap64(b), "encoding": "base64"}, nil
}

func getRef(c *call) (any, error) {
	if len(c.repo.branches) == 0 {
		return nil, errEmpty
	}
	name := strings.TrimPrefix(c.path("ref"), "heads/")
	sha := c.repo.branches[name]
	if sha == "" || name == c.path("ref") {
		return nil, errNotFound
	}
	return obj{"ref": "refs/heads/" + name, "node_id": node("Ref", name), "url": c.repoAPI(c.repo) + "/git/refs/heads/" + name,
		"object": obj{"type": "commit", "sha": sha, "url": c.repoAPI(c.repo) + "/git/commits/" + sha}}, nil
}

func listCommits(c *call) (any, error) {
	at, err := c.commitAt(c.query("sha"))
	if err != nil {
		return nil, err
	}
	list := slices.Clone(c.repo.st.between("", at.sha))
	slices.Reverse(list)
	list = slices.DeleteFunc(list, func(x *commit) bool {
		since, err := time.Parse(time.RFC3339, c.query("since"))
		until, err2 := time.Parse(time.RFC3339, c.query("until"))
		if author := c.query("author"); author != "" && !strings.EqualFold(x.author.email, author) {
			if by := c.accountOf(x.author); by == nil || !strings.EqualFold(by.login, author) {
				return true
			}
		}
		return err == nil && x.committer.at.Before(since) || err2 == nil && x.committer.at.After(until)
	})
	return each(paginate(c, list), func(x *commit) obj { return c.commitJSON(c.repo, x) }), nil
}

const (
	compareFiles   = 300  // of a comparison or commit, on its first page only
	compareCommits = 250  // of a comparison that does not ask for pages
	pullFiles      = 3000 // of a pull request
	pullCommits    = 250
)

func getCommit(c *call) (any, error) {
	if len(c.repo.branches) == 0 {
		return nil, errEmpty
	}
	at, err := c.repo.resolve(c.path("ref"))
	if err != nil {
		return nil, unprocessable("No commit found for SHA: %s", c.path("ref"))
	}
	o := c.commitJSON(c.repo, at)
	parent, from := at.sha, ""
	if len(at.parents) > 0 {
		parent = at.parents[0]
		from = c.repo.st.commits[parent].tree
	} else if from, err = c.repo.st.writeTree(nil); err != nil {
		return nil, err
	}
	d, err := c.repo.st.diff(from, at.tree)
	if err != nil {
		return nil, err
	}
	o["stats"] = obj{"additions": d.additions, "deletions": d.deletions, "total": d.additions + d.deletions}
	o["files"] = c.filesJSON(parent, at.sha, paginate(c, d.files[:min(len(d.files), pullFiles)]))
	return o, nil
}

// filesJSON shows what head changed of base. GitHub shows a file where it is: at the head, and at the base if it was removed.
func (c *call) filesJSON(base, head string, files []diffFile) []obj {
	out := make([]obj, 0, len(files))
	for n := range files {
		at := head
		if files[n].status == "removed" {
			at = base
		}
		out = append(out, c.fileJSON(c.repo, at, &files[n]))
	}
	return out
}

func compare(c *call) (any, error) {
	base, head, ok := strings.Cut(c.path("basehead"), "...")
	if !ok {
		return nil, errNotFound
	}
	from, err := c.side(base)
	if err != nil {
		return nil, err
	}
	to, err := c.side(head)
	if err != nil {
		return nil, err
	}
	st := c.repo.st
	common := st.mergeBase(from.sha, to.sha)
	if common == "" {
		return nil, &apiError{status: http.StatusNotFound, message: fmt.Sprintf("No common ancestor between %s and %s.", base, head)}
	}
	ahead, behind := st.between(from.sha, to.sha), len(st.between(to.sha, from.sha))
	state := "identical"
	switch {
	case len(ahead) > 0 && behind > 0:
		state = "diverged"
	case len(ahead) > 0:
		state = "ahead"
	case behind > 0:
		state = "behind"
	}
	d, err := st.diff(st.commits[common].tree, to.tree)
	if err != nil {
		return nil, err
	}
	api := c.repoAPI(c.repo) + "/compare/" + c.path("basehead")
	html := c.htmlURL("/%s/compare/%s", c.repo.fullName(), c.path("basehead"))
	o := obj{"url": api, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"permalink_url": c.htmlURL("/%s/compare/%s:%.7s...%s:%.7s", c.repo.fullName(), c.repo.owner.login, from.sha, c.repo.owner.login, to.sha),
		"base_commit":   c.commitJSON(c.repo, from), "merge_base_commit": c.commitJSON(c.repo, st.commits[common]),
		"status": state, "ahead_by": len(ahead), "behind_by": behind, "total_commits": len(ahead)}
	page := ahead
	first := true
	if c.query("page") != "" || c.query("per_page") != "" {
		n, _ := c.pageSize()
		first = n == 1
		page = paginate(c, ahead)
	} else if len(page) > compareCommits {
		page = page[len(page)-compareCommits:] // without pages it is the newest
	}
	o["commits"] = each(page, func(x *commit) obj { return c.commitJSON(c.repo, x) })
	if first {
		o["files"] = c.filesJSON(common, to.sha, d.files[:min(len(d.files), compareFiles)])
	}
	return o, nil
}

// side finds one end of a comparison, which may name a fork's branch as owner:branch.
func (c *call) side(ref string) (*commit, error) {
	if owner, branch, ok := strings.Cut(ref, ":"); ok {
		for _, r := range c.network(c.repo) {
			if strings.EqualFold(r.owner.login, owner) {
				if at, err := r.resolve(branch); err == nil {
					return at, nil
				}
			}
		}
		return nil, errNotFound
	}
	at, err := c.repo.resolve(ref)
	if err != nil {
		return nil, errNotFound
	}
	return at, nil
}

func listActivity(c *call) (any, error) {
	var list []*activity
	for _, a := range slices.Backward(c.repo.activities) {
		ref := c.query("ref")
		if ref != "" && a.ref != ref && a.ref != "refs/heads/"+ref {
			continue
		}
		if who := c.query("actor"); who != "" && (a.actor == nil || !strings.EqualFold(a.actor.login, who)) {
			continue
		}
		if kind := c.query("activity_type"); kind != "" && a.kind != kind {
			continue
		}
		list = append(list, a)
	}
	if c.query("direction") == "asc" {
		slices.Reverse(list)
	}
	// Pages are by cursor: the id of the last entry of the page before.
	if after := c.query("after"); after != "" {
		n := slices.IndexFunc(list, func(a *activity) bool { return fmt.Sprint(a.id) == after })
		list = list[n+1:]
	}
	_, size := c.pageSize()
	if len(list) > size {
		list = list[:size]
		q := c.r.URL.Query()
		q.Set("after", fmt.Sprint(list[size-1].id))
		c.w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, c.url, c.r.URL.EscapedPath(), q.Encode()))
	}
	return each(list, func(a *activity) obj {
		return obj{"id": a.id, "node_id": node("Activity", a.id), "before": a.before, "after": a.after, "ref": a.ref, "timestamp": stamp(a.at),
			"activity_type": a.kind, "actor": c.actorJSON(a.actor)}
	}), nil
}

func getPermission(c *call) (any, error) {
	a, err := c.account(c.path("username"))
	if err != nil || a.kind == kindOrganization {
		return nil, &apiError{status: http.StatusNotFound, message: c.path("username") + " is not a user"}
	}
	role := c.role(c.repo, a)
	user := c.user(a)
	user["permissions"] = obj{"admin": role.AtLeast(Admin), "maintain": role.AtLeast(Maintain), "push": role.AtLeast(Write),
		"triage": role.AtLeast(Triage), "pull": role.AtLeast(Read)}
	user["role_name"] = string(role)
	return obj{"permission": legacyRole(role), "role_name": string(role), "user": user}, nil
}
