package githubsim

import (
	"strings"
)

func gitSignature(sig signature) obj {
	return obj{"name": sig.name, "email": sig.email, "date": stamp(sig.at)}
}

func verification(c *commit) obj {
	if !c.signed {
		return obj{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
	}
	return obj{"verified": true, "reason": "valid", "signature": simulatedSignature, "payload": "tree " + c.tree, "verified_at": stamp(c.committer.at)}
}

func (s *Sim) commitJSON(r *repository, c *commit) obj {
	api := s.repoAPI(r)
	html := s.htmlURL("/%s/commit/", r.fullName())
	parents := []obj{}
	for _, p := range c.parents {
		parents = append(parents, obj{"sha": p, "url": api + "/commits/" + p, "html_url": html + p})
	}
	return obj{"sha": c.sha, "node_id": node("Commit", c.sha), "url": api + "/commits/" + c.sha, "html_url": html + c.sha,
		"comments_url": api + "/commits/" + c.sha + "/comments", "author": s.userJSON(s.accountOf(c.author)),
		"committer": s.userJSON(s.accountOf(c.committer)), "parents": parents,
		"commit": obj{"url": api + "/git/commits/" + c.sha, "author": gitSignature(c.author), "committer": gitSignature(c.committer),
			"message": strings.TrimRight(c.message, "\n"), "comment_count": 0, "verification": verification(c),
			"tree": obj{"sha": c.tree, "url": api + "/git/trees/" + c.tree}}}
}

func (s *Sim) fileJSON(r *repository, sha string, f *diffFile) obj {
	path := escapePath(f.path)
	o := obj{"sha": f.sha, "filename": f.path, "status": f.status, "additions": f.additions, "deletions": f.deletions,
		"changes":      f.additions + f.deletions,
		"blob_url":     s.htmlURL("/%s/blob/%s/%s", r.fullName(), sha, path),
		"raw_url":      s.htmlURL("/%s/raw/%s/%s", r.fullName(), sha, path),
		"contents_url": s.repoAPI(r) + "/contents/" + path + "?ref=" + sha}
	if f.previous != "" {
		o["previous_filename"] = f.previous
	}
	if f.patch != "" {
		o["patch"] = f.patch
	}
	return o
}

func (s *Sim) simpleCommit(c *commit) obj {
	return obj{"id": c.sha, "tree_id": c.tree, "message": strings.TrimRight(c.message, "\n"), "timestamp": stamp(c.committer.at),
		"author":    obj{"name": c.author.name, "email": c.author.email},
		"committer": obj{"name": c.committer.name, "email": c.committer.email}}
}

func (s *Sim) committedJSON(r *repository, c *commit) obj {
	o := s.commitJSON(r, c)
	inner := o["commit"].(obj)
	return obj{"event": "committed", "sha": c.sha, "node_id": o["node_id"], "url": s.repoAPI(r) + "/git/commits/" + c.sha,
		"html_url": o["html_url"], "author": inner["author"], "committer": inner["committer"], "tree": inner["tree"],
		"message": inner["message"], "parents": o["parents"], "verification": inner["verification"]}
}
