package store

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// Accepted is what a group of deliveries asks for.
type Accepted struct {
	New    int                   // deliveries that had not been accepted before
	Raised []change.PullKey      // pull requests to look at, ordered
	Added  []change.RepositoryID // repositories whose open pull requests are not known yet
	Floors []Floor               // owners whose policy may have changed
	// CanWait are those of Raised that can be looked at later; see Store.CanWait. What it waits for may be left out for one whose job is known.
	CanWait map[change.PullKey]Awaited
	// Background are those of Raised that nobody waits for: an event concerns them only through their branch, along with many others, and our
	// check on them is not green; see BackgroundFrom.
	Background map[change.PullKey]bool
	// Jobs is what is known of the jobs of those that were raised, zero if nothing is; see Store.SaveJobs.
	Jobs map[change.PullKey]Job
	// Errands are the errands to look at, ordered.
	Errands []change.Errand
	// By says which deliveries asked for each of these.
	By Causes
}

// Causes are the identifiers of the deliveries of a group that asked for something to be looked at: first those that name it, then those
// that name its head or its base.
type Causes struct {
	Pulls        map[change.PullKey][]string
	Errands      map[change.Errand][]string
	Repositories map[change.RepositoryID][]string
}

// addCause adds deliveries to those that asked for something.
func addCause[K comparable](by map[K][]string, what K, deliveries ...string) {
	if by[what] == nil {
		by[what] = slices.Clip(deliveries) // of a push to a branch they are the same for all pull requests into it
		return
	}
	by[what] = append(by[what], deliveries...)
}

// gathering is what a group of deliveries says of each of the heads, or of the bases, that they name.
type gathering[K comparable] struct {
	concerns map[K]change.Concern
	told     map[K][]string // the identifiers of the deliveries that name it
	keys     []K            // each once, in the order of the deliveries
}

// gather returns what a group of deliveries says of each key. Key returns the one that a delivery names, if it names one.
func gather[K comparable](group []change.Delivery, key func(change.Delivery) (_ K, named bool)) gathering[K] {
	g := gathering[K]{concerns: map[K]change.Concern{}, told: map[K][]string{}}
	for _, d := range group {
		k, named := key(d)
		if !named || d.Concerns == 0 {
			continue
		}
		if g.concerns[k] == 0 {
			g.keys = append(g.keys, k)
		}
		g.concerns[k] |= d.Concerns
		g.told[k] = append(g.told[k], d.ID)
	}
	return g
}

// raise adds what was said of a key to what is raised for a pull request that has it, and to the deliveries that asked for that.
func (g gathering[K]) raise(pull change.PullKey, k K, raised map[change.PullKey]change.Concern, by map[change.PullKey][]string) {
	raised[pull] |= g.concerns[k]
	addCause(by, pull, g.told[k]...)
}

// Floor is an event that may have changed an owner's policy, and with it what is decided of every open pull request of an installation.
type Floor struct {
	Installation change.InstallationID
	Delivery     string // that told of it
}

// Accept keeps the facts that a group of deliveries carried and raises the pull requests that they concern. A delivery whose identifier was
// accepted before is left out: what it told was committed together with that identifier. So is a delivery of an installation that was
// deleted, though it counts as accepted. The caller inserts the jobs of what is returned in the same transaction, and acknowledges the
// deliveries after it is committed.
//
// The order of the group is the order of arrival, which is not the order in which things happened; what is kept of each thing is the
// newest by GitHub's time.
func (s *Store) Accept(ctx context.Context, tx Tx, group []change.Delivery) (a Accepted, err error) {
	defer wrap(&err, "accept %d deliveries", len(group))
	fresh, err := s.unseen(ctx, tx, group)
	if err != nil {
		return Accepted{}, err
	}
	if a.New = len(fresh); a.New == 0 {
		return a, nil
	}
	if fresh, err = s.withoutDeletedInstallations(ctx, tx, fresh); err != nil {
		return Accepted{}, err
	}
	a.By = Causes{map[change.PullKey][]string{}, map[change.Errand][]string{}, map[change.RepositoryID][]string{}}
	a.Jobs, a.Background = map[change.PullKey]Job{}, map[change.PullKey]bool{}
	if err := acceptAdded(ctx, tx, fresh, &a); err != nil {
		return Accepted{}, err
	}
	if err := s.acceptPulls(ctx, tx, fresh, &a); err != nil {
		return Accepted{}, err
	}
	a.Raised = sortedKeys(a.By.Pulls)
	if a.CanWait, err = s.canWait(ctx, tx, fresh, a); err != nil {
		return Accepted{}, err
	}
	a.Errands, err = s.acceptErrands(ctx, tx, fresh, a.By.Errands)
	return a, err
}

