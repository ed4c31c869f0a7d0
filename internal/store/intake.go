package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

// The kinds of fact that are kept as deliveries told them. They are stored: never rename one.
const (
	factPush        = "push"
	factLabel       = "label"
	factReview      = "review"
	factDescription = "description"
	// Not told but done here: a head was compared with its base; it was read from GitHub who pushed it; a command rejected the change.
	factCompared  = "compared"
	factActivity  = "activity"
	factRejection = "rejection"
)

// Accepted is what a group of deliveries asks for.
type Accepted struct {
	New    int                   // deliveries that had not been accepted before
	Raised []change.PullKey      // pull requests to look at, ordered
	Added  []change.RepositoryID // repositories whose open pull requests are not known yet
	Floors []Floor               // owners whose policy may have changed
	// CanWait are those of Raised that need not be looked at at once; see Store.CanWait.
	CanWait map[change.PullKey]Awaited
	// Wide are those of Raised that nobody waits for: only their branch was told of, which has many more, and our check on none of them is green.
	Wide map[change.PullKey]bool
	// Jobs are those of Raised that had been raised before, with what is known of the job that each has; see Store.SaveJobs.
	Jobs map[change.PullKey]Job
	// Errands are those to look at besides, ordered.
	Errands []change.Errand
	// By says which deliveries asked for each of these.
	By Causes
}

// Causes are the identifiers of the deliveries of a group that asked for something to be looked at: those that name it come first, then
// those that name its head or its base.
type Causes struct {
	Pulls        map[change.PullKey][]string
	Errands      map[change.Errand][]string
	Repositories map[change.RepositoryID][]string
}

// because adds deliveries to those that asked for something.
func because[K comparable](by map[K][]string, what K, deliveries ...string) {
	if by[what] == nil {
		by[what] = slices.Clip(deliveries) // of a push to a branch they are the same for all pull requests into it
		return
	}
	by[what] = append(by[what], deliveries...)
}

// Floor is an event that may have changed an owner's policy, and with it what is decided of every open pull request of an installation.
type Floor struct {
	Installation change.InstallationID
	Delivery     string // that told of it
}

// Accept keeps the facts that a group of deliveries carried and raises the pull requests that they concern. A delivery whose
// identifier was accepted before is left out: what it told was committed together with that identifier. So is one of an installation that was
// deleted, though it counts as accepted. The caller makes jobs
// of what is returned in the same transaction, and acknowledges the deliveries after it is committed.
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
	if fresh, err = s.ofTheLiving(ctx, tx, fresh); err != nil {
		return Accepted{}, err
	}
	a.By = Causes{map[change.PullKey][]string{}, map[change.Errand][]string{}, map[change.RepositoryID][]string{}}
	add := func(d change.Delivery, id change.RepositoryID) {
		a.Added = append(a.Added, id)
		because(a.By.Repositories, id, d.ID)
	}
	for _, d := range fresh {
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
				return Accepted{}, err
			}
			for _, r := range known {
				add(d, r.ID)
			}
		}
	}
	a.Jobs, a.Wide = map[change.PullKey]Job{}, map[change.PullKey]bool{}
	all := fresh
	// What went away and came back within the group must end up as the last delivery says, so the group is cut where something
	// went away.
	for len(fresh) > 0 {
		n := slices.IndexFunc(fresh, func(d change.Delivery) bool { return d.Gone || len(d.Removed) > 0 })
		if n < 0 {
			n = len(fresh)
		}
		if n > 0 {
			if err := s.acceptFacts(ctx, tx, fresh[:n], &a); err != nil {
				return Accepted{}, err
			}
		}
		if n < len(fresh) {
			if err := s.acceptGone(ctx, tx, fresh[n]); err != nil {
				return Accepted{}, err
			}
			if err := s.saveRepositories(ctx, tx, addedRepositories(fresh[n])); err != nil {
				return Accepted{}, err
			}
			n++
		}
		fresh = fresh[n:]
	}
	a.Raised = sortedKeys(a.By.Pulls)
	if len(a.Raised) > 0 && slices.ContainsFunc(all, func(d change.Delivery) bool { return d.Check != nil }) {
		if a.CanWait, err = s.CanWait(ctx, tx, a.Raised); err != nil {
			return Accepted{}, err
		}
	}
	a.Errands, err = s.acceptErrands(ctx, tx, all, a.By.Errands)
	return a, err
}

