package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// fixture is a database with a ledger and a key.
type fixture struct {
	*store.Store
	url string
	key *ledger.Key
	now time.Time
	n   int // entries
}

var began = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func open(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{url: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), now: began}
	var err error
	if f.Store, err = store.Open(t.Context(), store.Config{URL: f.url, Clock: func() time.Time { return f.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if f.key, _, err = ledger.LoadKey(filepath.Join(t.TempDir(), "key"), "test"); err != nil {
		t.Fatal(err)
	}
	return f
}

// fill appends entries, an hour apart, of which every third is about repository 8 and the others about 7.
func (f *fixture) fill(t testing.TB, n int, body any) {
	t.Helper()
	for range n {
		f.n++
		d := ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: f.n}, Body: body}
		if f.n%4 > 1 { // some of the exhibits are new and some are not
			d.Exhibits = []any{map[string]int{"facts": f.n / 8}, "the policy", map[string]int{"facts": f.n / 8}}
		}
		if f.n%3 == 0 {
			d.Subject.Repository = 8
		}
		must(t, f.Append(t.Context(), d))
		f.now = f.now.Add(time.Hour)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) checkpoint(t testing.TB) ledger.Checkpoint {
	t.Helper()
	c, err := f.Checkpoint(t.Context(), f.key)
	must(t, err)
	return c
}

func (f *fixture) export(t testing.TB, from, to, repository int64) string {
	t.Helper()
	var b bytes.Buffer
	_, err := audit.Export(t.Context(), f, &b, audit.ExportOptions{
		From: from, To: to, Repository: repository, Checkpoint: f.checkpoint(t),
	})
	must(t, err)
	return b.String()
}

func TestBundlesHold(t *testing.T) {
	f := open(t)
	for _, size := range []int64{1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100} {
		f.fill(t, int(size)-f.n, "a body")
		ranges := [][2]int64{{1, size}, {size, size}, {1, 1}, {size/2 + 1, size}, {1, size/2 + 1}, {size/3 + 1, size/3 + 1}}
		for _, r := range ranges {
			for _, repository := range []int64{0, 7, 8, 9} {
				text := f.export(t, r[0], r[1], repository)
				var got []int64
				report, err := audit.Verify(strings.NewReader(text), audit.VerifyOptions{Keys: []string{f.key.Public()}, Each: func(e ledger.Entry) error {
					got = append(got, e.Seq)
					return nil
				}})
				if err != nil {
					t.Fatalf("%v of %d, repository %d: %v\n%s", r, size, repository, err, text)
				}
				var want []int64
				for seq := r[0]; seq <= r[1]; seq++ {
					if repository == 0 || repository == 7 && seq%3 != 0 || repository == 8 && seq%3 == 0 {
						want = append(want, seq)
					}
				}
				if !slices.Equal(got, want) || report.Entries != int64(len(want)) || report.Checkpoint.Size != size {
					t.Fatalf("%v of %d, repository %d: got %v, want %v", r, size, repository, got, want)
				}
				if len(want) > 0 && (!report.Oldest.Equal(at(want[0])) || !report.Newest.Equal(at(want[len(want)-1]))) {
					t.Fatalf("from %s to %s", report.Oldest, report.Newest)
				}
			}
		}
	}
}

// at is when fill appends an entry.
func at(seq int64) time.Time { return began.Add(time.Duration(seq-1) * time.Hour) }

// verify verifies a text.
func verify(text string) error {
	_, err := audit.Verify(strings.NewReader(text), audit.VerifyOptions{})
	return err
}

// notProven says whether two bundles differ only in what nothing vouches for: of one repository's the range that the first line names, and that
// repository where there are no entries.
func notProven(text, altered string) bool {
	first, rest, _ := strings.Cut(text, "\n")
	alteredFirst, alteredRest, _ := strings.Cut(altered, "\n")
	var h, other audit.Header
	if json.Unmarshal([]byte(first), &h) != nil || json.Unmarshal([]byte(alteredFirst), &other) != nil || h.Repository == 0 || other.Repository == 0 {
		return false
	}
	other.From, other.To = h.From, h.To
	if h.Entries == 0 {
		other.Repository = h.Repository
	}
	return rest == alteredRest && reflect.DeepEqual(h, other)
}

// Whatever byte of the first line of a bundle of one repository is another, it is found, except in what is said not to be proven.
func TestFirstLinesOfBundlesOfOneRepository(t *testing.T) {
	f := open(t)
	f.fill(t, 18, "a body")
	kept := f.checkpoint(t)
	f.fill(t, 27, "a body")
	for repository, want := range map[int64]string{8: "from to", 9: "from repository to"} {
		var b bytes.Buffer
		_, err := audit.Export(t.Context(), f, &b, audit.ExportOptions{From: 20, To: 40, Repository: repository, Checkpoint: f.checkpoint(t), Since: kept})
		must(t, err)
		text := b.String()
		must(t, verify(text))
		var accepted []string // members of the line, in its order
		for i := range strings.Index(text, "\n") + 1 {
			for _, bits := range []byte{1, 2, 4, 0x20} {
				b := []byte(text)
				b[i] ^= bits
				switch err := verify(string(b)); {
				case err == nil && !notProven(text, string(b)):
					t.Fatalf("byte %d of %q may be %q", i, text, b[i])
				case err == nil:
					member, _, _ := strings.Cut(text[strings.LastIndex(text[:i], `,"`)+2:], `"`)
					accepted = append(accepted, member)
				case !errors.As(err, new(*audit.Broken)):
					t.Fatalf("found as %v", err)
				}
			}
		}
		if got := strings.Join(slices.Compact(accepted), " "); got != want {
			t.Errorf("of repository %d: %q may be another, and %q is said to be", repository, got, want)
		}
	}
}

// Any byte that is another, is missing or is there twice is found, but for what is not proven of a bundle of one repository.
func TestBytesOfBundles(t *testing.T) {
	f := open(t)
	f.fill(t, 70, map[string]string{"title": "<b>☃</b> & \"quotes\"\u2028"})
	for _, text := range []string{f.export(t, 10, 60, 0), f.export(t, 1, 70, 8)} {
		must(t, verify(text))
		rapid.Check(t, func(t *rapid.T) {
			i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			var altered string
			switch rapid.IntRange(0, 4).Draw(t, "how") {
			case 0:
				b := []byte(text)
				b[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
				altered = string(b)
			case 1:
				altered = text[:i] + text[i+1:]
			case 2:
				altered = text[:i] + string(rapid.Byte().Draw(t, "byte")) + text[i:]
			case 3:
				altered = text[:i]
			case 4:
				to := rapid.IntRange(i, len(text)-1).Draw(t, "to")
				altered = text[:i] + text[to:]
			}
			if altered == text {
				return
			}
			if err := verify(altered); err == nil && !notProven(text, altered) {
				t.Fatalf("not found:\n%s", altered)
			} else if err != nil && !errors.As(err, new(*audit.Broken)) {
				t.Fatalf("found as %v", err)
			}
		})
	}
	// Every byte once, since few of them have so little to say as the last one of a hash.
	small := open(t)
	small.fill(t, 18, "a body")
	kept := small.checkpoint(t)
	small.fill(t, 1, "a body")
	var b bytes.Buffer
	_, err := audit.Export(t.Context(), small, &b, audit.ExportOptions{From: 17, To: 18, Checkpoint: small.checkpoint(t), Since: kept})
	must(t, err)
	text := b.String()
	for i := range text {
		for _, bits := range []byte{1, 2, 4, 0x20} {
			b := []byte(text)
			b[i] ^= bits
			if verify(string(b)) == nil {
				t.Fatalf("byte %d of %q may be %q", i, text, b[i])
			}
		}
	}
}

// Lines that are missing, doubled or moved are found, also by who sees to it that the numbers in the header are right.
func TestLinesOfBundles(t *testing.T) {
	f := open(t)
	f.fill(t, 70, "a body")
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(1, 70).Draw(t, "from")
		to := rapid.Int64Range(from, 70).Draw(t, "to")
		var b bytes.Buffer
		c, err := f.Checkpoint(t.Context(), f.key)
		if err != nil {
			t.Fatal(err)
		}
		header, err := audit.Export(t.Context(), f, &b, audit.ExportOptions{From: from, To: to, Checkpoint: c})
		if err != nil {
			t.Fatal(err)
		}
		lines := slices.Collect(strings.Lines(b.String()))
		i, j := rapid.IntRange(1, len(lines)-1).Draw(t, "line"), rapid.IntRange(1, len(lines)-1).Draw(t, "other line")
		switch rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			lines = slices.Insert(lines, j, lines[i])
		case 2:
			lines[i], lines[j] = lines[j], lines[i]
		case 3:
			lines[i] = lines[j]
		}
		header.Entries = 0
		for _, l := range lines {
			if strings.HasPrefix(l, `{"entry":`) {
				header.Entries++
			}
		}
		first, err := json.Marshal(header)
		if err != nil {
			t.Fatal(err)
		}
		lines[0] = string(first) + "\n"
		altered := strings.Join(lines, "")
		if altered == b.String() {
			return
		}
		if err := verify(altered); err == nil {
			t.Fatalf("not found:\n%s", altered)
		}
	})
}

