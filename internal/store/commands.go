package store

import (
	"context"
	"encoding/json"

	"github.com/changegate/changegate/internal/change"
)

// CommandDone records that a command was carried out or refused, and with what outcome. It is not handed out again.
func (s *Store) CommandDone(ctx context.Context, comment int64, outcome string) (err error) {
	defer wrap(&err, "note the answer to comment %d", comment)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE commands SET done_at = $1, outcome = $2 WHERE comment = $3 AND done_at = 0`, micro(s.now()), outcome, comment)
		return err
	})
}

// commands returns those on a pull request or an issue that are not answered yet.
func commands(ctx context.Context, tx Tx, on change.PullKey) (list []change.Command, err error) {
	err = tx.Query(ctx, `SELECT body FROM commands WHERE repository = $1 AND number = $2 AND done_at = 0 ORDER BY at, comment`,
		[]any{on.Repository, on.Number}, into(&list))
	return list, err
}

var commandColumns = []column{{"comment", integer}, {"repository", integer}, {"number", integer}, {"at", integer}, {"body", text}}

// saveCommands keeps the commands on pull requests and on issues of ours. A command on any other issue is for nobody.
func (s *Store) saveCommands(ctx context.Context, tx Tx, group []change.Delivery, behind map[change.PullKey][]change.Errand) error {
	var values [][]any
	for _, d := range group {
		c := d.Command
		if c == nil || (d.Key != c.Pull && len(behind[c.Pull]) == 0) {
			continue
		}
		body, err := json.Marshal(c)
		if err != nil {
			return err
		}
		values = append(values, []any{c.Comment, c.Pull.Repository, c.Pull.Number, micro(c.At), string(body)})
	}
	return s.insertNew(ctx, tx, `commands`, commandColumns, values)
}
