package change

// Group is a merge queue's group with all that its decision rests on.
type Group struct {
	MergeGroup
	// Members are the pull requests in it, in the order of the queue. MembersKnown says that GitHub listed them; if not, there may be
	// others than the one that the group is named after.
	Members      []GroupMember
	MembersKnown bool
	// Ahead is what was decided of the group that this one was built on; Satisfied where it was built on the branch itself.
	Ahead Verdict
	// Content is what the group would change: its head against the commit that it was built on. ModesKnown says that all the modes were
	// read, of these files and of the members', as far as this GitHub shows modes.
	Content    Seen
	ModesKnown bool
}

// GroupMember is a pull request in a merge group.
type GroupMember struct {
	Number   Number
	Queued   SHA      // the head that the queue took; empty: not known
	Decision Decision // as of now, the strictest on its head
	Files    []File   // that it changes, as it was decided
}

// GroupDecision is the answer to "may this group merge?".
type GroupDecision struct {
	Group     MergeGroup      `json:"group"`
	Verdict   Verdict         `json:"verdict"`
	Observing bool            `json:"observing,omitempty"` // every member's policy only observes
	Members   []GroupStanding `json:"members"`
	Problems  []Text          `json:"problems,omitempty"` // what is amiss with the group itself
}

// GroupStanding is how one member of a group stands.
type GroupStanding struct {
	Number  Number  `json:"number"`
	Verdict Verdict `json:"verdict"`
	Title   string  `json:"title"` // of its own check, or what is amiss with it
}