var deliveryColumns = []column{{"id", text}, {"event", text}, {"action", text}, {"repository", integer}, {"received_at", integer}}

// unseen notes the deliveries as seen and returns those that were not, in order.
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

// acceptFacts keeps what deliveries told and raises what they concern, and says so in a.
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
			because(by, d.Key, d.ID)
		}
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
	// Only now are the heads those that the group told of.
	on, err := s.acceptChecks(ctx, tx, group, by)
	if err != nil {
		return err
	}
	indirect := on.raised
	for _, told := range []map[change.PullKey]change.Concern{direct, indirect} {
		for key := range told {
			delete(a.Wide, key)
		}
	}
	if err := s.addBases(ctx, tx, group, indirect, a); err != nil {
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
	return s.saveAwaited(ctx, tx, on.news)
}

func toldRepositories(group []change.Delivery) []toldRepository {
	last := map[change.RepositoryID]toldRepository{}
	for _, d := range group {
		if r := d.Repository; r.ID != 0 && (d.RepositoryAt.IsZero() || !d.RepositoryAt.Before(last[r.ID].at)) {
			r.Installation = cmp.Or(r.Installation, d.Installation)
			last[r.ID] = toldRepository{r, d.RepositoryAt}
		}
		for _, r := range addedRepositories(d) {
			last[r.ID] = r
		}
	}
	list := make([]toldRepository, 0, len(last))
	for _, r := range last {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b toldRepository) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func addedRepositories(d change.Delivery) []toldRepository {
	list := make([]toldRepository, len(d.Added))
	for i, r := range d.Added {
		r.Installation = cmp.Or(r.Installation, d.Installation)
		list[i].Repository = r
	}
	return list
}

var raiseColumns = []column{{"repository", integer}, {"number", integer}, {"concerns", integer}, {"raised", integer}}

// raise adds concerns to pull requests, makes rows for those that have none, and locks them all. One that is raised is ours, even
// if it was gone. To jobs it adds what is known of the job of each that it does not name, zero where nothing is: a job that is known
// is there, or is being run and its run has not ended.
func (s *Store) raise(ctx context.Context, tx Tx, concerns map[change.PullKey]change.Concern, jobs map[change.PullKey]Job) error {
	if len(concerns) == 0 {
		return nil
	}
	values := make([][]any, 0, len(concerns))
	for _, k := range sortedKeys(concerns) { // in one order everywhere, so that two transactions cannot wait for each other
		values = append(values, []any{k.Repository, k.Number, uint(concerns[k]), number(concerns[k] != 0)})
	}
	table, arg, err := s.rows(raiseColumns, values)
	if err != nil {
		return err
	}
	return tx.Query(ctx, `INSERT INTO pulls (repository, number, concerns, wanted)
		SELECT repository, number, concerns, raised FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, number) DO UPDATE SET
			concerns = pulls.concerns | excluded.concerns, wanted = pulls.wanted + excluded.wanted, gone = 0,
			job_due = CASE pulls.wanted WHEN pulls.done THEN 0 ELSE pulls.job_due END
		RETURNING repository, number, job_due, job_trace`, []any{arg}, func(scan func(...any) error) error {
		var key change.PullKey
		var due int64
		var trace string
		if err := scan(&key.Repository, &key.Number, &due, &trace); err != nil {
			return err
		}
		if concerns[key] != 0 {
			noteJob(jobs, key, jobOf(due, trace))
		}
		return nil
	})
}

// jobOf returns what a pull request's row says of its job.
func jobOf(due int64, trace string) Job {
	if due == 0 {
		return Job{}
	}
	return Job{fromMicro(due), trace}
}

// noteJob adds what is known of the job of a pull request that jobs does not name.
func noteJob(jobs map[change.PullKey]Job, key change.PullKey, job Job) {
	if _, named := jobs[key]; !named {
		jobs[key] = job
	}
}

func sortedKeys[V any](m map[change.PullKey]V) []change.PullKey {
	keys := make([]change.PullKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

func compareKeys(a, b change.PullKey) int {
	return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Number, b.Number))
}

var (
	keyColumns      = []column{{"repository", integer}, {"number", integer}}
	snapshotColumns = []column{
		{"repository", integer}, {"number", integer}, {"state", text}, {"head", text}, {"base", text}, {"updated_at", integer}, {"unsure", integer},
	}
	textColumns = []column{{"repository", integer}, {"number", integer}, {"snapshot", text}}
)

// keys is rows for pull requests.
func (s *Store) keys(list []change.PullKey) (table string, arg any, err error) {
	values := make([][]any, len(list))
	for i, k := range list {
		values[i] = []any{k.Repository, k.Number}
	}
	return s.rows(keyColumns, values)
}

// saveSnapshots keeps of each pull request the newest description; see fold. Its row is there and locked.
func (s *Store) saveSnapshots(ctx context.Context, tx Tx, group []change.Delivery) error {
	told := map[change.PullKey][]change.Delivery{}
	var keys []change.PullKey
	for _, d := range group {
		if d.Pull == nil || d.Key.Number == 0 {
			continue
		}
		if told[d.Key] == nil {
			keys = append(keys, d.Key)
		}
		told[d.Key] = append(told[d.Key], d)
	}
	if len(told) == 0 {
		return nil
	}
	table, arg, err := s.keys(keys)
	if err != nil {
		return err
	}
	var values, texts [][]any
	var left []headKey
	err = tx.Query(ctx, `SELECT p.repository, p.number, coalesce(s.snapshot, ''), p.unsure FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.number = told.number
		LEFT JOIN pull_snapshots s ON s.repository = told.repository AND s.number = told.number`, []any{arg}, func(scan func(...any) error) error {
		var key change.PullKey
		var text string
		var unsure int
		if err := scan(&key.Repository, &key.Number, &text, &unsure); err != nil {
			return err
		}
		var held change.Pull
		if text != "" {
			if err := unmarshal(text, &held); err != nil {
				return err
			}
		}
		changed, before := false, held
		for _, d := range told[key] {
			was := held.UpdatedAt
			stands, newer, differs := fold(held, *d.Pull, d.Action == "reopened")
			if !newer {
				continue
			}
			if held, changed = stands, true; !held.UpdatedAt.Equal(was) {
				unsure = 0
			}
			unsure |= number(differs)
		}
		if !changed {
			return nil
		}
		if leaves(before, held) {
			left = append(left, headKey{key.Repository, before.Head.SHA})
		}
		snapshot, err := json.Marshal(held)
		if err != nil {
			return err
		}
		values = append(values, []any{key.Repository, key.Number, held.State, held.Head.SHA, held.Base.Name, micro(held.UpdatedAt), unsure})
		texts = append(texts, []any{key.Repository, key.Number, string(snapshot)})
		return nil
	})
	if err != nil || len(values) == 0 {
		return err
	}
	if table, arg, err = s.rows(snapshotColumns, values); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE pulls SET state = new.state, head = new.head, base = new.base, updated_at = new.updated_at,
			unsure = new.unsure, read_at = 0, gone = 0
		FROM `+table+` AS new WHERE pulls.repository = new.repository AND pulls.number = new.number`, arg)
	if err != nil {
		return err
	}
	if table, arg, err = s.rows(textColumns, texts); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO pull_snapshots (repository, number, snapshot)
		SELECT repository, number, snapshot FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, number) DO UPDATE SET snapshot = excluded.snapshot`, arg)
	if err != nil {
		return err
	}
	return s.forgetReading(ctx, tx, left)
}