// The entry that does not hold is named.
func TestWhatDoesNotHoldIsNamed(t *testing.T) {
	f := open(t)
	f.fill(t, 48, "a body")
	whole, filtered := f.export(t, 3, 38, 0), f.export(t, 3, 38, 8)
	lineOf := func(lines []string, seq int) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, fmt.Sprintf(`"seq":%d,`, seq)) })
	}
	alter := func(old, new string) func([]string) []string {
		return func(lines []string) []string {
			i := lineOf(lines, 21)
			lines[i] = strings.Replace(lines[i], old, new, 1)
			return lines
		}
	}
	lineOfBlock := func(lines []string, first int) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, fmt.Sprintf(`{"first":%d,`, first)) })
	}
	header := func(old, new string) func([]string) []string {
		return func(lines []string) []string {
			if lines[0] = strings.Replace(lines[0], old, new, 1); !strings.Contains(lines[0], new) {
				t.Fatalf("%s is not in %s", old, lines[0])
			}
			return lines
		}
	}
	other, err := open(t).key.Sign(f.checkpoint(t).Tree, f.now)
	must(t, err)
	for _, row := range []struct {
		name string
		text string
		do   func([]string) []string
		want string
	}{
		{"a body that was altered", whole, alter("a body", "A body"), "entry 21 does not hold: it was altered: its record hashes to "},
		{"the same in a bundle of one repository", filtered, alter("a body", "A body"), "entry 21 does not hold: it was altered"},
		{"a number that was altered", whole, alter(`"seq":21`, `"seq":22`), "entry 21 does not hold: in its place is what says that it is entry 22"},
		{"a record that is none", whole, alter(`{"at"`, `{"at`), "entry 21 does not hold: it was altered"},
		{"one that is missing", whole, func(l []string) []string { return slices.Delete(l, lineOf(l, 21), lineOf(l, 21)+1) },
			"entry 21 does not hold: it is missing, or after entry 22"},
		{"the last of a block is missing", whole, func(l []string) []string { return slices.Delete(l, lineOf(l, 32), lineOf(l, 32)+1) },
			"entry 32 does not hold: it is missing"},
		{"a block is missing", whole, func(l []string) []string { return slices.Delete(l, lineOf(l, 17)-1, lineOf(l, 32)+1) },
			"entry 17 does not hold: it is missing"},
		{"the last one is missing", whole, func(l []string) []string { return l[:len(l)-1] }, "entry 38 does not hold: it is missing"},
		{"one that is there twice", whole, func(l []string) []string { return slices.Insert(l, lineOf(l, 21), l[lineOf(l, 21)]) },
			"entry 22 does not hold: in its place is entry 21 again"},
		{"one that is there twice in a bundle of one repository", filtered,
			func(l []string) []string { return slices.Insert(l, lineOf(l, 21), l[lineOf(l, 21)]) }, "entry 21 does not hold: it is there again, or out of order"},
		{"one of another repository", filtered, func(l []string) []string {
			w := slices.Collect(strings.Lines(whole))
			return slices.Insert(l, lineOf(l, 21), w[lineOf(w, 20)])
		}, "entry 20 does not hold: it is about repository 7, and all are to be about 8"},
		{"fewer than the header says", filtered, func(l []string) []string { return slices.Delete(l, lineOf(l, 21), lineOf(l, 21)+1) },
			"there are 11 entries after its first line, and that says 12"},
		{"a hash that was altered", whole, func(l []string) []string {
			l[1] = regexp.MustCompile(`"hashes":\["[^"]*"`).ReplaceAllString(l[1], `"hashes":["`+strings.Repeat("A", 43)+`="`)
			return l
		}, "entries 1 to 16 do not hold: their hashes are not those of the checkpoint's tree"},
		{"what it rests on was altered", whole, func(l []string) []string {
			i := lineOf(l, 18) - 1
			l[i] = strings.Replace(l[i], `"facts":2`, `"facts":3`, 1)
			return l
		}, "entry 18 does not hold: what it rests on was altered"},
		{"what it rests on is missing", whole, func(l []string) []string { return slices.Delete(l, lineOf(l, 18)-1, lineOf(l, 18)) },
			"entry 18 does not hold: what it rests on was altered, or is not what comes before it"},
		{"more than it rests on", whole, func(l []string) []string { return slices.Insert(l, lineOf(l, 18), "{\"exhibit\":null}\n") },
			"entry 18 does not hold: what it rests on was altered, or is not what comes before it"},
		{"what nothing rests on", whole, func(l []string) []string { return append(l, "{\"exhibit\":null}\n") }, "line 48: an exhibit comes before it"},
		{"an entry after the range", whole, func(l []string) []string { return append(l, l[len(l)-1]) }, "entry 39 does not hold: it is outside of the range, which ends with 38"},
		{"a shorter range", whole, header(`"to":38`, `"to":37`), "entry 38 does not hold: it is outside of the range"},
		{"a range that is none", whole, header(`"from":3`, `"from":39`), "its range is 39 to 38"},
		{"a range from before the first entry", filtered, header(`"from":3`, `"from":0`), "its range is 0 to 38"},
		{"a range past what was signed", filtered, header(`"to":38`, `"to":49`), "its range is 3 to 49, and its checkpoint is over 48 entries"},
		{"hashes of no entry", filtered, func(l []string) []string {
			l[0] = strings.Replace(l[0], `"entries":12`, `"entries":7`, 1)
			return slices.Delete(l, lineOfBlock(l, 17)+1, lineOfBlock(l, 33))
		}, "line 12: the hashes from entry 17 are followed by no entry"},
		{"the last of them", filtered, func(l []string) []string {
			l[0] = strings.Replace(l[0], `"entries":12`, `"entries":10`, 1)
			return l[:lineOfBlock(l, 33)+1]
		}, "line 20: the hashes from entry 33 are followed by no entry"},
		{"the same hashes again", filtered, func(l []string) []string { return slices.Insert(l, lineOf(l, 21)+1, l[lineOfBlock(l, 17)]) },
			"line 15: the hashes from entry 17 are there again, or out of order"},
		{"the same hashes again in a whole one", whole, func(l []string) []string { return slices.Insert(l, lineOf(l, 21)+1, l[lineOfBlock(l, 17)]) },
			"line 27: the hashes from entry 17 are there again, or out of order"},
		{"hashes are missing", filtered, func(l []string) []string { return slices.Delete(l, lineOfBlock(l, 33), lineOfBlock(l, 33)+1) },
			"entry 33 does not hold: its hash is not before it"},
		{"later hashes", filtered, func(l []string) []string {
			l[1] = l[lineOfBlock(l, 17)]
			return l
		}, "entry 3 does not hold: its hash is not before it"},
		{"earlier hashes again", filtered, func(l []string) []string { return slices.Insert(l, lineOf(l, 21)+1, l[1]) },
			"line 15: the hashes from entry 1 are there again, or out of order"},
		{"hashes from before the first entry", filtered, func(l []string) []string {
			return slices.Insert(l, 1, strings.Replace(l[1], `"first":1,`, `"first":-15,`, 1))
		}, "line 2: no block begins with entry -15"},
		{"hashes from within a block", filtered, func(l []string) []string {
			l[1] = strings.Replace(l[1], `"first":1,`, `"first":2,`, 1)
			return l
		}, "line 2: no block begins with entry 2"},
		{"hashes past the last entry", filtered, func(l []string) []string { return append(l, `{"first":49,"hashes":[],"proof":[]}`+"\n") },
			"line 22: no block begins with entry 49"},
		{"no hashes", filtered, func(l []string) []string { return slices.Insert(l, 1, `{"first":1,"hashes":[],"proof":[]}`+"\n") },
			"line 2: there are 0 hashes, and 16 entries from 1"},
		{"a line that does not end", whole, func(l []string) []string { return append(l, strings.Repeat("a", 34<<20)) }, "line 47 is longer than 32 MB"},
		{"another form", whole, header(`"changegate audit 1"`, `"changegate audit 2"`), `this is "changegate audit 2", and this program reads "changegate audit 1"`},
		{"another key", whole, header(f.key.Public(), "test+00000000+AQ=="), "checkpoint: public key"},
		{"another's checkpoint", whole, header(string(jsonOf(t, string(f.checkpoint(t).Note))), string(jsonOf(t, string(other.Note)))), "checkpoint: it is not signed with the key"},
		{"nothing", whole, func([]string) []string { return nil }, "this is no bundle"},
		{"line ends of Windows", whole, func(l []string) []string {
			return strings.SplitAfter(strings.ReplaceAll(strings.Join(l, ""), "\n", "\r\n"), "\n")
		}, "this is not the bundle as it was written: its line ends were converted"},
		{"a byte order mark", whole, func(l []string) []string { return append([]string{"\ufeff" + l[0]}, l[1:]...) }, "this is not the bundle as it was written"},
		{"another file", whole, func([]string) []string { return []string{"hello\n"} }, "this is no bundle"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := verify(strings.Join(row.do(slices.Collect(strings.Lines(row.text))), ""))
			if err == nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
	_, err = audit.Verify(strings.NewReader(whole), audit.VerifyOptions{Keys: []string{open(t).key.Public()}})
	if err == nil || !strings.Contains(err.Error(), "and should be with") {
		t.Errorf("another key than the auditor's: %v", err)
	}
}

// What is signed is in its place and of its form, whoever signed it.
func TestWhatIsSignedIsAnEntry(t *testing.T) {
	f := open(t)
	f.fill(t, 1, "a body")
	text := f.export(t, 1, 1, 0)
	lines := slices.Collect(strings.Lines(text))
	record := strings.TrimSuffix(strings.TrimPrefix(lines[2], `{"entry":`), "}\n")
	for said, want := range map[string]string{
		record: "",
		strings.Replace(record, `"seq":1,`, `"seq":2,`, 1):   "entry 1 does not hold: it says that it is entry 2",
		strings.Replace(record, `"seq":1,`, `"seq":"1",`, 1): "entry 1 does not hold: read a ledger record: ",
	} {
		root := tlog.RecordHash([]byte(said))
		signed, err := f.key.Sign(ledger.Tree{Size: 1, Root: root}, f.now)
		must(t, err)
		var h audit.Header
		must(t, json.Unmarshal([]byte(lines[0]), &h))
		h.Checkpoint = string(signed.Note)
		forged := fmt.Sprintf("%s\n{\"first\":1,\"hashes\":[%q],\"proof\":[]}\n{\"entry\":%s}\n", jsonOf(t, h), root, said)
		if err := verify(forged); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", said, err, want)
		}
	}
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

// What was altered in the database cannot be exported.
func TestExportOfAnAlteredLedger(t *testing.T) {
	f := open(t)
	f.fill(t, 40, "a body")
	c := f.checkpoint(t)
	o := audit.ExportOptions{From: 1, To: 40, Checkpoint: c}
	f.tamper(t, `UPDATE ledger SET record = replace(record, 'a body', 'A body') WHERE seq = 21`)
	if _, err := audit.Export(t.Context(), f, io.Discard, o); err == nil || !strings.Contains(err.Error(), "ledger entry 21 was altered") {
		t.Errorf("%v", err)
	}
	o.To = 41
	if _, err := audit.Export(t.Context(), f, io.Discard, o); err == nil || !strings.Contains(err.Error(), "the checkpoint is over entries 1 to 40") {
		t.Errorf("%v", err)
	}
}

// tamper does to the database what its triggers forbid.
func (f *fixture) tamper(t testing.TB, queries ...string) {
	t.Helper()
	must(t, f.Write(t.Context(), func(tx store.Tx) error {
		var triggers []string
		err := tx.Query(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'trigger'`, nil, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			triggers = append(triggers, name)
			return err
		})
		for _, name := range triggers {
			queries = append([]string{"DROP TRIGGER " + name}, queries...)
		}
		for _, q := range queries {
			if err == nil {
				_, err = tx.Exec(t.Context(), q)
			}
		}
		return err
	}))
}

func TestBetween(t *testing.T) {
	f := open(t)
	f.fill(t, 10, "a body") // at 09:00 to 18:00
	for _, row := range []struct {
		from, to    time.Time
		first, last int64
	}{
		{at(3), at(5), 2, 5},
		{at(3).Add(1), at(5).Add(time.Microsecond), 2, 6},
		{at(1), at(11), 1, 10},
		{at(0), at(2), 1, 2},
		{at(10), at(20), 9, 10},
	} {
		must(t, f.ReadLedger(t.Context(), func(tx ledger.Tx) error {
			first, last, err := audit.Between(t.Context(), tx, 10, row.from, row.to)
			if err != nil || first != row.first || last != row.last {
				t.Errorf("from %s to %s: %d to %d, %v, want %d to %d", row.from, row.to, first, last, err, row.first, row.last)
			}
			return nil
		}))
	}
	must(t, f.ReadLedger(t.Context(), func(tx ledger.Tx) error {
		for _, from := range []time.Time{at(-5), at(11)} {
			if first, last, err := audit.Between(t.Context(), tx, 10, from, from.Add(time.Minute)); err != nil || first <= last {
				t.Errorf("%d to %d, %v, want nothing", first, last, err)
			}
		}
		return nil
	}))
}

// big fills a ledger quickly with entries of a usual size.
func (f *fixture) big(t testing.TB, n int) {
	t.Helper()
	body := map[string]string{"category": "high-risk", "verdict": "waiting", "description": strings.Repeat("What was approved. ", 45)}
	drafts := make([]ledger.Draft, 1000)
	for i := range drafts {
		drafts[i] = ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: i, SHA: strings.Repeat("a", 40)}, Body: body}
	}
	for range n / len(drafts) {
		must(t, f.Append(t.Context(), drafts...))
	}
}

// peak writes nothing and notes how much memory is in use meanwhile.
type peak struct {
	calls int
	bytes uint64
}

func (p *peak) Write(b []byte) (int, error) {
	if p.calls++; p.calls%100 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.bytes = max(p.bytes, m.HeapInuse+m.StackInuse)
	}
	return len(b), nil
}

func BenchmarkExport(b *testing.B) {
	const n = 100_000
	f := open(b)
	f.big(b, n)
	o := audit.ExportOptions{From: 1, To: n, Checkpoint: f.checkpoint(b)}
	var p peak
	for b.Loop() {
		if _, err := audit.Export(b.Context(), f, &p, o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(p.bytes)/(1<<20), "peak-MB")
}

func BenchmarkVerify(b *testing.B) {
	const n = 100_000
	f := open(b)
	f.big(b, n)
	text := f.export(b, 1, n, 0)
	b.ReportMetric(0, "ns/op")
	for b.Loop() {
		if _, err := audit.Verify(strings.NewReader(text), audit.VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(len(text))/n, "bytes/entry")
}

// TestVerifyTellsUnreadFromUntrue: a bundle that cannot be read to its end is not said to hold, and not to be false either.
func TestVerifyTellsUnreadFromUntrue(t *testing.T) {
	f := open(t)
	f.fill(t, 40, "a body")
	whole := f.export(t, 3, 38, 0)
	for _, n := range []int{0, 10, len(whole) / 2} {
		gone := errors.New("the medium is gone")
		_, err := audit.Verify(io.MultiReader(strings.NewReader(whole[:n]), iotest.ErrReader(gone)), audit.VerifyOptions{})
		var broken *audit.Broken
		if !errors.Is(err, gone) || errors.As(err, &broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
