package worldtest

import (
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

// FullRecord is the description of a pull request whose script says nothing of one: all that any category asks for.
const FullRecord = `## Description

The checkout loses a cart when two tabs are open. This keeps it.

## Justification

Customers lost what they had chosen; support hears of it every day.

## Risk

low

## Rollback

Revert the commit and deploy again; nothing is stored in a new form.

## Testing

Unit tests, and by hand on staging with two tabs.

- [x] unit tests
- [x] by hand

## Security

Nothing that an attacker could reach changes.
`

// Signature reads a login, or "Name <address>".
func Signature(who string) *githubsim.Signature {
	if name, address, ok := strings.Cut(who, " <"); ok {
		return &githubsim.Signature{Name: name, Email: strings.TrimSuffix(address, ">")}
	}
	return &githubsim.Signature{Name: who, Email: who + "@example.com"}
}

// OwnPolicy is a policy with two people for what is normal, and four for what is risky.
const OwnPolicy = `version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads]}
  security:  {teams: [security]}
  incident:  {teams: [on-call]}
emergency:
  label: EMERGENCY
  declared_by: incident
  approvals: [{role: reviewer, count: 1}]
  within: 24h
categories:
  high-risk:
    when: {any: [{paths: ["**/migrations/**"]}, {labels: [high-risk]}]}
    approvals: [{role: reviewer, count: 2}, {role: tech-lead, count: 1}]
    security_review: always
  normal:
    approvals: [{role: reviewer, count: 2}]
security_review:
  role: security
  triggers:
    authentication: {paths: ["**/auth/**"]}
`
