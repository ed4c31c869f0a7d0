package record

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var fields = []Field{
	{Name: "description", Headings: []string{"Description", "What and why"}},
	{Name: "risk", Headings: []string{"Risk assessment", "Risk", "Risk level"}, Type: Choice, Of: []string{"low", "medium", "high"}},
	{Name: "rollback", Headings: []string{"Rollback plan", "Rollback", "Back-out plan"}},
	{Name: "testing", Headings: []string{"Testing performed", "Testing"}, Type: Tasks},
	{Name: "security", Headings: []string{"Security considerations", "Security"}, NA: true},
	{Name: "undo", Headings: []string{"(1) Undo steps", "Re\u0301versibilite\u0301"}},
	{Name: "window", Headings: []string{"Window"}, Type: Date},
	{Name: "customers", Headings: []string{"Customers told"}, Type: YesNo},
	{Name: "systems", Headings: []string{"Systems"}, Type: List},
	{Name: "downtime", Headings: []string{"Downtime"}, Type: Choice, Of: []string{"none", "minutes", "hours"}},
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name string
		body string
		want Value // of the field that it names; Text is compared only where it is given
	}{
		{"no description", "", Value{Field: "rollback", State: Absent}},
		{"a section", "## Rollback plan\n\nRevert the commit.", Value{Field: "rollback", State: Present, Text: "Revert the commit."}},
		{"any level", "###### rollback\nRevert.", Value{Field: "rollback", State: Present}},
		{"a synonym, numbered, with a colon", "## 2. Back-out plan:\nRevert.", Value{Field: "rollback", State: Present}},
		{"emoji and case", "## 🔙 ROLLBACK  Plan ⏪\nRevert.", Value{Field: "rollback", State: Present}},
		{"emoji by their names", "## :rewind: Rollback plan :warning:\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"several of them", "## :rewind: :warning: Rollback plan\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"one without a space", "## :rewind:Rollback plan\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"a line in bold with such names", "**:rewind: Rollback plan:** revert.", Value{Field: "rollback", State: Present, Text: "revert."}},
		{"emoji shown in color", "## ↩️ Rollback plan ⚠️\nRevert.", Value{Field: "rollback", State: Present}},
		{"a line in bold with such emoji", "**⚠️ Rollback plan:** revert.", Value{Field: "rollback", State: Present, Text: "revert."}},
		{"a keycap as its number", "## 1️⃣ Rollback plan\nRevert.", Value{Field: "rollback", State: Present}},
		{"an accent that is a mark of its own", "## Re\u0301versibilite\u0301\nRevert.", Value{Field: "undo", State: Present}},
		{"a number in brackets", "## (3) Undo steps\nRevert.", Value{Field: "undo", State: Present}},
		{"emphasis in the heading", "## **Rollback** plan\nRevert.", Value{Field: "rollback", State: Present}},
		{"a remark in the heading", "## Rollback plan (required)\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"a remark within a heading", "## Rollback plan (if any) and notes\n", Value{Field: "rollback", State: Empty}},
		{"a remark in other brackets", "## Rollback plan [required]\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"a heading that links", "## [Rollback plan](https://example.com/how)\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"a heading underlined", "Rollback plan\n---\n\nRevert.", Value{Field: "rollback", State: Present}},
		{"carriage returns", "## Rollback plan\r\n\r\nRevert.\r\n\r\n## Risk\r\nlow", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"old Macs' line ends", "## Description\rx\r## Rollback plan\rRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"no space after the hashes is no heading", "##Rollback plan\nRevert.", Value{Field: "rollback", State: Absent}},
		{"another word in the heading", "## Rollback planning committee\nRevert.", Value{Field: "rollback", State: Absent}},
		{"a line in bold", "**Rollback plan**:\nRevert.", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"a line in bold, the colon inside", "**Rollback plan:** revert.", Value{Field: "rollback", State: Present, Text: "revert."}},
		{"lines in bold in one paragraph", "**Risk:** low\n**Rollback plan:** revert.\n**Testing:** by hand", Value{Field: "rollback", State: Present, Text: "revert."}},
		{"a record as a list", "- **Risk:** low\n- **Rollback plan:** revert.\n", Value{Field: "rollback", State: Present, Text: "revert."}},
		{"a heading in a list's item under a heading is prose", "## Description\n- **Rollback plan:** later\n", Value{Field: "rollback", State: Absent}},
		{"subheadings belong to the section", "## Rollback plan\n### Database\nDown migration.\n## Other\nx", Value{Field: "rollback", State: Present, Text: "Down migration."}},
		{"the next heading ends it", "## Rollback plan\n\n## Notes\nRevert.", Value{Field: "rollback", State: Empty}},
		{"a field inside another's section ends it", "# Rollback plan\n## Testing\nby hand", Value{Field: "rollback", State: Empty}},
		{"subheadings alone say nothing", "## Rollback plan\n### Database\n### Code\n", Value{Field: "rollback", State: Empty}},
		{"a hash in code is no heading", "## Rollback plan\n```sh\n# Testing\nrails db:rollback\n```\n", Value{Field: "rollback", State: Present, Text: "# Testing rails db:rollback"}},
		{"a hash in code starts no section", "```\n## Rollback plan\nRevert.\n```\n", Value{Field: "rollback", State: Absent}},
		{"a heading in a comment", "<!--\n## Rollback plan\nRevert.\n-->\n", Value{Field: "rollback", State: Absent}},
		{"a heading in a quotation", "> ## Rollback plan\n> Revert.\n", Value{Field: "rollback", State: Absent}},
		{"twice, one of them filled", "## Rollback\nTBD\n## Rollback\nRevert.", Value{Field: "rollback", State: Present}},
		{"a table counts as an answer", "## Rollback\n| step | who |\n|---|---|\n| revert | me |", Value{Field: "rollback", State: Present}},
		{"so does a picture", "## Rollback\n<img width=\"960\" alt=\"the runbook\" src=\"https://github.com/user-attachments/assets/1\" />\n", Value{Field: "rollback", State: Present}},
		{"behind a fold", "## Rollback\n<details><summary>Plan</summary>\n\nRevert.\n\n</details>", Value{Field: "rollback", State: Present, Text: "Plan Revert."}},

		{"nothing", "## Rollback plan\n", Value{Field: "rollback", State: Empty}},
		{"a comment", "## Rollback plan\n<!-- How do we go back? -->\n", Value{Field: "rollback", State: Empty}},
		{"a comment of many lines", "## Rollback plan\n<!--\nHow do we\n\ngo back?\n-->\n", Value{Field: "rollback", State: Empty}},
		{"a comment in a line", "## Rollback plan\nTBD <!-- revert -->\n", Value{Field: "rollback", State: Empty}},
		{"an answer after a comment", "## Rollback plan\n<!-- How? --> Revert.\n", Value{Field: "rollback", State: Present, Text: "Revert."}},
		{"to be done", "## Rollback plan\nTBD.\n", Value{Field: "rollback", State: Empty}},
		{"dots", "## Rollback plan\n...\n", Value{Field: "rollback", State: Empty}},
		{"an ellipsis", "## Rollback plan\n…\n", Value{Field: "rollback", State: Empty}},
		{"a rule", "## Rollback plan\n\n---\n", Value{Field: "rollback", State: Empty}},
		{"a prompt in italics", "## Rollback plan\n_Describe how to undo this._\n", Value{Field: "rollback", State: Empty}},
		{"a prompt in stars", "## Rollback plan\n*What happens if it fails?*\n", Value{Field: "rollback", State: Empty}},
		{"a prompt in brackets", "## Rollback plan\n[describe the steps]\n", Value{Field: "rollback", State: Empty}},
		{"a prompt in plain words", "## Rollback plan\nPlease describe the rollback plan.\n", Value{Field: "rollback", State: Empty}},
		{"a prompt of several sentences", "## Rollback plan\nPlease include a summary of the changes and the related issue. Please also include relevant motivation and context. " +
			"List any dependencies that are required for this change.\n\nFixes # (issue)\n", Value{Field: "rollback", State: Empty}},
		{"an issue that is not named", "## Rollback plan\nCloses #\n", Value{Field: "rollback", State: Empty}},
		{"an issue that is named", "## Rollback plan\nCloses #12\n", Value{Field: "rollback", State: Present}},
		{"a request and what is done", "## Rollback plan\nPlease revert the commit. The migration is undone by itself.\n", Value{Field: "rollback", State: Present}},
		{"a request and a condition", "## Rollback plan\nPlease revert the commit. If the migration ran, run the one that undoes it.\n", Value{Field: "rollback", State: Present}},
		{"what is done, in words of a prompt", "## Description\nExplain why a login failed. Add the reason to the audit log.\n", Value{Field: "description", State: Present}},
		{"a long request", "## Rollback plan\nPlease roll back with the runbook in the wiki, which says how to take the traffic off the new pool and restore the old one from its " +
			"image and how to switch the name back once its health checks pass again\n", Value{Field: "rollback", State: Present}},
		{"a long prompt", "## Rollback plan\nPlease describe in detail how this change can be undone in production, including the steps for the database, those for the caches and " +
			"queues, and who has to be told before and after they are taken\n", Value{Field: "rollback", State: Empty}},
		{"an answer in italics", "## Rollback plan\n_Revert the commit._\n", Value{Field: "rollback", State: Present}},
		{"an empty list", "## Rollback plan\n-\n-\n", Value{Field: "rollback", State: Empty}},

		{"n/a", "## Rollback plan\nn/a\n", Value{Field: "rollback", State: Empty}},
		{"n/a in words", "## Rollback plan\n**Not applicable.**\n", Value{Field: "rollback", State: Empty}},
		{"none", "## Rollback plan\nNone\n", Value{Field: "rollback", State: Empty}},
		{"n/a with a reason", "## Rollback plan\nn/a: nothing runs this yet\n", Value{Field: "rollback", State: Present}},
		{"n/a where it is an answer", "## Security\nN/A\n", Value{Field: "security", State: NotApplicable}},
		{"nothing where n/a is an answer", "## Security\nTBD\n", Value{Field: "security", State: Empty}},

		{"a risk", "## Risk\nmedium", Value{Field: "risk", State: Present, Value: "medium", Said: []string{"medium"}}},
		{"a risk with a reason", "## Risk\n**High** – because low and medium are for others", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk in the heading", "## Risk: Low\n", Value{Field: "risk", State: Present, Value: "low", Said: []string{"low"}}},
		{"a risk with its name", "**Risk:** 🔴 HIGH", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk in a line of its own", "Adds a button.\n\nRisk: high\n", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk in a short sentence", "## Risk\nThis is low risk.", Value{Field: "risk", State: Present, Value: "low", Said: []string{"low"}}},
		{"a risk denied", "## Risk\nThis is not low.", Value{Field: "risk", State: Invalid}},
		{"a template's risks", "## Risk\nLow / Medium / High", Value{Field: "risk", State: Invalid, Said: []string{"low", "medium", "high"}}},
		{"a template's risks with or", "## Risk\nlow, medium or high", Value{Field: "risk", State: Invalid, Said: []string{"low", "medium", "high"}}},
		{"a template's risks, one a line", "## Risk\n- low\n- medium\n- high\n", Value{Field: "risk", State: Invalid, Said: []string{"low", "medium", "high"}}},
		{"a template's risks, each explained", "## Risk\n_Choose one_\n\n- **Low**: nobody notices\n- **Medium** (some do)\n- **High** – all do\n", Value{Field: "risk", State: Invalid, Said: []string{"low", "medium", "high"}}},
		{"a risk over a template's", "## Risk\nMedium\n\n- Low: nobody notices\n- Medium: some do\n- High: all do\n", Value{Field: "risk", State: Present, Value: "medium", Said: []string{"medium"}}},
		{"a risk and what it is made of", "## Risk\n- Medium\n- low likelihood\n- high impact\n", Value{Field: "risk", State: Present, Value: "medium", Said: []string{"medium"}}},
		{"a risk and what it is made of, in words of two", "## Risk\nMedium\n- low-likelihood failure\n- high-impact if it happens\n", Value{Field: "risk", State: Present, Value: "medium", Said: []string{"medium"}}},
		{"a template's risks with the word", "## Risk\n- Low risk\n- Medium risk\n- High risk\n", Value{Field: "risk", State: Invalid, Said: []string{"low", "medium", "high"}}},
		{"a template's risks, one of them marked", "## Risk\n- Low, no impact\n- Medium\n- High ✅\n", Value{Field: "risk", State: Invalid, Said: []string{"low", "medium", "high"}}},
		{"a risk under a picture", "## Risk\n<img src=\"https://example.com/matrix.png\">\n\nlow\n", Value{Field: "risk", State: Present, Value: "low", Said: []string{"low"}}},
		{"a risk in the heading, after a remark", "## Risk (required): high\n", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk in the heading, after a remark in other brackets", "## Risk [low, medium or high] - high\n", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"risks that disagree", "## Risk\nlow\n## Risk assessment\nhigh", Value{Field: "risk", State: Invalid, Said: []string{"low", "high"}}},
		{"a risk checked", "## Risk\n- [ ] Low\n- [x] Medium\n- [ ] High", Value{Field: "risk", State: Present, Value: "medium", Said: []string{"medium"}}},
		{"no risk checked", "## Risk\n- [ ] Low\n- [ ] Medium\n- [ ] High", Value{Field: "risk", State: Empty}},
		{"two risks checked", "## Risk\n- [x] Low\n- [X] High", Value{Field: "risk", State: Invalid, Said: []string{"low", "high"}}},
		{"a risk in the heading, and a box that names another", "## Risk: High\n- [x] Low-traffic window agreed", Value{Field: "risk", State: Invalid, Said: []string{"low", "high"}}},
		{"a risk, and a box that names none", "## Risk\nHigh\n- [x] reviewed with the DBA", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk after such a box", "## Risk\n- [x] reviewed with the DBA\n\nHigh", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk as an item beside such a box", "## Risk\n- High\n- [x] reviewed with the DBA", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk checked, with a reason", "## Risk\n- [ ] Low\n- [x] Medium\n  - low traffic\n- [ ] High\n\nIt changes how orders are found.", Value{Field: "risk", State: Present, Value: "medium", Said: []string{"medium"}}},
		{"a prompt over a risk checked", "## Risk\nLow, medium or high:\n- [x] Low\n- [ ] Medium\n- [ ] High", Value{Field: "risk", State: Present, Value: "low", Said: []string{"low"}}},
		{"a prompt over no risk checked", "## Risk (low / medium / high)\n_Choose one_: low, medium, high\n- [ ] Low\n- [ ] High", Value{Field: "risk", State: Empty}},
		{"a section in an item with a box", "- [x] done\n\n  **Risk:** high", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a range", "## Risk\nmedium-high", Value{Field: "risk", State: Invalid, Said: []string{"medium", "high"}}},
		{"a range with another dash", "## Risk\nMedium – high, as it is big", Value{Field: "risk", State: Invalid, Said: []string{"medium", "high"}}},
		{"a range in words", "## Risk\n**Medium** to high", Value{Field: "risk", State: Invalid, Said: []string{"medium", "high"}}},
		{"two risks for two things", "## Risk\nlow and high", Value{Field: "risk", State: Invalid, Said: []string{"low", "high"}}},
		{"a risk said twice", "## Risk\nhigh/high", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"a risk and what is done about it", "## Risk\nHigh-risk: to be watched, and announced", Value{Field: "risk", State: Present, Value: "high", Said: []string{"high"}}},
		{"no known risk", "## Risk\nnegligible", Value{Field: "risk", State: Invalid}},
		{"a value that starts another word", "## Risk\nlowish", Value{Field: "risk", State: Invalid}},
		{"none as a value", "## Downtime\nnone", Value{Field: "downtime", State: Present, Value: "none", Said: []string{"none"}}},

		{"tests done", "## Testing\n- [x] unit\n- [x] staging", Value{Field: "testing", State: Present}},
		{"a test to do", "## Testing\n- [x] unit\n- [ ] on **staging**\n  - [ ] twice", Value{Field: "testing", State: Unchecked, Unchecked: []string{"on staging", "twice"}}},
		{"tests in prose", "## Testing\nBy hand.", Value{Field: "testing", State: Present}},
		{"a box in code", "## Testing\n```\n- [ ] no\n```", Value{Field: "testing", State: Present}},

		{"a day", "## Window\n2026-02-28 at noon", Value{Field: "window", State: Present, Value: "2026-02-28"}},
		{"no such day", "## Window\n2026-02-30", Value{Field: "window", State: Invalid}},
		{"yes", "## Customers told\nYes, on Monday", Value{Field: "customers", State: Present, Value: "yes", Said: []string{"yes"}}},
		{"perhaps", "## Customers told\nperhaps", Value{Field: "customers", State: Invalid}},
		{"a list", "## Systems\n- billing\n- *search*\n", Value{Field: "systems", State: Present, Items: []string{"billing", "search"}}},
		{"no list", "## Systems\nbilling", Value{Field: "systems", State: Invalid}},
		{"a list of nothing", "## Systems\n- TBD\n", Value{Field: "systems", State: Empty}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Parse(test.body, fields).Get(test.want.Field)
			if test.want.Text == "" {
				got.Text = ""
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%q (-want +got):\n%s", test.body, diff)
			}
		})
	}
}

func TestTextIsCutAtWholeCharacters(t *testing.T) {
	for n := range 8 {
		got := Parse("## Rollback\n"+strings.Repeat("x", n)+strings.Repeat("é€😀 ", 100), fields).Get("rollback").Text
		if len(got) > MaxText || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("text of %d bytes: %q", len(got), got)
		}
	}
}

// A description whose nesting is as deep as GitHub's limit allows must not be worse than one that is as long.
func TestDeepNestingEnds(t *testing.T) {
	const n = 65_000
	for _, body := range []string{
		strings.Repeat(">", n),
		strings.Repeat(">", n/2) + strings.Repeat("\na", n/4),
		strings.Repeat("- ", n/2),
		strings.Repeat("1. ", n/3),
		strings.Repeat("<!--", n/4),
		strings.Repeat("**Risk:**\n", n/10),
		strings.Repeat("# Risk\n", n/7),
		strings.Repeat("`", n),
		strings.Repeat("[ ]", n/3),
		"## Rollback\n" + strings.Repeat("(", n/2) + strings.Repeat(")", n/2),
	} {
		Parse(body, fields)
	}
}

func check(t interface{ Fatalf(string, ...any) }, body string) {
	record := Parse(body, fields)
	if len(record) != len(fields) {
		t.Fatalf("%d values for %d fields", len(record), len(fields))
	}
	for i, v := range record {
		f := fields[i]
		switch {
		case v.Field != f.Name:
			t.Fatalf("value %d is of %q, want %q", i, v.Field, f.Name)
		case len(v.Text) > MaxText || !utf8.ValidString(v.Text):
			t.Fatalf("%s: text %q", f.Name, v.Text)
		case strings.ContainsAny(v.Text, "\r\n"):
			t.Fatalf("%s: text %q has lines", f.Name, v.Text)
		case v.State == Present && f.Type == Choice && (len(v.Said) != 1 || v.Value != v.Said[0]):
			t.Fatalf("%s: present with %q said", f.Name, v.Said)
		case v.State == Unchecked && len(v.Unchecked) == 0:
			t.Fatalf("%s: unchecked without an item", f.Name)
		case v.State == NotApplicable && !f.NA:
			t.Fatalf("%s: n/a, which is no answer to it", f.Name)
		case v.State == Absent && (v.Text != "" || len(v.Said) > 0):
			t.Fatalf("%s: absent and says %q", f.Name, v.Text)
		}
	}
	if diff := cmp.Diff(record, Parse(body, fields)); diff != "" {
		t.Fatalf("read twice:\n%s", diff)
	}
}

// Whatever stands around it, a comment answers nothing.
func TestCommentsNeverAnswer(t *testing.T) {
	line := rapid.SampledFrom([]string{"", "text", "- item", "- [x] done", "# Risk", "high", "> quoted", "```", "a: b"})
	rapid.Check(t, func(t *rapid.T) {
		hidden := strings.Join(rapid.SliceOfN(line, 0, 8).Draw(t, "hidden"), "\n")
		v := Parse("## Rollback plan\n\n<!--\n"+hidden+"\n-->\n\n## Notes\nx", fields).Get("rollback")
		if v.State != Empty {
			t.Fatalf("%q answers: %+v", hidden, v)
		}
	})
}

func TestHasKey(t *testing.T) {
	word := rapid.StringOf(rapid.SampledFrom([]rune("aB1 -'’éß.ǅ😀")))
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := hasKey(a, Key(b)), Key(a) == Key(b); got != want {
			t.Fatalf("%q has the key of %q: %v, want %v", a, b, got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(realistic)
	f.Add("## Risk: **High**\r\n\r\n- [ ] a\r\n<!-- x --> y")
	f.Add("Risk\n===\n> - 1. `code`\n\n    indented\n\t~~~\n")
	f.Add("**Rollback plan**:\n<details>\n<summary>a</summary>\n\n|a|\n|-|\n</details>")
	f.Fuzz(func(t *testing.T, body string) { check(t, body) })
}

const realistic = `## Description

Adds an index to the orders table, because the nightly report takes forty minutes and locks out the warehouse.
Customers see "try again" in that time.

## Risk assessment

Medium: the index is built concurrently, but the table is the biggest that we have.

## Rollback plan

Run the down migration, which drops the index. Nothing else depends on it.

1. rails db:rollback
2. watch the dashboard

## Testing

- [x] unit tests
- [x] ran on a copy of production (12 minutes)
- [x] report takes 40 seconds

## Security considerations

None: no new data is read and no permission changes.

<!-- thanks for filling this in -->
`

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Parse(realistic, fields[:5])
	}
}
