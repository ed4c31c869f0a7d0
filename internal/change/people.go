package change

import (
	"fmt"
	"strings"
	"time"
)

// SameLabel says whether two label names are one label to GitHub, which folds their case.
func SameLabel(a, b string) bool { return strings.EqualFold(a, b) }

// Permission is what an account may do in a repository, in GitHub's order: each includes those before it.
type Permission int

// The permissions of a repository, weakest first. The zero value is none.
const (
	PermissionNone Permission = iota
	PermissionRead
	PermissionTriage
	PermissionWrite
	PermissionMaintain
	PermissionAdmin
)

var permissionNames = [...]string{"none", "read", "triage", "write", "maintain", "admin"}

// String returns GitHub's name of the permission.
func (p Permission) String() string {
	if p < 0 || int(p) >= len(permissionNames) {
		return fmt.Sprintf("Permission(%d)", int(p))
	}
	return permissionNames[p]
}

// ParsePermission returns the permission of GitHub's name (none, read, triage, write, maintain, admin).
func ParsePermission(name string) (Permission, error) {
	for i, n := range permissionNames {
		if n == name {
			return Permission(i), nil
		}
	}
	return PermissionNone, fmt.Errorf("unknown permission %q: use one of %s", name, strings.Join(permissionNames[1:], ", "))
}

// MarshalText writes GitHub's name.
func (p Permission) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads GitHub's name.
func (p *Permission) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePermission(string(text))
	return err
}

// Person is an account with what it may do in the repository at the time of the decision.
type Person struct {
	Account    Account    `json:"account"`
	Permission Permission `json:"permission"`
	ReadAt     time.Time  `json:"read_at,omitzero"`
	Problem    string     `json:"problem,omitempty"` // why it could not be read; then Permission means nothing
}

// Team is a team of the repository's organization, child teams' members included.
type Team struct {
	ID      TeamID    `json:"id,omitempty"`
	Slug    string    `json:"slug"`
	Members []Account `json:"members,omitempty"` // ordered by login
	// Partial says that the team has more members than were listed; then those who matter were looked up one by one, and
	// someone who is not in Members and not in Absent is simply not known.
	Partial bool        `json:"partial,omitempty"`
	Absent  []AccountID `json:"absent,omitempty"`
	ReadAt  time.Time   `json:"read_at,omitzero"`
	// Missing says that GitHub knows no such team (404): nobody is in it, and a role's fallback stands in.
	Missing bool   `json:"missing,omitempty"`
	Problem string `json:"problem,omitempty"` // why it could not be read; then Members means nothing
	// Replaced says that the slug is another team's than when it was first seen. Then Members means nothing either, and Problem says so.
	Replaced bool `json:"replaced,omitempty"`
}

// Has says whether the account is known to be a member. A team that is missing or could not be read has none.
func (t Team) Has(id AccountID) bool {
	if t.Problem != "" || t.Missing || id == 0 {
		return false
	}
	for _, m := range t.Members {
		if m.ID == id {
			return true
		}
	}
	return false
}
