package github

import (
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// coAuthors reads the Co-authored-by trailers of a commit message: those in its last paragraph, whatever their case, with lines that
// begin with a space continuing the one before. Git asks that most of the paragraph be trailers; here one line is enough, because
// someone named too many is asked for another approval, and someone left out would approve their own work.
func coAuthors(message string) []change.Signature {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(strings.ReplaceAll(message, "\r\n", "\n"))) {
		line = strings.TrimRight(line, " \t\n")
		switch {
		case line == "":
			lines = lines[:0]
		case len(lines) > 0 && (line[0] == ' ' || line[0] == '\t'):
			lines[len(lines)-1] += " " + strings.TrimLeft(line, " \t")
		default:
			lines = append(lines, line)
		}
	}
	var found []change.Signature
	for _, line := range lines {
		token, value, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(strings.TrimSpace(token), "co-authored-by") {
			continue
		}
		if sig := parseSignature(value); sig != (change.Signature{}) {
			found = append(found, sig)
		}
	}
	return found
}

// parseSignature reads "Name <address>". Without an address all of it is the name.
func parseSignature(s string) change.Signature {
	s = strings.TrimSpace(s)
	open, end := strings.LastIndexByte(s, '<'), strings.LastIndexByte(s, '>')
	if open < 0 || end < open {
		return change.Signature{Name: s}
	}
	return change.Signature{Name: strings.TrimSpace(s[:open]), Email: strings.TrimSpace(s[open+1 : end])}
}

// noreplyAccount reads an address that GitHub gave: ID+LOGIN@users.noreply.HOST names the account, and LOGIN@users.noreply.HOST, as
// given until 2017, the login alone. For any other address both are empty. What stands in for GitHub on this host may give those of GitHub.com.
func (g *GitHub) noreplyAccount(email string) (a change.Account, login string) {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || !slices.ContainsFunc(g.noreply, func(d string) bool { return strings.EqualFold(domain, d) }) || local == "" {
		return change.Account{}, ""
	}
	number, login, ok := strings.Cut(local, "+")
	if !ok {
		return change.Account{}, local
	}
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id <= 0 || login == "" {
		return change.Account{}, ""
	}
	a = change.Account{ID: change.AccountID(id), Login: login, Kind: change.KindUser}
	if strings.HasSuffix(login, "[bot]") {
		a.Kind = change.KindBot
	}
	return a, login
}
