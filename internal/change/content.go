package change

import (
	"iter"
	"strings"
)

// FileStatus is how a file changed, in GitHub's words.
type FileStatus string

// The statuses of a changed file.
const (
	FileAdded    FileStatus = "added"
	FileRemoved  FileStatus = "removed"
	FileModified FileStatus = "modified"
	FileRenamed  FileStatus = "renamed"
	FileCopied   FileStatus = "copied"
	FileChanged  FileStatus = "changed" // the type, from a file to a symlink say
)

// Mode is a Git tree entry's mode in octal, as Git writes it; the empty string means that it was not read.
type Mode string

// The modes that Git knows.
const (
	ModeRegular    Mode = "100644"
	ModeExecutable Mode = "100755"
	ModeSymlink    Mode = "120000"
	ModeSubmodule  Mode = "160000"
)

// emptyBlob is Git's name of the file without content, which has no patch because it has no lines.
const emptyBlob SHA = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

// File is one changed file between the merge base and the head.
type File struct {
	Path         string     `json:"path"`
	PreviousPath string     `json:"previous_path,omitempty"` // on renames
	Status       FileStatus `json:"status"`
	Additions    int        `json:"additions"`
	Deletions    int        `json:"deletions"`
	Blob         SHA        `json:"blob,omitempty"`          // the head's blob; the base's where the file was removed
	PreviousBlob SHA        `json:"previous_blob,omitempty"` // the merge base's blob; empty: not read
	Mode         Mode       `json:"mode,omitempty"`          // at the head; empty: not read
	Patch        string     `json:"patch,omitempty"`         // as GitHub gives it: may be missing or cut
}

// Paths returns the names that the file has had in this change: its path, and the previous one of a rename.
func (f File) Paths() []string {
	if f.PreviousPath != "" && f.PreviousPath != f.Path {
		return []string{f.Path, f.PreviousPath}
	}
	return []string{f.Path}
}

// ChangedLines yields the lines that a patch adds and removes, each with its sign before it.
func ChangedLines(patch string) iter.Seq[string] {
	return func(yield func(string) bool) {
		inHunk := false
		for line := range strings.Lines(patch) {
			switch {
			case strings.HasPrefix(line, "@@"):
				inHunk = true
			case inHunk && (line[0] == '+' || line[0] == '-'):
				if !yield(strings.TrimSuffix(line, "\n")) {
					return
				}
			}
		}
	}
}

// HasAllLines says whether the patch has all the lines that the change adds and removes. It has not where they cannot be known from what
// GitHub gave: a binary file, a diff too large to show, or a patch that was cut.
func (f File) HasAllLines() bool {
	if f.Patch == "" {
		unchanged := f.Blob != "" && f.Blob == f.PreviousBlob // a pure rename, or another mode
		empty := f.Blob == emptyBlob && (f.Status == FileAdded || f.Status == FileRemoved)
		return unchanged || empty
	}
	added, removed := 0, 0
	for line := range ChangedLines(f.Patch) {
		if line[0] == '+' {
			added++
		} else {
			removed++
		}
	}
	return added == f.Additions && removed == f.Deletions
}

// IsSubmodule says whether the file is a submodule's pointer, by its mode where it was read, else by what its patch says.
// A text file that imitates such a patch counts as one: it is the strict reading.
func (f File) IsSubmodule() bool {
	if f.Mode != "" {
		return f.Mode == ModeSubmodule
	}
	for line := range ChangedLines(f.Patch) {
		if strings.HasPrefix(line[1:], "Subproject commit ") {
			return true
		}
	}
	return false
}

// IsPlain says whether the patch shows that the file is no symlink and no submodule at the head: it has a whole line there, which a symlink has
// only if what it points to has the end of a line in its name. False where the patch does not tell.
func (f File) IsPlain() bool {
	lines, inHunk, there := 0, false, false
	for line := range strings.Lines(f.Patch) {
		switch {
		case strings.HasPrefix(line, "@@"):
			inHunk, there = true, false
		case !inHunk:
		case line[0] == '+' || line[0] == ' ':
			lines, there = lines+1, true
		case line[0] == '\\' && there: // no newline at the end of the file
			lines--
		default:
			there = false
		}
	}
	return lines > 0 && !f.IsSubmodule()
}

// Signature is a name and an e-mail address in a commit, with the account that GitHub says it belongs to, if any.
type Signature struct {
	Name    string  `json:"name,omitempty"`
	Email   string  `json:"email,omitempty"`
	Account Account `json:"account,omitzero"`
	// Unresolved says that whose address it is was not looked up, so that someone may have an account who seems to have none.
	Unresolved bool `json:"unresolved,omitempty"`
}

// Commit is one commit that is in the head and not in the base.
type Commit struct {
	SHA       SHA         `json:"sha"`
	Parents   []SHA       `json:"parents,omitempty"`
	Author    Signature   `json:"author"`
	Committer Signature   `json:"committer"`
	CoAuthors []Signature `json:"co_authors,omitempty"` // from Co-authored-by trailers
	Verified  bool        `json:"verified,omitempty"`   // GitHub verified the signature
}

// Content is what a pull request would change, as compared from the merge base to the head.
type Content struct {
	Head      SHA      `json:"head"`
	BaseTip   SHA      `json:"base_tip,omitempty"` // the tip of the base branch when it was compared
	MergeBase SHA      `json:"merge_base,omitempty"`
	Tree      SHA      `json:"tree,omitempty"` // of the head, where it is known
	Files     []File   `json:"files"`
	Commits   []Commit `json:"commits"`
	// FilesCut says that there may be more files than GitHub lists (3,000), CommitsCut that not every commit could be read.
	FilesCut   bool `json:"files_cut,omitempty"`
	CommitsCut bool `json:"commits_cut,omitempty"`
}