// canWait returns which of the pull requests that a group of deliveries raised can be looked at later, as Store.CanWait does. The beginning of a
// check brings no run forward: if nothing else was told of a pull request whose job is known, what its decision waits for is not looked up.
func (s *Store) canWait(ctx context.Context, tx Tx, group []change.Delivery, a Accepted) (map[change.PullKey]Awaited, error) {
	began := map[string]bool{} // deliveries of checks, and whether they tell no more than that
	for _, d := range group {
		if d.Check != nil {
			began[d.ID] = d.Check.State == change.CheckPending
		}
	}
	if len(began) == 0 {
		return nil, nil
	}
	waiting := map[change.PullKey]Awaited{}
	var ask []change.PullKey
	for _, key := range a.Raised {
		if !a.Jobs[key].Due.IsZero() && !slices.ContainsFunc(a.By.Pulls[key], func(id string) bool { return !began[id] }) {
			waiting[key] = Awaited{}
		} else {
			ask = append(ask, key)
		}
	}
	if len(ask) == 0 {
		return waiting, nil
	}
	asked, err := s.CanWait(ctx, tx, ask)
	maps.Copy(waiting, asked)
	return waiting, err
}

// acceptAdded says in a which repositories came, or came back, and which owners' policies may have changed.
func acceptAdded(ctx context.Context, tx Tx, group []change.Delivery, a *Accepted) error {
	add := func(d change.Delivery, id change.RepositoryID) {
		a.Added = append(a.Added, id)
		addCause(a.By.Repositories, id, d.ID)
	}
	for _, d := range group {
		if d.Floor && d.Installation != 0 {
			a.Floors = append(a.Floors, Floor{d.Installation, d.ID})
		}
		for _, r := range d.Added {
			add(d, r.ID)
		}
		if d.Event == "installation" && d.Action == "unsuspend" && len(d.Added) == 0 {
			// GitHub does not list the repositories then. Those that left meanwhile are found to be gone.
			known, err := repositories(ctx, tx, `installation = $1 ORDER BY id`, d.Installation)
			if err != nil {
				return err
			}
			for _, r := range known {
				add(d, r.ID)
			}
		}
	}
	return nil
}

// acceptPulls keeps what deliveries told of repositories and pull requests, and says in a which it concerns. What went away and came back within
// the group must end up as the last delivery says, so the group is cut where something went away.
func (s *Store) acceptPulls(ctx context.Context, tx Tx, group []change.Delivery, a *Accepted) error {
	for len(group) > 0 {
		n := slices.IndexFunc(group, func(d change.Delivery) bool { return d.Gone || len(d.Removed) > 0 })
		if n < 0 {
			n = len(group)
		}
		if n > 0 {
			if err := s.acceptFacts(ctx, tx, group[:n], a); err != nil {
				return err
			}
		}
		if n < len(group) {
			if err := s.acceptGone(ctx, tx, group[n]); err != nil {
				return err
			}
			if err := s.saveRepositories(ctx, tx, addedRepositories(group[n])); err != nil {
				return err
			}
			n++
		}
		group = group[n:]
	}
	return nil
}

var deliveryColumns = []column{{"id", text}, {"event", text}, {"action", text}, {"repository", integer}, {"received_at", integer}}

// unseen records the identifiers of the deliveries and returns those that were not seen before, in order.
func (s *Store) unseen(ctx context.Context, tx Tx, group []change.Delivery) ([]change.Delivery, error) {
	values := make([][]any, 0, len(group))
	first := make(map[string]int, len(group))
	for i, d := range group {
		if d.ID == "" {
			return nil, errors.New("a delivery has no identifier")
		}
		if _, again := first[d.ID]; again {
			continue
		}
		first[d.ID] = i
		values = append(values, []any{d.ID, d.Event, d.Action, d.Repository.ID, micro(d.ReceivedAt)})
	}
	if len(values) == 0 {
		return nil, nil
	}
	table, arg, err := s.rows(deliveryColumns, values)
	if err != nil {
		return nil, err
	}
	var indexes []int
	err = tx.Query(ctx, `INSERT INTO deliveries (id, event, action, repository, received_at)
		SELECT id, event, action, repository, received_at FROM `+table+` AS new WHERE true ON CONFLICT DO NOTHING RETURNING id`, []any{arg},
		func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			indexes = append(indexes, first[id])
			return err
		})
	if err != nil {
		return nil, err
	}
	slices.Sort(indexes)
	fresh := make([]change.Delivery, len(indexes))
	for i, n := range indexes {
		fresh[i] = group[n]
	}
	return fresh, nil
}