// leaves says whether a pull request had a head, open, that it has no longer.
func leaves(before, after change.Pull) bool {
	return before.State == change.Open && (after.State != change.Open || after.Head.SHA != before.Head.SHA)
}

// forgetReading says of commits that deliveries tell of their checks no longer reach us: what was read of them is not all there is
// any more. Where another open pull request has the same head, that costs a reading too many.
func (s *Store) forgetReading(ctx context.Context, tx Tx, heads []headKey) error {
	if len(heads) == 0 {
		return nil
	}
	values := make([][]any, len(heads))
	for i, h := range heads {
		values[i] = []any{h.repository, h.head}
	}
	table, arg, err := s.rows(headColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM checks_read WHERE (repository, sha) IN (SELECT repository, head FROM `+table+` AS gone)`, arg)
	return err
}

// factRow is a fact with what it is kept under.
type factRow struct {
	key  change.PullKey
	kind string
	id   string
	at   time.Time
	body any
}

var factColumns = []column{
	{"repository", integer}, {"number", integer}, {"kind", text}, {"id", text}, {"at", integer}, {"arrived", integer}, {"body", text},
}

func (s *Store) saveFacts(ctx context.Context, tx Tx, group []change.Delivery) error {
	var rows []factRow
	var arrived time.Time
	for _, d := range group {
		if d.Key.Number == 0 {
			continue
		}
		arrived = d.ReceivedAt
		if d.Push != nil {
			rows = append(rows, factRow{d.Key, factPush, d.ID, d.Push.At, d.Push})
		}
		if d.Description != nil {
			rows = append(rows, factRow{d.Key, factDescription, d.ID, d.Description.At, d.Description})
		}
		if d.Label != nil {
			label := *d.Label
			if label.Head == "" && d.Pull != nil {
				label.Head = d.Pull.Head.SHA
			}
			rows = append(rows, factRow{d.Key, factLabel, d.ID, label.At, label})
		}
		if d.Review != nil && d.Concerns != 0 {
			at := d.Review.At
			if d.Review.State == change.Dismissed {
				at = d.Review.DismissedAt
			}
			rows = append(rows, factRow{d.Key, factReview, d.ID, at, d.Review})
		}
	}
	return s.insertFacts(ctx, tx, rows, arrived)
}

// insertFacts keeps facts, each under its own identifier once.
func (s *Store) insertFacts(ctx context.Context, tx Tx, rows []factRow, arrived time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	values := make([][]any, len(rows))
	for i, r := range rows {
		body, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		// Facts of one second keep the order in which they arrived.
		values[i] = []any{r.key.Repository, r.key.Number, r.kind, r.id, micro(r.at), micro(arrived) + int64(i), string(body)}
	}
	table, arg, err := s.rows(factColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO facts (repository, number, kind, id, at, arrived, body)
		SELECT repository, number, kind, id, at, arrived, body FROM `+table+` AS new WHERE true ON CONFLICT DO NOTHING`, arg)
	return err
}

