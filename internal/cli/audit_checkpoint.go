package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func newAuditCheckpointCommand() *cobra.Command {
	var keyFile, publish string
	var at place
	cmd := &cobra.Command{
		Use:   "checkpoint (--database URL | --config FILE)",
		Short: "Print a signed checkpoint of the ledger, to be kept elsewhere",
		Long: `Print the newest checkpoint that the server signed; with --key-file, or where --config names the key, sign one now. The public
key is printed as well, on standard error. Whoever keeps the checkpoint where the holder of the database cannot rewrite it can tell later,
by 'changegate audit verify --since', whether anything that it is over was altered.`,
		Example: `  changegate audit checkpoint --config changegate.yml --publish kept-checkpoints`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, key, err := at.openToSign(cmd.Context(), keyFile, publish)
			if err != nil {
				return err
			}
			defer s.Close()
			c, err := checkpoint(cmd.Context(), s, key)
			if err != nil {
				return err
			}
			if publish != "" {
				sink := audit.FileSink{Path: publish}
				if err := sink.Begin(); err != nil {
					return fmt.Errorf("--publish: %w: its directory must be there, and let you write to it", err)
				}
				if err := sink.Publish(cmd.Context(), c); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "signed with %s\n", visible(c.Key))
			_, err = cmd.OutOrStdout().Write(c.Note)
			return err
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&keyFile, "key-file", "", "sign a checkpoint now with the server's key in this `file`")
	cmd.Flags().StringVar(&publish, "publish", "", "append it to this `file` as well")
	return cmd
}

// checkpoint returns one that is signed now with the key, or without one the newest.
func checkpoint(ctx context.Context, s *store.Store, key *ledger.Key) (c ledger.Checkpoint, err error) {
	if key != nil {
		if err := signedBefore(ctx, s, key); err != nil {
			return c, err
		}
		return s.Checkpoint(ctx, key)
	}
	c, found, err := newest(ctx, s)
	if err == nil && !found {
		err = errors.New("the server has signed no checkpoint yet: name its key with --key-file to sign one now")
	}
	return c, err
}

// signedBefore refuses a key if the ledger was signed so far, and never with this one. A signature stays: once a wrong key has signed, the whole
// ledger no longer holds for whoever verifies it by the server's key.
func signedBefore(ctx context.Context, s *store.Store, key *ledger.Key) error {
	var before []string
	err := s.ReadLedger(ctx, func(tx ledger.Tx) (err error) {
		before, err = ledger.Keys(ctx, tx)
		return err
	})
	if err == nil && len(before) > 0 && !slices.Contains(before, key.Public()) {
		err = fmt.Errorf("the key is %s, and the ledger was signed with %s so far: name the server's key; "+
			"where that was replaced, have the server sign with the new one first, as it does every hour and when it is stopped",
			visible(key.Public()), visible(strings.Join(before, ", ")))
	}
	return err
}

// newest returns the checkpoint over the most entries that the server signed, if there is one.
func newest(ctx context.Context, s *store.Store) (c ledger.Checkpoint, found bool, err error) {
	err = s.ReadLedger(ctx, func(tx ledger.Tx) error {
		c, found, err = ledger.LastCheckpoint(ctx, tx, "")
		return err
	})
	return c, found, err
}

// longest is the checkpoint over the most entries: what a bundle can be held to. In a file that others can add to it need not be the last.
func longest(list []ledger.Checkpoint) ledger.Checkpoint {
	return slices.MaxFunc(list, func(a, b ledger.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}

// readCheckpoints reads a file of at least one checkpoint, or standard input for -. Each must be signed with one of the keys.
func readCheckpoints(cmd *cobra.Command, file string, keys []string) ([]ledger.Checkpoint, error) {
	in, err := open(cmd, file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", visible(file), err)
	}
	if bytes.HasPrefix(text, []byte(`{"bundle":`)) {
		return nil, fmt.Errorf("%[1]s is a bundle, and its checkpoint alone is wanted: take that out with head -1 %[1]s | jq -r .checkpoint >kept, and name kept", visible(file))
	}
	texts, err := audit.SplitCheckpoints(text)
	if err != nil {
		return nil, &audit.Broken{Why: err.Error()}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no checkpoints", visible(file))
	}
	return audit.OpenCheckpoints(texts, keys...)
}

func newAuditKeyCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that signs the ledger, and print its public part",
		Long: `Make a key that signs the ledger, in a file that only its owner can read, and print its public part; if the file is there already, only print
that. Several servers that share a database must have the same key, so none of them can make it.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usageError{fmt.Errorf("name one file (see '%s --help')", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, made, err := ledger.LoadKey(args[0], name)
			if err != nil {
				return err
			}
			if !made && cmd.Flags().Changed("name") && key.Name() != name {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s is there already, with a key named %s: --name names only a new one\n", visible(args[0]), visible(key.Name()))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Public())
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", ledger.KeyName(""), "the key's `name`, which begins every checkpoint: HOST/changegate")
	return cmd
}
