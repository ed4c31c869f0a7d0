// Package policy is a company's change policy: a YAML file that is parsed, checked and compiled into a Policy, and the pure
// function Decide that turns the facts of one pull request into a decision with its reasons.
//
// Nothing here reads, waits or logs, and there is no clock: the time is one of the facts. A Policy is immutable once it is
// parsed and may be used by many goroutines.
//
// A policy is used in three steps. Needs says what else must be known of the world (whose permission, which teams, whether the
// checks), the shell reads it into the facts and asks again until nothing is new, and Decide evaluates every rule and returns
// all that matched, all that is required, and the verdict. Whatever is missing from the facts counts against the change.
package policy

import (
	"regexp"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// Mode says whether a policy blocks or only watches.
type Mode string

// The modes. Observe reports the same verdict and concludes neutral, so that a team can watch before it blocks.
const (
	Enforce Mode = "enforce"
	Observe Mode = "observe"
)

// Policy is a policy file, checked and compiled. Lines are 1-based and refer to the file that Ref names.
type Policy struct {
	Ref        change.PolicyRef
	Floor      *Policy // the owner's policy, which is decided beside this one; nil: there is none, or this is it. See ParseBeside
	Mode       Mode
	Branches   []string // doublestar patterns of governed branches, besides the default branch
	Roles      map[string]*Role
	Emergency  *Emergency                    // nil: this policy knows no emergencies
	Categories map[change.Category]*Category // HighRisk, Normal and Standard, always all three
	Checks     []CheckRule                   // for every category but emergency
	Fields     []*Field                      // the record's sections and the policy's own fields, in the order of the file
	Security   *Security                     // nil: no security review
	Labels     LabelRule
	// Bots are the logins of bots that the policy trusts as authors and pushers ("dependabot[bot]"): they need no record in
	// standard, and no further approver.
	Bots []string
	// Suggestions says whether the co-author of an accepted suggestion is a contributor ("count", the default) or not ("allow").
	Suggestions string
	// DismissedBy names the role that may lift someone else's objection; empty: only the objector.
	DismissedBy  string
	Override     string // the role that may have a change pass business hours and freezes, with a reason; empty: nobody
	Deployments  string // "create", "record", "off", or empty: it does not say; see Release
	Commands     Commands
	Exceptions   Exceptions
	Environments []*Environment
	Freezes      []*Freeze
	Line         map[string]int // the line of each top-level key that is present
}

// Role is a set of people: anyone who is in one of the teams, is one of the users, or has at least the permission.
type Role struct {
	Name       string
	Teams      []string          // slugs in the repository's organization
	Users      []string          // logins
	Permission change.Permission // PermissionNone: not by permission
	// Fallback is the permission that stands in where none of Teams exists (404) and in a user's own repository; only the
	// built-in default uses it. A team that exists and cannot be read has no stand-in.
	Fallback change.Permission
	Bots     []string // bots that hold the role by name; bots hold it no other way
	Line     int
}

// Approvals asks for Count different people who hold Role.
type Approvals struct {
	Role  string
	Count int
	Line  int
}

// Category is what a category matches and what it asks for.
type Category struct {
	Category       change.Category
	When           []*Rule // any of them; empty for normal, which is what matches none
	Approvals      []Approvals
	SecurityReview bool        // always; otherwise if triggered
	Record         []string    // names of fields that must be there
	Checks         []CheckRule // besides the policy's
	Ships          string      // "automatically", "after-staging" or "by-hand"
	Monitor        time.Duration
	// Unattributed says what contributions by nobody known do: "block" or "warn".
	Unattributed string
	Line         int
}

// Rule is one condition of a category: all of what it names must hold. At least one is set.
type Rule struct {
	Paths        *Globs      // any file, either name; ignores case
	OnlyPaths    *Globs      // every file, both names; respects case; never symlinks or submodules
	Labels       []string    // any of them, with the authority that their effect needs
	ChangedLines *Comparison // additions and deletions together
	ChangedFiles *Comparison
	Authors      []string    // every commit and every pusher is one of these accounts
	BumpsOnly    bool        // dependency manifests change versions only: nothing is added
	Expression   *Expression // CEL
	// Unless takes the rule back where all that it names holds. Only OnlyPaths, Authors and BumpsOnly are set in it, because they
	// hold only if nothing is unknown: what could not be read takes nothing back.
	Unless  *Rule
	Because string
	Line    int
}

// Comparison is a number with an operator, as in "> 1500".
type Comparison struct {
	Op     string // one of > >= < <= = !=
	Number int
}

// Emergency is how an emergency is declared and what it owes.
type Emergency struct {
	Label      string
	DeclaredBy string // role
	Approvals  []Approvals
	Within     time.Duration // approvals and retrospective, from the declaration
	Announce   []string      // "slack:#channel"
	Record     []string      // fields that it must have all the same: its justification
	Checks     []CheckRule
	Line       int
}

// CheckRule is one required check (Name) or a set of checks of which none may fail (NoneFailing).
type CheckRule struct {
	Name        string   // literal: must exist and have succeeded, every run of it
	NoneFailing string   // doublestar pattern: a match must not be unfinished or failed
	App         string   // the slug of the App that must have posted it; empty: anyone
	Workflow    string   // the path of the workflow that must have posted it; empty: any
	Accept      []string // "skipped", "neutral": count as success; ordered, each once
	Line        int
}

// FieldType is the type of a record's field.
type FieldType string

// The types of a field. Text is the default; Tasks is prose whose task list must have no unchecked item.
const (
	FieldText   FieldType = "text"
	FieldChoice FieldType = "choice"
	FieldDate   FieldType = "date"
	FieldYesNo  FieldType = "yes/no"
	FieldList   FieldType = "list"
	FieldTasks  FieldType = "tasks"
)

// Field is a section of the change record.
type Field struct {
	Name       string   // "rollback"
	Title      string   // "Rollback plan", as messages call it
	Headings   []string // headings that introduce it, the first being the one that messages suggest
	Type       FieldType
	Of         []string // the values of a choice
	NA         bool     // "n/a" is an answer
	RequiredIn []change.Category
	Line       int
}

// Security is the security review.
type Security struct {
	Role     string
	Count    int        // 1 unless the policy says more
	Triggers []*Trigger // ordered by name
	// Unread are globs of lock and generated files for which an unreadable diff triggers nothing.
	Unread *Globs
	Line   int
	index  contentIndex // of the triggers' expressions
}

// Trigger is one reason for a security review.
type Trigger struct {
	Name            string
	Paths           *Globs           // ignores case
	Content         []*regexp.Regexp // on added and removed lines
	ContentIn       *Globs           // the files whose content is looked at; nil: all but those in Unread
	NewDependencies *Globs           // manifests in which a name that was not there before triggers
	Because         string
	Line            int
}

// LabelRule says who may lower risk by labels.
type LabelRule struct {
	LoweredBy string // role that may take off a risk label that another set, and lower the record's risk after an approval
	Line      int
}

// Environment is a place to deploy to, as one policy describes it. What it leaves out is empty here: Release says what holds.
type Environment struct {
	Name      string          // GitHub folds its case
	After     string          // the environment that a commit must have been in before; empty: none
	Hours     *calendar.Hours // nil: always
	Verify    release.Verify
	Release   []Approvals   // of each deployment
	Creators  []string      // logins whose deployments and statuses count, besides this App's; none: it does not say
	Watched   *bool         // nil: it does not say
	RollBack  string        // "automatically", "by-hand" or empty
	Queue     string        // "each", "newest" or empty
	Timeout   time.Duration // 0: it does not say
	Grace     time.Duration // the same
	Line      int
	HoursLine int
}

// Freeze is a time in which environments take no deployment, or branches no merge.
type Freeze struct {
	calendar.Freeze          // Zone is always set; From and Until that are dates are whole days there
	Environments    []string // those that take no deployment; none, without Merging: all
	Merging         bool
	Line            int
}