var headColumns = []column{{"repository", integer}, {"head", text}}

type headKey struct {
	repository change.RepositoryID
	head       change.SHA
}

// onHeads is what a group of deliveries about commits comes to.
type onHeads struct {
	raised map[change.PullKey]change.Concern
	// before are those of raised that had been raised and that no run has begun to deal with, with the concerns that had gathered. They are locked.
	before map[change.PullKey]change.Concern
	jobs   map[change.PullKey]Job // of before
	news   []toldCheck
}

// acceptChecks keeps the checks on heads of open pull requests and returns what they concern. A check on any other commit, which
// is most of them in a busy repository, costs its part of one look-up.
func (s *Store) acceptChecks(ctx context.Context, tx Tx, group []change.Delivery, by map[change.PullKey][]string) (onHeads, error) {
	concerns, told := map[headKey]change.Concern{}, map[headKey][]string{}
	var keys [][]any
	for _, d := range group {
		if d.Head == "" || d.Concerns == 0 {
			continue
		}
		k := headKey{d.Repository.ID, d.Head}
		if concerns[k] == 0 {
			keys = append(keys, []any{k.repository, k.head})
		}
		concerns[k] |= d.Concerns
		told[k] = append(told[k], d.ID)
	}
	on := onHeads{map[change.PullKey]change.Concern{}, map[change.PullKey]change.Concern{}, map[change.PullKey]Job{}, nil}
	if len(keys) == 0 {
		return on, nil
	}
	table, arg, err := s.rows(headColumns, keys)
	if err != nil {
		return onHeads{}, err
	}
	open, decided := map[headKey][]change.PullKey{}, map[change.PullKey]bool{}
	// p is found in the index of open heads alone, its row by its key.
	err = tx.Query(ctx, `SELECT p.repository, p.number, p.head, held.decided_head = p.head, held.concerns, held.wanted <> held.done, held.job_due, held.job_trace FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.head = told.head AND p.state = 'open' AND p.gone = 0
		JOIN pulls held ON held.repository = p.repository AND held.number = p.number
		ORDER BY p.repository + 0, p.number + 0`+s.forUpdate(), []any{arg}, func(scan func(...any) error) error {
		var key change.PullKey
		var head, trace string
		var gathered, due int64
		var isDecided, unsettled bool
		if err := scan(&key.Repository, &key.Number, &head, &isDecided, &gathered, &unsettled, &due, &trace); err != nil {
			return err
		}
		k := headKey{key.Repository, change.SHA(head)}
		open[k] = append(open[k], key)
		decided[key] = isDecided
		on.raised[key] |= concerns[k]
		if unsettled {
			on.before[key], on.jobs[key] = change.Concern(gathered), jobOf(due, trace)
		}
		because(by, key, told[k]...)
		return nil
	})
	if err != nil {
		return onHeads{}, err
	}
	var rows []checkRow
	var arrived time.Time
	for _, d := range group {
		if d.Check != nil && open[headKey{d.Repository.ID, d.Head}] != nil {
			rows = append(rows, checkRow{d.Repository.ID, d.Head, *d.Check})
			arrived = d.ReceivedAt
		}
	}
	news, err := s.saveChecks(ctx, tx, rows, arrived)
	for _, row := range news {
		for _, key := range open[headKey{row.repository, row.sha}] {
			if decided[key] { // or else the decision will know
				on.news = append(on.news, toldCheck{key, row.check.Name, row.check.State})
			}
		}
	}
	return on, err
}

