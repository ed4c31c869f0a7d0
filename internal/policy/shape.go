package policy

// The types of this file are the policy file as it is written: Parse reads them, and the schema for editors is made of them.
// A key that is absent has no place.

type policyShape struct {
	at
	Version     number                  `key:"version" jsonschema:"required,enum=1" jsonschema_description:"The version of this format: 1."`
	Mode        text                    `key:"mode" jsonschema:"enum=enforce,enum=observe,default=enforce" jsonschema_description:"Whether the policy blocks (enforce) or reports the same verdict as neutral (observe)."`
	Branches    list[text]              `key:"branches" jsonschema_description:"Patterns of governed branches, besides the default branch."`
	Roles       names[roleShape]        `key:"roles" jsonschema_description:"Who may do what: a role is held by anyone who is in one of its teams, is one of its users, or has at least its permission."`
	Emergency   emergencyShape          `key:"emergency" jsonschema_description:"How an emergency is declared and what it owes. Without it there are no emergencies."`
	Categories  categoriesShape         `key:"categories" jsonschema_description:"What each kind of change is and what it needs. The riskiest that matches wins."`
	Checks      list[checkShape]        `key:"checks" jsonschema_description:"Automated tests that every category but emergency requires."`
	Record      names[fieldShape]       `key:"record" jsonschema_description:"Sections of the change record: changes to the known ones (description, risk, rollback, testing, security, justification, scheduled), and sections of your own."`
	Security    securityShape           `key:"security_review" jsonschema_description:"Who reviews security, and what asks for it besides a category."`
	Labels      labelsShape             `key:"labels" jsonschema_description:"Who may lower the risk of a change by labels."`
	Bots        list[text]              `key:"bots" jsonschema_description:"Logins of bots that are trusted as authors and pushers: they need no record in standard, and no further approver."`
	Suggestions text                    `key:"suggestions" jsonschema:"enum=count,enum=allow,default=count" jsonschema_description:"Whether the co-author of an accepted suggestion is a contributor (count) or may still approve (allow)."`
	Dismissals  dismissalsShape         `key:"dismissals" jsonschema_description:"Who may lift someone else's objection by dismissing it."`
	Override    text                    `key:"override" jsonschema_description:"The role that may have a change pass business hours and freezes, with a reason: /change override. Nobody unless said."`
	Commands    commandsShape           `key:"commands" jsonschema_description:"Who may give which command in a comment."`
	Exceptions  exceptionsShape         `key:"exceptions" jsonschema_description:"What is done about what went past the policy."`
	Deployments text                    `key:"deployments" jsonschema:"enum=create,enum=record,enum=off" jsonschema_description:"What is done about deployments: create them on GitHub when a change lands, record and gate those of your own automation (the default where environments are defined), or nothing."`
	Environment names[environmentShape] `key:"environments" jsonschema_description:"Where it is deployed, and when."`
	Freezes     list[freezeShape]       `key:"freezes" jsonschema_description:"Times without deployments or merges."`
}

type roleShape struct {
	at
	Teams      list[text] `key:"teams" jsonschema_description:"Slugs of teams in the repository's organization."`
	Users      list[text] `key:"users" jsonschema_description:"Logins of people."`
	Permission text       `key:"permission" jsonschema:"enum=read,enum=triage,enum=write,enum=maintain,enum=admin" jsonschema_description:"Anyone with at least this permission in the repository."`
	Fallback   text       `key:"fallback" jsonschema:"enum=write,enum=maintain,enum=admin" jsonschema_description:"The permission that stands in where none of the teams exists, as in a user's own repository."`
	Bots       list[text] `key:"bots" jsonschema_description:"Logins of bots that hold the role; bots hold it no other way."`
}

type approvalShape struct {
	at
	Role  text   `key:"role" jsonschema:"required" jsonschema_description:"A role."`
	Count number `key:"count" jsonschema:"minimum=1,maximum=20,default=1" jsonschema_description:"How many different people."`
}

