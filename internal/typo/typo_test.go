package typo

import "testing"

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"refresh", "refresh", 0}, {"refresh", "refesh", 1}, {"refresh", "refrehs", 1}, {"refresh", "refrosh", 1},
		{"kitten", "sitting", 3}, {"über", "uber", 1}, {"ab", "ba", 1}, {"explain", "reject", 7},
	} {
		if got := Distance(row.a, row.b); got != row.want || Distance(row.b, row.a) != got {
			t.Errorf("from %q to %q it is %d, want %d", row.a, row.b, got, row.want)
		}
	}
}
