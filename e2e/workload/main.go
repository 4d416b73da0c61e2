// Command workload is one workload of the stage: the agent planner or intern, or the MCP server crm, ledger or archive.
// An agent may also stand in for a client that has no identity and no token, such as curl, and relay what that sends.
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
	role := flags.String("role", "agent", "agent, relay, crm, ledger or archive")
	flags.StringVar(&id.workloadAPI, "workload-api", "", "address of the SPIFFE Workload API, instead of files")
	flags.StringVar(&id.certificate, "certificate", "", "file of the X.509-SVID")
	flags.StringVar(&id.key, "key", "", "file of its private key")
	flags.StringVar(&id.bundle, "bundle", "", "file of the X.509 authorities")
	flags.StringVar(&id.gateway, "gateway", "", "SPIFFE ID of the gateways to talk to")
	flags.StringVar(&id.otherGateway, "other-gateway", "", "SPIFFE ID of the gateways of another trust domain to call through")
	flags.StringVar(&id.otherBundle, "other-bundle", "", "file of its X.509 authorities")
	flags.StringVar(&server.listen, "listen", "", "server or relay: address to listen on")
	flags.BoolVar(&server.tls, "tls", false, "server: speak mTLS, to the gateway only")
	flags.StringVar(&server.record, "record", "", "server: file to append received requests to")
	flags.StringVar(&server.countersign, "countersign", "", "server: SPIFFE ID of Countersign")
	flags.StringVar(&server.keys, "keys", "", "server: URL of Countersign's JWKS, over mTLS")
	flags.BoolVar(&server.trusting, "trusting", false, "server: take requests without a token, too")
	flags.StringVar(&server.audience, "audience", "", "server: audience of its tokens")
	flags.StringVar(&server.next, "next", "", "crm: URL of the ledger; ledger: URL of the archive, if there is one")
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
	case "crm", "ledger", "archive":
		return server.serve(untilStageGone(ctx), *role, source, os.Stdout)
	default:
		return fmt.Errorf("role %q: want agent, relay, crm, ledger or archive", *role)
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