type emergencyShape struct {
	at
	Label      text                `key:"label" jsonschema:"default=EMERGENCY" jsonschema_description:"The label that declares an emergency."`
	DeclaredBy text                `key:"declared_by" jsonschema:"required" jsonschema_description:"The role that may declare one."`
	Approvals  list[approvalShape] `key:"approvals" jsonschema_description:"Owed within the deadline, after the merge if need be. One reviewer unless said otherwise."`
	Within     text                `key:"within" jsonschema:"default=24h" jsonschema_description:"The deadline of approvals and retrospective, from the declaration: 24h, 2d."`
	Announce   list[text]          `key:"announce" jsonschema_description:"Where it is announced: \"slack:#engineering\"."`
	Record     list[text]          `key:"record" jsonschema_description:"Sections that it needs all the same. Its justification unless said otherwise."`
	Checks     list[checkShape]    `key:"checks" jsonschema_description:"Checks that even an emergency waits for."`
}

type categoriesShape struct {
	at
	HighRisk categoryShape `key:"high-risk" jsonschema_description:"Schema, infrastructure, major changes, the policy itself."`
	Normal   categoryShape `key:"normal" jsonschema_description:"What matches neither of the others."`
	Standard categoryShape `key:"standard" jsonschema_description:"Low-risk patterns that are approved in advance."`
}

type categoryShape struct {
	at
	When           whenShape           `key:"when" jsonschema_description:"What makes a change of this kind."`
	Approvals      list[approvalShape] `key:"approvals" jsonschema_description:"Who must approve, all of them different people."`
	SecurityReview text                `key:"security_review" jsonschema:"enum=always,enum=triggered" jsonschema_description:"Whether security always reviews, or only when a trigger asks for it."`
	Record         list[text]          `key:"record" jsonschema_description:"Sections of the change record that must be there."`
	Checks         list[checkShape]    `key:"checks" jsonschema_description:"Checks besides the policy's."`
	Ships          text                `key:"ships" jsonschema:"enum=automatically,enum=after-staging,enum=by-hand" jsonschema_description:"What starts the deployment to production."`
	Monitor        text                `key:"monitor" jsonschema_description:"How long it is watched after it shipped: 30m, 2h."`
	Unattributed   text                `key:"unattributed" jsonschema:"enum=block,enum=warn" jsonschema_description:"What a contribution by nobody known does."`
}

type whenShape struct {
	at
	Any list[ruleShape] `key:"any" jsonschema:"required" jsonschema_description:"Rules of which one must hold."`
}

type ruleShape struct {
	at
	Paths        list[text]  `key:"paths" jsonschema_description:"A changed file matches one of these patterns, by either name of a rename. Case is ignored."`
	OnlyPaths    list[text]  `key:"only_paths" jsonschema_description:"Every changed file matches one of these patterns. Case counts; symlinks and submodules never match."`
	Labels       list[text]  `key:"labels" jsonschema_description:"It carries one of these labels."`
	ChangedLines text        `key:"changed_lines" jsonschema:"pattern=^(>=|<=|!=|[<>=]) ?[0-9]+$" jsonschema_description:"Added and deleted lines together: \"> 1500\"."`
	ChangedFiles text        `key:"changed_files" jsonschema:"pattern=^(>=|<=|!=|[<>=]) ?[0-9]+$" jsonschema_description:"The number of changed files: \"> 100\"."`
	Authors      list[text]  `key:"authors" jsonschema_description:"Every commit and every push is by one of these accounts: \"dependabot[bot]\"."`
	BumpsOnly    boolean     `key:"bumps_only" jsonschema_description:"Dependency manifests change versions only: nothing is added."`
	Expression   text        `key:"expression" jsonschema_description:"A condition in CEL on the variable change: change.files.exists(f, f.path == \"go.mod\" && f.deletions > 20)."`
	Unless       unlessShape `key:"unless" jsonschema_description:"The rule does not hold where all of this holds."`
	Because      text        `key:"because" jsonschema_description:"The reason that people are shown."`
}