var baseColumns = []column{{"repository", integer}, {"base", text}}

// Wide is how many pull requests something that was not done to them concerns, at least, for nobody to wait for those of which our check is not
// green.
const Wide = 100

// addBases adds what concerns all open pull requests into a branch, or of a repository, and says so in a.
func (s *Store) addBases(ctx context.Context, tx Tx, group []change.Delivery, raised map[change.PullKey]change.Concern, a *Accepted) error {
	type baseKey struct {
		repository change.RepositoryID
		base       string
	}
	concerns, told := map[baseKey]change.Concern{}, map[baseKey][]string{}
	var keys [][]any
	for _, d := range group {
		if d.Base == "" || d.Concerns == 0 {
			continue
		}
		if d.Base == "*" && d.Concerns.Has(change.ConcernVerify) {
			// The repository may have come back, and its pull requests with it. Those that have not are found to be gone again.
			if _, err := tx.Exec(ctx, `UPDATE pulls SET gone = 0 WHERE repository = $1 AND gone <> 0 AND state = 'open'
				AND EXISTS (SELECT 1 FROM repositories r WHERE r.id = $1 AND r.gone = 0)`, d.Repository.ID); err != nil {
				return err
			}
		}
		if d.Concerns.Has(change.ConcernPull) {
			// No pull request is in the payload to take the place of what is held.
			if _, err := tx.Exec(ctx, `UPDATE pulls SET unsure = 1 WHERE repository = $1 AND state = 'open' AND ($2 = '*' OR base = $2)`,
				d.Repository.ID, d.Base); err != nil {
				return err
			}
		}
		k := baseKey{d.Repository.ID, d.Base}
		if concerns[k] == 0 {
			keys = append(keys, []any{k.repository, k.base})
		}
		concerns[k] |= d.Concerns
		told[k] = append(told[k], d.ID)
	}
	if len(keys) == 0 {
		return nil
	}
	table, arg, err := s.rows(baseColumns, keys)
	if err != nil {
		return err
	}
	var only []change.PullKey // those that nothing else concerns
	err = tx.Query(ctx, `SELECT p.repository, p.number, told.base FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND (told.base = '*' OR p.base = told.base) AND p.state = 'open' AND p.gone = 0`, []any{arg},
		func(scan func(...any) error) error {
			var key change.PullKey
			var base string
			if err := scan(&key.Repository, &key.Number, &base); err != nil {
				return err
			}
			k := baseKey{key.Repository, base}
			if a.By.Pulls[key] == nil {
				only = append(only, key)
			}
			raised[key] |= concerns[k]
			because(a.By.Pulls, key, told[k]...)
			return nil
		})
	if err != nil || len(only) < Wide {
		return err
	}
	green, err := s.Green(ctx, tx, only)
	for _, key := range only {
		if !green[key] {
			a.Wide[key] = true
		}
	}
	return err
}