// acceptFacts keeps what deliveries told, raises what they concern, and says so in a.
func (s *Store) acceptFacts(ctx context.Context, tx Tx, group []change.Delivery, a *Accepted) error {
	by := a.By.Pulls
	if err := s.saveRepositories(ctx, tx, toldRepositories(group)); err != nil {
		return err
	}
	direct := map[change.PullKey]change.Concern{}
	for _, d := range group {
		if d.Key.Number != 0 && (d.Concerns != 0 || d.Pull != nil) {
			direct[d.Key] |= d.Concerns
		}
		if d.Key.Number != 0 && d.Concerns != 0 {
			addCause(by, d.Key, d.ID)
		}
	}
	if err := s.lockConcerned(ctx, tx, group); err != nil {
		return err
	}
	// Raising locks the rows, so that what is read of them afterwards cannot change before it is written.
	if err := s.raise(ctx, tx, direct, a.Jobs); err != nil {
		return err
	}
	if err := s.saveSnapshots(ctx, tx, group); err != nil {
		return err
	}
	if err := s.saveFacts(ctx, tx, group); err != nil {
		return err
	}
	if err := s.saveArrivals(ctx, tx, group); err != nil {
		return err
	}
	// By now the heads are those that the group told of.
	on, err := s.acceptChecks(ctx, tx, group, by)
	if err != nil {
		return err
	}
	indirect := on.raised
	for _, told := range []map[change.PullKey]change.Concern{direct, indirect} {
		for key := range told {
			delete(a.Background, key)
		}
	}
	if err := s.addBases(ctx, tx, group, indirect, a); err != nil {
		return err
	}
	if err := s.addOwing(ctx, tx, group, indirect, a); err != nil {
		return err
	}
	for key, gathered := range on.before {
		if gathered.Has(indirect[key]) { // its next run is still to begin, and raising it once more would say nothing new
			delete(indirect, key)
			noteJob(a.Jobs, key, on.jobs[key])
		}
	}
	if err := s.raise(ctx, tx, indirect, a.Jobs); err != nil {
		return err
	}
	return s.saveToldChecks(ctx, tx, on.news)
}

var concernedColumns = []column{{"repository", integer}, {"number", integer}, {"head", text}, {"base", text}}

// lockConcerned locks the pull requests that a group of deliveries concerns, in the one order in which everybody locks them, and makes rows for
// new ones. They are raised in several steps, by number, by head, by base and by what they owe, and each step locks in that order only by itself:
// without this, two processes that accept groups at the same time could each wait for what the other has locked. A group that takes only one
// step does not need it.
func (s *Store) lockConcerned(ctx context.Context, tx Tx, group []change.Delivery) error {
	if s.forUpdate() == "" {
		return nil // the database lets one transaction write at a time
	}
	var numbers, heads, bases bool
	told := map[[4]any]bool{}
	var values [][]any
	for _, d := range group {
		row := [4]any{d.Repository.ID, change.Number(0), change.SHA(""), ""}
		if d.Key.Number != 0 && (d.Concerns != 0 || d.Pull != nil) {
			row[0], row[1], numbers = d.Key.Repository, d.Key.Number, true
		}
		if d.Head != "" && d.Concerns != 0 {
			row[2], heads = d.Head, true
		}
		if d.Base != "" && d.Concerns != 0 {
			row[3], bases = d.Base, true
		}
		if !told[row] {
			told[row] = true
			values = append(values, row[:])
		}
	}
	if !bases && !(numbers && heads) {
		return nil
	}
	table, arg, err := s.rows(concernedColumns, values)
	if err != nil {
		return err
	}
	which := `SELECT repository, number FROM ` + table + ` AS told WHERE number <> 0`
	if heads {
		which += ` UNION SELECT p.repository, p.number FROM ` + table + ` AS told
			JOIN pulls p ON p.repository = told.repository AND p.head = told.head AND p.state = 'open' AND p.gone = 0 WHERE told.head <> ''`
	}
	if bases {
		which += ` UNION SELECT p.repository, p.number FROM ` + table + ` AS told
			JOIN pulls p ON p.repository = told.repository AND (told.base = '*' OR p.base = told.base) AND p.state = 'open' WHERE told.base <> ''
			UNION SELECT d.repository, d.number FROM ` + table + ` AS told
			JOIN debts d ON d.repository = told.repository AND d.settled_at = 0 WHERE told.base = '*'`
	}
	// The rows that are there are locked and nothing is written to them; the others are made, as raising would.
	_, err = tx.Exec(ctx, `INSERT INTO pulls (repository, number) SELECT repository, number FROM (`+which+`) AS concerned ORDER BY repository, number
		ON CONFLICT (repository, number) DO UPDATE SET number = excluded.number WHERE false`, arg)
	return err
}