type unlessShape struct {
	at
	OnlyPaths list[text] `key:"only_paths" jsonschema_description:"Every changed file matches one of these patterns. Case counts; symlinks and submodules never match."`
	Authors   list[text] `key:"authors" jsonschema_description:"Every commit and every push is by one of these accounts."`
	BumpsOnly boolean    `key:"bumps_only" jsonschema_description:"Dependency manifests change versions only: nothing is added."`
}

type checkShape struct {
	at
	Name        text       `key:"name" jsonschema_description:"The check run or status that must have succeeded."`
	NoneFailing text       `key:"none_failing" jsonschema_description:"A pattern of checks of which none may be unfinished or failed."`
	App         text       `key:"app" jsonschema_description:"The slug of the App that must have posted it: github-actions."`
	Workflow    text       `key:"workflow" jsonschema_description:"The workflow that must have posted it: .github/workflows/ci.yml."`
	Accept      list[text] `key:"accept" jsonschema_description:"Conclusions that count as success besides success: skipped, neutral."`
}

type fieldShape struct {
	at
	Title      text       `key:"title" jsonschema_description:"What messages call the section: Rollback plan."`
	Headings   list[text] `key:"headings" jsonschema_description:"Headings that introduce the section, in any case and at any level. The first is the one that is suggested."`
	Type       text       `key:"type" jsonschema:"enum=text,enum=choice,enum=date,enum=yes/no,enum=list,enum=tasks" jsonschema_description:"What it holds; tasks is text whose task list must have no unchecked item."`
	Of         list[text] `key:"of" jsonschema_description:"The values of a choice."`
	NA         boolean    `key:"na" jsonschema_description:"Whether n/a is an answer."`
	RequiredIn list[text] `key:"required_in" jsonschema_description:"Categories that require it, besides those that list it in their record."`
}

type securityShape struct {
	at
	Role     text                `key:"role" jsonschema:"required" jsonschema_description:"The role that reviews."`
	Count    number              `key:"count" jsonschema:"minimum=1,maximum=20,default=1" jsonschema_description:"How many of them."`
	Triggers names[triggerShape] `key:"triggers" jsonschema_description:"What asks for a review, by a name that people are shown."`
	Unread   list[text]          `key:"unread" jsonschema_description:"Lock and generated files, whose contents are not looked at."`
}

type triggerShape struct {
	at
	Paths           list[text] `key:"paths" jsonschema_description:"A changed file matches one of these patterns, by either name of a rename. Case is ignored."`
	Content         list[text] `key:"content" jsonschema_description:"An added or removed line matches one of these regular expressions (RE2)."`
	ContentIn       list[text] `key:"content_in" jsonschema_description:"The files whose lines are looked at; all but those in unread unless said otherwise. What cannot be read counts wherever it is, but for files in unread."`
	NewDependencies list[text] `key:"new_dependencies" jsonschema_description:"Dependency manifests in which a name that was not there before asks for a review."`
	Because         text       `key:"because" jsonschema_description:"The reason that people are shown."`
}

type labelsShape struct {
	at
	LoweredBy text `key:"lowered_by" jsonschema:"required" jsonschema_description:"The role that may remove a label of risk that someone else added, and lower the record's risk after an approval."`
}

type dismissalsShape struct {
	at
	By text `key:"by" jsonschema:"required" jsonschema_description:"The role that may dismiss someone else's objection."`
}

type commandsShape struct {
	at
	Refresh  text `key:"refresh" jsonschema_description:"The role that may have everything looked at again: /change refresh. The author and anyone with write access unless said otherwise."`
	Reject   text `key:"reject" jsonschema_description:"The role that may reject a change: /change reject \"reason\". Anyone with maintain access unless said otherwise."`
	Explain  text `key:"explain" jsonschema_description:"The role that may explain what went past the policy: /change explain \"…\". Anyone with maintain access unless said otherwise."`
	Deploy   text `key:"deploy" jsonschema_description:"The role that may deploy, hold, start and cancel, and say that something was deployed: /change deploy production. Anyone with maintain access unless said otherwise."`
	Verify   text `key:"verify" jsonschema_description:"The role that may say that what was deployed works: /change verified, where the environment names no role of its own. Anyone with write access unless said otherwise."`
	Rollback text `key:"rollback" jsonschema_description:"The role that may roll back: /change rollback. Anyone with write access unless said otherwise."`
	Freeze   text `key:"freeze" jsonschema_description:"The role that may freeze an environment and thaw it: /change freeze. Anyone with maintain access unless said otherwise."`
}