// Green returns those among pull requests on whose heads our check is green.
func (s *Store) Green(ctx context.Context, tx Tx, keys []change.PullKey) (green map[change.PullKey]bool, err error) {
	defer wrap(&err, "look up which of %d pull requests are green", len(keys))
	table, arg, err := s.keys(keys)
	if err != nil {
		return nil, err
	}
	green = map[change.PullKey]bool{}
	err = tx.Query(ctx, `SELECT p.repository, p.number FROM `+table+` AS told
		JOIN pulls p ON p.repository = told.repository AND p.number = told.number
		WHERE EXISTS (SELECT 1 FROM check_runs r WHERE r.repository = p.repository AND r.sha = p.head AND r.conclusion IN ($2, $3))`,
		[]any{arg, string(plan.Success), string(plan.Neutral)}, func(scan func(...any) error) error {
			var key change.PullKey
			err := scan(&key.Repository, &key.Number)
			green[key] = true
			return err
		})
	return green, err
}

// acceptGone notes that pull requests, or the repositories that they are in, are no longer ours. Nothing is left to do for them.
func (s *Store) acceptGone(ctx context.Context, tx Tx, d change.Delivery) error {
	const settled = `gone = 1, done = wanted, concerns = 0, taken = 0`
	if d.Gone && d.Key.Number != 0 {
		_, err := tx.Exec(ctx, `UPDATE pulls SET `+settled+` WHERE repository = $1 AND number = $2`, d.Key.Repository, d.Key.Number)
		return err
	}
	left, err := leaving(ctx, tx, d)
	if err != nil {
		return err
	}
	for _, id := range left {
		if _, err := tx.Exec(ctx, `UPDATE pulls SET `+settled+` WHERE repository = $1 AND gone = 0`, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM checks_read WHERE repository = $1`, id); err != nil {
			return err
		}
	}
	if d.Gone && d.Repository.ID == 0 && d.Installation != 0 {
		if _, err := tx.Exec(ctx, `UPDATE pulls SET `+settled+` WHERE gone = 0 AND repository IN (SELECT id FROM repositories WHERE installation = $1)`,
			d.Installation); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM checks_read WHERE repository IN (SELECT id FROM repositories WHERE installation = $1)`,
			`UPDATE repositories SET gone = 1 WHERE installation = $1`,
		} {
			if _, err := tx.Exec(ctx, query, d.Installation); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaving notes that the repositories of a delivery are no longer ours, and returns them. One that was shown since as it is now stays: what
// comes late tells of a time when it had left, and nothing would tell again that it is back.
func leaving(ctx context.Context, tx Tx, d change.Delivery) (left []change.RepositoryID, err error) {
	leave := func(id change.RepositoryID, at int64, where string, args ...any) error {
		n, err := tx.Exec(ctx, `UPDATE repositories SET gone = 1, told_at = CASE WHEN told_at < $2 THEN $2 ELSE told_at END WHERE id = $1 AND `+where,
			append([]any{id, at}, args...)...)
		if n > 0 {
			left = append(left, id)
		}
		return err
	}
	for _, id := range d.Removed {
		// Of these no time is told. It may be in another installation by now.
		if err := leave(id, 0, `(installation = $3 OR installation = 0)`, d.Installation); err != nil {
			return nil, err
		}
	}
	switch id, at := d.Repository.ID, micro(d.RepositoryAt); {
	case !d.Gone || id == 0:
	case d.Action == "transferred":
		// It is shown as its new owner's, who may have let us in before.
		err = leave(id, at, `(told_at <= $2 OR $2 = 0) AND owner <> $3`, d.Repository.Owner)
	default:
		err = leave(id, at, `(told_at <= $2 OR $2 = 0)`)
	}
	return left, err
}

// SavePushes notes that it was read from GitHub who pushed a head, because a delivery that told of it was missed, and keeps the pushes
// that were found. They join those that deliveries told; one without Before is an opening.
func (s *Store) SavePushes(ctx context.Context, key change.PullKey, head change.SHA, pushes []change.Push) (err error) {
	defer wrap(&err, "save %d pushes of pull request %s", len(pushes), key)
	rows := []factRow{{key, factActivity, string(head), s.now(), head}}
	for _, p := range pushes {
		id := "activity:" + string(p.Before) + ":" + string(p.After) + ":" + p.At.UTC().Format(time.RFC3339)
		rows = append(rows, factRow{key, factPush, id, p.At, p})
	}
	return s.Write(ctx, func(tx Tx) error { return s.insertFacts(ctx, tx, rows, s.now()) })
}

// saveCompared keeps what the head of a decision was compared with, if that is not what it was compared with last.
func (s *Store) saveCompared(ctx context.Context, tx Tx, d change.Decision) error {
	if d.MergeBase == "" {
		return nil
	}
	var all []Compared
	if err := tx.Query(ctx, `SELECT body FROM facts WHERE repository = $1 AND number = $2 AND kind = $3 ORDER BY arrived`,
		[]any{d.Pull.Repository, d.Pull.Number, factCompared}, into(&all)); err != nil {
		return err
	}
	now := Compared{Head: d.Head, Base: d.Base, Tip: d.BaseTip, MergeBase: d.MergeBase, At: s.now()}
	for _, c := range slices.Backward(all) {
		if c.Head != now.Head {
			continue
		}
		if c.Base == now.Base && c.MergeBase == now.MergeBase {
			return nil
		}
		break
	}
	id := string(d.Head) + ":" + strconv.Itoa(len(all))
	return s.insertFacts(ctx, tx, []factRow{{d.Pull, factCompared, id, now.At, now}}, now.At)
}

// CommandDone says that a command was carried out or refused, and how that ended. It is not handed out again.
func (s *Store) CommandDone(ctx context.Context, comment int64, outcome string) (err error) {
	defer wrap(&err, "note the answer to comment %d", comment)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE commands SET done_at = $1, outcome = $2 WHERE comment = $3 AND done_at = 0`, micro(s.now()), outcome, comment)
		return err
	})
}
