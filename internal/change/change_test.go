package change

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestLines(t *testing.T) {
	for _, row := range []struct {
		name           string
		file           File
		added, removed []string
		complete       bool
	}{
		{"a patch", File{Additions: 2, Deletions: 1, Patch: "@@ -1,2 +1,3 @@ func\n-old\n+new\n+++more\n same"}, []string{"new", "++more"}, []string{"old"}, true},
		{"lines before the first hunk are none", File{Patch: "+++ b/x\n--- a/x"}, nil, nil, true},
		{"a patch that was cut", File{Additions: 3, Patch: "@@ -0,0 +1,3 @@\n+one"}, []string{"one"}, nil, false},
		{"a patch that was cut where lines are removed", File{Deletions: 3, Patch: "@@ -1,3 +0,0 @@\n-one"}, nil, []string{"one"}, false},
		{"no patch", File{Status: FileModified, Blob: "a"}, nil, nil, false},
		{"a pure rename", File{Status: FileRenamed, Blob: "a", PreviousBlob: "a"}, nil, nil, true},
		{"a rename of which nothing more is known", File{Status: FileRenamed, Blob: "a"}, nil, nil, false},
		{"another mode", File{Status: FileModified, Blob: "a", PreviousBlob: "a"}, nil, nil, true},
		{"another type", File{Status: FileChanged, Blob: "a", PreviousBlob: "b"}, nil, nil, false},
		{"no patch, and no content known", File{Status: FileModified}, nil, nil, false},
		{"an empty file", File{Status: FileAdded, Blob: emptyBlob}, nil, nil, true},
		{"an empty file removed", File{Status: FileRemoved, Blob: emptyBlob}, nil, nil, true},
		{"a binary file", File{Status: FileAdded, Blob: "a"}, nil, nil, false},
		{"a file made empty whose patch is missing", File{Status: FileModified, Deletions: 9, Blob: emptyBlob}, nil, nil, false},
	} {
		var added, removed []string
		for line := range ChangedLines(row.file.Patch) {
			if line[0] == '+' {
				added = append(added, line[1:])
			} else {
				removed = append(removed, line[1:])
			}
		}
		complete := row.file.HasAllLines()
		if !slices.Equal(added, row.added) || !slices.Equal(removed, row.removed) || complete != row.complete {
			t.Errorf("%s: got %q, %q, %v", row.name, added, removed, complete)
		}
	}
}

func TestSubmodules(t *testing.T) {
	pointer := "@@ -1 +1 @@\n-Subproject commit aaa\n+Subproject commit bbb"
	for _, row := range []struct {
		name string
		file File
		want bool
	}{
		{"by its mode", File{Mode: ModeSubmodule}, true},
		{"by its patch", File{Additions: 1, Deletions: 1, Patch: pointer}, true},
		{"a text that imitates one, its mode known", File{Mode: ModeRegular, Patch: pointer}, false},
		{"a file", File{Patch: "@@ -1 +1 @@\n-a\n+b"}, false},
	} {
		if got := row.file.IsSubmodule(); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func TestWhatAPatchShowsOfAFile(t *testing.T) {
	for _, row := range []struct {
		name, patch string
		plain       bool
	}{
		{"lines", "@@ -1,2 +1,2 @@\n a\n-b\n+c", true},
		{"one line", "@@ -0,0 +1 @@\n+a", true},
		{"a line, and one without an end", "@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file", true},
		{"a line in the place of a link", "@@ -1 +1 @@\n-/etc/passwd\n\\ No newline at end of file\n+a", true},
		{"a link", "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file", false},
		{"a link in the place of lines", "@@ -1,2 +1 @@\n-a\n-b\n+/etc/passwd\n\\ No newline at end of file", false},
		{"a submodule", "@@ -0,0 +1 @@\n+Subproject commit 0123456789012345678901234567890123456789", false},
		{"a line left, and one without an end gone", "@@ -1,2 +1 @@\n a\n-b\n\\ No newline at end of file", true},
		{"nothing left", "@@ -1 +0,0 @@\n-a", false},
		{"lines of no hunk", "+a\n+b", false},
		{"no patch", "", false},
	} {
		if got := (File{Patch: row.patch}).IsPlain(); got != row.plain {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func TestNamesSurviveJSON(t *testing.T) {
	for c := Uncategorized; c <= Emergency; c++ {
		checkName(t, c)
	}
	for v := Undecided; v <= Failing; v++ {
		checkName(t, v)
	}
	for p := PermissionNone; p <= PermissionAdmin; p++ {
		checkName(t, p)
	}
	if err := json.Unmarshal([]byte(`"owner"`), new(Permission)); err == nil {
		t.Error("an unknown permission is read without an error")
	}
}

func checkName[T comparable](t *testing.T, v T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil || back != v {
		t.Errorf("%v becomes %s and then %v (%v)", v, text, back, err)
	}
}

func TestTextKeepsStrangersApart(t *testing.T) {
	text := Say(Words("set by "), Login(Account{ID: 1, Login: "bob"}), Words(", "), Words("on "), Code("a|b"), Code(""), Login(Account{}))
	want := Text{{PartWords, "set by "}, {PartLogin, "bob"}, {PartWords, ", on "}, {PartCode, "a|b"}, {PartWords, "someone without a GitHub account"}}
	if !slices.Equal(text, want) {
		t.Errorf("got %q, want %q", text, want)
	}
	for _, nobody := range []Account{{ID: 1}, {Login: "bob"}} {
		if got := Login(nobody); got[0].Kind != PartWords {
			t.Errorf("%+v is shown as %q", nobody, got)
		}
	}
	if got, want := Say(text[:1], TeamName("acme", "security")).String(), "set by @acme/security"; got != want {
		t.Errorf("as a string %q, want %q", got, want)
	}
}

func TestAReRunReplacesWhatItRepeats(t *testing.T) {
	failed := Check{Name: "build", Suite: 5, RunID: 10, State: CheckFailure}
	again := Check{Name: "build", Suite: 5, RunID: 11, State: CheckSuccess}
	elsewhere := Check{Name: "build", Suite: 6, RunID: 9, State: CheckFailure}
	unplaced := Check{Name: "build", RunID: 12, State: CheckFailure}
	status := Check{Name: "build", RunID: 7, Status: true, State: CheckFailure}
	later := Check{Name: "build", RunID: 13, Status: true, State: CheckSuccess}
	kept := []Check{again, elsewhere, unplaced, status, later}
	if got := LatestRuns([]Check{failed, again, elsewhere, unplaced, status, later}); !slices.Equal(got, kept) {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsNotKnownToBeHarmlessHasFailed(t *testing.T) {
	for _, row := range []struct {
		status, conclusion string
		want               CheckState
	}{
		{"queued", "", CheckPending},
		{"in_progress", "success", CheckPending},
		{"completed", "success", CheckSuccess},
		{"completed", "neutral", CheckNeutral},
		{"completed", "skipped", CheckSkipped},
		{"completed", "cancelled", CheckFailure},
		{"completed", "stale", CheckFailure},
		{"completed", "something new", CheckFailure},
		{"completed", "", CheckFailure},
	} {
		if got := RunState(row.status, row.conclusion); got != row.want {
			t.Errorf("%s, %q: %s, want %s", row.status, row.conclusion, got, row.want)
		}
	}
	for state, want := range map[string]CheckState{"success": CheckSuccess, "pending": CheckPending, "error": CheckFailure, "failure": CheckFailure, "": CheckFailure} {
		if got := StatusState(state); got != want {
			t.Errorf("%q: %s, want %s", state, got, want)
		}
	}
}
