// Command demo shows Countersign at work: real Envoy, real MCP servers and agents, and scenes of calls that are allowed
// or refused, each with what was asked, the answer and why. Its exit status is 0 only if all went as announced.
//
// Run it with make demo; SPIRE=1 uses SPIRE for the identities, KEEP=1 leaves everything running to try by hand.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"countersign.dev/e2e/scene"
	"countersign.dev/e2e/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// newest is the protocol version that the demo speaks.
const newest = "2026-07-28"

// raising is how long setting up may take, playing how long all scenes together.
const (
	raising = 2 * time.Minute
	playing = time.Minute
)

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	spire := flags.Bool("spire", false, "take all identities from SPIRE instead of files")
	keep := flags.Bool("keep", false, "leave everything running until Ctrl-C, and say what to try")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the programs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	teller := newTeller(out)
	teller.heading("Setting up")
	start := time.Now()
	st, err := raise(ctx, dir, *spire)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	teller.ready(st, *spire, time.Since(start))

	if err := play(ctx, st, teller); err != nil || !*keep {
		return err
	}
	return stay(ctx, st, *spire, teller)
}

func raise(ctx context.Context, dir string, spire bool) (*stage.Stage, error) {
	ctx, cancel := context.WithTimeout(ctx, raising)
	defer cancel()
	programs, err := stage.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	if spire {
		if err := programs.FindSPIRE(); err != nil {
			return nil, err
		}
	}
	return stage.Start(ctx, stage.Options{Programs: programs, SPIRE: spire, UpstreamTLS: true, Login: true})
}

// play plays all scenes, also after one went wrong.
func play(ctx context.Context, st *stage.Stage, teller *teller) error {
	ctx, cancel := context.WithTimeout(ctx, playing)
	defer cancel()
	start, scenes := time.Now(), scene.All()
	failed := 0
	for i, s := range scenes {
		teller.heading(fmt.Sprintf("%d. %s", i+1, s.Title))
		if err := s.Play(ctx, st, scene.Options{Version: newest, HTTP: "2"}, teller); err != nil {
			failed++
			teller.wrong(err)
		}
	}
	teller.summary(len(scenes), failed, time.Since(start))
	if failed > 0 {
		return fmt.Errorf("%d of %d scenes did not go as announced", failed, len(scenes))
	}
	return nil
}
