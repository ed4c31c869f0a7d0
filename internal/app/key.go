package app

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/ledger"
)

// signingKey returns the key that the ledger is signed with. A key file that does not exist is created.
func signingKey(c *config.Config, log zerolog.Logger) (*ledger.Key, error) {
	if text := c.Ledger.Key; !text.IsEmpty() {
		key, err := ledger.ParseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("ledger.key: %w", err)
		}
		return key, nil
	}
	key, made, err := ledger.LoadKey(c.Ledger.KeyFile, ledger.KeyName(c.Server.PublicURL))
	if err != nil {
		return nil, fmt.Errorf("ledger.key_file: %w", err)
	}
	if made {
		log.Info().Str("file", c.Ledger.KeyFile).Msg("made the ledger's key")
	}
	return key, nil
}
