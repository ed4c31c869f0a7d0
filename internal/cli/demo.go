package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/demo"
)

func newDemoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a story on an embedded GitHub, and stay up to be tried",
		Long: `Start the real server and a GitHub of its own on this machine, with an organization, teams and people, and play a story: a pull
request of each kind is opened, reviewed, merged, deployed and verified, and one is rolled back. Beside each step is what changegate says:
the check run "Change policy", the comment on deployments, an answer. The story has a clock of its own, which can be set forward.

Then both stay up until Ctrl-C: on the pages of the embedded GitHub you can act as any of its people.

Nothing is sent to another machine, and nothing is kept unless --data names a directory. Each start makes a directory of its own in that
one, with the server's database and log and GitHub's Git repositories, to be looked at afterwards. The embedded GitHub lives in memory, so
that the next start begins anew.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Version = cmd.OutOrStdout(), Version()
			o.Color = isTerminal(o.Out)
			for name, address := range map[string]*string{"address": &o.Address, "github-address": &o.GitHubAddress} {
				if o.Once && !cmd.Flags().Changed(name) { // nobody looks at it, so it need not be where it always is
					*address = "127.0.0.1:0"
				}
				_, port, err := net.SplitHostPort(*address)
				if _, no := strconv.ParseUint(port, 10, 16); err != nil || no != nil {
					return usageError{fmt.Errorf("--%s is %q, and is to be host:port, such as 127.0.0.1:0, which takes a free port", name, *address)}
				}
			}
			err := demo.Run(cmd.Context(), o)
			var failed *demo.StepError
			if errors.As(err, &failed) {
				return errBadAnswer // the story has told it already
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Once, "once", false, "play the story and exit: 0 if it went as expected, 1 if not")
	flags.StringVar(&o.Dir, "data", "", "keep what each start leaves in this `directory`")
	flags.StringVar(&o.Address, "address", demo.DefaultAddress, "where the server listens, as `host:port`; with --once a free port unless given")
	flags.StringVar(&o.GitHubAddress, "github-address", demo.DefaultGitHubAddress, "where the embedded GitHub listens, as `host:port`; with --once a free port unless given")
	return cmd
}
