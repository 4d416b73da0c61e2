// Command workload is one workload of the stage: the agent planner or intern, or the MCP server crm or ledger. An agent
// may also stand in for a client that has no identity and no token, such as curl, and relay what that sends.
//
// Who it is comes from its X.509-SVID, never from a flag: from files, or from the SPIFFE Workload API, where SPIRE knows
// each workload by the path of its program. It ends when its standard input does.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("workload", flag.ContinueOnError)
	var (
		id     identity
		server serverConfig
	)
	role := flags.String("role", "agent", "agent, relay, crm or ledger")
	flags.StringVar(&id.workloadAPI, "workload-api", "", "address of the SPIFFE Workload API, instead of files")
	flags.StringVar(&id.certificate, "certificate", "", "file of the X.509-SVID")
	flags.StringVar(&id.key, "key", "", "file of its private key")
	flags.StringVar(&id.bundle, "bundle", "", "file of the X.509 authorities")
	flags.StringVar(&id.gateway, "gateway", "", "SPIFFE ID of the gateways to talk to")
	flags.StringVar(&server.listen, "listen", "", "server or relay: address to listen on")
	flags.BoolVar(&server.tls, "tls", false, "server: speak mTLS, to the gateway only")
	flags.StringVar(&server.record, "record", "", "server: file to append received requests to")
	flags.StringVar(&server.keys, "keys", "", "server: URL of Countersign's JWKS")
	flags.StringVar(&server.audience, "audience", "", "server: audience of its tokens")
	flags.StringVar(&server.ledger, "ledger", "", "crm: URL of the ledger")
	upstream := flags.String("upstream", "", "relay: URL of the MCP endpoint")
	tokenFile := flags.String("token", "", "relay: file with the Txn-Token")
	if err := flags.Parse(args); err != nil {
		return err
	}
	source, err := id.open(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	switch *role {
	case "agent":
		return newAgent(source).serve(ctx, os.Stdin, os.Stdout)
	case "relay":
		return relay(untilStageGone(ctx), server.listen, *upstream, *tokenFile, source, os.Stdout)
	case "crm", "ledger":
		return server.serve(untilStageGone(ctx), *role, source, os.Stdout)
	default:
		return fmt.Errorf("role %q: want agent, relay, crm or ledger", *role)
	}
}

// untilStageGone ends when whoever started this process is gone.
func untilStageGone(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // any end is the end
		cancel()
	}()
	return ctx
}
