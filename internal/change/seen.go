package change

// View is what somebody looked at: a head, compared with the base that it was to be merged into at that time.
type View struct {
	Head SHA `json:"head"`
	// Base is a commit of the base branch then; empty where it is not known, and then it is the base's present tip.
	Base SHA `json:"base,omitempty"`
}

// Seen is what a View showed, other than the present head against the present merge base, as far as a decision compares it.
type Seen struct {
	View
	// Gone says that GitHub has the head or its base no more, or that the two have nothing in common: what was seen is not known.
	Gone      bool   `json:"gone,omitempty"`
	MergeBase SHA    `json:"merge_base,omitempty"`
	Tree      SHA    `json:"tree,omitempty"`    // of the head, where it is known
	Files     []File `json:"files,omitempty"`   // Path, PreviousPath, Status and Blob only; of a merge group Mode too
	Commits   []SHA  `json:"commits,omitempty"` // those that are in the head and not in the base
	// FilesCut says that GitHub listed only some of the files, CommitsCut that it listed only some of the commits.
	FilesCut   bool `json:"files_cut,omitempty"`
	CommitsCut bool `json:"commits_cut,omitempty"`
}

// Tree is a part of a commit's tree: the entries that were asked for.
type Tree struct {
	Commit SHA `json:"commit"`
	// Entries holds each path that was asked for, with the zero Entry where there is no such file.
	Entries map[string]Entry `json:"entries,omitempty"`
	// Cut says that GitHub showed only a part of the tree: of a path that is not in Entries nothing is known.
	Cut bool `json:"cut,omitempty"`
}

// Entry is a file in a tree. The zero Entry is no file.
type Entry struct {
	Mode Mode `json:"mode,omitempty"`
	Blob SHA  `json:"blob,omitempty"` // for a submodule the commit that it points to
}

// TreePaths asks for entries of a commit's tree.
type TreePaths struct {
	Commit SHA
	Paths  []string // ordered
}