type exceptionsShape struct {
	at
	Announce list[text] `key:"announce" jsonschema:"required" jsonschema_description:"Where it is announced: \"slack:#engineering\"."`
}

type environmentShape struct {
	at
	After    text                `key:"after" jsonschema_description:"The environment that the same commit must have been in before."`
	Hours    text                `key:"hours" jsonschema_description:"When it may be deployed to: \"Mon-Fri 09:00-16:00\", several with commas."`
	Timezone text                `key:"timezone" jsonschema:"default=UTC" jsonschema_description:"An IANA time zone: Europe/Berlin."`
	Holidays list[text]          `key:"holidays" jsonschema_description:"Days on which it is closed: 2026-12-25."`
	Verify   verifyShape         `key:"verify" jsonschema_description:"What must be true of a deployment before its commit goes further."`
	Release  list[approvalShape] `key:"release" jsonschema_description:"Who must accept each deployment, all of them different people: /change accept production."`
	Creators list[text]          `key:"creators" jsonschema_description:"Logins whose deployments and statuses count besides this App's. GitHub Actions unless said otherwise: \"github-actions[bot]\"."`
	Watched  boolean             `key:"watched" jsonschema_description:"Whether what was deployed is watched until somebody says that it works. Unless said otherwise where nothing comes after it and it comes after another, or is the only one."`
	Rollback text                `key:"rollback" jsonschema:"enum=automatically,enum=by-hand" jsonschema_description:"Whether what failed is rolled back by itself. Automatically, unless said otherwise, where it is watched and deployments are created."`
	Queue    text                `key:"queue" jsonschema:"enum=each,enum=newest,default=each" jsonschema_description:"Whether each change is deployed by itself, or the newest with all that waited."`
	Timeout  text                `key:"timeout" jsonschema:"default=2h" jsonschema_description:"When a deployment that nothing was heard of has failed: 30m, 2h."`
	Grace    text                `key:"grace" jsonschema:"default=2h" jsonschema_description:"How long after the watch it is an exception that nobody said that it works: 2h."`
}

type verifyShape struct {
	at
	Checks list[verifyCheckShape] `key:"checks" jsonschema_description:"Checks that must succeed on the commit after it was deployed."`
	Role   text                   `key:"role" jsonschema_description:"The role of which somebody must say that it works: /change verified."`
}

type verifyCheckShape struct {
	at
	Name text `key:"name" jsonschema:"required" jsonschema_description:"The check run or status that must have succeeded."`
	App  text `key:"app" jsonschema_description:"The slug of the App that must have posted it: github-actions."`
}

type freezeShape struct {
	at
	Name         text       `key:"name" jsonschema:"required" jsonschema_description:"What people are shown."`
	From         text       `key:"from" jsonschema_description:"The first day, or a time: 2026-12-18, 2026-12-18 17:00."`
	Until        text       `key:"until" jsonschema_description:"The last day, which is frozen too, or the time it ends."`
	Every        text       `key:"every" jsonschema_description:"An RFC 5545 rule, daily or coarser: RRULE:FREQ=MONTHLY;BYMONTHDAY=-1."`
	Lasts        text       `key:"lasts" jsonschema_description:"How long each occurrence lasts, from midnight or the time that the rule names: 24h, 2d."`
	Timezone     text       `key:"timezone" jsonschema:"default=UTC" jsonschema_description:"An IANA time zone: Europe/Berlin."`
	Environments list[text] `key:"environments" jsonschema_description:"The environments that take no deployment; all of them if neither these nor merging are given."`
	Merging      boolean    `key:"merging" jsonschema_description:"Whether merging is frozen too. Emergencies pass."`
}
