package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/ledger"
)

func TestCanonical(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"members in order", `{"b":1,"a":{"d":2,"c":3}}`, `{"a":{"c":3,"d":2},"b":1}`},
		{"members in the order of their code units", `{"é":1,"\ue000":2,"𝄞":3,"z":4,"Z":5,"":6}`, `{"":6,"Z":5,"z":4,"é":1,"𝄞":3,"` + "\ue000" + `":2}`},
		{"no white space", " [ 1 ,\n2 ]\t", `[1,2]`},
		{"characters as they are", `"<a href='x'>& \u00e9 ☃ \ud834\udd1e \/"`, `"<a href='x'>& é ☃ 𝄞 /"`},
		{"escapes", `"\u0022 \u005c \u0008 \u000c \u000a \u000d \u0009 \u0000 \u001F \u2028 \u2029"`, `"\" \\ \b \f \n \r \t \u0000 \u001f \u2028 \u2029"`},
		{"half a surrogate pair", `"\ud834"`, `"` + "\uFFFD" + `"`},
		{"numbers as written", `[0,-1,12345678901234567890,1.5]`, `[0,-1,12345678901234567890,1.5]`},
		{"nothing", `null`, `null`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ledger.Canonical(json.RawMessage(row.in))
			if err != nil || string(got) != row.want {
				t.Errorf("got %s, %v, want %s", got, err, row.want)
			}
		})
	}
	for what, v := range map[string]any{
		"a function": func() {}, "a member that is there twice": json.RawMessage(`{"a":1,"a":2}`), "two values": json.RawMessage(`1 2`),
	} {
		if text, err := ledger.Canonical(v); err == nil {
			t.Errorf("%s has a canonical form: %s", what, text)
		}
	}
}

func TestCanonicalIsOneForm(t *testing.T) {
	leaf := rapid.OneOf(rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil))
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{
			"leaf": leaf.Draw(t, "leaf"),
			"list": rapid.SliceOf(leaf).Draw(t, "list"),
			"map":  rapid.MapOf(rapid.String(), leaf).Draw(t, "map"),
		}
		once, err := ledger.Canonical(v)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := ledger.Canonical(json.RawMessage(once))
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%s becomes %s, %v", once, twice, err)
		}
		indented, err := json.MarshalIndent(v, " ", "  ")
		if err != nil {
			t.Fatal(err)
		}
		again, err := ledger.Canonical(json.RawMessage(indented))
		if err != nil || string(once) != string(again) {
			t.Fatalf("%s written otherwise becomes %s, %v", once, again, err)
		}
	})
}

// A record that was written once must be read for ever, with the hash that it had.
func TestOldRecordsAreRead(t *testing.T) {
	const record = `{"at":"2026-01-05T09:00:00.000001Z","body":{"verdict":"waiting"},"kind":"decision changed","number":3,"repository":7,"seq":1,"sha":"abc"}`
	const hash = "OcgUs+tTq9Lk62yQduDcL6iH/QWvBbLLcmHRRG4Dou4="
	e, err := ledger.Read([]byte(record), hash)
	if err != nil {
		t.Fatal(err)
	}
	if e.Seq != 1 || e.Kind != ledger.DecisionChanged || e.Subject != (ledger.Subject{Repository: 7, Number: 3, SHA: "abc"}) ||
		string(e.Body) != `{"verdict":"waiting"}` || e.At.UnixMicro() != 1767603600000001 {
		t.Errorf("read as %+v", e)
	}
}

func TestAlteredRecordsAreNotRead(t *testing.T) {
	const record = `{"at":"2026-01-05T09:00:00Z","body":"waiting","kind":"decision changed","number":3,"repository":7,"seq":1,"sha":"abc"}`
	hash := tlog.RecordHash([]byte(record)).String()
	for _, member := range []string{"2026", "waiting", "changed", "3", "7", "1", "abc"} {
		i := strings.LastIndex(record, member)
		altered := []byte(record)
		altered[i]++
		if _, err := ledger.Read(altered, hash); err == nil {
			t.Errorf("%s was read", altered)
		}
	}
	if _, err := ledger.Read([]byte("not JSON"), hash); err == nil {
		t.Error("what is no record was read")
	}
}
